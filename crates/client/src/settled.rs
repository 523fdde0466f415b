//! Waiting until what is committed now has reached the HF chain, or from there
//! the user chains.
//!
//! A user chain is asked how high it is. It has settled that height once
//! nothing unsettled is that old; the statement that says so has the number
//! that the chain had sent by then. The HF chain has received it once its
//! cursor for that chain is there. All questions are answered by leaders that
//! made sure that they lead, so nothing committed before the call is missed.
//! The other way it is simpler: everything that the HF chain has sent counts.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tributary_ledger::{ChannelStatus, SettlementStatus};
use tributary_types::{BlockHeight, ChainId};
use tributary_wire::query::{AnswerValue, Query};

use crate::client::{AsOf, Client};
use crate::error::{AskError, SettledError};

/// Between two questions to a chain that is not there yet, in ms.
const SETTLED_POLL_INTERVAL_MS: u64 = 20;

impl Client {
    /// Waits until everything that is committed on the user chains when this
    /// is called is part of the merchants' totals on the HF chain.
    ///
    /// # Errors
    /// [`SettledError`] if a chain does not answer, or if it takes longer than
    /// the client's deadline.
    pub async fn settled(&self) -> Result<(), SettledError> {
        let begin = Instant::now();
        let mut asked = Vec::new();
        for chain in self.routes().user_chains() {
            let status = self.settlement(chain).await?;
            asked.push((chain, status.height, status));
        }
        let hf_chain = self.genesis().hf_chain();
        for (chain, height, status) in asked {
            let sent = self.wait_until_sent(chain, height, status, begin).await?;
            self.wait_until_received((chain, hf_chain), sent, begin).await?;
        }
        Ok(())
    }

    /// Waits until everything that the HF chain has announced when this is
    /// called is known on the user chains: merchants that were opened, frozen
    /// or closed, floats, assets, institutions and keys.
    ///
    /// # Errors
    /// [`SettledError`] if a chain does not answer, or if it takes longer than
    /// the client's deadline.
    pub async fn announced(&self) -> Result<(), SettledError> {
        let begin = Instant::now();
        let hf_chain = self.genesis().hf_chain();
        for channel in self.channels(hf_chain).await?.value {
            self.wait_until_received((hf_chain, channel.peer), channel.sent, begin).await?;
        }
        Ok(())
    }

    /// How far a user chain has settled.
    ///
    /// # Errors
    /// [`AskError`] if the chain does not answer.
    pub async fn settlement(&self, chain: ChainId) -> Result<AsOf<SettlementStatus>, AskError> {
        self.read_as(chain, Query::Settlement, "settlement", |value| match value {
            AnswerValue::Settlement(status) => Some(status),
            _ => None,
        })
        .await
    }

    /// The cursors of a chain's channels, both ways.
    ///
    /// # Errors
    /// [`AskError`] if the chain does not answer.
    pub async fn channels(&self, chain: ChainId) -> Result<AsOf<Vec<ChannelStatus>>, AskError> {
        self.read_as(chain, Query::Channels, "channels", |value| match value {
            AnswerValue::Channels(channels) => Some(channels),
            _ => None,
        })
        .await
    }

    /// Waits until `chain` has settled `height`; returns the number of a
    /// message to the HF chain that says so.
    async fn wait_until_sent(
        &self,
        chain: ChainId,
        height: BlockHeight,
        mut status: AsOf<SettlementStatus>,
        begin: Instant,
    ) -> Result<u64, SettledError> {
        loop {
            match status.value.unsettled_since {
                Some(since) if since <= height => {
                    let missing = format!("payments since block {since} are not in a statement");
                    self.pause(chain, begin, missing).await?;
                    status = self.settlement(chain).await?;
                }
                _ => return Ok(status.value.sent_sequence_to_hf),
            }
        }
    }

    /// Waits until the second chain has received message `sent` of the first.
    async fn wait_until_received(
        &self,
        (from, to): (ChainId, ChainId),
        sent: u64,
        begin: Instant,
    ) -> Result<(), SettledError> {
        let user_chain = if from == self.genesis().hf_chain() { to } else { from };
        loop {
            let channels = self.channels(to).await?.value;
            let channel = channels.iter().find(|channel| channel.peer == from);
            let received = channel.map_or(0, |channel| channel.received);
            if received >= sent {
                return Ok(());
            }
            let missing =
                format!("chain {to} has received {received} of {sent} messages of chain {from}");
            self.pause(user_chain, begin, missing).await?;
        }
    }

    async fn pause(
        &self,
        chain: ChainId,
        begin: Instant,
        missing: String,
    ) -> Result<(), SettledError> {
        let waited = begin.elapsed();
        if waited >= self.deadline() {
            let waited_ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
            return Err(SettledError::Deadline { chain, waited_ms, missing });
        }
        sleep(Duration::from_millis(SETTLED_POLL_INTERVAL_MS)).await;
        Ok(())
    }
}
