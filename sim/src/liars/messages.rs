//! Forged messages: each kind with another amount, account, counter or key than
//! was certified.

use tributary_chain::operation::{AccountStatus, RegistryChange};
use tributary_chain::{Delivery, Message, ValidatorSet};
use tributary_types::{
    AccountClass, AccountId, Amount, OutcomeCode, PaymentId, PaymentRecord, Slot,
};

use crate::cluster::{BANK, strangers_key};
use crate::prng::Prng;

/// Makes one message say something else, or adds one; what it did, if anything.
pub(super) fn forge_message(lie: &mut Delivery, prng: &mut Prng) -> Option<&'static str> {
    if prng.below(12) == 0 {
        let keys = (0..3).map(|number| strangers_key(number).public()).collect();
        lie.messages.push(Message::ValidatorSet(ValidatorSet::new(1, keys).ok()?));
        return Some("lie: a forged validator set");
    }
    let index = prng.index(lie.messages.len());
    let drawn = prng.below(3);
    match lie.messages.get_mut(index)? {
        Message::Statement(statement) => {
            let row = statement.rows.first_mut()?;
            match drawn {
                0 => {
                    more(&mut row.counters.received);
                    more(&mut row.counters.swept);
                }
                1 => row.counters.payments += 1,
                _ => row.account = thief()?,
            }
            Some("lie: a forged statement")
        }
        Message::FundRequest(request) => {
            match drawn {
                0 => request.account = thief()?,
                _ => more(&mut request.amount),
            }
            Some("lie: a forged request for funds")
        }
        Message::Fund(fund) => {
            match drawn {
                0 => fund.account = thief()?,
                1 => more(&mut fund.granted),
                _ => {
                    more(&mut fund.requested);
                    more(&mut fund.granted);
                }
            }
            Some("lie: forged funds")
        }
        Message::Transfer(transfer) => {
            let mut payment = transfer.payment.parse().ok()?;
            match drawn {
                0 => more(&mut payment.amount),
                1 => payment.id = other_id(payment.id)?,
                _ => payment.credit = payment.debit,
            }
            transfer.payment = PaymentRecord::from(&payment);
            Some("lie: a forged transfer")
        }
        Message::TransferOutcome(outcome) => {
            match (drawn, outcome.code) {
                (0, _) => outcome.id = other_id(outcome.id)?,
                (_, OutcomeCode::Committed) => outcome.code = OutcomeCode::CreditAccountFrozen,
                _ => outcome.code = OutcomeCode::Committed,
            }
            Some("lie: a forged outcome of a transfer")
        }
        Message::Merchant(notice) => {
            match (drawn, notice.status) {
                (0, _) => more(&mut notice.float.target),
                (1, _) => notice.account = thief()?,
                (_, AccountStatus::Open) => notice.status = AccountStatus::Closed,
                _ => notice.status = AccountStatus::Open,
            }
            Some("lie: a forged merchant")
        }
        Message::Registry(change) => {
            forge_registry(change);
            Some("lie: a forged registry")
        }
        Message::ValidatorSet(_) => None,
    }
}

/// An institution with a key that nobody gave it, or an asset of another worth.
fn forge_registry(change: &mut RegistryChange) {
    let key = strangers_key(3).public();
    match change {
        RegistryChange::Asset(asset) => asset.scale += 1,
        RegistryChange::Institution(institution) => institution.keys = vec![key],
        RegistryChange::AddKey(added) | RegistryChange::RevokeKey(added) => added.key = key,
    }
}

fn more(amount: &mut Amount) {
    *amount = Amount::new(amount.get().saturating_add(1));
}

fn other_id(id: PaymentId) -> Option<PaymentId> {
    let mut bytes = *id.as_bytes();
    *bytes.last_mut()? ^= 1;
    PaymentId::from_bytes(bytes).ok()
}

/// A merchant that nobody opened.
fn thief() -> Option<AccountId> {
    let name = "thief".parse().ok()?;
    Some(AccountId::named(AccountClass::Hf, BANK, &name, Slot::new(1)?))
}
