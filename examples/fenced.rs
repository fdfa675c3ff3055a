//! A storage server that checks fencing tokens, and two clients that think they lead: `cargo run --example fenced`.
//!
//! The server is a process of its own, which stays when leaders come and go. It keeps its gate beside its data, and
//! asks it in the same place where it writes. The clients are what no lease can prevent: the first is stopped while it
//! leads, and writes on when it wakes, for its program looked at the lease too early. Its writes are refused from the
//! first write of the next leader on, also by a server that was started anew.
//!
//! `fenced serve FOLDER` is the server alone.

use std::error::Error;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use tidings::config::{Config, ElectionConfig};
use tidings::election::{FenceGate, MemoryStore};
use tidings::leader::Token;
use tidings::runtime::{Faults, Lease, Node};

type Outcome<T> = Result<T, Box<dyn Error>>;

const VOTERS: [&str; 3] = ["db-1", "db-2", "db-3"];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let done = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve", folder] => serve(Path::new(folder)),
        [] => show(),
        _ => Err("usage: fenced [serve FOLDER]".into()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fenced: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The storage: each line it gets is a token and a text, and the text is appended if the gate admits the token.
fn serve(folder: &Path) -> Outcome<()> {
    let mut gate = FenceGate::durable(folder.join("log.fence"))?;
    let mut log = OpenOptions::new().append(true).create(true).open(folder.join("log"))?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);

    // One client at a time, so that nothing comes between the gate and the write.
    for client in listener.incoming() {
        let mut client = client?;
        let mut line = String::new();
        BufReader::new(&client).read_line(&mut line)?;
        let (token, text): (Token, String) = serde_json::from_str(&line)?;
        let answer = match gate.admit(token) {
            Ok(()) => {
                writeln!(log, "{} {text}", token.term)?;
                log.sync_data()?;
                "ok".to_owned()
            }
            Err(refused) => refused.to_string(),
        };
        writeln!(client, "{answer}")?;
    }
    Ok(())
}

/// The server as a process; it ends with this.
struct Storage {
    process: Child,
    address: SocketAddr,
}

impl Storage {
    fn start(folder: &Path) -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut process = command.arg("serve").arg(folder).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no output")?).read_line(&mut line)?;
        Ok(Storage { process, address: line.trim().parse()? })
    }

    /// What it answers to a write: `ok`, or why it refuses.
    fn write(&self, token: Token, text: &str) -> Outcome<String> {
        let mut storage = TcpStream::connect(self.address)?;
        writeln!(storage, "{}", serde_json::to_string(&(token, text))?)?;
        let mut answer = String::new();
        BufReader::new(storage).read_line(&mut answer)?;
        println!("{text} in term {}: {}", token.term, answer.trim_end());
        Ok(answer.trim_end().to_owned())
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::main]
async fn show() -> Outcome<()> {
    let folder = std::env::temp_dir().join(format!("tidings-fenced-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = run(&folder).await;
    let _ = std::fs::remove_dir_all(&folder);
    done
}

async fn run(folder: &Path) -> Outcome<()> {
    let storage = Storage::start(folder)?;
    let (mut nodes, mut faults) = (Vec::<Node>::new(), Vec::new());
    for (number, name) in (0..).zip(VOTERS) {
        faults.push(Faults::new(number));
        let builder = Node::builder(name).config(Config::local("fenced")).bind("127.0.0.1:0");
        let builder = builder.contacts(nodes.iter().map(Node::local_address)).faults(faults[number as usize].clone());
        let election = ElectionConfig::lan("default", VOTERS);
        nodes.push(builder.election(election).term_store(MemoryStore).start().await?);
    }

    let mut first = nodes[0].candidate("default")?;
    let old: Lease = first.elected().await?;
    expect(storage.write(old.token(), "the first leader writes")?, true)?;

    // It stands still, and does not see that its lease ends.
    faults[0].freeze();
    let mut second = nodes[1].candidate("default")?;
    let lease = second.elected().await?;
    expect(storage.write(lease.token(), "the second leader writes")?, true)?;
    faults[0].thaw();
    expect(storage.write(old.token(), "the first, which wakes, writes")?, false)?;

    drop(storage);
    let storage = Storage::start(folder)?;
    println!("the storage was killed and started again");
    expect(storage.write(old.token(), "the first writes")?, false)?;
    expect(storage.write(lease.token(), "the second writes")?, true)?;

    // A second process of the leader's name with a store of its own, by mistake: its token is of the same term.
    let twin = Token { holder: tidings::leader::Holder(1), ..lease.token() };
    expect(storage.write(twin, "another process of the second's name writes")?, false)?;

    drop(storage);
    let log = std::fs::read_to_string(folder.join("log"))?;
    let terms: Vec<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
    if !terms.is_sorted() || terms.len() != 3 {
        return Err(format!("the log has {log:?}").into());
    }
    println!("proved: in the log no write comes after one of a later leader");
    for node in nodes {
        tokio::time::timeout(Duration::from_secs(5), node.leave()).await??;
    }
    Ok(())
}

fn expect(answer: String, is_admitted: bool) -> Outcome<()> {
    if (answer == "ok") == is_admitted { Ok(()) } else { Err(format!("the storage said {answer:?}").into()) }
}
