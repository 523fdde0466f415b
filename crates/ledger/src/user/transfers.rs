//! User to user across chains.
//!
//! The payer's chain debits into its control account and sends a [`Transfer`];
//! the payee's chain credits from its own control account or refuses, and
//! answers either way, in order. Money goes back only on a refusal that the
//! payee's chain certified, never because of time passing.

use std::collections::{BTreeMap, BTreeSet};

use tributary_chain::message::{Transfer, TransferOutcome};
use tributary_chain::{AccountStatus, Message};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountId, Amount, ChainId, Domain, Hash, OutcomeCode, PaymentRecord, Position, Receipt,
};

use crate::block::Block;
use crate::core::{Core, Party, check_debit, check_parties};
use crate::limits::UNANSWERED_MAX;
use crate::movement::{Movement, UserMovement, check_user_slot};
use crate::payment::{Ordered, moved};
use crate::queue::Queue;
use crate::refusal::{Refusal, RuleBroken};
use crate::user::UserChain;

/// Transfers that were sent and not answered, by the payee's chain.
#[derive(Debug, Clone)]
pub(crate) struct Transfers {
    queues: BTreeMap<ChainId, Queue<InTransit>>,
    /// How many each payer has under way; an account in it cannot be closed.
    payers: BTreeMap<AccountId, u32>,
    hash: Hash,
    stale: bool,
    dirty: BTreeSet<ChainId>,
}

/// A transfer under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct InTransit {
    pub(crate) payment: Payment,
}

impl Encode for InTransit {
    fn encode(&self, out: &mut Vec<u8>) {
        PaymentRecord::from(&self.payment).encode(out);
    }
}

impl Decode for InTransit {
    const BYTES_MIN: usize = PaymentRecord::BYTES;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let malformed = DecodeError::Invalid { what: "transfer in transit", value: 0 };
        let payment = PaymentRecord::decode(reader)?.parse().map_err(|_| malformed)?;
        Ok(Self { payment })
    }
}

impl Transfers {
    /// Nothing under way to any of these chains.
    pub(crate) fn new(peers: impl Iterator<Item = ChainId>) -> Self {
        let queues = peers.map(|peer| (peer, Queue::default())).collect();
        let (payers, dirty) = (BTreeMap::new(), BTreeSet::new());
        Self { queues, payers, hash: Hash::ZERO, stale: true, dirty }
    }

    /// Transfers to `peer` whose answer is outstanding, oldest first.
    pub(crate) fn to(&self, peer: ChainId) -> impl Iterator<Item = &Payment> {
        self.queues.get(&peer).into_iter().flat_map(Queue::iter).map(|transit| &transit.payment)
    }

    /// Whether an account has transfers under way.
    pub(crate) fn has_payer(&self, account: AccountId) -> bool {
        self.payers.contains_key(&account)
    }

    /// Brings the hash up to date.
    pub(crate) fn commit(&mut self) -> Hash {
        if std::mem::take(&mut self.stale) {
            let mut bytes = Vec::new();
            for (peer, queue) in &self.queues {
                peer.encode(&mut bytes);
                queue.commitment().encode(&mut bytes);
            }
            self.hash = Domain::StatePart.hash(&bytes);
        }
        self.hash
    }

    /// Whether the queues hold what their digests say.
    pub(crate) fn is_consistent(&self) -> bool {
        let mut payers = BTreeMap::new();
        for transit in self.queues.values().flat_map(Queue::iter) {
            *payers.entry(transit.payment.debit).or_insert(0) += 1;
        }
        payers == self.payers
            && self
                .queues
                .values()
                .all(|queue| queue.is_consistent() && queue.len() <= UNANSWERED_MAX)
    }

