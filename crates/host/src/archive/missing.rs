//! What a chain's thread and readers say about blocks that are missing here,
//! and what the backfill says back: the one place where they meet.

use std::sync::{Mutex, PoisonError};

use tokio::sync::{Notify, watch};
use tributary_chain::Header;
use tributary_types::BlockHeight;

/// Shared by one chain's thread, its readers and its backfill. Nobody waits on
/// anybody else's account; what is said twice before it is heard is heard once.
#[derive(Debug)]
pub struct MissingBlocks {
    said: Mutex<Said>,
    something_was_said: Notify,
    fetched: watch::Sender<BlockHeight>,
}

/// What was said since the backfill listened last.
#[derive(Debug, Default)]
pub struct Said {
    /// The header of a state that is durable here: every block up to it is
    /// wanted.
    pub state: Option<Header>,
    /// The height that a reader looked for last.
    pub demanded: Option<BlockHeight>,
}

impl Default for MissingBlocks {
    fn default() -> Self {
        let (fetched, _) = watch::channel(BlockHeight::new(0));
        Self { said: Mutex::default(), something_was_said: Notify::new(), fetched }
    }
}

impl MissingBlocks {
    /// The replica goes on from a state that it did not execute all of: blocks
    /// up to this header's may be missing. The state is durable.
    pub fn state_is_at(&self, header: Header) {
        self.say(|said| said.state = Some(header));
    }

    /// A reader needs the block at a height.
    pub fn demand(&self, height: BlockHeight) {
        self.say(|said| said.demanded = Some(height));
    }

    /// Changes whenever blocks were put; the value is the lowest of them.
    #[must_use]
    pub fn fetched(&self) -> watch::Receiver<BlockHeight> {
        self.fetched.subscribe()
    }

    /// What was said; for the backfill.
    #[must_use]
    pub fn take(&self) -> Said {
        std::mem::take(&mut *self.said.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something is said; for the backfill, which is alone.
    pub async fn wait(&self) {
        self.something_was_said.notified().await;
    }

    /// Blocks down to this height were put, or were here already.
    pub fn tell_fetched(&self, lowest: BlockHeight) {
        self.fetched.send_replace(lowest);
    }

    fn say(&self, what: impl FnOnce(&mut Said)) {
        what(&mut self.said.lock().unwrap_or_else(PoisonError::into_inner));
        self.something_was_said.notify_one();
    }
}
