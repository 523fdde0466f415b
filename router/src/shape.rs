//! What a front-end may ask for: limits and shape, item by item. Pure.
//!
//! A router refuses only what no chain could read or place: a record that does
//! not parse, an account that no chain owns, an operation on the wrong class.
//! Whether a payment is allowed is the ledger's decision, recorded in a block.

use tributary_chain::batch::OwnerSignature;
use tributary_chain::{Action, Operation};
use tributary_routing::{RouteError, RouteTable, route, route_account};
use tributary_types::payment::RecordError;
use tributary_types::{AccountClass, AccountId, ChainId, PaymentRecord};
use tributary_wire::router::{REQUEST_OPERATIONS_MAX, REQUEST_PAYMENTS_MAX, RouterError};

/// Checks the lists of a payment request as a whole.
///
/// # Errors
/// [`RouterError::Malformed`] for too many payments, or owner signatures that
/// are out of order or belong to no payment.
pub fn check_payments(
    payments: &[PaymentRecord],
    signatures: &[OwnerSignature],
) -> Result<(), RouterError> {
    check_count("payments", payments.len(), REQUEST_PAYMENTS_MAX)?;
    if let Some(pair) = signatures.windows(2).find(|pair| pair[0].payment >= pair[1].payment) {
        let (first, second) = (pair[0].payment, pair[1].payment);
        let rule = format!("payment {second} follows payment {first}, must ascend strictly");
        return Err(malformed("owner_signatures", rule));
    }
    match signatures.last() {
        Some(last) if last.payment as usize >= payments.len() => {
            let (found, limit) = (last.payment, payments.len());
            let rule = format!("payment {found} does not exist, the request has {limit}");
            Err(malformed("owner_signatures", rule))
        }
        _ => Ok(()),
    }
}

/// Checks the list of an operation request as a whole.
///
/// # Errors
/// [`RouterError::Malformed`] for too many.
pub fn check_operations(operations: &[Operation]) -> Result<(), RouterError> {
    check_count("operations", operations.len(), REQUEST_OPERATIONS_MAX)
}

/// The chain of a payment, and the account that pays.
///
/// # Errors
/// [`RouterError::Malformed`] names the field and the rule it breaks.
pub fn place_payment(
    record: &PaymentRecord,
    routes: &RouteTable,
) -> Result<(ChainId, AccountId), RouterError> {
    let payment = record.parse().map_err(record_error)?;
    let chain = route(&payment, routes).map_err(|error| match error {
        RouteError::DebitControl(account) => control("debit", account),
        RouteError::CreditControl(account) => control("credit", account),
    })?;
    Ok((chain, payment.debit))
}

/// The chain of an operation.
///
/// # Errors
/// [`RouterError::Malformed`] if its account is of another class than it works
/// on.
pub fn place_operation(
    operation: &Operation,
    routes: &RouteTable,
    registry_chain: ChainId,
) -> Result<ChainId, RouterError> {
    let Some((account, class)) = subject(&operation.action) else {
        return Ok(registry_chain);
    };
    if account.class() == class {
        return Ok(route_account(account, routes));
    }
    let found = account.class();
    let rule = format!("{account} is of class {found:?}, must be of class {class:?}");
    Err(malformed("account", rule))
}

/// The account that an operation works on and the class that it must have;
/// nothing for the registry.
#[must_use]
pub fn subject(action: &Action) -> Option<(AccountId, AccountClass)> {
    match action {
        Action::OpenAccount(open) => Some((open.account, AccountClass::User)),
        Action::SetAccountStatus(set) => Some((set.account, AccountClass::User)),
        Action::OpenMerchant(open) => Some((open.account, AccountClass::Hf)),
        Action::SetMerchantStatus(set) => Some((set.account, AccountClass::Hf)),
        Action::SetFloat(set) => Some((set.account, AccountClass::Hf)),
        Action::Register(_) => None,
    }
}

fn check_count(field: &str, found: usize, limit: usize) -> Result<(), RouterError> {
    if found <= limit {
        return Ok(());
    }
    Err(malformed(field, format!("{found} in one request, at most {limit} are allowed")))
}

fn record_error(error: RecordError) -> RouterError {
    match error {
        RecordError::Id(error) => malformed("id", error.to_string()),
        RecordError::Debit(error) => malformed("debit", error.to_string()),
        RecordError::Credit(error) => malformed("credit", error.to_string()),
        RecordError::Kind(kind) => malformed("kind", format!("{kind} is not a payment kind")),
        RecordError::Reserved => malformed("reserved", "must be zero".to_owned()),
    }
}

fn control(field: &str, account: AccountId) -> RouterError {
    malformed(field, format!("{account} is a control account, which takes part in no payment"))
}

fn malformed(field: &str, rule: String) -> RouterError {
    RouterError::Malformed { field: field.to_owned(), rule }
}
