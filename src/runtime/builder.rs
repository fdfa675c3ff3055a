//! What a node is told before it starts, checked before anything is opened.
//!
//! `start` answers when the node runs: its port is bound and its handle works, and names of contacts are looked up
//! while it runs. Whatever is wrong by then is an error that says what to do; whatever goes wrong later is loss, and
//! the protocol's business.

use std::fmt::{Debug, Display};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::Instrument;

use crate::config::{Config, ElectionConfig};
use crate::election::TermStore;
use crate::member::{Advertise, Generation, Identity, NodeId, Record, canonical};
use crate::protocol::{Protocol, Reach};
use crate::recording::{Header, Recorder, Writer};
use crate::runtime::address::{can_reach, fault, scoped};
use crate::runtime::ballots::{Ballots, StoreSlot, VoterStates};
use crate::runtime::clock::{Clock, generation_now};
use crate::runtime::contacts::{Contact, Lookup, addresses_of};
use crate::runtime::driver::{Driver, Names, Parts};
use crate::runtime::entropy;
use crate::runtime::error::StartError;
use crate::runtime::faults::Faults;
use crate::runtime::hub::Hub;
use crate::runtime::node::{Node, Shared};
use crate::runtime::reporter::{Reporter, span};
use crate::runtime::request::Command;
use crate::runtime::resolver::Resolver;
use crate::runtime::shared_election::SharedElections;
use crate::runtime::snapshot;
use crate::runtime::socket::{self, NodeSocket};
use crate::runtime::tape::{self, Tape};
use crate::runtime::view::View;
use crate::time::Instant;

/// The UDP port of a node that is not told another.
pub const DEFAULT_PORT: u16 = 7340;
/// Requests that wait for the node's task; a caller that makes more waits with them.
const COMMANDS_MAX: usize = 64;

/// A node that does not run yet; made by [`Node::builder`].
#[derive(Clone, Debug)]
#[must_use = "a node begins with .start()"]
pub struct Builder {
    name: String,
    id: Option<NodeId>,
    generation: Option<Generation>,
    metadata: Vec<u8>,
    cluster: Option<String>,
    config: Option<Config>,
    stall_tolerance: Option<Duration>,
    bind: String,
    advertise: Option<String>,
    contacts: Vec<String>,
    preload: Vec<Record>,
    seed: Option<u64>,
    faults: Option<Faults>,
    record: Option<(PathBuf, u64)>,
    snapshot: Option<PathBuf>,
    elections: Vec<ElectionConfig>,
    store: Option<StoreSlot>,
    on_this_runtime: bool,
}

impl Node {
    /// Describes a node of this name (1 to 64 bytes, unique in the cluster) before it starts.
    pub fn builder(name: impl Into<String>) -> Builder {
        Builder::new(name.into())
    }
}

impl Builder {
    pub(crate) fn new(name: String) -> Self {
        Builder {
            name,
            id: None,
            generation: None,
            metadata: Vec::new(),
            cluster: None,
            config: None,
            stall_tolerance: None,
            bind: SocketAddr::from((Ipv4Addr::UNSPECIFIED, DEFAULT_PORT)).to_string(),
            advertise: None,
            contacts: Vec::new(),
            preload: Vec::new(),
            seed: None,
            faults: None,
            record: None,
            snapshot: None,
            elections: Vec::new(),
            store: None,
            on_this_runtime: false,
        }
    }

    /// The cluster's name, 1 to 64 bytes; required, here or in the configuration.
    pub fn cluster(mut self, name: impl Into<String>) -> Self {
        self.cluster = Some(name.into());
        self
    }

    /// The whole configuration, in place of [`Config::lan`]. A cluster name given to the builder goes before its own.
    pub fn config(mut self, config: Config) -> Self {
        self.config = Some(config);
        self
    }

    /// P: how long a member may be silent and never be declared dead; goes before that of the configuration.
    pub fn stall_tolerance(mut self, tolerance: Duration) -> Self {
        self.stall_tolerance = Some(tolerance);
        self
    }

