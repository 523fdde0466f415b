//! Execution: one deterministic function of state and body.
//!
//! ```text
//! time → forgotten ids → deliveries → batches → end of block → roots → header
//! ```
//!
//! It cannot fail: what is wrong with an item is its receipt, what is wrong
//! with a delivery is its answer.

use tributary_chain::{Batch, Body, Delivery, DenseTree, Header, InboxError, Message, Operation};
use tributary_types::{Amount, ChainId, Hash, OutcomeCode, Position, Receipt};

use crate::block::{Block, block_time};
use crate::id_window::{Fingerprint, Fingerprints, Known};
use crate::ledger::{Executed, Ledger, Side};
use crate::movement::Movement;
use crate::outcome::{Subject, receipts_root};
use crate::owners::{InPlace, SignatureVerifier, Verdict};
use crate::payment::{Ordered, Signed, moved};
use crate::refusal::{Refusal, RuleBroken, is_remembered};
use crate::roots::StateParts;

/// Payments whose contents are hashed together.
const RUN_PAYMENTS: usize = 64;

impl Ledger {
    /// Executes the next block. `body_root` is the hash of the body's canonical
    /// bytes, which the caller has.
    pub fn execute(&mut self, body: &Body, body_root: Hash) -> Executed {
        self.execute_with(body, body_root, &InPlace)
    }

    /// Executes the next block; owner signatures are verified by `verifier`,
    /// all together.
    pub fn execute_with(
        &mut self,
        body: &Body,
        body_root: Hash,
        verifier: &dyn SignatureVerifier,
    ) -> Executed {
        let rules = &self.core.rules;
        let time = block_time(
            self.header.time,
            &body.clocks,
            rules.validators.keys().len(),
            rules.parameters.time_step_ms_max,
        );
        let body_outcomes = body.batches.iter().map(Batch::outcome_count).sum();
        let mut block = Block::new(self.header.height.next(), time, body_outcomes);
        self.core.window.expire(time);
        let deliveries =
            body.deliveries.iter().map(|delivery| self.deliver(&mut block, delivery)).collect();
        let verdicts = self.verify_owners(body, verifier);
        for (batch, verdicts) in body.batches.iter().zip(&verdicts) {
            self.run_batch(&mut block, batch, verdicts);
        }
        if let Side::User(user) = &mut self.side {
            user.end_block(&mut self.core, &mut block);
        }
        let height = block.height;
        let outcomes = block.into_outcomes();
        let receipts = receipts_root(&outcomes.commitment(body));
        let channels_root = self.commit();
        self.header = Header {
            chain: self.core.rules.chain,
            height,
            parent: self.header.hash(&self.core.rules.cluster),
            time,
            validator_set: self.header.validator_set,
            body_root,
            receipts_root: receipts,
            state_root: self.parts.root(),
            channels_root,
        };
        Executed { header: self.header.clone(), outcomes, deliveries }
    }

    /// Brings all trees and hashes up to date; returns the channels root.
    pub(crate) fn commit(&mut self) -> Hash {
        let empty = DenseTree::default().commitment();
        let (channels, channels_root) = self.core.channels.commit();
        let (proxies, merchants, transfers, settlement) = match &mut self.side {
            Side::User(user) => {
                let proxies = user.proxies.commit();
                (proxies, empty, user.transfers.commit(), user.settlement.commit())
            }
            Side::Hf(hf) => (empty, hf.merchants.commit(), Hash::ZERO, hf.settled.commit()),
        };
        self.parts = StateParts {
            accounts: self.core.accounts.commit(),
            proxies,
            merchants,
            registry: self.core.registry.commit(),
            routes: self.core.rules.routes_hash,
            id_window: self.core.window.commit(),
            channels,
            transfers,
            settlement,
        };
        channels_root
    }

    /// Applies what is new in a delivery and moves the cursor, in one step.
    /// A message that breaks a rule freezes its source: what came before it
    /// stands, it and what follows is not applied.
    fn deliver(&mut self, block: &mut Block, delivery: &Delivery) -> Result<u64, InboxError> {
        let source = delivery.source();
        let examined = self.core.channels.examine(&self.core.rules.cluster, delivery)?;
        self.core.channels.acknowledge(delivery);
        for (applied, message) in delivery.messages.iter().skip(examined.skip).enumerate() {
            if let Err(RuleBroken(rule)) = self.receive(block, source, message) {
                let channels = &mut self.core.channels;
                channels.change_inbox(source, |inbox| {
                    inbox.condemn(delivery, &examined, applied);
                });
                let sequence = channels.received(source) + 1;
                return Err(InboxError::BrokenRule { sequence, rule: rule.to_owned() });
            }
        }
        let channels = &mut self.core.channels;
        channels.change_inbox(source, |inbox| inbox.advance(delivery, &examined));
        Ok(channels.received(source))
    }

    fn receive(
        &mut self,
        block: &mut Block,
        source: ChainId,
        message: &Message,
    ) -> Result<(), RuleBroken> {
        if let Message::ValidatorSet(next) = message {
            return self.core.channels.rotate(source, next.clone());
        }
        match &mut self.side {
            Side::User(user) => user.receive(&mut self.core, block, source, message),
            Side::Hf(hf) => hf.receive(&mut self.core, source, message),
        }
    }

