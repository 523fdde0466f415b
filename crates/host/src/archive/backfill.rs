//! Fetches the blocks that this replica's archive lacks, because a snapshot
//! carried the replica over them, from the other replicas of the chain.
//!
//! Gaps are looked for below every state that the replica goes on from, at the
//! start too, as far down as [`SEARCH_BLOCKS_MAX`]; what lies deeper is found
//! when a reader needs it. A gap is filled from above, since it is the header
//! above a block that proves it ([`crate::archive::verify`]). One request is
//! under way at a time; peers are asked in turn, those that lie too: their
//! blocks are refused and noted. What a crash takes is missing again, and found
//! again.
//!
//! After every reply it rests as long as that took, at most [`REST_MS_MAX`], since
//! its peers have payments to execute. A reader ends the rest.

use std::ops::RangeInclusive;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::spawn_blocking;
use tokio::time::timeout;
use tributary_chain::Header;
use tributary_replica::store::StorageFault;
use tributary_types::{BlockHeight, Hash};
use tributary_wire::node::{ArchivedBlock, BLOCKS_PER_REPLY_MAX};

use crate::archive::blocks::BlockReader;
use crate::archive::gaps::{GAPS_MAX, Gap, Gaps};
use crate::archive::missing::{MissingBlocks, Said};
use crate::archive::verify::{ChainRules, ForgedBlock};
use crate::measure::BackfillMetrics;
use crate::server::refusals::Refusals;

/// Blocks that are looked at below a state: 13 hours at 90 blocks a second,
/// some seconds of one thread.
pub const SEARCH_BLOCKS_MAX: u64 = 1 << 22;
/// Blocks that are looked at in one go.
const WINDOW_BLOCKS: u64 = 1 << 16;
/// How long one peer may take to answer.
const REPLY_WAIT_MS_MAX: u64 = 10_000;
/// Longest rest after a reply.
pub const REST_MS_MAX: u64 = 250;
/// Wait after no peer had what is missing; doubles up to the other.
const RETRY_WAIT_MS_MIN: u64 = 100;
/// See [`RETRY_WAIT_MS_MIN`].
const RETRY_WAIT_MS_MAX: u64 = 10_000;

/// Another replica of the chain.
pub trait BlockSource: Send + Sync {
    /// Whom refusals are noted for.
    fn name(&self) -> String;

    /// Its blocks, from the highest down; some of them, or none.
    ///
    /// # Errors
    /// A sentence, if it gives no answer.
    fn blocks(
        &self,
        within: RangeInclusive<BlockHeight>,
    ) -> impl Future<Output = Result<Vec<ArchivedBlock>, String>> + Send;
}

/// What the backfill of a chain works with.
pub struct Means<S> {
    /// What tells right blocks from wrong ones.
    pub rules: Arc<ChainRules>,
    /// The archive.
    pub reader: Arc<BlockReader>,
    /// Where it is told what is missing.
    pub missing: Arc<MissingBlocks>,
    /// The other replicas.
    pub peers: Vec<S>,
    /// Where forged blocks are noted.
    pub refusals: Arc<Refusals>,
}

/// The backfill of one chain; see the module head.
pub struct Backfill<S> {
    means: Means<S>,
    metrics: BackfillMetrics,
    /// Every block up to this one is wanted.
    state: Option<Header>,
    /// What has not been searched for gaps yet.
    unsearched: Option<RangeInclusive<BlockHeight>>,
    gaps: Gaps,
    /// Whom to ask next.
    turn: usize,
    /// Gaps that nobody could fill since one was.
    failures: usize,
    retry_wait_ms: u64,
}

impl<S: BlockSource> Backfill<S> {
    /// Knows of nothing missing yet.
    #[must_use]
    pub fn new(means: Means<S>) -> Self {
        Self {
            metrics: BackfillMetrics::new(means.rules.chain),
            means,
            state: None,
            unsearched: None,
            gaps: Gaps::default(),
            turn: 0,
            failures: 0,
            retry_wait_ms: RETRY_WAIT_MS_MIN,
        }
    }

