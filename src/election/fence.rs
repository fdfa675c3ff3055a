//! The fence before a resource: a write with a lower token than an earlier one is refused.
//!
//! A leader may stop at any moment, between the look at its lease and the write, and go on when another leads. No lease
//! can stop that write; only the resource can, because every write passes there. So each write carries the leader's
//! term, and the resource refuses one that is lower than the highest it has seen: a fencing token (Kleppmann, "How to
//! do distributed locking", 2016), which Chubby calls a sequencer (Burrows 2006, section 2.4).
//!
//! Two processes started by mistake under one name, each with a store of its own, can both be elected in one term. The
//! name cannot tell them apart, so a token names the process too, and of one term the first that comes is let in.

use std::fmt;
use std::io;

use crate::leader::{Holder, Term, Token};
use crate::sabotage;

/// Admits the writes of the newest leader, and refuses those of the ones before it.
///
/// The resource itself has to ask, in the same place where it writes and with nothing in between: a check in front of
/// it, in another process or before a queue, only moves the gap. So [`FenceGate::admit`] takes `&mut self`; put the
/// gate behind the lock that guards the resource, and hold that lock from the check to the end of the write.
///
/// ```
/// use std::sync::{Mutex, PoisonError};
/// use tidings::election::{FenceError, FenceGate};
/// use tidings::leader::{Holder, Term, Token};
///
/// /// A log that several leaders in turn may append to.
/// struct Guarded {
///     gate: FenceGate,
///     lines: Vec<String>,
/// }
///
/// fn append(log: &Mutex<Guarded>, token: Token, line: &str) -> Result<(), FenceError> {
///     let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
///     log.gate.admit(token)?;
///     log.lines.push(line.to_owned());
///     Ok(())
/// }
///
/// let log = Mutex::new(Guarded { gate: FenceGate::new(), lines: Vec::new() });
/// // Each is what `lease.token()` says in its process.
/// let first = Token { term: Term(7), sequence: 0, holder: Holder(1) };
/// let next = Token { term: Term(8), sequence: 0, holder: Holder(2) };
/// assert!(append(&log, first, "the first leader's").is_ok());
/// assert!(append(&log, next, "the next leader's").is_ok());
/// assert!(append(&log, first, "the first leader's, who was stopped and woke up").is_err());
/// assert!(append(&log, next, "the next leader's second").is_ok());
/// ```
#[derive(Debug, Default)]
pub struct FenceGate {
    latest: Option<Latest>,
    refused: u64,
    #[cfg(feature = "files")]
    file: Option<file::FenceFile>,
}

/// The highest token that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Latest {
    order: (Term, u64),
    /// Not known of a term that was saved before tokens named their holder.
    holder: Option<Holder>,
}

/// Why a gate did not admit a token.
#[derive(Debug)]
#[non_exhaustive]
pub enum FenceError {
    /// A higher term, or a higher sequence of this term, was admitted before.
    Fenced {
        /// The token that is refused.
        offered: Token,
        /// The highest term that was admitted, and its highest sequence.
        highest: (Term, u64),
    },
    /// Another process was admitted in this term: two of one name run, each with a store of its own.
    Held {
        /// The token that is refused.
        offered: Token,
        /// The process that was admitted.
        holder: Holder,
    },
    /// The token is higher than any before, but could not be saved.
    NotSaved {
        /// The token that is not admitted.
        offered: Token,
        /// Why it could not be saved.
        error: io::Error,
    },
}

impl fmt::Display for FenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FenceError::Fenced { offered, highest: (term, _) } if offered.term < *term => {
                let offered = offered.term;
                write!(f, "term {offered} is over: term {term} was admitted here; stop acting as the leader of it")
            }
            FenceError::Fenced { offered, highest: (term, sequence) } => {
                let offered = offered.sequence;
                write!(f, "number {offered} of term {term} is over: number {sequence} was admitted here")
            }
            FenceError::Held { offered, holder } => {
                let Token { term, holder: other, .. } = offered;
                write!(
                    f,
                    "process {other} is refused in term {term}, in which process {holder} was admitted: two processes of \
                     one name vote, each with a store of its own; stop one"
                )
            }
            FenceError::NotSaved { offered, error } => {
                let term = offered.term;
                write!(f, "term {term} is not admitted, as it could not be saved ({error}); try again")
            }
        }
    }
}

impl std::error::Error for FenceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FenceError::Fenced { .. } | FenceError::Held { .. } => None,
            FenceError::NotSaved { error, .. } => Some(error),
        }
    }
}

impl FenceGate {
    /// A gate that has seen no term, and forgets what it has seen when it is dropped: enough only for a resource that
    /// ends with it.
    #[must_use]
    pub fn new() -> Self {
        FenceGate::default()
    }

