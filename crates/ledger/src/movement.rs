//! What a payment moves between which classes of accounts, and where that runs.

use tributary_routing::RouteTable;
use tributary_types::payment::Payment;
use tributary_types::{AccountClass, AccountId, Amount, ChainId, OutcomeCode, PaymentKind};

use crate::refusal::Refusal;
use crate::rules::Rules;

/// The movements that there are. Each runs on one kind of chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Movement {
    /// On a user chain.
    User(UserMovement),
    /// On an HF chain.
    Hf(HfMovement),
}

/// Movements on a user chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UserMovement {
    /// A user pays a merchant's proxy.
    UserToProxy,
    /// A proxy gives back or pays out.
    ProxyToUser,
    /// Between users, of this chain or to another one.
    UserToUser,
    /// Money enters.
    IssuerToUser,
    /// Money leaves.
    UserToIssuer,
}

/// Movements on an HF chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum HfMovement {
    /// Between merchants.
    HfToHf,
    /// Money enters.
    IssuerToHf,
    /// Money leaves.
    HfToIssuer,
}

impl Movement {
    /// What a payment moves, if its kind fits the classes of its accounts.
    ///
    /// # Errors
    /// `amount_zero`, `same_account`, `kind_mismatch`.
    pub(crate) fn of(payment: &Payment) -> Result<Self, Refusal> {
        use AccountClass::{Hf, Issuer, User};
        if payment.amount == Amount::ZERO {
            return Err(OutcomeCode::AmountZero.into());
        }
        if payment.debit == payment.credit {
            return Err(OutcomeCode::SameAccount.into());
        }
        let classes = (payment.debit.class(), payment.credit.class());
        Ok(match (payment.kind, classes) {
            (PaymentKind::Payment, (User, Hf)) => Self::User(UserMovement::UserToProxy),
            (PaymentKind::Refund | PaymentKind::Payout, (Hf, User)) => {
                Self::User(UserMovement::ProxyToUser)
            }
            (PaymentKind::Transfer, (User, User)) => Self::User(UserMovement::UserToUser),
            (PaymentKind::Transfer, (Hf, Hf)) => Self::Hf(HfMovement::HfToHf),
            (PaymentKind::Issue, (Issuer, User)) => Self::User(UserMovement::IssuerToUser),
            (PaymentKind::Issue, (Issuer, Hf)) => Self::Hf(HfMovement::IssuerToHf),
            (PaymentKind::Redeem, (User, Issuer)) => Self::User(UserMovement::UserToIssuer),
            (PaymentKind::Redeem, (Hf, Issuer)) => Self::Hf(HfMovement::HfToIssuer),
            _ => return Err(OutcomeCode::KindMismatch.into()),
        })
    }
}

impl UserMovement {
    /// Checks that this chain owns the accounts that the movement needs here.
    ///
    /// # Errors
    /// `moved` with the version of the route table; `wrong_chain` for an issuer
    /// of another chain.
    pub(crate) fn check_place(self, payment: &Payment, rules: &Rules) -> Result<(), Refusal> {
        match self {
            Self::UserToProxy | Self::UserToUser => check_user_slot(payment.debit, rules),
            Self::ProxyToUser => check_user_slot(payment.credit, rules),
            Self::IssuerToUser => {
                check_issuer(payment.debit, rules)?;
                check_user_slot(payment.credit, rules)
            }
            Self::UserToIssuer => {
                check_user_slot(payment.debit, rules)?;
                check_issuer(payment.credit, rules)
            }
        }
    }
}

impl HfMovement {
    /// Checks that this chain owns the accounts.
    ///
    /// # Errors
    /// `moved` with the version of the route table; `wrong_chain` for an issuer
    /// of another chain.
    pub(crate) fn check_place(self, payment: &Payment, rules: &Rules) -> Result<(), Refusal> {
        match self {
            Self::HfToHf => {
                check_hf_slot(payment.debit, rules)?;
                check_hf_slot(payment.credit, rules)
            }
            Self::IssuerToHf => {
                check_issuer(payment.debit, rules)?;
                check_hf_slot(payment.credit, rules)
            }
            Self::HfToIssuer => {
                check_hf_slot(payment.debit, rules)?;
                check_issuer(payment.credit, rules)
            }
        }
    }
}

/// The chain of a user account.
pub(crate) fn user_chain_of(account: AccountId, routes: &RouteTable) -> Option<ChainId> {
    account.slot().map(|slot| routes.chain_of(slot))
}

/// Checks that a user account belongs on this chain.
pub(crate) fn check_user_slot(account: AccountId, rules: &Rules) -> Result<(), Refusal> {
    check_owner(user_chain_of(account, &rules.routes), rules)
}

/// Checks that an HF account belongs on this chain.
pub(crate) fn check_hf_slot(account: AccountId, rules: &Rules) -> Result<(), Refusal> {
    check_owner(account.slot().map(|slot| rules.routes.hf_chain_of(slot)), rules)
}

fn check_owner(owner: Option<ChainId>, rules: &Rules) -> Result<(), Refusal> {
    if owner == Some(rules.chain) {
        return Ok(());
    }
    let detail = Amount::new(u128::from(rules.routes.version()));
    Err(Refusal { code: OutcomeCode::Moved, detail })
}

fn check_issuer(account: AccountId, rules: &Rules) -> Result<(), Refusal> {
    if account.home_chain() == Some(rules.chain) {
        Ok(())
    } else {
        Err(OutcomeCode::WrongChain.into())
    }
}