    /// Works until it is dropped.
    ///
    /// # Errors
    /// The first [`StorageFault`].
    pub async fn run(mut self) -> Result<(), StorageFault> {
        loop {
            self.listen().await?;
            if let Some(heights) = self.unsearched.take_if(|_| self.gaps.len() < GAPS_MAX) {
                self.search(heights).await?;
            } else if let Some(gap) = self.gaps.pop() {
                self.fill(gap).await?;
            } else {
                self.means.missing.wait().await;
            }
            self.metrics.missing(self.gaps.blocks());
            if self.failures > 0 && self.failures >= self.gaps.len() {
                self.failures = 0;
                let wait = Duration::from_millis(self.retry_wait_ms);
                self.retry_wait_ms = (2 * self.retry_wait_ms).min(RETRY_WAIT_MS_MAX);
                self.rest(wait).await;
            }
        }
    }

    /// Takes note of what was said.
    async fn listen(&mut self) -> Result<(), StorageFault> {
        let Said { state, demanded } = self.means.missing.take();
        if let Some(header) = state {
            self.gaps.clear();
            self.unsearched = below(header.height);
            self.state = Some(header);
        }
        if let Some(height) = demanded {
            self.demanded(height).await?;
        }
        Ok(())
    }

    /// Sees to it that the gap around a height is filled first.
    async fn demanded(&mut self, height: BlockHeight) -> Result<(), StorageFault> {
        let Some(top) = self.state.as_ref().map(|state| state.height) else { return Ok(()) };
        if height > top || height == BlockHeight::new(0) || self.gaps.prefer(height) {
            return Ok(());
        }
        let reader = Arc::clone(&self.means.reader);
        match blocking(move || reader.first_gap(height..=top)).await? {
            Some(run) if *run.start() == height => {
                self.gaps.push_first(Gap { low: height, high: *run.end(), top: None });
                if self.unsearched.is_none() {
                    self.unsearched = below(BlockHeight::new(height.get() - 1));
                }
            }
            // It has come meanwhile.
            _ => self.means.missing.tell_fetched(height),
        }
        Ok(())
    }

    /// Looks for gaps in the highest part of `heights`.
    async fn search(&mut self, heights: RangeInclusive<BlockHeight>) -> Result<(), StorageFault> {
        let (floor, high) = heights.into_inner();
        let low = floor.max(BlockHeight::new(high.get().saturating_sub(WINDOW_BLOCKS - 1)));
        let reader = Arc::clone(&self.means.reader);
        let mut runs = blocking(move || {
            let (mut runs, mut from) = (Vec::new(), low);
            while from <= high
                && let Some(run) = reader.first_gap(from..=high)?
            {
                from = run.end().next();
                runs.push(run);
            }
            Ok(runs)
        })
        .await?;
        while let Some(run) = runs.pop() {
            self.gaps.push_last(Gap { low: *run.start(), high: *run.end(), top: None });
        }
        let rest = BlockHeight::new(low.get().saturating_sub(1));
        self.unsearched = (low > floor).then_some(floor..=rest);
        if self.unsearched.is_none() && !self.gaps.is_empty() {
            let (chain, blocks) = (self.means.rules.chain, self.gaps.blocks());
            tracing::info!(%chain, blocks, "blocks are missing and will be fetched");
        }
        Ok(())
    }

    /// Fetches the upper end of a gap.
    async fn fill(&mut self, gap: Gap) -> Result<(), StorageFault> {
        let started = Instant::now();
        let (gap, top) = match gap.top {
            Some(top) => (gap, top),
            None => match self.anchored(gap).await? {
                Anchored::Below(gap, top) => (gap, top),
                Anchored::Filled => return Ok(()),
                Anchored::Nowhere => {
                    self.gaps.push_last(gap);
                    self.failures += 1;
                    return Ok(());
                }
            },
        };
        for _ in 0..self.means.peers.len() {
            if let Some(left) = self.ask(self.turn, gap, top).await? {
                self.failures = 0;
                self.retry_wait_ms = RETRY_WAIT_MS_MIN;
                if let Some(left) = left {
                    self.gaps.push_first(left);
                }
                let most = Duration::from_millis(REST_MS_MAX);
                self.rest(started.elapsed().min(most)).await;
                return Ok(());
            }
            self.turn = (self.turn + 1) % self.means.peers.len();
        }
        self.gaps.push_last(gap);
        self.failures += 1;
        Ok(())
    }

