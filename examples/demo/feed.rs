//! The channel from the cluster to the demo, and the one clock that dates what comes in.

use std::time::Duration;

use tidings::runtime::{Departure, Events, Notice};
use tokio::sync::mpsc::UnboundedSender;

use crate::commands::Number;
use crate::leaderships::Leadership;

/// The demo's own time: what has passed since it began.
#[derive(Clone, Copy, Debug)]
pub struct Clock(tokio::time::Instant);

impl Clock {
    pub fn start() -> Self {
        Clock(tokio::time::Instant::now())
    }

    pub fn now(self) -> Duration {
        self.0.elapsed()
    }

    pub fn at(self, moment: Duration) -> tokio::time::Instant {
        self.0 + moment
    }
}

/// What comes in from the cluster.
pub enum Happening {
    /// A node's subscriber received something.
    Told(Box<Told>),
    /// A freeze is over.
    Thawed { at: Duration, node: Number },
    /// A node may act as leader; `beside` names one that also may, which must never be.
    Began { at: Duration, leadership: Leadership, beside: Option<Leadership> },
    /// A node may act as leader no more.
    Ended { at: Duration, leadership: Leadership },
    /// A node has left, or stopped otherwise when it should have.
    Departed { node: Number, departure: Option<Departure> },
}

/// One item of a node's subscription, and when the subscriber had it.
pub struct Told {
    pub at: Duration,
    pub observer: Number,
    /// Which start of the observer it was.
    pub start: u32,
    pub notice: Notice,
}

/// Passes on what one start of a node tells, until it stops.
pub async fn listen(
    mut events: Events,
    feed: UnboundedSender<Happening>,
    clock: Clock,
    (observer, start): (Number, u32),
) {
    while let Some(notice) = events.next().await {
        let told = Told { at: clock.now(), observer, start, notice };
        if feed.send(Happening::Told(Box::new(told))).is_err() {
            return;
        }
    }
}
