//! What moves between chains: certified deliveries and nothing else.

use tributary_chain::channel::DELIVERY_BYTES_MAX;
use tributary_chain::{Delivery, InboxError};
use tributary_types::codec::decode_exact;
use tributary_types::{ChainId, Encode};

use super::{World, certify};

impl World {
    /// What `from` has for `to`, behind what `to` has already.
    pub fn delivery(&self, from: ChainId, to: ChainId) -> Delivery {
        self.delivery_after(from, to, self.received(to, from), DELIVERY_BYTES_MAX)
    }

    pub fn delivery_after(
        &self,
        from: ChainId,
        to: ChainId,
        after: u64,
        bytes_max: usize,
    ) -> Delivery {
        let ledger = self.ledger(from);
        let outgoing = ledger.outgoing(to, after, bytes_max).expect("not pruned");
        let header = ledger.header().clone();
        let certificate = certify(&self.genesis, &header);
        let delivery = outgoing.certified(header, certificate);
        decode_exact(&delivery.to_bytes()).unwrap()
    }

    /// The last message that `chain` has of `peer`.
    pub fn received(&self, chain: ChainId, peer: ChainId) -> u64 {
        let status = self.ledger(chain).channel_status();
        status.iter().find(|status| status.peer == peer).unwrap().received
    }

    /// Delivers to `to` in a block of its own.
    pub fn deliver(&mut self, to: ChainId, delivery: Delivery) -> Result<u64, InboxError> {
        self.block(to, Vec::new(), vec![delivery]).deliveries.remove(0)
    }

    /// Carries everything there is from one chain to another.
    pub fn carry(&mut self, from: ChainId, to: ChainId) -> Result<u64, InboxError> {
        let delivery = self.delivery(from, to);
        self.deliver(to, delivery)
    }

    /// Carries messages between all chains until none is under way.
    pub fn relay(&mut self) {
        let chains = self.chains();
        for _ in 0..50 {
            let mut moved = false;
            for from in &chains {
                for to in chains.iter().filter(|to| *to != from) {
                    let pending = self.ledger(*from).channel_status();
                    let pending = pending.iter().find(|status| status.peer == *to).unwrap();
                    if pending.frozen.is_none() && pending.sent > self.received(*to, *from) {
                        self.carry(*from, *to).unwrap();
                        self.carry(*to, *from).unwrap();
                        moved = true;
                    }
                }
            }
            if !moved {
                return;
            }
        }
        panic!("messages never end");
    }

    /// Lets every user chain settle and carries the statements.
    pub fn settle(&mut self) {
        self.advance(self.genesis.parameters.settlement_interval_ms);
        for chain in self.chains() {
            self.tick(chain);
        }
        self.relay();
    }
}
