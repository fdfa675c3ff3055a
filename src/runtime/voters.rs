//! The change of an election's voters, as an application asks for it and waits for it.

use std::sync::Arc;

use tokio::sync::oneshot;

use crate::election::ChangeError;
use crate::protocol::ChangeVotersError;
use crate::runtime::error::ElectionError;
use crate::runtime::node::Node;
use crate::runtime::request::Command;

/// The way to the caller that waits for a change.
pub(crate) type ChangeAnswer = oneshot::Sender<Result<(), ChangeVotersError>>;

/// Other voters of an election.
#[derive(Debug)]
pub(crate) struct VotersAsked {
    pub(crate) election: Arc<str>,
    pub(crate) list: Vec<String>,
    pub(crate) is_forced: bool,
}

/// The changes that are waited for, one of each election at most.
#[derive(Debug, Default)]
pub(crate) struct ChangesAsked(Vec<(Arc<str>, ChangeAnswer)>);

impl ChangesAsked {
    pub(crate) fn wait(&mut self, election: Arc<str>, answer: ChangeAnswer) {
        self.0.push((election, answer));
    }

    /// Tells those that wait what came of it, by what is known of an election; gives those that no caller waits for any
    /// more.
    pub(crate) fn tell(&mut self, mut outcome: impl FnMut(&str) -> Option<Result<(), ChangeError>>) -> Vec<Arc<str>> {
        let mut dropped = Vec::new();
        let mut waiting = Vec::with_capacity(self.0.len());
        for (election, answer) in self.0.drain(..) {
            match outcome(&election) {
                Some(result) => {
                    let _ = answer.send(result.map_err(ChangeVotersError::Refused));
                }
                None if answer.is_closed() => dropped.push(election),
                None => waiting.push((election, answer)),
            }
        }
        self.0 = waiting;
        dropped
    }
}

impl Node {
    /// Makes these the voters of an election, and waits until that is agreed: more than half of those before and more
    /// than half of these have saved it, and these alone vote. It takes a few round trips and saves. Any node that has
    /// the election in its configuration may ask, except one that only watches it. The leader makes the change and goes
    /// on to lead, unless it is none of these: then it hands over to one that is.
    ///
    /// The list in the configuration is only the first one: a voter goes by what its store holds, and is told what it
    /// missed. Start new voters before, with the election in their configuration.
    ///
    /// ```no_run
    /// # async fn change(node: tidings::Node) -> Result<(), Box<dyn std::error::Error>> {
    /// node.change_voters("default", ["db-1", "db-2", "db-3", "db-4", "db-5"]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A future that is dropped leaves the change where it is: within twenty leases the leader ends it or gives it up.
    ///
    /// # Errors
    /// When no such election is configured or this node only watches it, the names are no list (1 to 9 names, none
    /// twice), or the node has stopped; and [`ChangeError`]: there is no leader, another change is under way or came
    /// first, too few of the new voters answer for four leases, too few voters have a store that outlives their
    /// process, or no leader has said anything for twenty leases.
    pub async fn change_voters<N: Into<String>>(
        &self,
        election: &str,
        voters: impl IntoIterator<Item = N>,
    ) -> Result<(), ElectionError> {
        self.ask_for_voters(election, voters, false).await
    }

    /// As [`Node::change_voters`], but where too few of the new voters answer it waits until enough do: until then the
    /// voters are those of before.
    ///
    /// # Errors
    /// As [`Node::change_voters`], but for too few that answer.
    pub async fn change_voters_when_they_come<N: Into<String>>(
        &self,
        election: &str,
        voters: impl IntoIterator<Item = N>,
    ) -> Result<(), ElectionError> {
        self.ask_for_voters(election, voters, true).await
    }

    async fn ask_for_voters<N: Into<String>>(
        &self,
        election: &str,
        voters: impl IntoIterator<Item = N>,
        is_forced: bool,
    ) -> Result<(), ElectionError> {
        let entry = self.entry(election)?;
        if entry.rules.is_watched() {
            return Err(ElectionError::NotAVoter { election: election.to_owned(), voters: Vec::new() });
        }
        let list = voters.into_iter().map(Into::into).collect();
        let asked = VotersAsked { election: Arc::clone(entry.rules.name()), list, is_forced };
        let done = self.ask(|answer| Command::ChangeVoters(asked, answer)).await;
        done.map_err(ElectionError::Stopped)?.map_err(ElectionError::Voters)
    }
}
