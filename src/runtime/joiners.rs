//! Requests that wait for the first other member.
//!
//! The node's task has a timer and the handle's caller need not have one, so the task keeps the deadlines.

use std::fmt;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::runtime::contacts::Lookup;
use crate::runtime::error::Stopped;
use crate::runtime::listed::listed;
use crate::time::Instant;

/// Callers that wait at once; beyond them the one that has waited longest is told that its time is over.
const WAITING_MAX: usize = 1_024;

/// Why [`Node::joined`](crate::runtime::Node::joined) ended without another member.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// No other member was live in the time given. The node runs on, and goes on trying.
    TimedOut {
        /// How long was waited.
        after: Duration,
        /// The contacts that were tried, each with the addresses it resolved to or with what is wrong.
        tried: Vec<String>,
    },
    /// The node has stopped.
    Stopped(Stopped),
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            JoinError::TimedOut { after, tried } if tried.is_empty() => write!(
                f,
                "no other member within {after:?}, and this node has no contacts: give it .contacts([\"host:7340\"]), or \
                 start another that has this one as a contact"
            ),
            JoinError::TimedOut { after, tried } => write!(
                f,
                "no other member within {after:?}; tried {}: check that they run under the same cluster name and that UDP \
                 passes both ways",
                listed(tried)
            ),
            JoinError::Stopped(stopped) => stopped.fmt(f),
        }
    }
}

impl std::error::Error for JoinError {}

pub(crate) type Answer = oneshot::Sender<Result<(), JoinError>>;

/// Those that wait, the longest first.
#[derive(Debug, Default)]
pub(crate) struct Joiners {
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    after: Duration,
    until: Instant,
    answer: Answer,
}

impl Joiners {
    pub(crate) fn wait(&mut self, now: Instant, after: Duration, answer: Answer) {
        self.waiting.retain(|waiting| !waiting.answer.is_closed());
        if self.waiting.len() >= WAITING_MAX {
            self.waiting.remove(0).time_out(&[]);
        }
        self.waiting.push(Waiting { after, until: now + after, answer });
    }

    /// Answers those whose wait is over: all of them once another member is live.
    pub(crate) fn settle(&mut self, now: Instant, is_alone: bool, contacts: &[Lookup]) {
        if self.waiting.is_empty() {
            return;
        }
        for waiting in std::mem::take(&mut self.waiting) {
            if !is_alone {
                // A caller that is gone needs no answer.
                let _ = waiting.answer.send(Ok(()));
            } else if waiting.until <= now {
                waiting.time_out(contacts);
            } else {
                self.waiting.push(waiting);
            }
        }
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.waiting.iter().map(|waiting| waiting.until).min()
    }
}

impl Waiting {
    fn time_out(self, contacts: &[Lookup]) {
        let tried = contacts.iter().map(ToString::to_string).collect();
        let _ = self.answer.send(Err(JoinError::TimedOut { after: self.after, tried }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_until_another_is_live_or_the_time_is_over() {
        let at = |seconds| Instant::ORIGIN + Duration::from_secs(seconds);
        let mut joiners = Joiners::default();
        let ask = |joiners: &mut Joiners, seconds| {
            let (answer, answered) = oneshot::channel();
            joiners.wait(at(0), Duration::from_secs(seconds), answer);
            answered
        };
        let (mut short, mut long) = (ask(&mut joiners, 1), ask(&mut joiners, 9));
        drop(ask(&mut joiners, 5));
        assert_eq!(joiners.next_at(), Some(at(1)));
        joiners.settle(at(0), true, &[]);
        assert!(short.try_recv().is_err() && long.try_recv().is_err());
        joiners.settle(at(1), true, &[]);
        let after = Duration::from_secs(1);
        assert_eq!(short.try_recv(), Ok(Err(JoinError::TimedOut { after, tried: Vec::new() })));
        joiners.settle(at(2), false, &[]);
        assert_eq!((long.try_recv(), joiners.next_at()), (Ok(Ok(())), None));
    }
}
