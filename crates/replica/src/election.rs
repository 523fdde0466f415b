//! When a replica that hears no leader stands for election.
//!
//! raft asks for random timeouts so that replicas rarely time out together.
//! Here they never do, and no randomness is needed: the range of timeouts is
//! divided evenly among the validators, and who comes first is a hash of chain
//! and term. Each failed election has another order, and the first leaders of
//! many chains spread over the nodes.
//!
//! Nobody waits for a leader whose process is known to have ended.

use raft::StateRole;
use tributary_types::ChainId;

use crate::engine::{Engine, raft_id};

/// Ticks after which a candidate asks again for votes that it was refused because
/// others did not know yet that their leader has ended.
const ASK_AGAIN_TICKS: usize = 2;

impl Engine {
    /// One tick has passed. A node that installs a state does not stand for
    /// election: raft would look for entries before it, which the log has no
    /// more. The silence it hears counts, so it votes for others in time. Who
    /// stands already and is not elected stands again after half as long: votes
    /// were split, or somebody heard the last leader a little later.
    pub fn tick(&mut self) {
        if self.unpersisted.is_installing() {
            self.raw.raft.election_elapsed += 1;
        } else {
            if [StateRole::PreCandidate, StateRole::Candidate].contains(&self.raw.raft.state) {
                self.raw.raft.election_elapsed += 1;
            }
            self.ask_again_soon();
            self.raw.tick();
        }
        self.pin_election_timeout();
        self.age_snapshots();
    }

    /// The process of a validator has ended. If it led, this node is as far as if
    /// it had heard nothing until the first of the others times out: it votes for
    /// them (raft's followers do not while a leader may live; Ongaro 2014, section
    /// 4.2.3), and that first one stands with its next tick.
    pub fn peer_ended(&mut self, peer: u16) {
        self.unreachable(peer);
        if self.raw.raft.leader_id != raft_id(peer) {
            return;
        }
        let term = self.raw.raft.term;
        let validators = (0..self.voters()).filter_map(|index| u16::try_from(index).ok());
        let others = validators.filter(|validator| *validator != peer);
        let first = others.map(|validator| self.timeout_ticks(validator, term)).min();
        let silence = &mut self.raw.raft.election_elapsed;
        *silence = first.map_or(*silence, |first| first.max(*silence));
        self.leaderless = Some(term);
    }

    /// Replaces what raft drew at random.
    pub(crate) fn pin_election_timeout(&mut self) {
        let ticks = self.timeout_ticks(self.config.validator, self.raw.raft.term);
        self.raw.raft.set_randomized_election_timeout(ticks);
    }

    /// The others hear that the leader has ended a little earlier or later.
    fn ask_again_soon(&mut self) {
        let raft = &mut self.raw.raft;
        if raft.state == StateRole::PreCandidate && self.leaderless == Some(raft.term) {
            let soon = raft.randomized_election_timeout().saturating_sub(ASK_AGAIN_TICKS);
            raft.election_elapsed = raft.election_elapsed.max(soon);
        }
    }

    fn timeout_ticks(&self, validator: u16, term: u64) -> usize {
        let (range, chain) = (self.config.election_ticks, self.config.chain);
        timeout_ticks(range, chain, term, validator, self.voters())
    }

    fn voters(&self) -> usize {
        self.log().voters().len()
    }
}

/// Ticks of silence after which `validator` (below `validators`) stands for
/// election in the term after `term`: from `range` to just below twice that.
fn timeout_ticks(
    range: u32,
    chain: ChainId,
    term: u64,
    validator: u16,
    validators: usize,
) -> usize {
    let range = u64::from(range.max(1));
    let stride = (range / (validators as u64).max(1)).max(1);
    let turn = mix(u64::from(chain.get()) << 48 ^ term) % range;
    let offset = (turn + u64::from(validator) * stride) % range;
    usize::try_from(range + offset).unwrap_or(usize::MAX)
}

/// The finaliser of splitmix64 (Steele, Lea, Flood, 2014): neighbouring inputs
/// give unrelated outputs.
const fn mix(input: u64) -> u64 {
    let mut bits = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(chain: u16, term: u64) -> Vec<usize> {
        let ticks = |validator| timeout_ticks(20, ChainId::new(chain), term, validator, 3);
        (0..3).map(ticks).collect()
    }

    fn first(chain: u16, term: u64) -> usize {
        let order = order(chain, term);
        (0..3).min_by_key(|validator| order[*validator]).unwrap()
    }

    #[test]
    fn timeouts_are_in_range_and_far_apart() {
        for term in 0..1_000 {
            let mut order = order(7, term);
            order.sort_unstable();
            assert!(order[0] >= 20 && order[2] < 40, "{order:?}");
            assert!(order[1] - order[0] >= 6 && order[2] - order[1] >= 6, "{order:?}");
        }
    }

    #[test]
    fn terms_and_chains_take_turns() {
        let mut by_term = [0; 3];
        let mut by_chain = [0; 3];
        for number in 0..300 {
            by_term[first(1, number)] += 1;
            by_chain[first(u16::try_from(number).unwrap(), 0)] += 1;
        }
        for count in by_term.into_iter().chain(by_chain) {
            assert!((60..=140).contains(&count), "{by_term:?} {by_chain:?}");
        }
    }
}