    /// Why nothing of a batch is carried out, if so.
    pub(crate) fn refusal_of(&self, batch: &Batch) -> Option<OutcomeCode> {
        let registry = self.core.registry.get();
        if batch.chain != self.core.rules.chain {
            Some(OutcomeCode::WrongChain)
        } else if !registry.has_key(batch.institution, &batch.key) {
            Some(OutcomeCode::UnknownKey)
        } else {
            None
        }
    }

    fn run_batch(&mut self, block: &mut Block, batch: &Batch, verdicts: &[Option<Verdict>]) {
        let refused = self.refusal_of(batch);
        let mut contents = Fingerprints::new(batch.operations.len());
        let contents = contents.of_all(batch.operations.iter().map(Subject::Operation));
        for (operation, content) in batch.operations.iter().zip(contents) {
            let receipt = match refused {
                Some(code) => Receipt::refused(code, Amount::ZERO),
                None => self.run_operation(block, batch, operation, content),
            };
            block.decide(receipt);
        }
        self.run_payments(block, batch, refused, verdicts);
    }

    fn run_payments(
        &mut self,
        block: &mut Block,
        batch: &Batch,
        refused: Option<OutcomeCode>,
        verdicts: &[Option<Verdict>],
    ) {
        let mut signatures = batch.owner_signatures.iter().zip(verdicts).peekable();
        let mut index = 0;
        // One run after the other uses the same memory.
        let mut contents = Fingerprints::new(RUN_PAYMENTS.min(batch.payments.len()));
        let mut ahead = self.read_ahead(&batch.payments);
        for run in batch.payments.chunks(RUN_PAYMENTS) {
            let contents = contents.of_all(run.iter().map(Subject::Payment));
            for (record, content) in run.iter().zip(contents) {
                let near = self.near(&mut ahead, index as usize);
                let payment = record.parse();
                let signed = signatures.next_if(|(entry, _)| entry.payment == index);
                let owner_signature = signed.map(|(entry, verdict)| Signed {
                    signature: &entry.signature,
                    verdict: *verdict,
                });
                let receipt = match (&payment, refused) {
                    (Err(_), _) => Receipt::refused(OutcomeCode::Malformed, Amount::ZERO),
                    (Ok(_), Some(code)) => Receipt::refused(code, Amount::ZERO),
                    (Ok(payment), None) => {
                        let (institution, position) = (batch.institution, block.position());
                        let ordered = Ordered {
                            payment,
                            record,
                            near,
                            institution,
                            owner_signature,
                            position,
                        };
                        self.run_payment(block, &ordered, content)
                    }
                };
                block.decide(receipt);
                index += 1;
            }
        }
    }

    fn run_operation(
        &mut self,
        block: &Block,
        batch: &Batch,
        operation: &Operation,
        content: Fingerprint,
    ) -> Receipt {
        let vacancy = match self.core.window.look(operation.id, content, block.time) {
            Ok(Known::New(vacancy)) => vacancy,
            Ok(Known::Replay(first)) => return Receipt::repeating(first.code, first.position),
            Err(refusal) => return refusal.into(),
        };
        let (core, institution) = (&mut self.core, batch.institution);
        let done = match &mut self.side {
            Side::User(user) => user.operate(core, institution, &operation.action),
            Side::Hf(hf) => hf.operate(core, institution, &operation.action),
        };
        let committed = moved(OutcomeCode::Committed, Position::NONE, Position::NONE);
        let receipt = done.map_or_else(Receipt::from, |()| committed);
        if is_remembered(receipt.code) {
            core.window.insert(operation.id, content, receipt.code, block.position(), vacancy);
        }
        receipt
    }

    fn run_payment(
        &mut self,
        block: &Block,
        ordered: &Ordered<'_>,
        content: Fingerprint,
    ) -> Receipt {
        let id = ordered.payment.id;
        let vacancy = match self.core.window.look(id, content, block.time) {
            Ok(Known::New(vacancy)) => vacancy,
            Ok(Known::Replay(first)) => return Receipt::repeating(first.code, first.position),
            Err(refusal) => return refusal.into(),
        };
        let receipt = self.pay(block, ordered).unwrap_or_else(Receipt::from);
        if is_remembered(receipt.code) {
            self.core.window.insert(id, content, receipt.code, ordered.position, vacancy);
        }
        receipt
    }

    fn pay(&mut self, block: &Block, ordered: &Ordered<'_>) -> Result<Receipt, Refusal> {
        let core = &mut self.core;
        match (Movement::of(ordered.payment)?, &mut self.side) {
            (Movement::User(movement), Side::User(user)) => {
                user.pay(core, block, movement, ordered)
            }
            (Movement::Hf(movement), Side::Hf(hf)) => hf.pay(core, movement, ordered),
            _ => Err(OutcomeCode::WrongChain.into()),
        }
    }
}