    /// The socket's address, such as `0.0.0.0:7340` (the default) or `[::]:7340` for both families. Port 0 takes any.
    ///
    /// A specific address is what the others are told, unless [`advertise`](Builder::advertise) names another. Behind a
    /// wildcard the node does not know its address: it asks members until one says where it sees the node, and tells
    /// that IP address with the bound port. Until then no other lists it. A node without contacts learns it from the
    /// first member that joins through it.
    pub fn bind(mut self, address: impl Display) -> Self {
        self.bind = address.to_string();
        self
    }

    /// Where others reach this node, an address or `host:port`, resolved once and never changed after that; without a
    /// port, the bound one. Needed where the others cannot send to the address that they see, as behind a gateway that
    /// rewrites the port.
    ///
    /// Without it the address is the bound one, or after a wildcard bind the one that others see; and when more than a
    /// third of up to 8 members that are asked, and most of those that answer, see this node at one other address and
    /// none reaches it at its own, it tells that one from then on.
    pub fn advertise(mut self, address: impl Display) -> Self {
        self.advertise = Some(address.to_string());
        self
    }

    /// Addresses to join by, such as `10.0.0.1:7340` or `db-0.example`; the port is 7340 unless given. One that answers
    /// is enough; this node's own may be among them. A name need not resolve yet: names are resolved again, and all
    /// contacts dialled, soon while no other member is live and every few minutes otherwise.
    pub fn contacts(mut self, contacts: impl IntoIterator<Item = impl Display>) -> Self {
        self.contacts.extend(contacts.into_iter().map(|contact| contact.to_string()));
        self
    }

    /// Up to 512 bytes for the application, which all members see.
    pub fn metadata(mut self, metadata: impl Into<Vec<u8>>) -> Self {
        self.metadata = metadata.into();
        self
    }

    /// An id of one's own in place of the name's hash; the same at every start.
    pub fn id(mut self, id: NodeId) -> Self {
        self.id = Some(id);
        self
    }

    /// The start of this process, higher each time; by default Unix milliseconds.
    pub fn generation(mut self, generation: Generation) -> Self {
        self.generation = Some(generation);
        self
    }

    /// Records saved from an earlier view: those members are pinged at once, without a contact. They should be no older
    /// than some minutes: one of a member that has died and been forgotten raises it here and at the others, until it
    /// is found dead once more.
    pub fn preload(mut self, records: Vec<Record>) -> Self {
        self.preload = records;
        self
    }

