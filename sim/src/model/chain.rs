//! One chain: what it holds, and how a block runs through it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tributary_chain::operation::RegistryChange;
use tributary_chain::{Batch, Body, Delivery, Message, Operation};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountId, Amount, AssetId, BlockHeight, ChainId, OutcomeCode, PaymentRecord, Position,
    Receipt, Signature, TimeMs,
};

use super::channel::Channel;
use super::difference::Difference;
use super::holder::{Account, Merchant, Proxy};
use super::ids::{Content, Ids};
use super::registry::Registry;
use super::rules::{OWED_MAX, Rules};
use super::settlement::Settlement;

/// A user chain or the HF chain. What only the other kind has stays empty.
#[derive(Debug, Clone)]
pub struct Chain {
    /// Its number.
    pub id: ChainId,
    pub(super) rules: Arc<Rules>,
    pub(super) registry: Registry,
    /// Users and issuers.
    pub(super) accounts: BTreeMap<AccountId, Account>,
    /// What this chain owes others: the balances of the control accounts.
    pub(super) owed: BTreeMap<(ChainId, AssetId), i128>,
    pub(super) ids: Ids,
    pub(super) channels: BTreeMap<ChainId, Channel>,
    /// User chain.
    pub(super) proxies: BTreeMap<AccountId, Proxy>,
    /// User chain: transfers whose answer is outstanding, oldest first.
    pub(super) in_transit: BTreeMap<ChainId, VecDeque<Payment>>,
    /// User chain.
    pub(super) settlement: Settlement,
    /// HF chain.
    pub(super) merchants: BTreeMap<AccountId, Merchant>,
    /// The last block.
    pub(super) block: Block,
}

/// A block and its outcomes so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Block {
    pub(super) height: BlockHeight,
    pub(super) time: TimeMs,
    /// Items of the body.
    items: usize,
    pub(super) receipts: Vec<Receipt>,
    pub(super) late: Vec<(PaymentRecord, Receipt)>,
    /// Proxies that the block touched.
    pub(super) touched: BTreeSet<AccountId>,
}

/// Why a payment or operation is refused, with the receipt's detail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) code: OutcomeCode,
    pub(super) detail: u128,
}

/// A payment with what gives it authority.
#[derive(Clone, Copy)]
pub(super) struct Order<'a> {
    pub(super) payment: Payment,
    pub(super) record: &'a PaymentRecord,
    pub(super) batch: &'a Batch,
    pub(super) signature: Option<&'a Signature>,
}

impl Chain {
    pub(super) fn new(id: ChainId, rules: Arc<Rules>) -> Self {
        let peers = rules.chains.iter().filter(|(peer, _)| **peer != id);
        let open = |(peer, set): (&ChainId, &_)| (*peer, Channel::new(Clone::clone(set)));
        let channels = peers.map(open).collect();
        let mut chain = Self {
            id,
            registry: Registry::default(),
            accounts: BTreeMap::new(),
            owed: BTreeMap::new(),
            ids: Ids::default(),
            channels,
            proxies: BTreeMap::new(),
            in_transit: BTreeMap::new(),
            settlement: Settlement::new(rules.created),
            merchants: BTreeMap::new(),
            block: Block { time: rules.created, ..Block::default() },
            rules: Arc::clone(&rules),
        };
        for institution in rules.institutions.iter().cloned() {
            chain.change_registry(&RegistryChange::Institution(institution));
        }
        for asset in rules.assets.iter().cloned() {
            chain.change_registry(&RegistryChange::Asset(asset));
        }
        chain
    }

    /// Time passes: to the median of the registered validators' clocks, never
    /// back and not too far at once. What the id window has passed is forgotten.
    pub(super) fn begin(&mut self, body: &Body) {
        let validators = self.rules.chains.get(&self.id).map_or(0, |set| set.keys().len());
        let known = body.clocks.iter().filter(|report| usize::from(report.validator) < validators);
        let mut clocks: Vec<u64> = known.map(|report| report.time.get()).collect();
        clocks.sort_unstable();
        let before = self.block.time.get();
        let median = clocks.get(clocks.len().saturating_sub(1) / 2).copied().unwrap_or(before);
        let time = median.min(before.saturating_add(self.rules.time_step_ms_max)).max(before);
        self.block = Block {
            height: self.block.height.next(),
            time: TimeMs::new(time),
            items: body.batches.iter().map(|b| b.operations.len() + b.payments.len()).sum(),
            ..Block::default()
        };
        self.ids.forget(TimeMs::new(time.saturating_sub(self.rules.id_window_back_ms)));
    }

