//! Recent ids: each executes once.

use std::collections::BTreeMap;

use tributary_chain::Operation;
use tributary_types::{OutcomeCode, PaymentId, PaymentRecord, Position, TimeMs};

use super::chain::Refused;
use super::rules::Rules;

/// Everything that was decided under the ids of the window.
#[derive(Debug, Clone, Default)]
pub struct Ids(BTreeMap<PaymentId, Decided>);

/// What an id stands for, and its latest outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decided {
    pub(super) content: Content,
    /// The latest outcome.
    pub code: OutcomeCode,
    /// Where that stands.
    pub position: Position,
}

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    Payment(PaymentRecord),
    Operation(Operation),
}

impl Ids {
    /// Forgets what the window has passed.
    pub(super) fn forget(&mut self, oldest: TimeMs) {
        let oldest = PaymentId::new(oldest, [0; 10]);
        while self.0.first_entry().is_some_and(|entry| *entry.key() < oldest) {
            self.0.pop_first();
        }
    }

    /// What was decided about the same content before.
    ///
    /// # Errors
    /// `expired` and `from_future` with the block time, and `id_reused`.
    pub(super) fn look(
        &self,
        id: PaymentId,
        content: &Content,
        time: TimeMs,
        rules: &Rules,
    ) -> Result<Option<&Decided>, Refused> {
        let detail = u128::from(time.get());
        if id.time().get().saturating_add(rules.id_window_back_ms) < time.get() {
            return Err(Refused { code: OutcomeCode::Expired, detail });
        }
        if id.time().get() > time.get().saturating_add(rules.id_window_ahead_ms) {
            return Err(Refused { code: OutcomeCode::FromFuture, detail });
        }
        match self.0.get(&id) {
            Some(known) if known.content != *content => Err(OutcomeCode::IdReused.into()),
            known => Ok(known),
        }
    }

    /// Remembers an outcome that is [`is_kept`].
    pub(super) fn remember(
        &mut self,
        id: PaymentId,
        content: Content,
        code: OutcomeCode,
        position: Position,
    ) {
        if is_kept(code) {
            self.0.insert(id, Decided { content, code, position });
        }
    }

    /// A pending payment was decided.
    pub(super) fn update(&mut self, id: PaymentId, code: OutcomeCode, position: Position) {
        if let Some(known) = self.0.get_mut(&id) {
            (known.code, known.position) = (code, position);
        }
    }

    /// All that is remembered, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = (&PaymentId, &Decided)> {
        self.0.iter()
    }
}

/// Whether an outcome is about the payment itself, and is remembered under its
/// id; if not, the id may come again.
#[must_use]
pub fn is_kept(code: OutcomeCode) -> bool {
    use OutcomeCode::{
        Expired, FromFuture, IdReused, LimitReached, Malformed, Moved, OwnerSignatureInvalid,
        OwnerSignatureMissing, Unauthorized, UnknownKey, WrongChain,
    };
    let again = [
        Expired,
        FromFuture,
        IdReused,
        LimitReached,
        Malformed,
        Moved,
        OwnerSignatureInvalid,
        OwnerSignatureMissing,
        Unauthorized,
        UnknownKey,
        WrongChain,
    ];
    !again.contains(&code)
}
