//! Submitting payments, operations and batches, with repetition until every
//! item has a definite answer.
//!
//! - An item is repeated under its own id only; chains answer a repeated id
//!   with the first outcome, so repeating can never pay twice.
//! - `overloaded` waits as long as the router asks, with jitter. A lost
//!   connection or an unknown outcome changes the router and asks again.
//! - Items without an answer stay ahead of later ones, so that payments of one
//!   payer keep the order given. One call has one request under way; for more
//!   throughput make several calls at once, each with payers of its own.
//! - An id that a chain calls `from_future` although this machine's clock has
//!   reached its time is asked for again: the chain is behind, and catches up.
//! - At the deadline (see [`Client::with_deadline`]) what has no answer is
//!   [`ItemError::Unanswered`], with whether it may have executed.
//!
//! An id that is repeated after its window (by default ten minutes) gets
//! `expired`, whatever happened to it before: ask [`Client::payment`].
//!
//! [`ItemError::Unanswered`]: crate::ItemError::Unanswered

use tokio::time::Instant;
use tributary_chain::batch::{BATCH_PAYMENTS_MAX, OwnerSignature};
use tributary_chain::{Batch, Operation};
use tributary_routing::{RouteError, route};
use tributary_transport::Backoff;
use tributary_types::{PaymentId, PaymentRecord, SigningKey, TimeMs};
use tributary_wire::Canonical;
use tributary_wire::router::{
    REQUEST_OPERATIONS_MAX, REQUEST_PAYMENTS_MAX, RouterReply, RouterRequest,
};

use crate::client::Client;
use crate::draft::PaymentDraft;
use crate::id::wall_clock;
use crate::link::Attempt;
use crate::undecided::{ItemResult, RoundFailure, Undecided};

impl Client {
    /// Executes payments; returns one result per draft, in order. A result is
    /// a receipt, which may be a refusal, or `awaiting_funds` or `in_transit`,
    /// which are not final: ask [`Client::payment`] later.
    ///
    /// A receipt that is a *replay* is the outcome of the same payment, submitted
    /// before; other content under a known id is `id_reused`.
    ///
    /// A refusal for the id's time (`from_future`), its place (`moved`,
    /// `wrong_chain`), whoever asks (`unknown_key`, `unauthorized`,
    /// `owner_signature_*`) or a full limit leaves the id free: it is the end of
    /// that submission, and another copy of the payment, under way or sent
    /// later, may still execute. What became of the id says [`Client::payment`].
    pub async fn pay(&self, drafts: &[PaymentDraft]) -> Vec<ItemResult> {
        self.submit(times(drafts), Some(REQUEST_PAYMENTS_MAX), |round| pay(drafts, round)).await
    }

    /// Like [`Client::pay`], but asks once, for as many payments as one request
    /// carries: what is refused as overloaded, or gets no answer, is unanswered
    /// and the caller's to repeat.
    pub async fn pay_once(&self, drafts: &[PaymentDraft]) -> Vec<ItemResult> {
        let mut items = Undecided::new(times(drafts));
        let round = items.next_round(Some(REQUEST_PAYMENTS_MAX));
        let deadline = Instant::now() + self.deadline();
        let attempt = self.routers().ask(&pay(drafts, &round), deadline).await;
        take(&mut items, &round, attempt);
        items.finish()
    }

    /// Executes operations; returns one result per operation, in order.
    pub async fn operate(&self, operations: &[Operation]) -> Vec<ItemResult> {
        let times = operations.iter().map(|operation| operation.id.time()).collect();
        self.submit(times, Some(REQUEST_OPERATIONS_MAX), |round| {
            let chosen = round.iter().map(|index| operations[*index].clone());
            RouterRequest::Operate(Canonical(chosen.collect()))
        })
        .await
    }

    /// Submits a batch that the caller signed; the router passes its bytes on
    /// unchanged. Returns one result per operation, then one per payment. If
    /// any has no definite answer the whole batch is repeated.
    pub async fn forward(&self, batch: &Batch) -> Vec<ItemResult> {
        let operations = batch.operations.iter().map(|operation| operation.id.time());
        let payments = batch.payments.iter().map(|record| {
            // What is no id is refused as malformed, whatever the time.
            PaymentId::from_bytes(*record.id_bytes()).map_or(TimeMs::default(), |id| id.time())
        });
        let times = operations.chain(payments).collect();
        let request = RouterRequest::Forward(Canonical(batch.clone()));
        self.submit(times, None, |_| request.clone()).await
    }

