//! Every defect that a seed has found, by what went wrong. A seed finds it only
//! in the build in which it was found; where the code around it has moved on,
//! the defect has a test of its own beside the code, which is named here.

use crate::seeds::survives;

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