    /// The seed of every random choice; by default the operating system's entropy.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Puts faults between the node and its socket, for tests and demonstrations.
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = Some(faults);
        self
    }

    /// Records everything the node is told to a file of at most so many bytes, for [`recording`](crate::recording) to
    /// replay; a file that is there is first renamed to `.old`. It holds addresses, metadata and the node's seed, by
    /// which its nonces can be foretold while it runs: keep it to yourself. A full disk or a reached bound ends the
    /// recording with one warning, never the node.
    pub fn record(mut self, path: impl Into<PathBuf>, bytes_max: u64) -> Self {
        self.record = Some((path.into(), bytes_max));
        self
    }

    /// Saves the members that are seen to this file, at most every 3 s while they change, each minute otherwise, and
    /// when the node stops, and starts from it the next time, so that a warm restart needs no contact. Members of a
    /// file that is less than five minutes old are listed and pinged at once; of an older one, or if the clock stands
    /// before it, up to 64 are contacts and listed as they answer, since others may have died and been forgotten. The
    /// file is this node's own; it is replaced as a whole or not at all, by a thread of its own.
    ///
    /// It holds nothing that contacts would not tell, so a damaged file, a full disk or a folder that cannot be written
    /// is told as a warning and stops nothing. A file that is something else, or another cluster's, is left as it is,
    /// and nothing is saved.
    pub fn snapshot(mut self, path: impl Into<PathBuf>) -> Self {
        self.snapshot = Some(path.into());
        self
    }

    /// Takes part in an election: as a voter if this node's name is among the voters, else as a node that knows the
    /// leader. Called again it adds another, as those of the configuration are.
    pub fn election(mut self, election: ElectionConfig) -> Self {
        self.elections.push(election);
        self
    }

    /// Where a voter keeps its votes, for all its elections; required of a voter and unused by any other node. A
    /// [`FileStore`](crate::election::FileStore) survives restarts; a [`MemoryStore`](crate::election::MemoryStore)
    /// does without a disk, and its documentation says at what price.
    ///
    /// It is used on a thread of its own: reading it at the start is waited for, saving holds up nothing but this
    /// node's own votes. When the node stops, it is closed before that is told, unless a save takes longer than a
    /// second. It belongs to one node: of clones of this builder the first to start has it.
    pub fn term_store(mut self, store: impl TermStore + 'static) -> Self {
        self.store = Some(StoreSlot::new(store));
        self
    }

    /// Runs the node's task on the tokio runtime that calls `start`, in place of a thread of its own. A runtime whose
    /// workers the application blocks then keeps the node from running, and others suspect it.
    pub fn on_this_runtime(mut self) -> Self {
        self.on_this_runtime = true;
        self
    }

    /// Starts the node. Runs on any executor.
    ///
    /// # Errors
    /// When an input is out of its range, the port is taken, or the name to advertise does not resolve; nothing keeps
    /// running.
    pub async fn start(self) -> Result<Node, StartError> {
        let on_this_runtime = self.on_this_runtime;
        let plan = self.plan()?;
        let (ready, started) = oneshot::channel();
        let span = span(&plan.identity.name);
        if on_this_runtime {
            let runtime = Handle::try_current().map_err(|_| StartError::NoRuntime)?;
            runtime.spawn(launch(plan, ready).instrument(span));
        } else {
            let thread = std::thread::Builder::new().name("tidings".to_owned());
            thread.spawn(move || run_thread(plan, ready, span)).map_err(StartError::Thread)?;
        }
        started.await.unwrap_or(Err(StartError::TaskEnded))
    }

    /// Checks everything that can be checked without waiting, and binds the socket last.
    fn plan(self) -> Result<Plan, StartError> {
        let mut config = self.config.unwrap_or_else(|| Config::lan(""));
        config.cluster = self.cluster.unwrap_or(config.cluster);
        config.stall_tolerance = self.stall_tolerance.unwrap_or(config.stall_tolerance);
        config.elections.extend(self.elections);
        if config.cluster.is_empty() {
            return Err(StartError::NoCluster);
        }
        config.check().map_err(StartError::Config)?;

        let bind = parse_bind(&self.bind)?;
        let contacts = self.contacts.iter().map(|text| {
            let contact = Contact::parse("contact", text, DEFAULT_PORT)?;
            contact.check_family("contact", "cannot send there", bind)
        });
        let contacts: Vec<_> = contacts.collect::<Result<_, _>>()?;
        if let Some(text) = &self.advertise {
            // Checked before the socket is there, and read again once the port is known.
            let advertise = Contact::parse("advertise", text, DEFAULT_PORT)?;
            advertise.check_family("advertise", "hears nothing that is sent there", bind)?;
        }

        let mut identity = Identity::named(&self.name, self.generation.unwrap_or_else(generation_now), bind);
        identity.id = self.id.unwrap_or(identity.id);
        identity.metadata = self.metadata;
        identity.check().map_err(StartError::Identity)?;

        let seed = self.seed.map_or_else(entropy::seed, Ok)?;
        let socket = socket::open(bind)?;
        let local = canonical(socket.local_addr().map_err(|error| StartError::Bind(bind, error))?);
        identity.address = local;
        let advertise = match &self.advertise {
            Some(text) => Some(Contact::parse("advertise", text, local.port())?),
            None => None,
        };

        let (preload, faults, record, store) = (self.preload, self.faults, self.record, self.store);
        let (cluster, node) = (config.cluster.clone(), identity.name.clone());
        let snapshot = self.snapshot.map(|path| snapshot::Source { path, cluster, node, id: identity.id });

        Ok(Plan {
            config,
            identity,
            seed,
            socket,
            local,
            advertise,
            contacts,
            preload,
            faults,
            record,
            snapshot,
            store,
        })
    }
}

/// A checked builder with its socket bound.
struct Plan {
    config: Config,
    identity: Identity,
    seed: u64,
    socket: std::net::UdpSocket,
    local: SocketAddr,
    advertise: Option<Contact>,
    contacts: Vec<Contact>,
    preload: Vec<Record>,
    faults: Option<Faults>,
    record: Option<(PathBuf, u64)>,
    snapshot: Option<snapshot::Source>,
    store: Option<StoreSlot>,
}