    /// Takes an accepted delivery: first the acknowledgement, then its messages.
    pub(super) fn deliver(
        &mut self,
        delivery: &Delivery,
        messages: &[Message],
    ) -> Result<u64, Difference> {
        let source = delivery.header.chain;
        let height = self.block.height;
        let channel = self.channels.get_mut(&source);
        let lost = |what: &str| Difference::new(self.id, height, what, "known", "unknown");
        let channel = channel.ok_or_else(|| lost("the channel of a delivery"))?;
        channel.acknowledge(delivery.leaf.received_sequence);
        channel.received += messages.len() as u64;
        let received = channel.received;
        for message in messages {
            let taken = match message {
                Message::Statement(statement) => self.take_statement(source, statement),
                Message::FundRequest(request) => self.take_fund_request(source, request),
                Message::Fund(fund) => self.take_fund(fund),
                Message::Transfer(transfer) => self.take_transfer(source, transfer),
                Message::TransferOutcome(outcome) => self.take_transfer_outcome(source, outcome),
                Message::Merchant(notice) => self.take_merchant(notice),
                Message::Registry(change) => {
                    self.change_registry(change);
                    Some(())
                }
                Message::ValidatorSet(_) => None,
            };
            taken.ok_or_else(|| {
                let sent = format!("{message:?} of chain {source}");
                Difference::new(self.id, height, "a message", "one that honest chains send", sent)
            })?;
        }
        Ok(received)
    }

    /// Operations first, then payments, each with its receipt.
    pub(super) fn run_batch(&mut self, batch: &Batch) {
        let institution = self.registry.institutions.get(&batch.institution);
        let refused = if batch.chain != self.id {
            Some(OutcomeCode::WrongChain)
        } else if !institution.is_some_and(|entry| entry.keys.contains(&batch.key)) {
            Some(OutcomeCode::UnknownKey)
        } else {
            None
        };
        for operation in &batch.operations {
            let receipt = match refused {
                Some(code) => Receipt::refused(code, Amount::ZERO),
                None => self.run_operation(batch, operation),
            };
            self.block.receipts.push(receipt);
        }
        for (index, record) in (0..).zip(&batch.payments) {
            let signature = batch.owner_signatures.iter().find(|entry| entry.payment == index);
            let receipt = match (record.parse(), refused) {
                (Err(_), _) => Receipt::refused(OutcomeCode::Malformed, Amount::ZERO),
                (Ok(_), Some(code)) => Receipt::refused(code, Amount::ZERO),
                (Ok(payment), None) => {
                    let signature = signature.map(|entry| &entry.signature);
                    self.run_payment(Order { payment, record, batch, signature })
                }
            };
            self.block.receipts.push(receipt);
        }
    }

    fn run_operation(&mut self, batch: &Batch, operation: &Operation) -> Receipt {
        let content = Content::Operation(operation.clone());
        match self.ids.look(operation.id, &content, self.block.time, &self.rules) {
            Err(refused) => return refused.receipt(),
            Ok(Some(known)) => return replay(known.code, known.position),
            Ok(None) => {}
        }
        let position = self.block.position();
        let receipt = match self.operate(batch.institution, &operation.action) {
            Ok(()) => Receipt::refused(OutcomeCode::Committed, Amount::ZERO),
            Err(refused) => refused.receipt(),
        };
        self.ids.remember(operation.id, content, receipt.code, position);
        receipt
    }

    fn run_payment(&mut self, order: Order<'_>) -> Receipt {
        let (id, content) = (order.payment.id, Content::Payment(*order.record));
        match self.ids.look(id, &content, self.block.time, &self.rules) {
            Err(refused) => return refused.receipt(),
            Ok(Some(known)) => return replay(known.code, known.position),
            Ok(None) => {}
        }
        let position = self.block.position();
        let receipt = self.pay(order).unwrap_or_else(Refused::receipt);
        self.ids.remember(id, content, receipt.code, position);
        receipt
    }

