//! The faults that are planted, each with the check that must find it and where to look.
//!
//! Each is a mistake that a programmer might make. What no check of a run can see has no place here: without enough
//! `accusers` a verdict still waits for a last ping that every living member answers, and `proof_of_address` keeps
//! others from being flooded, which no member notices; `tests/sabotage/mechanisms_off.rs` has a test for either.

/// A fault in the protocol.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canary {
    /// What `TIDINGS_SABOTAGE` calls it.
    pub(super) fault: &'static str,
    /// The check that must find it.
    pub(super) check: &'static str,
    /// The scenario whose seeds are searched.
    pub(super) scenario: &'static str,
    /// A short search begins at this seed.
    pub(super) near: u64,
    /// The mistake, as a reviewer would put it.
    pub(super) planted: &'static str,
}

const fn swarm(fault: &'static str, check: &'static str, near: u64, planted: &'static str) -> Canary {
    Canary { fault, check, scenario: "swarm", near, planted }
}

const fn elected(fault: &'static str, check: &'static str, near: u64, planted: &'static str) -> Canary {
    within("swarm-election", swarm(fault, check, near, planted))
}

const fn within(scenario: &'static str, canary: Canary) -> Canary {
    Canary { scenario, ..canary }
}

/// Every fault; each *always* and *eventually* check is named at least once.
pub(super) const CANARIES: &[Canary] = &[
    swarm("highest_heard", "row-monotone", 40, "an older record lowers the incarnation that was heard of"),
    swarm("old_starts", "no-resurrection", 4, "the record of an earlier start is taken for a restart"),
    swarm("tells_outlived", "finds", 77_863, "who speaks for a start before the one that is held dead is told nothing"),
    swarm("strictly_newer", "no-resurrection", 28, "an Alive of the same incarnation revives the dead"),
    swarm("tombstones", "no-resurrection", 57, "what was forgotten leaves no tombstone"),
    swarm("owner_refutes", "owner-raises", 0, "an observer refutes on behalf of whoever answers it"),
    swarm("tag", "owner-raises", 104, "the tag of a datagram is not verified"),
    swarm("tag", "no-phantom", 16, "the tag of a datagram is not verified"),
    swarm("words_apart", "same-record", 11, "an incarnation that was only heard of is stamped on the old record"),
    swarm("new_words", "same-record", 2, "metadata change without a new incarnation"),
    swarm("own_name", "self-alive", 0, "a node takes an accusation of itself like any other"),
    swarm("up_again", "fold", 6, "whoever comes back from the dead is Up without an event"),
    swarm("death_at_restart", "fold", 1, "a restart is told as Up without the Dead before it"),
    swarm("verdict_stored", "fold", 2, "a verdict is told but not stored"),
    within("flapping-told-seldom", swarm("flapping", "fold", 0, "who flaps is marked, and told of all the same")),
    within("flapping-told-seldom", swarm("told_ends", "fold", 0, "a suspicion is told, and its end held back")),
    within("flapping-dies", swarm("suspect_first", "fold", 0, "Dead comes to those not told of the suspicion")),
    swarm("left_is_absent", "left-stays", 22, "whoever left is told Dead when its name starts again"),
    swarm("left_acquits", "left-stays", 58, "a suspicion outlives the departure of the suspect"),
    swarm("whole_p", "dead-after", 2, "the wait for a verdict is halved"),
    swarm("named_moment", "dead-after", 2, "the event names the hard deadline as the soft one"),
    swarm("isolated", "answered", 13, "a node that nobody answers convicts all the same"),
    swarm("leaver_counted", "answered", 82_550, "a node that leaves takes itself for none of those present"),
    within("swarm-large", swarm("self_tests", "answered", 79, "an accuser does not test itself")),
    swarm("counted_isolation", "isolated-truly", 65, "a node is isolated at its second miss, whoever answers it"),
    swarm("stall_tolerance", "silent-p", 6, "P is taken for zero"),
    swarm("last_ping", "answered", 984, "no last ping before a verdict"),
    swarm("own_verdict", "silent-p", 337, "another's verdict is adopted"),
    swarm("datagram_limit", "datagram-size", 274, "the limit of a datagram does not count its tag"),
    swarm("urgent_first", "overtakes", 159, "news go by how often they were sent alone"),
    swarm("members_max", "bounds", 48, "a full table takes in more"),
    within("swarm-large", swarm("news_max", "bounds", 4, "the queue of news has no bound")),
    elected("both_lists", "quorum", 119, "while the voters change the list before alone agrees"),
    elected(
        "agreed_before_the_next",
        "lease-exclusive",
        598,
        "a leader takes the next voters before the last are agreed",
    ),
    elected("joint_ends", "changes-end", 0, "both lists go on to hold once they are agreed"),
    elected("own_term", "one-leader", 0, "a successor goes on in the term of its predecessor"),
    elected("one_vote", "one-vote", 60, "a voter votes again in a term, for another"),
    elected("durable_vote", "one-vote", 59, "a vote is told before it is saved"),
    elected("durable_vote", "terms-rise", 13, "a vote is told before it is saved"),
    elected("terms_from_clock", "terms-rise", 37, "a voter that forgot its votes begins its terms anew"),
    within(
        "election-clock-ahead",
        elected("clock_ceiling", "terms-rise", 3, "a voter without a disk votes in any term"),
    ),
    elected("withdraws", "works", 0, "a node in which nobody works any more leads on"),
    elected("declines", "works", 0, "who does not stand takes leadership that it is handed"),
    elected("promise", "lease-exclusive", 0, "a voter votes although it promised itself to a leader"),
    elected("waits_after_start", "lease-exclusive", 2_339, "a voter votes at once after a restart"),
    elected("drift_margin", "lease-exclusive", 3_979, "a voter keeps its promise no longer than the lease"),
    elected("synced_file", "saved-stays", 6, "a ballot gets its name before its bytes are on the disk"),
    elected("synced_name", "saved-stays", 6, "a save is over before the ballot's name is on the disk"),
    within(
        "election-power-loss",
        swarm("synced_when_read", "saved-stays", 16, "a ballot that is found is not synced before it counts"),
    ),
    elected(
        "half_margin",
        "lease-exclusive",
        4_074,
        "a promise outlasts the lease by half of what two clocks may differ",
    ),
    elected("doubts", "acts-fresh", 41, "a leader that did not run acts at once on the answers of before"),
    elected("first_successor_counts", "works", 1_455, "a second successor gives a leader that hands over more time"),
    elected("ends_reelection", "hands-over", 39_650, "a leader that hands over goes on to have itself elected anew"),
    elected(
        "failed_save_stays",
        "saved-stays",
        400_695,
        "voters whose save has failed are given up for earlier ones, which their store takes no more",
    ),
    elected("lease_from_asking", "lease-exclusive", 3_841, "a lease counts from when the answers came"),
    elected("check_quorum", "lease-exclusive", 11, "a leader renews its lease without a quorum"),
    elected("gate", "lease-exclusive", 0, "a successor does not wait for its predecessor's word"),
    elected("predecessor", "lease-exclusive", 0, "a successor forgets whose word it has to wait for"),
    elected("fence", "fenced-register", 6, "the fence lets any term in"),
    elected("quorum", "quorum", 0, "half of the voters are a quorum"),
    elected("saving_in_silence", "leads", 7, "a voter that saves its vote says no to whoever it votes for"),
    elected(
        "asks_when_free",
        "fails-over",
        1_527,
        "who is refused for a promise asks a turn later, as the second does",
    ),
    elected("counts_the_silent", "fails-over", 1_444, "a vote that is split is asked for until two leases are over"),
    elected("resigns", "leads", 46_079, "a candidate that gives up says so to nobody"),
    swarm("comparison", "converges", 13, "views are never compared"),
    swarm("hash_of_words", "converges", 13, "the view hash leaves out the incarnation"),
    swarm("accusation", "detects", 2, "a failed round accuses nobody"),
    swarm("ghosts", "finds", 192, "the dead are not dialled"),
    within("moved-around", swarm("adopts_address", "known", 3, "an address that changed is told on as it was")),
    swarm("refutation", "calms", 0, "an accused does not refute"),
    swarm("buddy", "calms", 26, "a ping to a suspect does not carry the suspicion"),
    swarm("first_receipt", "idles", 0, "known words are forwarded as if they were news"),
    swarm("news_ends", "idles", 179, "news ride for ever"),
    within("moved-under-way", swarm("adopts_address", "expect", 0, "an address that changed is told on as it was")),
    within(
        "moved-while-joining",
        swarm("greeter_moved", "finds", 0, "who greets is answered only at the address that it had before it moved"),
    ),
    within("families-apart", swarm("reach", "in-reach", 0, "a node takes any address for one that it can send to")),
    within("families-crash", swarm("death_by_word", "calms", 0, "who cannot be asked is never dead")),
    within(
        "families-both-last",
        swarm("greeted_beyond_reach", "finds", 0, "who greets must prove an address that cannot be sent to"),
    ),
    within(
        "families-join-1970",
        swarm("owner_beyond_reach", "finds", 0, "an owner is asked at an address that cannot be sent to"),
    ),
    within("families-alone", swarm("answers_beyond_reach", "calms", 0, "who is alone in its family is never heard")),
    within(
        "families-accuser-restarts",
        swarm("suspicion_told_again", "calms", 0, "a suspicion that its accuser forgot stays where nobody can ask"),
    ),
    within(
        "families-accuser-restarts",
        swarm("told_to_next", "calms", 15, "a suspicion told again has ridden to all but the one that can ask"),
    ),
    within("families-few", swarm("turn_in_reach", "expect", 0, "a turn beyond reach is no turn of another")),
    within(
        "families-moved",
        swarm("voices_of_family", "silent-p", 0, "members that cannot see a node vote where it is"),
    ),
    within("families-unknown", swarm("asks_beyond_reach", "known", 0, "who is beyond reach is not asked where we are")),
    within(
        "suspended-past-tombstones",
        swarm("hearsay", "no-resurrection", 0, "what was so before a long sleep is told as if it were so"),
    ),
    within("moved-half", swarm("seen_elsewhere", "silent-p", 12, "who moves hears of it with the next tick only")),
    within(
        "moved-quarter",
        swarm("asker_elsewhere", "silent-p", 202, "a relay does not notice that the asker has moved"),
    ),
    within(
        "nat-formed-apart",
        swarm("echo_to_contact", "finds", 0, "who is not alone answers a contact where it sends from"),
    ),
    within("nat-each-100", swarm("way_out", "expect", 0, "each pair finds out by itself where a member sends from")),
    within("nat-each-answers-10", swarm("ways", "expect", 0, "who sends from elsewhere than it says is a guest")),
    within("over-the-cap", swarm("comparisons_in_vain", "expect", 55, "comparisons that change nothing go on and on")),
    within("isolated-rate-5", swarm("isolated_backoff", "expect", 0, "an isolated node probes as if it were heard")),
    within(
        "flapping-few-reach",
        swarm("flapping_accusers", "expect", 0, "whom one that flaps accuses is told at once"),
    ),
    within(
        "crash-three-of-five",
        swarm("unheard_count", "expect", 3, "each member suspected in isolation lowers the answers that end it"),
    ),
    within(
        "isolated-under-loss-4",
        swarm("repeated_self_test", "expect", 803, "a last ping tests who sends it with its first try alone"),
    ),
    within("isolated-rate-64", swarm("isolated_sweep", "expect", 0, "an isolated node asks the ring alone")),
    within(
        "ingress-loss-99",
        swarm("insistence", "expect", 0, "a suspect that speaks is asked no more than one that is mute"),
    ),
    within(
        "ingress-loss-99",
        swarm("insists_on", "expect", 1062, "a suspect that speaks late is asked for what is left of P alone"),
    ),
    within(
        "ingress-loss-99",
        swarm("heard_in_isolation", "expect", 34, "who was isolated just now convicts on the answers of a moment"),
    ),
    within(
        "lost-inbox-unproved",
        swarm("tells_itself", "expect", 4, "a ping after a stall leaves no space to say that its sender is suspected"),
    ),
    within(
        "ingress-loss-99",
        swarm("hears_well", "expect", 0, "who hears one answer of a hundred convicts on its own"),
    ),
    within(
        "lost-inbox-unproved",
        swarm("ack_to_suspect", "expect", 2, "an ack does not say that who is acknowledged is suspected"),
    ),
    within("leave-among-suspects", swarm("left_behind", "expect", 0, "who leaves waits for suspects to confirm")),
    within("lost-inboxes-26", swarm("ping_back", "expect", 82, "what a suspect sends is not answered by a ping")),
    within("pause-long", swarm("late_wake", "expect", 0, "a node that did not run notices nothing")),
    within("pause-short", swarm("forwarding", "expect", 0, "news only ride, nothing is forwarded at once")),
];

#[cfg(test)]
mod tests {
    use tidings_sim::checks::CHECKS;

    use super::*;

    #[test]
    fn each_check_of_a_run_has_a_fault_and_each_fault_a_check() {
        for (check, demand) in CHECKS {
            let has_one = CANARIES.iter().any(|canary| canary.check == *check);
            // X marks what no run of a protocol promises: the wishes of scenarios, and promises of the simulator
            // itself.
            assert!(has_one || demand.starts_with("X:"), "{check}: {demand}");
        }
        for canary in CANARIES {
            assert!(CHECKS.iter().any(|(check, _)| *check == canary.check), "{canary:?}");
        }
    }
}