type Ready = oneshot::Sender<Result<Node, StartError>>;

fn run_thread(plan: Plan, ready: Ready, span: tracing::Span) {
    match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
        Ok(runtime) => {
            runtime.block_on(launch(plan, ready).instrument(span));
            // A name server that does not answer must not hold the thread.
            runtime.shutdown_background();
        }
        Err(error) => {
            let _ = ready.send(Err(StartError::Thread(error)));
        }
    }
}

/// Prepares the node, hands its handle over, and runs it. Without a caller that waits for the handle the node is not
/// run.
async fn launch(plan: Plan, ready: Ready) {
    match prepare(plan).await {
        Ok((node, driver)) => {
            if ready.send(Ok(node)).is_ok() {
                driver.run().await;
            }
        }
        Err(error) => {
            let _ = ready.send(Err(error));
        }
    }
}

async fn prepare(plan: Plan) -> Result<(Node, Driver), StartError> {
    let Plan {
        config,
        mut identity,
        seed,
        socket,
        local,
        advertise,
        mut contacts,
        preload,
        faults,
        record,
        snapshot,
        store,
    } = plan;

    let socket = NodeSocket::new(socket).map_err(|error| StartError::Bind(local, error))?;
    if let Some(advertise) = advertise {
        let found = advertise.look_up(local).await.first();
        identity.address = found.map_err(|why| StartError::UnresolvedAdvertise { host: advertise.to_string(), why })?;
        identity.advertise = Advertise::AsGiven;
    }
    let (name, id, events_max) = (identity.name.clone(), identity.id, config.events_max);

    // Before the clock: a disk may be slow, and the time it takes is not the node's.
    let writer = record.map(start_recording).transpose()?;
    let saved = start_snapshot(snapshot).await?;
    let preload = snapshot::merge(preload, saved.members, id);
    add_contacts(&mut contacts, saved.contacts);
    let mut lookups: Vec<Lookup> = contacts.iter().map(Lookup::unanswered).collect();
    lookups.iter_mut().for_each(|lookup| lookup.leave_out(&[identity.address, local]));

    let holder = entropy::holder()?;
    let has_store = store.is_some();
    let (ballots, voter_states) = read_ballots(&config, &name, store).await?;

    let clock = Clock::start();
    let now = clock.now();
    let header = Header::new(config, identity, seed, now);
    let mut protocol = match Recorder::start(header, writer) {
        Ok(protocol) => protocol,
        Err(error) => {
            if let Some(ballots) = ballots {
                ballots.close().await;
            }
            return Err(StartError::Config(error));
        }
    };
    protocol.set_reach(now, Reach::of(local));
    begin(&mut protocol, now, &preload, &lookups, voter_states);
    let reporter = report_start(&protocol, local, &lookups);
    let elections = SharedElections::new(&protocol, has_store);

    let hub = Arc::new(Hub::new(View::empty(id), events_max));
    let (commands, requests) = mpsc::channel::<Command>(COMMANDS_MAX);
    let parts = Parts {
        socket,
        clock,
        hub: Arc::clone(&hub),
        commands: requests,
        local,
        names: watch_names(&name, Resolver { contacts, local, seed, clock }),
        lookups,
        faults,
        ballots,
        snapshot: saved.snapshot,
        elections: elections.clone(),
        reporter,
    };
    let driver = Driver::new(protocol, parts);
    let node = Node::new(Arc::new(Shared { id, name, local, clock, hub, elections, holder }), commands);
    Ok((node, driver))
}

/// Says what starts, and what can be seen of it already to be a mistake.
fn report_start(protocol: &Protocol, local: SocketAddr, contacts: &[Lookup]) -> Reporter {
    let mut reporter = Reporter::new(local);
    let rules = protocol.elections().map(|election| election.rules()).filter(|rules| !rules.is_watched());
    for rules in rules.filter(|rules| rules.voters().len() % 2 == 0) {
        reporter.elections.even_voters(rules.name(), rules.voters().len());
    }
    reporter.started(protocol.me(), contacts.len());
    reporter.look_at_contacts(contacts);
    reporter
}