    /// Lets a write with this token in, if none with a higher one was admitted before: of a higher term, or of this
    /// term with a higher sequence. A token that was admitted may come again, as often as it likes.
    ///
    /// # Errors
    /// [`FenceError::Fenced`] for a lower one and [`FenceError::Held`] for a second process in one term, both of which
    /// are counted. [`FenceError::NotSaved`], of a durable gate alone, for a higher one that could not be saved: it is
    /// not admitted, the highest is what it was, and it may be offered again.
    pub fn admit(&mut self, offered: Token) -> Result<(), FenceError> {
        let latest = self.latest.unwrap_or(Latest { order: (Term(0), 0), holder: None });
        let is_known = latest.order.0 == offered.term;
        if let Some(holder) = latest.holder.filter(|holder| is_known && *holder != offered.holder) {
            self.refused = self.refused.saturating_add(1);
            return Err(FenceError::Held { offered, holder });
        }
        if offered.order() < latest.order && !sabotage::is_off("fence") {
            self.refused = self.refused.saturating_add(1);
            return Err(FenceError::Fenced { offered, highest: latest.order });
        }
        if offered.order() > latest.order || latest.holder.is_none() {
            let raised = Latest { order: offered.order().max(latest.order), holder: Some(offered.holder) };
            self.save(raised).map_err(|error| FenceError::NotSaved { offered, error })?;
            self.latest = Some(raised);
        }
        Ok(())
    }

    /// The highest term that was admitted; 0 before the first.
    #[must_use]
    pub fn highest(&self) -> Term {
        self.latest.map_or(Term(0), |latest| latest.order.0)
    }

    /// How many times a token was refused because of one that was admitted before, since this gate was made.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    #[cfg(feature = "files")]
    fn save(&self, latest: Latest) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.save(latest))
    }

    #[cfg(not(feature = "files"))]
    fn save(&self, _latest: Latest) -> io::Result<()> {
        Ok(())
    }
}

/// Whether a node of this process votes while it has a durable gate open: the two do not belong together.
#[cfg(all(feature = "node", feature = "files"))]
pub(crate) mod counted {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

    static VOTERS: AtomicUsize = AtomicUsize::new(0);
    static GATES: AtomicUsize = AtomicUsize::new(0);
    static IS_TOLD: AtomicBool = AtomicBool::new(false);

    /// Something of this process that is counted until it is dropped.
    #[derive(Debug)]
    pub(crate) struct Counted(&'static AtomicUsize);

    impl Counted {
        /// A node that votes.
        pub(crate) fn voter() -> Self {
            Counted::begin(&VOTERS)
        }

        /// A durable gate that is open.
        pub(crate) fn gate() -> Self {
            Counted::begin(&GATES)
        }

        fn begin(counter: &'static AtomicUsize) -> Self {
            counter.fetch_add(1, SeqCst);
            let are_both = VOTERS.load(SeqCst) > 0 && GATES.load(SeqCst) > 0;
            if are_both && !IS_TOLD.swap(true, SeqCst) {
                tracing::warn!(
                    target: "tidings::election",
                    "a FenceGate::durable is open in a process that votes: if that is stopped while it leads, the next \
                     leader cannot open the gate for as long; keep the gate in the process of the resource, as the \
                     example `fenced` does"
                );
            }
            Counted(counter)
        }
    }

    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }
}

#[cfg(feature = "files")]
mod file {
    use std::io;
    use std::path::{Path, PathBuf};

    use crate::durable::{DurableError, Files, Kind, Lock, Place, beside};
    #[cfg(feature = "node")]
    use crate::election::fence::counted::Counted;
    use crate::election::fence::{FenceGate, Latest};
    use crate::leader::{Holder, Term};

    const WAY_OUT: &str = "nothing can be admitted on it; the documentation of FenceGate::durable says when it is safe \
                           to move it away";

    /// Where a gate keeps its highest token.
    #[derive(Debug)]
    pub(super) struct FenceFile {
        place: Place,
        lock: Lock,
        #[cfg(feature = "node")]
        _open: Counted,
    }

    impl FenceGate {
        /// A gate that outlives its process: the highest token is in the file at `path`, and saved there before the
        /// first write of a higher one is admitted. The folder must exist, and should be the resource's own.
        /// `<path>.lock` is locked for as long as the gate is open.
        ///
        /// **It is for the process of the resource**, which stays when leaders come and go, and not for those that may
        /// lead: a leader that is stopped keeps the lock, and the next cannot open the gate for as long as that lasts.
        /// The example `fenced` is such a process. Opened where a node votes, it is warned about once.
        ///
        /// A file that is torn or corrupt is refused. The way out is to move it away, which makes a gate that has seen
        /// no term. That is safe once no deposed leader can write any more, because all their processes have ended,
        /// or if the present leader's term is offered to the new gate before the resource takes any write. It is not
        /// safe otherwise: a leader of long ago would be let in.
        ///
        /// # Errors
        /// `ResourceBusy` if another process, or another gate in this one, has it open; `InvalidData` if the file is
        /// not exactly as it was saved; or the operating system's own.
        pub fn durable(path: impl AsRef<Path>) -> io::Result<Self> {
            let path = std::path::absolute(path)?;
            let lock = Lock::take(&beside(&path, ".lock"))?;
            let file = FenceFile::at(path, lock);
            Ok(FenceGate { latest: file.load()?, refused: 0, file: Some(file) })
        }
    }

