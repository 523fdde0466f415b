//! When a replica that hears no leader stands for election.
//!
//! raft asks for random timeouts so that replicas rarely time out together.
//! Here they never do, and no randomness is needed: the range of timeouts is
//! divided evenly among the validators, and who comes first is a hash of chain
//! and term. Each failed election has another order, and the first leaders of
//! many chains spread over the nodes.

use tributary_types::ChainId;

/// Ticks of silence after which `validator` (below `validators`) stands for
/// election in the term after `term`: from `range` to just below twice that.
pub(crate) fn timeout_ticks(
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
