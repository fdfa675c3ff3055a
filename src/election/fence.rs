//! The fence before a resource: whoever comes with a lower term than an earlier one is turned away.
//!
//! A leader may stop at any moment, between the look at its lease and the write, and go on when another leads. No lease
//! can stop that write; only the resource can, because every write passes there. So each write carries the leader's
//! term, and the resource refuses one that is lower than the highest it has seen: a fencing token (Kleppmann, "How to
//! do distributed locking", 2016), which Chubby calls a sequencer (Burrows 2006, section 2.4).

use std::fmt;
use std::io;

use crate::leader::Term;
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
/// use tidings::leader::Term;
///
/// /// A log that several leaders in turn may append to.
/// struct Guarded {
///     gate: FenceGate,
///     lines: Vec<String>,
/// }
///
/// fn append(log: &Mutex<Guarded>, term: Term, line: &str) -> Result<(), FenceError> {
///     let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
///     log.gate.admit(term)?;
///     log.lines.push(line.to_owned());
///     Ok(())
/// }
///
/// let log = Mutex::new(Guarded { gate: FenceGate::new(), lines: Vec::new() });
/// assert!(append(&log, Term(7), "the first leader's").is_ok());
/// assert!(append(&log, Term(8), "the next leader's").is_ok());
/// assert!(append(&log, Term(7), "the first leader's, who was stopped and woke up").is_err());
/// assert!(append(&log, Term(8), "the next leader's second").is_ok());
/// ```
#[derive(Debug, Default)]
pub struct FenceGate {
    highest: Term,
    refused: u64,
    #[cfg(feature = "files")]
    file: Option<file::FenceFile>,
}

/// Why a gate did not admit a term.
#[derive(Debug)]
#[non_exhaustive]
pub enum FenceError {
    /// A higher term was admitted before.
    Fenced {
        /// The term that is refused.
        offered: Term,
        /// The highest that was admitted.
        highest: Term,
    },
    /// The term is higher than any before, but could not be saved.
    NotSaved {
        /// The term that is not admitted.
        offered: Term,
        /// Why it could not be saved.
        error: io::Error,
    },
}

impl fmt::Display for FenceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FenceError::Fenced { offered, highest } => {
                write!(f, "term {offered} is over: term {highest} was admitted here; stop acting as the leader of it")
            }
            FenceError::NotSaved { offered, error } => {
                write!(f, "term {offered} is not admitted, as it could not be saved ({error}); try again")
            }
        }
    }
}

impl std::error::Error for FenceError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            FenceError::Fenced { .. } => None,
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

    /// Lets the writes of this term in, if none of a higher one was admitted before. A term that was admitted may come
    /// again, as often as it likes.
    ///
    /// # Errors
    /// [`FenceError::Fenced`] for a lower term, which is counted. [`FenceError::NotSaved`], of a durable gate alone,
    /// for a higher one that could not be saved: it is not admitted, the highest is what it was, and it may be offered
    /// again.
    pub fn admit(&mut self, term: Term) -> Result<(), FenceError> {
        if term < self.highest && !sabotage::is_off("fence") {
            self.refused = self.refused.saturating_add(1);
            return Err(FenceError::Fenced { offered: term, highest: self.highest });
        }
        if term > self.highest {
            self.save(term).map_err(|error| FenceError::NotSaved { offered: term, error })?;
            self.highest = term;
        }
        Ok(())
    }

    /// The highest term that was admitted; 0 before the first.
    #[must_use]
    pub fn highest(&self) -> Term {
        self.highest
    }

    /// How many times a term was refused because a higher one was admitted before, since this gate was made.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }

    #[cfg(feature = "files")]
    fn save(&self, term: Term) -> io::Result<()> {
        self.file.as_ref().map_or(Ok(()), |file| file.save(term))
    }

    #[cfg(not(feature = "files"))]
    fn save(&self, _term: Term) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(feature = "files")]
mod file {
    use std::io;
    use std::path::Path;

    use crate::durable::{Kind, Lock, Place, RecordError, beside};
    use crate::election::fence::FenceGate;
    use crate::leader::Term;

    const WAY_OUT: &str = "nothing can be admitted on it; the documentation of FenceGate::durable says when it is safe \
                           to move it away";

    /// Where a gate keeps its highest term.
    #[derive(Debug)]
    pub(super) struct FenceFile {
        place: Place,
        lock: Lock,
    }

    impl FenceGate {
        /// A gate that outlives its process: the highest term is in the file at `path`, and saved there before the
        /// first write of a higher one is admitted. The folder must exist, and should be the resource's own.
        /// `<path>.lock` is locked for as long as the gate is open.
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
            let file = FenceFile { place: Place::new(path, Kind::Fence, WAY_OUT), lock };
            Ok(FenceGate { highest: file.load()?, refused: 0, file: Some(file) })
        }
    }

    impl FenceFile {
        pub(super) fn load(&self) -> io::Result<Term> {
            let Some(body) = self.place.read()? else { return Ok(Term::default()) };
            let term = body.try_into().map_err(|_| self.place.damaged(RecordError::Body))?;
            Ok(Term(u64::from_le_bytes(term)))
        }

        pub(super) fn save(&self, term: Term) -> io::Result<()> {
            self.lock.check()?;
            self.place.replace(&term.0.to_le_bytes())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_that_come_to_a_gate() {
        let table = [(0, true), (5, true), (5, true), (4, false), (0, false), (6, true), (5, false), (u64::MAX, true)];
        let mut gate = FenceGate::new();
        let (mut highest, mut refused) = (Term(0), 0);
        for (term, is_let_in) in table.map(|(term, is_let_in)| (Term(term), is_let_in)) {
            match gate.admit(term) {
                Ok(()) => assert!(is_let_in, "{term}"),
                Err(FenceError::Fenced { offered, highest: named }) => {
                    assert!(!is_let_in && offered == term && named == highest, "{term}");
                    refused += 1;
                }
                Err(error) => panic!("{error}"),
            }
            highest = highest.max(term);
            assert_eq!((gate.highest(), gate.refused()), (highest, refused));
        }
    }

    #[test]
    fn what_it_says_names_both_terms() {
        let mut gate = FenceGate::new();
        gate.admit(Term(8)).unwrap();
        let said = gate.admit(Term(7)).unwrap_err().to_string();
        assert_eq!(said, "term 7 is over: term 8 was admitted here; stop acting as the leader of it");
    }
}