    impl FenceFile {
        fn at(path: PathBuf, lock: Lock) -> Self {
            FenceFile {
                place: Place::new(path, Kind::Fence, WAY_OUT),
                lock,
                #[cfg(feature = "node")]
                _open: Counted::gate(),
            }
        }

        /// Term, sequence and holder; of a gate of an earlier release the term alone.
        pub(super) fn load(&self) -> io::Result<Option<Latest>> {
            let Some(body) = self.place.read(&mut Files)? else { return Ok(None) };
            let damaged = || self.place.damaged(DurableError::Body);
            let number = |from: usize| {
                let bytes = body.get(from..from + 8).and_then(|bytes| bytes.try_into().ok());
                bytes.map(u64::from_le_bytes).ok_or_else(damaged)
            };
            let term = Term(number(0)?);
            match body.len() {
                8 => Ok(Some(Latest { order: (term, 0), holder: None })),
                32 => {
                    let holder = u128::from(number(24)?) << 64 | u128::from(number(16)?);
                    Ok(Some(Latest { order: (term, number(8)?), holder: Some(Holder(holder)) }))
                }
                _ => Err(damaged()),
            }
        }

        pub(super) fn save(&self, latest: Latest) -> io::Result<()> {
            self.lock.check()?;
            let ((Term(term), sequence), Holder(holder)) = (latest.order, latest.holder.unwrap_or(Holder(0)));
            let body = [&term.to_le_bytes()[..], &sequence.to_le_bytes(), &holder.to_le_bytes()].concat();
            self.place.replace(&mut Files, &body)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(term: u64, sequence: u64, holder: u128) -> Token {
        Token { term: Term(term), sequence, holder: Holder(holder) }
    }

    #[test]
    fn tokens_that_come_to_a_gate() {
        // What comes, and what is said of it.
        let table = [
            (token(0, 0, 9), "in"),
            (token(5, 0, 1), "in"),
            (token(5, 0, 1), "in"),
            (token(5, 0, 2), "held"),
            (token(5, 9, 2), "held"),
            (token(4, 7, 1), "fenced"),
            (token(5, 3, 1), "in"),
            (token(5, 2, 1), "fenced"),
            (token(5, 3, 1), "in"),
            (token(6, 0, 2), "in"),
            (token(5, 4, 1), "fenced"),
            (token(u64::MAX, u64::MAX, 1), "in"),
        ];
        let mut gate = FenceGate::new();
        let (mut highest, mut refused) = (Term(0), 0);
        for (offered, expected) in table {
            let found = match gate.admit(offered) {
                Ok(()) => "in",
                Err(FenceError::Fenced { .. }) => "fenced",
                Err(FenceError::Held { .. }) => "held",
                Err(error) => panic!("{error}"),
            };
            assert_eq!(found, expected, "{offered:?}");
            refused += u64::from(found != "in");
            highest = if found == "in" { highest.max(offered.term) } else { highest };
            assert_eq!((gate.highest(), gate.refused()), (highest, refused));
        }
    }

    #[cfg(feature = "files")]
    #[test]
    fn a_gate_of_an_earlier_release_knows_its_term_and_takes_whoever_comes_first() {
        use crate::durable::{Files, Kind, Place};
        let path = std::env::temp_dir().join(format!("tidings-gate-{}", std::process::id()));
        Place::new(path.clone(), Kind::Fence, "").replace(&mut Files, &7_u64.to_le_bytes()).unwrap();
        let mut gate = FenceGate::durable(&path).unwrap();
        assert!(matches!(gate.admit(token(6, 0, 1)), Err(FenceError::Fenced { .. })));
        gate.admit(token(7, 2, 5)).unwrap();
        drop(gate);
        let mut gate = FenceGate::durable(&path).unwrap();
        assert!(matches!(gate.admit(token(7, 2, 6)), Err(FenceError::Held { holder: Holder(5), .. })));
        assert!(matches!(gate.admit(token(7, 1, 5)), Err(FenceError::Fenced { highest: (Term(7), 2), .. })));
        drop(gate);
        for file in [path.clone(), path.with_extension("lock")] {
            let _ = std::fs::remove_file(file);
        }
    }

    #[test]
    fn what_it_says_names_both_sides() {
        let mut gate = FenceGate::new();
        gate.admit(token(8, 4, 1)).unwrap();
        let mut said = |offered| gate.admit(offered).unwrap_err().to_string();
        assert_eq!(said(token(7, 9, 1)), "term 7 is over: term 8 was admitted here; stop acting as the leader of it");
        assert_eq!(said(token(8, 3, 1)), "number 3 of term 8 is over: number 4 was admitted here");
        let held = said(token(8, 5, 2));
        let names = ["1 was admitted", "2 is refused", "term 8", "two processes of one name"];
        assert!(names.iter().all(|part| held.contains(part)), "{held}");
    }
}
