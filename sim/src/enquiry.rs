//! Somebody asks whether something that is late can still happen: a read that
//! wants a later block time than an idle chain stands at.
//!
//! While there are faults it only has to be answered, one way or another. After
//! them every chain must get past the time that it stood at, though nobody
//! submits anything to it.

use tributary_replica::Reply;
use tributary_types::TimeMs;

use crate::hosted::{Caller, Hosted, Purpose};
use crate::node::Node;
use crate::prng::Chance;
use crate::stage::Stage;

/// How often a leader is asked while there are faults.
const ASKED: Chance = Chance::percent(10);
/// How far beyond the chain's time is asked for then, at most.
const AHEAD_MS_MAX: u64 = 3_000;

impl Node {
    /// Asks every leader in this process, now and then.
    pub fn enquire(&mut self, stage: &mut Stage) {
        if self.paused_until_us > stage.now_us {
            return;
        }
        let place = self.place();
        for chain in self.chains() {
            if !stage.healing && !stage.process_prng.happens(ASKED) {
                continue;
            }
            let ahead_ms = if stage.healing { 0 } else { stage.process_prng.below(AHEAD_MS_MAX) };
            self.input(chain, stage, |hosted, stage| {
                if hosted.replica.is_leader() {
                    let after = hosted.replica.ledger().header().time.plus_ms(ahead_ms);
                    let (call, purpose) = (stage.next_call(), Purpose::Later { after });
                    let request = hosted.open(Caller { place, call, purpose });
                    hosted.replica.handle_read_after(request, after);
                }
            });
        }
    }
}

impl Hosted {
    /// What the one who asked learns.
    pub(crate) fn answered_enquiry(&self, after: TimeMs, reply: &Reply, stage: &mut Stage) {
        let has_passed = self.replica.ledger().header().time > after;
        let what = match reply {
            Reply::ReadReady if has_passed => "enquiry: past",
            Reply::ReadReady => "enquiry: not yet",
            _ => "enquiry: nothing",
        };
        stage.trace.count(what);
        if stage.healing && matches!(reply, Reply::ReadReady) && has_passed {
            stage.checks.moved_on(self.chain);
        }
    }
}
