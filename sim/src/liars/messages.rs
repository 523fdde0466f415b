//! Forged messages: each kind with another amount, account, counter or key than
//! was certified.

use tributary_chain::operation::{AccountStatus, RegistryChange};
use tributary_chain::{Delivery, Message, ValidatorSet};
use tributary_types::{
    AccountClass, AccountId, Amount, OutcomeCode, PaymentId, PaymentRecord, Slot,
};

use crate::cluster::{BANK, strangers_key};
use crate::prng::Prng;

/// Ways to forge a message.
const FORGERIES: u64 = 3;

/// Makes one message say something else, or adds one; what it did, if anything.
pub(super) fn forge_message(lie: &mut Delivery, prng: &mut Prng) -> Option<&'static str> {
    if prng.below(12) == 0 {
        let keys = (0..3).map(|number| strangers_key(number).public()).collect();
        lie.messages.push(Message::ValidatorSet(ValidatorSet::new(1, keys).ok()?));
        return Some("lie: a forged validator set");
    }
    let index = prng.index(lie.messages.len());
    forge(lie.messages.get_mut(index)?, prng.below(FORGERIES))
}

/// One of the ways to make a message say something else.
fn forge(message: &mut Message, drawn: u64) -> Option<&'static str> {
    match message {
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
    let mut bytes = id.to_be_bytes();
    *bytes.last_mut()? ^= 1;
    PaymentId::from_bytes(bytes).ok()
}

/// A merchant that nobody opened.
fn thief() -> Option<AccountId> {
    let name = "thief".parse().ok()?;
    Some(AccountId::named(AccountClass::Hf, BANK, &name, Slot::new(1)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_chain::message::{
        Counters, Fund, FundRequest, MerchantNotice, Statement, StatementRow, Transfer,
        TransferOutcome,
    };
    use tributary_chain::operation::{AssetEntry, FloatPolicy, InstitutionKey};
    use tributary_types::payment::Payment;
    use tributary_types::{BlockHeight, ChainId, Hash, PaymentKind, Reference, TimeMs};

    use crate::cluster::{POUND, SHOPS};

    fn messages() -> Vec<Message> {
        let (asset, amount) = (POUND, Amount::new(5));
        let account = AccountId::named(
            AccountClass::Hf,
            SHOPS,
            &"m1".parse().unwrap(),
            Slot::new(1).unwrap(),
        );
        let id = PaymentId::new(TimeMs::new(7), [1; 10]);
        let payment = Payment {
            id,
            kind: PaymentKind::Transfer,
            debit: AccountId::issuer(BANK, asset, ChainId::new(1)),
            credit: account,
            amount,
            asset,
            reference: Reference::default(),
        };
        let float = FloatPolicy { target: amount, low_mark: amount };
        let row = StatementRow { account, asset, counters: Counters::default() };
        let statement = Statement {
            epoch: 1,
            first_height: BlockHeight::new(1),
            last_height: BlockHeight::new(1),
            time: TimeMs::new(1),
            previous: Hash::ZERO,
            rows: vec![row],
        };
        let key = strangers_key(1).public();
        let asset_entry = AssetEntry { id: asset, code: "GBP".parse().unwrap(), scale: 2 };
        let added = InstitutionKey { institution: SHOPS, key };
        vec![
            Message::Statement(statement),
            Message::FundRequest(FundRequest { account, asset, amount }),
            Message::Fund(Fund { account, asset, requested: amount, granted: amount }),
            Message::Transfer(Transfer { payment: PaymentRecord::from(&payment) }),
            Message::TransferOutcome(TransferOutcome { id, code: OutcomeCode::Committed }),
            Message::Merchant(MerchantNotice {
                account,
                asset,
                status: AccountStatus::Open,
                float,
            }),
            Message::Registry(RegistryChange::Asset(asset_entry)),
            Message::Registry(RegistryChange::AddKey(added)),
            Message::Registry(RegistryChange::RevokeKey(added)),
        ]
    }

    #[test]
    fn every_forgery_of_every_message_says_something_else() {
        for message in messages() {
            for drawn in 0..FORGERIES {
                let mut lie = message.clone();
                assert!(forge(&mut lie, drawn).is_some());
                assert_ne!(lie, message, "forgery {drawn}");
            }
        }
    }
}
