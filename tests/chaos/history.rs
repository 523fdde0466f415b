//! What clients asked, what they were told, and what the cluster says in the
//! end: all that the checker sees.

use std::collections::BTreeMap;

use tributary_client::PaymentId;

/// Microseconds of one clock of this machine, since the run began.
pub type Micros = u64;

/// Where an outcome stands: chain, block, and index in it.
pub type Place = (u16, u64, u32);

/// Which way the money goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// From payer to merchant.
    Payment,
    /// Back.
    Refund,
}

/// One submission of one id; an id may be submitted again.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The id.
    pub id: PaymentId,
    /// Which way.
    pub kind: Kind,
    /// Number of the payer.
    pub payer: usize,
    /// Number of the merchant.
    pub merchant: usize,
    /// Minor units.
    pub amount: u128,
    /// Number of the request and place in it; one request keeps its order.
    pub request: (u64, usize),
    /// When it was sent.
    pub invoked: Micros,
    /// When the answer was there.
    pub completed: Micros,
    /// The answer.
    pub answer: Answer,
}

/// What a client was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Executed, finally.
    Committed(Place),
    /// Under way: the merchant's money must come first.
    Pending,
    /// Refused by the ledger or before it; no money moved.
    Refused(String),
    /// No answer in time: it may have been executed or not.
    Unanswered(String),
}

/// What became of an id in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Executed, finally.
    Committed(Place),
    /// Refused, or never executed and never will be.
    Refused(String),
    /// Not decided although faults stopped.
    Undecided(String),
}

/// Whose totals a read shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A payer's account.
    Payer(usize),
    /// A merchant, on every chain.
    Merchant(usize),
}

/// One read. Every total only ever grows.
#[derive(Debug, Clone)]
pub struct Read {
    /// Of whom.
    pub subject: Subject,
    /// When it was asked.
    pub invoked: Micros,
    /// When the answer was there.
    pub completed: Micros,
    /// Totals by name; [`PAID`] is among them.
    pub totals: BTreeMap<&'static str, u128>,
}

/// Sum of all payments: out of a payer's account, or into a merchant's proxies.
pub const PAID: &str = "paid";

/// A payer when everything is over.
#[derive(Debug, Clone, Default)]
pub struct PayerEnd {
    /// What it was given at the beginning.
    pub opening: u128,
    /// Everything that went out.
    pub debits: u128,
    /// Everything that came in.
    pub credits: u128,
    /// Ids of its history that are committed, with their places.
    pub committed: Vec<(PaymentId, Place)>,
}

/// A merchant when everything is over and settled, as its HF chain knows it.
#[derive(Debug, Clone, Default)]
pub struct MerchantEnd {
    /// Paid by users.
    pub received: u128,
    /// Given back.
    pub refunded: u128,
    /// Number of payments and refunds.
    pub payments: u64,
}

/// What one kind of fault did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultCount {
    /// As what it is reported.
    pub kind: String,
    /// How often it struck.
    pub struck: u64,
    /// Whether the run was long enough for it to have struck.
    pub is_due: bool,
}

/// A whole run.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// In any order.
    pub submissions: Vec<Submission>,
    /// In any order.
    pub reads: Vec<Read>,
    /// By id.
    pub fates: BTreeMap<PaymentId, Fate>,
    /// By number.
    pub payers: Vec<PayerEnd>,
    /// By number.
    pub merchants: Vec<MerchantEnd>,
    /// Why the books of all chains do not balance, if they do not.
    pub books: Option<String>,
    /// Kinds that were possible.
    pub faults: Vec<FaultCount>,
}

impl History {
    /// Submissions of payments that clients were told to be committed.
    pub fn payments_acknowledged(&self) -> usize {
        let is_told = |one: &&Submission| {
            one.kind == Kind::Payment && matches!(one.answer, Answer::Committed(_))
        };
        self.submissions.iter().filter(is_told).count()
    }

    /// How often any fault struck.
    pub fn faults_struck(&self) -> u64 {
        self.faults.iter().map(|fault| fault.struck).sum()
    }
}