    /// The peers, ascending; a page's number is a peer's index.
    pub(crate) fn peers(&self) -> impl Iterator<Item = ChainId> + '_ {
        self.queues.keys().copied()
    }

    /// Peers whose queue changed since this was last asked.
    pub(crate) fn take_dirty(&mut self) -> BTreeSet<ChainId> {
        std::mem::take(&mut self.dirty)
    }

    /// Appends the canonical bytes of the queue to a peer; nothing if nothing is under
    /// way.
    pub(crate) fn encode_page(&self, peer: ChainId, out: &mut Vec<u8>) {
        if let Some(queue) = self.queues.get(&peer).filter(|queue| !queue.is_empty()) {
            queue.encode(out);
        }
    }

    /// Replaces the queue to a peer.
    pub(crate) fn restore(&mut self, peer: ChainId, queue: Queue<InTransit>) -> bool {
        let known = self.queues.contains_key(&peer) && queue.is_consistent();
        if known {
            for transit in queue.iter() {
                *self.payers.entry(transit.payment.debit).or_insert(0) += 1;
            }
            self.queues.insert(peer, queue);
            self.stale = true;
        }
        known
    }

    fn under_way(&self, peer: ChainId) -> usize {
        self.queues.get(&peer).map_or(0, Queue::len)
    }

    fn push(&mut self, peer: ChainId, payment: Payment) {
        *self.payers.entry(payment.debit).or_insert(0) += 1;
        self.queues.entry(peer).or_default().push(InTransit { payment });
        self.stale = true;
        self.dirty.insert(peer);
    }

    fn pop(&mut self, peer: ChainId) {
        let popped = self.queues.get_mut(&peer).and_then(Queue::pop);
        if let Some(InTransit { payment }) = popped {
            if let Some(count) = self.payers.get_mut(&payment.debit) {
                *count -= 1;
                if *count == 0 {
                    self.payers.remove(&payment.debit);
                }
            }
            self.stale = true;
            self.dirty.insert(peer);
        }
    }
}

impl UserChain {
    /// Debits a payer and sends the money to the payee's chain.
    pub(crate) fn transfer_out(
        &mut self,
        core: &mut Core,
        peer: ChainId,
        ordered: &Ordered<'_>,
    ) -> Result<Receipt, Refusal> {
        let payment = ordered.payment;
        let debit = core.debit_account(payment.debit, ordered.near.debit)?;
        let control = core.control(peer, payment.asset).ok_or(OutcomeCode::UnknownAsset)?;
        let payer = core.accounts.row(debit);
        if payer.asset != payment.asset {
            return Err(OutcomeCode::AssetMismatch.into());
        }
        check_debit(payer.party())?;
        ordered.check_owner(payer, core)?;
        let debits = payer.debits_after(payment.amount)?;
        // A returned transfer is a credit that cannot be refused: keep room.
        payer.credits_after(Amount::ZERO)?;
        let overflow = OutcomeCode::AmountOverflow;
        let owed = core.accounts.row(control).after_owing(payment.amount).ok_or(overflow)?;
        if self.transfers.under_way(peer) >= UNANSWERED_MAX || !core.channels.may_begin(peer) {
            return Err(OutcomeCode::LimitReached.into());
        }
        let previous_debit = core.accounts.row_mut(debit).debit(debits, ordered.position);
        core.accounts.row_mut(control).set_totals(owed);
        core.channels.send(peer, Message::Transfer(Transfer { payment: *ordered.record }));
        self.transfers.push(peer, *payment);
        Ok(moved(OutcomeCode::InTransit, previous_debit, Position::NONE))
    }