    /// Groups payments by the chain that executes them and signs a batch for
    /// each, in order, for [`Client::forward`].
    ///
    /// # Errors
    /// [`RouteError`] for a payment that no chain executes.
    pub fn sign_batches(
        &self,
        key: &SigningKey,
        drafts: &[PaymentDraft],
    ) -> Result<Vec<Batch>, RouteError> {
        let mut by_chain = std::collections::BTreeMap::<_, Vec<&PaymentDraft>>::new();
        for draft in drafts {
            by_chain.entry(route(draft.payment(), self.routes())?).or_default().push(draft);
        }
        let mut batches = Vec::new();
        for (chain, drafts) in by_chain {
            for part in drafts.chunks(BATCH_PAYMENTS_MAX) {
                let (records, signatures) = split(part.iter().copied());
                batches.push(Batch::sign(
                    self.cluster(),
                    chain,
                    self.institution(),
                    key,
                    Vec::new(),
                    records,
                    signatures,
                ));
            }
        }
        Ok(batches)
    }

    /// Repeats rounds of at most so many items, or of all of them, until every
    /// item is decided or the deadline passes.
    async fn submit(
        &self,
        times: Vec<TimeMs>,
        round_items_max: Option<usize>,
        request: impl Fn(&[usize]) -> RouterRequest,
    ) -> Vec<ItemResult> {
        let deadline = Instant::now() + self.deadline();
        let mut items = Undecided::new(times);
        let mut backoff = Backoff::new();
        loop {
            let round = items.next_round(round_items_max);
            if round.is_empty() || Instant::now() >= deadline {
                return items.finish();
            }
            let attempt = self.routers().ask(&request(&round), deadline).await;
            match take(&mut items, &round, attempt) {
                Some(wait_ms) => backoff.wait(wait_ms, deadline).await,
                None => backoff.reset(),
            }
        }
    }
}

/// Takes one attempt; returns how long to wait, in ms, if anything must be
/// repeated.
fn take(items: &mut Undecided, round: &[usize], attempt: Attempt) -> Option<u64> {
    let failure = match attempt {
        Attempt::Reply(RouterReply::Outcomes(answers)) if answers.len() == round.len() => {
            return items.answer(round, answers, wall_clock());
        }
        Attempt::Reply(RouterReply::Error(error)) => {
            return items.answer(round, vec![Err(error); round.len()], wall_clock());
        }
        Attempt::Reply(_) => RoundFailure::Unknown("the router gave another answer".to_owned()),
        Attempt::NotSent(reason) => RoundFailure::NothingDone(reason),
        Attempt::Lost(reason) => RoundFailure::Unknown(reason),
    };
    items.fail(round, &failure);
    Some(0)
}

/// The time in the id of each.
fn times(drafts: &[PaymentDraft]) -> Vec<TimeMs> {
    drafts.iter().map(|draft| draft.id().time()).collect()
}

/// The request for some of the drafts.
fn pay(drafts: &[PaymentDraft], round: &[usize]) -> RouterRequest {
    let (records, signatures) = split(round.iter().map(|index| &drafts[*index]));
    RouterRequest::Pay { payments: Canonical(records), owner_signatures: Canonical(signatures) }
}

/// Records and owner signatures, as requests and batches carry them.
fn split<'a>(
    drafts: impl ExactSizeIterator<Item = &'a PaymentDraft>,
) -> (Vec<PaymentRecord>, Vec<OwnerSignature>) {
    let (mut records, mut signatures) = (Vec::with_capacity(drafts.len()), Vec::new());
    for (payment, draft) in (0..).zip(drafts) {
        if let Some(signature) = draft.owner_signature() {
            signatures.push(OwnerSignature { payment, signature: *signature });
        }
        records.push(draft.record());
    }
    (records, signatures)
}