    /// Narrows a gap to what is still missing, and finds the hash of the header
    /// at its upper end.
    async fn anchored(&mut self, gap: Gap) -> Result<Anchored, StorageFault> {
        let (reader, state) = (Arc::clone(&self.means.reader), self.state.clone());
        let rules = Arc::clone(&self.means.rules);
        let (run, above) = blocking(move || {
            let Some(run) = reader.first_gap(gap.low..=gap.high)? else { return Ok((None, None)) };
            let above = match state.filter(|state| state.height == *run.end()) {
                Some(state) => Some(rules.hash(&state)),
                None => reader.stored(run.end().next())?.map(|block| block.header.parent),
            };
            Ok((Some(run), above))
        })
        .await?;
        let Some(run) = run else { return Ok(Anchored::Filled) };
        if *run.end() < gap.high {
            self.gaps.push_last(Gap { low: run.end().next(), ..gap });
        }
        let narrowed = Gap { low: *run.start(), high: *run.end(), top: above };
        Ok(above.map_or(Anchored::Nowhere, |top| Anchored::Below(narrowed, top)))
    }

    /// Asks one peer for the upper end of a gap, and puts what it proves.
    /// `None` if that is nothing; else what is left of the gap.
    async fn ask(
        &self,
        peer: usize,
        gap: Gap,
        top: Hash,
    ) -> Result<Option<Option<Gap>>, StorageFault> {
        let peer = &self.means.peers[peer];
        let most = BLOCKS_PER_REPLY_MAX as u64 - 1;
        let low = gap.low.max(BlockHeight::new(gap.high.get().saturating_sub(most)));
        let reply = timeout(Duration::from_millis(REPLY_WAIT_MS_MAX), peer.blocks(low..=gap.high));
        let served = match reply.await {
            Ok(Ok(served)) => served,
            Ok(Err(reason)) => {
                tracing::debug!("no blocks from {}: {reason}", peer.name());
                return Ok(None);
            }
            Err(_) => {
                tracing::debug!("no blocks from {} in {REPLY_WAIT_MS_MAX} ms", peer.name());
                return Ok(None);
            }
        };
        let Some(parent) = served.last().map(|lowest| lowest.header.parent) else {
            return Ok(None);
        };
        let (count, asked) = (served.len(), gap.high.get() - low.get() + 1);
        if let Err(error) = self.put(served, top, asked).await? {
            self.means.refusals.note(&peer.name(), &error.to_string());
            return Ok(None);
        }
        self.metrics.fetched(count);
        let left = gap.without(count as u64, parent);
        let lowest = left.map_or(gap.low, |left| left.high.next());
        self.means.missing.tell_fetched(lowest);
        Ok(Some(left))
    }

    /// Puts blocks if they are the chain's.
    async fn put(
        &self,
        served: Vec<ArchivedBlock>,
        top: Hash,
        asked: u64,
    ) -> Result<Result<(), ForgedBlock>, StorageFault> {
        let (rules, reader) = (Arc::clone(&self.means.rules), Arc::clone(&self.means.reader));
        blocking(move || match rules.check(&served, top, asked) {
            Ok(()) => reader.put_fetched(&served).map(Ok),
            Err(error) => Ok(Err(error)),
        })
        .await
    }

    /// Waits so long, or until something is said.
    async fn rest(&self, wait: Duration) {
        drop(timeout(wait, self.means.missing.wait()).await);
    }
}

/// Where a gap begins.
enum Anchored {
    /// Nothing of it is missing any more.
    Filled,
    /// Below a header that is not here either.
    Nowhere,
    /// Its highest header has this hash.
    Below(Gap, Hash),
}

/// The heights that are searched, from `high` down.
fn below(high: BlockHeight) -> Option<RangeInclusive<BlockHeight>> {
    let low = high.get().saturating_sub(SEARCH_BLOCKS_MAX - 1).max(1);
    (high.get() >= low).then(|| BlockHeight::new(low)..=high)
}

/// Reads or writes the archive. While the runtime ends, it never comes back.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StorageFault> + Send + 'static,
) -> Result<T, StorageFault> {
    match spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(_) => std::future::pending().await,
        },
    }
}

#[cfg(test)]
mod tests;