    /// Refunds of the proxies that were touched are served, then it may be time
    /// to settle, then requests that found no room are made.
    pub(super) fn end_block(&mut self) {
        for proxy in self.in_order_of_opening(|chain, id, proxy| {
            chain.block.touched.contains(id) && !proxy.waiting.is_empty()
        }) {
            self.serve_refunds(proxy);
        }
        self.settle_if_due();
        for proxy in self.in_order_of_opening(|_, _, proxy| proxy.asking) {
            self.ask_for_funds(proxy);
        }
    }

    pub(super) fn in_order_of_opening(
        &self,
        wanted: impl Fn(&Self, &AccountId, &Proxy) -> bool,
    ) -> Vec<AccountId> {
        let found = self.proxies.iter().filter(|(id, proxy)| wanted(self, id, proxy));
        let mut found: Vec<_> = found.map(|(id, proxy)| (proxy.number, *id)).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Whether this chain may come to owe `peer` so much more.
    pub(super) fn may_owe(&self, peer: ChainId, asset: AssetId, amount: u128) -> bool {
        let owed = self.owed.get(&(peer, asset)).zip(i128::try_from(amount).ok());
        let after = owed.and_then(|(owed, amount)| owed.checked_add(amount));
        after.is_some_and(|after| after <= OWED_MAX)
    }

    /// This chain comes to owe `peer` more, if it may; says whether.
    pub(super) fn owe(&mut self, peer: ChainId, asset: AssetId, amount: u128) -> bool {
        let may = self.may_owe(peer, asset, amount);
        if let (true, Some(owed), Ok(amount)) =
            (may, self.owed.get_mut(&(peer, asset)), i128::try_from(amount))
        {
            *owed += amount;
        }
        may
    }

    /// `peer` comes to owe this chain more.
    pub(super) fn be_owed(&mut self, peer: ChainId, asset: AssetId, amount: u128) -> Option<()> {
        let owed = self.owed.get_mut(&(peer, asset))?;
        *owed = owed.checked_sub(i128::try_from(amount).ok()?)?;
        Some(())
    }

    /// Follows the registry, and opens an issuer for each institution and asset
    /// and a control account for each peer and asset.
    pub(super) fn change_registry(&mut self, change: &RegistryChange) {
        self.registry.apply(change);
        for asset in self.registry.assets.keys().copied() {
            for institution in self.registry.institutions.keys().copied() {
                let issuer = AccountId::issuer(institution, asset, self.id);
                self.accounts.entry(issuer).or_insert_with(|| Account::open(asset, None));
            }
            for peer in self.channels.keys().copied() {
                self.owed.entry((peer, asset)).or_insert(0);
            }
        }
    }
}

impl Block {
    /// Where the receipt of the item in execution will stand.
    pub(super) fn position(&self) -> Position {
        self.position_at(self.receipts.len())
    }

    /// Where the next late outcome will stand: behind those of the body.
    pub(super) fn late_position(&self) -> Position {
        self.position_at(self.items + self.late.len())
    }

    fn position_at(&self, index: usize) -> Position {
        let index = u32::try_from(index).ok();
        index.and_then(|index| Position::new(self.height, index)).unwrap_or(Position::NONE)
    }
}

impl From<OutcomeCode> for Refused {
    fn from(code: OutcomeCode) -> Self {
        Self { code, detail: 0 }
    }
}

impl Refused {
    pub(super) fn receipt(self) -> Receipt {
        Receipt::refused(self.code, Amount::new(self.detail))
    }
}

/// The link of a side that has no entry of this payment, or none on this chain.
pub(super) const NOWHERE: Position = Position::NONE;

/// A receipt for money that moved or waits.
pub(super) const fn moved(code: OutcomeCode, debit: Position, credit: Position) -> Receipt {
    let refused = Receipt::refused(code, Amount::ZERO);
    Receipt { previous_debit: debit, previous_credit: credit, ..refused }
}

/// A resubmission is answered by the first outcome, and where it stands.
fn replay(code: OutcomeCode, position: Position) -> Receipt {
    let place = (position.height().get() << 24) + u64::from(position.index());
    Receipt { replay: true, ..Receipt::refused(code, Amount::new(u128::from(place))) }
}