/// Adds the addresses of an old snapshot to the contacts that were given, each once.
fn add_contacts(contacts: &mut Vec<Contact>, further: Vec<SocketAddr>) {
    for contact in further.into_iter().map(Contact::Address) {
        if !contacts.contains(&contact) {
            contacts.push(contact);
        }
    }
}

/// Gives a new protocol the members it knows, the contacts it may ask, and what this voter has voted.
fn begin(
    protocol: &mut Recorder<Tape>,
    now: Instant,
    preload: &[Record],
    lookups: &[Lookup],
    voter_states: VoterStates,
) {
    if !preload.is_empty() {
        protocol.preload(now, preload);
    }
    protocol.join(now, &addresses_of(lookups));
    for (election, voter_state) in voter_states {
        // Only elections of the configuration were read.
        let _ = protocol.start_voting(now, &election, voter_state);
    }
}

fn start_recording((path, bytes_max): (PathBuf, u64)) -> Result<Writer<Tape>, StartError> {
    let file = tape::open(&path).map_err(|error| StartError::Recording(path, error))?;
    let tape = Tape::start(file).map_err(StartError::Thread)?;
    Ok(Writer::new(tape, bytes_max))
}

/// Reads what was saved, and begins to save; on a thread that may wait for a disk.
async fn start_snapshot(source: Option<snapshot::Source>) -> Result<snapshot::Saved, StartError> {
    let Some(source) = source else { return Ok(snapshot::Saved::default()) };
    let started = tokio::task::spawn_blocking(move || source.start()).await;
    started.map_err(|_| StartError::TaskEnded)?.map_err(StartError::Thread)
}

/// Reads what this voter has voted, if it is one or has a store to become one.
async fn read_ballots(
    config: &Config,
    name: &str,
    store: Option<StoreSlot>,
) -> Result<(Option<Ballots>, VoterStates), StartError> {
    let of_others = config.elections.iter().filter(|election| !election.is_watched());
    let rules: Vec<_> = of_others.map(crate::election::Rules::new).collect();
    let Some(store) = store.and_then(|store| store.take()).filter(|_| !rules.is_empty()) else {
        let voted = config.elections.iter().find(|election| election.voters.iter().any(|voter| voter == name));
        return voted.map_or(Ok((None, Vec::new())), |election| Err(StartError::NoTermStore(election.name.clone())));
    };
    let (ballots, voter_states) = Ballots::open(store, NodeId::from_name(name), rules).await?;
    Ok((Some(ballots), voter_states))
}

/// Starts the task that looks the contacts up, if there are any.
fn watch_names(node: &str, resolver: Resolver) -> Option<Names> {
    if resolver.contacts.is_empty() {
        return None;
    }
    let (alone, is_alone) = watch::channel(true);
    let (send, found) = mpsc::channel(1);
    tokio::spawn(resolver.run(is_alone, send).instrument(span(node)));
    Some(Names { alone, found })
}

fn parse_bind(text: &str) -> Result<SocketAddr, StartError> {
    let parsed = text.parse::<SocketAddr>().ok();
    let without_port = || text.trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let address = parsed.or_else(|| without_port().map(|ip| SocketAddr::new(ip, DEFAULT_PORT)));
    let why = match address {
        None => scoped(text)
            .and_then(fault)
            .unwrap_or("no socket address; write 0.0.0.0:7340, or [::]:7340 for both families"),
        Some(address) => match fault(address.ip()) {
            None => return Ok(address),
            Some(why) => why,
        },
    };
    Err(StartError::Address { given_as: "bind", text: text.to_owned(), why: why.to_owned() })
}

impl Contact {
    /// Refuses an address of a family that a socket bound to `bind` has nothing to do with.
    fn check_family(self, given_as: &'static str, what: &str, bind: SocketAddr) -> Result<Self, StartError> {
        match self {
            Contact::Address(peer) if !can_reach(bind, peer) => {
                let why = format!("a socket bound to {bind} {what}; bind [::]:{} for both families", bind.port());
                Err(StartError::Address { given_as, text: peer.to_string(), why })
            }
            contact => Ok(contact),
        }
    }
}
