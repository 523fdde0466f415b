//! Fixed values: one of every kind of operation and message.

use tributary_chain::batch::OwnerSignature;
use tributary_chain::message::{Fund, FundRequest, MerchantNotice, Transfer, TransferOutcome};
use tributary_chain::operation::{
    AssetEntry, FloatPolicy, InstitutionEntry, InstitutionKey, OpenAccount, OpenMerchant,
    RegistryChange, SetFloat, SetStatus,
};
use tributary_chain::{
    AccountStatus, Action, Batch, Counters, Message, Operation, Statement, StatementRow,
};
use tributary_types::payment::Payment;
use tributary_types::{
    AccountClass, AccountId, Amount, AssetId, BlockHeight, ChainId, Domain, InstitutionId,
    OutcomeCode, PaymentId, PaymentKind, PaymentRecord, Reference, Slot, TimeMs,
};

use crate::{cluster, signing_key, validator_set};

const ASSET: AssetId = AssetId::new(1);
const BANK: InstitutionId = InstitutionId::new(7);
const START: TimeMs = TimeMs::new(1_700_000_000_000);

pub fn user() -> AccountId {
    let slot = Slot::new(42).unwrap();
    AccountId::named(AccountClass::User, BANK, &"c17850".parse().unwrap(), slot)
}

pub fn merchant() -> AccountId {
    let slot = Slot::new(9_000).unwrap();
    AccountId::named(AccountClass::Hf, BANK, &"m85123A".parse().unwrap(), slot)
}

pub fn payment_id(number: u8) -> PaymentId {
    PaymentId::new(START, [number; 10])
}

/// A payment of user to merchant, of as many pence as its number.
pub fn record(number: u8) -> PaymentRecord {
    PaymentRecord::from(&Payment {
        id: payment_id(number),
        kind: PaymentKind::Payment,
        debit: user(),
        credit: merchant(),
        amount: Amount::new(u128::from(number)),
        asset: ASSET,
        reference: Reference::from_text("536365-1").unwrap(),
    })
}

fn float() -> FloatPolicy {
    FloatPolicy { target: Amount::new(10_000), low_mark: Amount::new(2_000) }
}

/// One of every variant of [`RegistryChange`], in order of their tags.
pub fn registry_changes() -> Vec<RegistryChange> {
    let key = |seed| InstitutionKey { institution: BANK, key: signing_key(seed).public() };
    vec![
        RegistryChange::Asset(AssetEntry { id: ASSET, code: "GBP".parse().unwrap(), scale: 2 }),
        RegistryChange::Institution(InstitutionEntry {
            id: BANK,
            name: "bank-seven".parse().unwrap(),
            keys: vec![signing_key(40).public(), signing_key(41).public()],
            operator: true,
        }),
        RegistryChange::AddKey(key(42)),
        RegistryChange::RevokeKey(key(40)),
    ]
}

/// One of every variant of [`Action`], in order of their tags.
pub fn actions() -> Vec<Action> {
    let owner = Some(signing_key(50).public());
    vec![
        Action::OpenAccount(OpenAccount { account: user(), asset: ASSET, owner }),
        Action::SetAccountStatus(SetStatus { account: user(), status: AccountStatus::Frozen }),
        Action::OpenMerchant(OpenMerchant {
            account: merchant(),
            name: "m85123A".parse().unwrap(),
            asset: ASSET,
            float: float(),
        }),
        Action::SetMerchantStatus(SetStatus { account: merchant(), status: AccountStatus::Closed }),
        Action::SetFloat(SetFloat { account: merchant(), float: float() }),
        Action::Register(registry_changes().remove(0)),
    ]
}

pub fn operations() -> Vec<Operation> {
    let numbered = (100_u8..).zip(actions());
    numbered.map(|(number, action)| Operation { id: payment_id(number), action }).collect()
}

pub fn batch() -> Batch {
    let payment = record(1);
    let signature = signing_key(50).sign(&payment.signing_hash(&cluster()));
    Batch::sign(
        &cluster(),
        ChainId::new(1),
        BANK,
        &signing_key(40),
        operations().into_iter().take(1).collect(),
        vec![record(2), payment],
        vec![OwnerSignature { payment: 1, signature }],
    )
}

fn row(account: AccountId, received: u128) -> StatementRow {
    let counters = Counters {
        received: Amount::new(received),
        refunded: Amount::new(30),
        funded: Amount::new(20),
        swept: Amount::new(10),
        payments: 4,
    };
    StatementRow { account, asset: ASSET, counters }
}

pub fn statement() -> Statement {
    let other = AccountId::named(
        AccountClass::Hf,
        BANK,
        &"m22423".parse().unwrap(),
        Slot::new(9_001).unwrap(),
    );
    Statement {
        epoch: 3,
        first_height: BlockHeight::new(5),
        last_height: BlockHeight::new(9),
        time: START,
        previous: Domain::Statement.hash(b"epoch 2"),
        rows: vec![row(merchant(), 100), row(other, 200)],
    }
}

/// One of every variant of [`Message`], in order of their tags.
pub fn messages() -> Vec<Message> {
    let (account, asset) = (merchant(), ASSET);
    let amount = Amount::new(500);
    vec![
        Message::Statement(statement()),
        Message::FundRequest(FundRequest { account, asset, amount }),
        Message::Fund(Fund { account, asset, requested: amount, granted: Amount::new(400) }),
        Message::Transfer(Transfer { payment: record(3) }),
        Message::TransferOutcome(TransferOutcome {
            id: payment_id(3),
            code: OutcomeCode::CreditAccountClosed,
        }),
        Message::Merchant(MerchantNotice {
            account,
            asset,
            status: AccountStatus::Open,
            float: float(),
        }),
        Message::Registry(registry_changes().remove(2)),
        Message::ValidatorSet(validator_set(1, &[1, 2, 4])),
    ]
}
