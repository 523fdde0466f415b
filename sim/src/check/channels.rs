//! What one chain sent is what the other received: every message once, in
//! order, none left out, none made up.
//!
//! What was sent is taken from the sender's outbox as its blocks are executed,
//! what was received from the receiver's cursor, and what it was given from its
//! bodies.

use std::collections::BTreeMap;

use tributary_chain::channel::{extend_digest, message_hash};
use tributary_chain::{Delivery, Message};
use tributary_ledger::Ledger;
use tributary_types::{ChainId, Hash};

/// See the module head.
#[derive(Debug, Default)]
pub struct Channels {
    /// By sender and receiver: messages with the digest after each.
    sent: BTreeMap<(ChainId, ChainId), Vec<(Message, Hash)>>,
    /// By receiver and sender: the cursor.
    received: BTreeMap<(ChainId, ChainId), u64>,
    /// Deliveries of blocks after the last state, by receiver.
    ordered: BTreeMap<ChainId, Vec<Delivery>>,
}

impl Channels {
    /// The digest after so many messages.
    pub fn digest(&self, from: ChainId, to: ChainId, sequence: u64) -> Option<Hash> {
        let Some(index) = sequence.checked_sub(1) else { return Some(Hash::ZERO) };
        let sent = self.sent.get(&(from, to))?;
        sent.get(usize::try_from(index).ok()?).map(|(_, digest)| *digest)
    }

    /// A block of this chain carries deliveries.
    pub fn ordered(&mut self, chain: ChainId, deliveries: Vec<Delivery>) {
        self.ordered.entry(chain).or_default().extend(deliveries);
    }

    /// The newest state of a chain.
    ///
    /// # Errors
    /// What is wrong with one of its channels.
    pub fn state(&mut self, ledger: &Ledger) -> Result<(), String> {
        let own = ledger.chain();
        let deliveries = self.ordered.remove(&own).unwrap_or_default();
        for channel in ledger.channel_status() {
            let peer = channel.peer;
            if let Some(height) = channel.frozen {
                return Err(format!(
                    "chain {own} froze chain {peer} at {height}: nobody's quorum lied"
                ));
            }
            self.take_sent(ledger, peer, channel.sent)?;
            self.take_received(own, peer, channel.received, &deliveries)?;
            let there = self.received.get(&(peer, own)).copied().unwrap_or(0);
            if channel.acknowledged > there {
                let acknowledged = channel.acknowledged;
                return Err(format!(
                    "chain {own} believes that {peer} has {acknowledged}, it has {there}"
                ));
            }
        }
        Ok(())
    }

    fn take_sent(&mut self, ledger: &Ledger, peer: ChainId, sent: u64) -> Result<(), String> {
        let own = ledger.chain();
        let known = self.sent.entry((own, peer)).or_default();
        while (known.len() as u64) < sent {
            let after = known.len() as u64;
            let place = || format!("chain {own} to {peer} message {}", after + 1);
            let outgoing = ledger.outgoing(peer, after, usize::MAX);
            let messages = outgoing.map(|outgoing| outgoing.messages).unwrap_or_default();
            if messages.is_empty() {
                return Err(format!("{}: sent {sent}, and it is not there", place()));
            }
            for message in messages {
                let before = known.last().map_or(Hash::ZERO, |(_, digest)| *digest);
                let sequence = known.len() as u64 + 1;
                let digest = extend_digest(&before, own, peer, sequence, &message_hash(&message));
                known.push((message, digest));
            }
        }
        if known.len() as u64 != sent {
            return Err(format!("chain {own} to {peer}: sent {}, now {sent}", known.len()));
        }
        let leaf = ledger.outgoing(peer, sent, 0).map(|outgoing| outgoing.leaf);
        let digest = known.last().map_or(Hash::ZERO, |(_, digest)| *digest);
        match leaf {
            Some(leaf) if leaf.sent_digest == digest && leaf.sent_sequence == sent => Ok(()),
            other => Err(format!("chain {own} to {peer}: {other:?} does not say {digest}")),
        }
    }

    fn take_received(
        &mut self,
        own: ChainId,
        peer: ChainId,
        received: u64,
        deliveries: &[Delivery],
    ) -> Result<(), String> {
        let before = self.received.insert((own, peer), received).unwrap_or(0);
        let place = || format!("chain {own} from {peer}: cursor {before} to {received}");
        if received < before {
            return Err(place());
        }
        let sent = self.sent.get(&(peer, own)).map_or(&[][..], Vec::as_slice);
        for sequence in before + 1..=received {
            let index = usize::try_from(sequence - 1).unwrap_or(usize::MAX);
            let Some((message, _)) = sent.get(index) else {
                return Err(format!("{}: {sequence} was never sent", place()));
            };
            let carries = |delivery: &Delivery| {
                let offset = sequence.checked_sub(delivery.first_sequence);
                let offset = offset.and_then(|offset| usize::try_from(offset).ok());
                delivery.source() == peer
                    && offset.and_then(|offset| delivery.messages.get(offset)) == Some(message)
            };
            if !deliveries.iter().any(carries) {
                return Err(format!("{}: {sequence} was not delivered as it was sent", place()));
            }
        }
        Ok(())
    }
}
