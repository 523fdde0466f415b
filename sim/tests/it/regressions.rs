//! Every defect that a seed has found, by what went wrong. A seed finds it only
//! in the build in which it was found; where the code around it has moved on,
//! the defect has a test of its own beside the code, which is named here.

use tributary_sim::scenario::Given;

use crate::seeds::{survives, survives_with};

/// Some runs of many virtual minutes, with pauses.
fn long() -> Given {
    Given { long: true, ..Given::default() }
}

/// raft ended the process: it looked for entries between what was executed and
/// a received state that was still being saved, when an election began.
/// (`replica`: `a_follower_that_saves_a_state_stands_for_no_election`)
#[test]
fn an_election_while_a_received_state_is_saved_ended_the_process() {
    survives(72);
}

/// A leader whose own execution was behind that of the others took an
/// acknowledgement for one that it had, and the relay never brought it again:
/// with too few acknowledgements a chain settles no more.
/// (`ledger`: `an_acknowledgement_that_overtakes_execution_is_worth_a_block`)
#[test]
fn an_acknowledgement_that_overtook_execution_was_lost() {
    survives(10_758);
}

/// A bit that flipped in what was synced was written over by a torn write that
/// had ended whole: the simulated disk mended what no disk mends.
/// (`sim`: `a_whole_write_behind_a_flipped_bit_does_not_mend_it`)
#[test]
fn a_torn_write_mended_a_flipped_bit() {
    survives(5_003_821);
}

/// A validator that had restarted had no vote for the last header, and the third
/// was dead or lied: a peer had no certificate until the next block, and no next
/// block came.
/// (`replica`: `the_certificate_of_a_peer_stands_for_votes_that_never_come`)
#[test]
fn after_a_restart_a_peer_waited_for_a_vote_that_nobody_had() {
    survives_with(685, &long());
}

/// The same after a snapshot, which brings a state and no votes.
/// (`replica`: `the_certificate_of_a_peer_stands_for_votes_that_never_come`)
#[test]
fn after_a_snapshot_a_peer_waited_for_a_vote_that_nobody_had() {
    survives_with(7_002_088, &long());
}

/// One sync held entries and their removal by the leader of a later term; the
/// confirmation of the entries, a late message of the earlier term, counted as
/// a broken promise: the checker's mistake.
#[test]
fn entries_and_their_removal_in_one_sync_broke_no_promise() {
    survives_with(9_004_386, &long());
}

/// All replicas of an idle chain restarted: none told relays again which header
/// was certified last, and what it had sent was not fetched until the next block.
/// (`replica`:
/// `what_was_certified_before_a_restart_is_told_again_when_it_is_executed`)
#[test]
fn after_a_restart_of_all_an_idle_chain_showed_no_certified_header() {
    survives_with(10_004_498, &Given { wide: true, ..long() });
}

/// Six chains waited for one slow disk, and blocks came in the meantime: the
/// checker's mistake, for which a log was longer than it may be.
#[test]
fn a_log_that_waited_for_five_others_to_be_saved_was_no_longer_than_it_may_be() {
    survives_with(21_023_151, &Given { wide: true, ..long() });
}

/// One payment stood twice in a block and was refused twice in the same words: the
/// proof of the one is that of the other, too. The checker's mistake.
#[test]
fn the_same_refusal_twice_in_a_block_is_proved_at_both_places() {
    survives_with(20_031_159, &long());
}

/// A payment was refused for its owner's signature, which was another's; later
/// somebody else asked for the very same payment with the right one. The checker's
/// mistake.
#[test]
fn a_refusal_for_a_signature_is_none_of_who_has_the_right_one() {
    survives_with(21_038_829, &Given { wide: true, ..long() });
}
