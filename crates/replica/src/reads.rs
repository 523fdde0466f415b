//! Reads that must see everything acknowledged before them.
//!
//! One raft barrier is under way at a time; reads that arrive meanwhile share
//! the next one. raft 0.7 silently drops a barrier that is asked for before
//! the leader's first commit of its term, so none is asked for until then.
//! A read that wants a later state than the chain has waits for that first.

use tributary_types::TimeMs;

use crate::effect::RequestId;

/// See the module head.
#[derive(Debug, Default)]
pub(crate) struct Reads {
    /// Waiting for block time to pass the time beside them.
    later: Vec<(TimeMs, RequestId)>,
    /// Waiting for the next barrier.
    waiting: Vec<RequestId>,
    /// Waiting for the barrier that is under way.
    asked: Vec<RequestId>,
    /// Waiting for execution up to an index.
    confirmed: Vec<(u64, Vec<RequestId>)>,
    /// Number of the last barrier.
    barrier: u64,
}

impl Reads {
    pub fn len(&self) -> usize {
        let confirmed: usize = self.confirmed.iter().map(|(_, requests)| requests.len()).sum();
        self.later.len() + self.waiting.len() + self.asked.len() + confirmed
    }

    pub fn push(&mut self, request: RequestId) {
        self.waiting.push(request);
    }

    /// A read that waits until [`Reads::release`] lets it go.
    pub fn push_later(&mut self, after: TimeMs, request: RequestId) {
        self.later.push((after, request));
    }

    /// Whether some read waits for a later block time.
    pub fn want_later(&self) -> bool {
        !self.later.is_empty()
    }

    /// Lets those reads go that block time has passed, or that it cannot pass
    /// yet because the clocks say `present`.
    pub fn release(&mut self, block_time: TimeMs, present: TimeMs) {
        let released =
            self.later.extract_if(.., |(after, _)| block_time > *after || present <= *after);
        self.waiting.extend(released.map(|(_, request)| request));
    }

    /// The number of the barrier to ask raft for, if one is needed now.
    pub fn next_barrier(&mut self) -> Option<u64> {
        if self.waiting.is_empty() || !self.asked.is_empty() {
            return None;
        }
        self.asked = std::mem::take(&mut self.waiting);
        self.barrier += 1;
        Some(self.barrier)
    }

    /// raft says that a barrier holds once `index` is executed.
    pub fn confirm(&mut self, barrier: u64, index: u64) {
        if barrier == self.barrier && !self.asked.is_empty() {
            self.confirmed.push((index, std::mem::take(&mut self.asked)));
        }
    }

    /// Takes the reads whose barrier holds now.
    pub fn take_ready(&mut self, applied: u64) -> Vec<RequestId> {
        let (ready, later) = std::mem::take(&mut self.confirmed)
            .into_iter()
            .partition(|(index, _)| *index <= applied);
        self.confirmed = later;
        let ready: Vec<(u64, Vec<RequestId>)> = ready;
        ready.into_iter().flat_map(|(_, requests)| requests).collect()
    }

    /// Gives all reads back: this replica leads no more.
    pub fn clear(&mut self) -> Vec<RequestId> {
        let confirmed = self.confirmed.drain(..).flat_map(|(_, requests)| requests);
        let mut requests: Vec<_> = confirmed.collect();
        requests.append(&mut self.asked);
        requests.append(&mut self.waiting);
        requests.extend(self.later.drain(..).map(|(_, request)| request));
        requests
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_share_the_next_barrier_and_wait_for_execution() {
        let mut reads = Reads::default();
        reads.push(RequestId(1));
        assert_eq!(reads.next_barrier(), Some(1));
        reads.push(RequestId(2));
        reads.push(RequestId(3));
        assert_eq!(reads.next_barrier(), None);
        reads.confirm(1, 10);
        assert!(reads.take_ready(9).is_empty());
        assert_eq!(reads.next_barrier(), Some(2));
        assert_eq!(reads.take_ready(10), [RequestId(1)]);
        reads.confirm(1, 10);
        assert!(reads.take_ready(10).is_empty(), "an old barrier confirms nothing");
        reads.confirm(2, 10);
        assert_eq!(reads.take_ready(10), [RequestId(2), RequestId(3)]);
        assert_eq!(reads.len(), 0);
    }

    #[test]
    fn a_read_waits_for_a_block_time_that_the_clocks_have_passed() {
        let (time, mut reads) = (TimeMs::new, Reads::default());
        reads.push_later(time(50), RequestId(1));
        reads.push_later(time(90), RequestId(2));
        reads.release(time(50), time(70));
        assert_eq!(reads.next_barrier(), Some(1), "the second wants what is yet to come");
        reads.confirm(1, 10);
        assert_eq!(reads.take_ready(10), [RequestId(2)]);
        assert!(reads.want_later());
        reads.release(time(51), time(70));
        assert!(!reads.want_later());
        assert_eq!(reads.clear(), [RequestId(1)]);
    }

    #[test]
    fn clearing_gives_every_read_back() {
        let mut reads = Reads::default();
        reads.push(RequestId(1));
        reads.next_barrier();
        reads.confirm(1, 10);
        reads.push(RequestId(2));
        reads.next_barrier();
        reads.push(RequestId(3));
        reads.push_later(TimeMs::new(1), RequestId(4));
        assert_eq!(reads.len(), 4);
        assert_eq!(reads.clear(), [1, 2, 3, 4].map(RequestId));
        assert_eq!(reads.len(), 0);
    }
}