    /// Credits a transfer of another chain, or refuses it; answers either way.
    ///
    /// # Errors
    /// [`RuleBroken`] for what no execution of the rules sends; then nothing is
    /// changed.
    pub(crate) fn transfer_in(
        &mut self,
        core: &mut Core,
        block: &mut Block,
        source: ChainId,
        transfer: &Transfer,
    ) -> Result<(), RuleBroken> {
        let record = transfer.payment;
        let payment = record.parse().map_err(|_| RuleBroken("transfer of a malformed payment"))?;
        if Movement::of(&payment) != Ok(Movement::User(UserMovement::UserToUser)) {
            return Err(RuleBroken("transfer of a payment that is no transfer"));
        }
        if !core.channels.may_answer(source) {
            return Err(RuleBroken("more transfers than may be unanswered"));
        }
        let position = block.late_position();
        let receipt = match credit_transfer(core, source, &payment, position) {
            Ok(previous_credit) => moved(OutcomeCode::Committed, Position::NONE, previous_credit),
            Err(refusal) => refusal.into(),
        };
        block.decide_late(record, receipt);
        let answer = TransferOutcome { id: payment.id, code: receipt.code };
        core.channels.send(source, Message::TransferOutcome(answer));
        Ok(())
    }

    /// Takes the answer to the oldest transfer under way to `source`.
    ///
    /// # Errors
    /// [`RuleBroken`] if this answers another one, or is no answer; then nothing
    /// is changed.
    pub(crate) fn transfer_answered(
        &mut self,
        core: &mut Core,
        block: &mut Block,
        source: ChainId,
        outcome: &TransferOutcome,
    ) -> Result<(), RuleBroken> {
        let oldest = self.transfers.to(source).next().copied();
        let payment = oldest.filter(|payment| payment.id == outcome.id);
        let payment = payment.ok_or(RuleBroken("answer to a transfer that is not the oldest"))?;
        if outcome.code.is_pending() {
            return Err(RuleBroken("answer that is not final"));
        }
        let position = block.late_position();
        let receipt = if outcome.code.is_committed() {
            moved(OutcomeCode::Committed, Position::NONE, Position::NONE)
        } else {
            let previous_debit = return_money(core, source, &payment, position)?;
            moved(outcome.code, previous_debit, Position::NONE)
        };
        self.transfers.pop(source);
        core.window.update(payment.id, receipt.code, position);
        block.decide_late(PaymentRecord::from(&payment), receipt);
        Ok(())
    }
}

/// Credits the payee; the link to the entry before.
fn credit_transfer(
    core: &mut Core,
    source: ChainId,
    payment: &Payment,
    position: Position,
) -> Result<Position, Refusal> {
    check_user_slot(payment.credit, &core.rules)?;
    core.check_asset(payment.asset)?;
    let control = core.control(source, payment.asset).ok_or(OutcomeCode::UnknownAsset)?;
    let credit = core.credit_account(payment.credit, None)?;
    let payee = core.accounts.row(credit);
    let paying =
        Party { asset: payment.asset, status: AccountStatus::Open, pays_when_closed: false };
    check_parties(payment.asset, paying, payee.party())?;
    let credits = payee.credits_after(payment.amount)?;
    let overflow = OutcomeCode::AmountOverflow;
    let totals = core.accounts.row(control).after_being_owed(payment.amount).ok_or(overflow)?;
    core.accounts.row_mut(control).set_totals(totals);
    Ok(core.accounts.row_mut(credit).credit(credits, position))
}

/// Gives the payer the money back, whatever the account's status: it could not
/// be closed meanwhile. Returns the link to the entry before.
fn return_money(
    core: &mut Core,
    source: ChainId,
    payment: &Payment,
    position: Position,
) -> Result<Position, RuleBroken> {
    let unknown = RuleBroken("refusal of a transfer that was never sent");
    let control = core.control(source, payment.asset).ok_or(unknown)?;
    let payer = core.accounts.find(payment.debit).ok_or(unknown)?;
    let overflow = RuleBroken("return of more money than there can be");
    let totals = core.accounts.row(control).after_being_owed(payment.amount).ok_or(overflow)?;
    let credits = core.accounts.row(payer).credits.checked_add(payment.amount).ok_or(overflow)?;
    core.accounts.row_mut(control).set_totals(totals);
    Ok(core.accounts.row_mut(payer).credit(credits, position))
}
