//! What a front-end takes for the end of its order is what the chain decided:
//! nobody goes on believing that something was done which no block has, or that
//! it never will be which some block has.

use std::collections::{BTreeMap, HashSet};

use tributary_chain::{Body, Header};
use tributary_ledger::BlockOutcomes;
use tributary_ledger::outcome::Subject;
use tributary_types::codec::Encode as _;
use tributary_types::{
    ChainId, Domain, Hash, InstitutionId, OutcomeCode, PaymentId, Signature, TimeMs,
};

use crate::model::ids::is_kept;
use crate::orders::{Item, Order, OrderNumber};

/// What chains decided about one content; an id may stand for several.
type Decided = BTreeMap<Hash, BTreeMap<ChainId, OutcomeCode>>;

/// See the module head.
#[derive(Debug)]
pub struct Concluded {
    window_back_ms: u64,
    decided: Decided,
    /// Block time of each chain.
    times: BTreeMap<ChainId, TimeMs>,
    /// By order: the last definite answer; none if it was not even admitted.
    concluded: BTreeMap<OrderNumber, Conclusion>,
    /// Who asked for each content: it may come from several, of whom not all may.
    askers: BTreeMap<Hash, HashSet<Asker>>,
}

/// On whose behalf, and with which signature of the owner.
type Asker = (InstitutionId, Option<Signature>);

/// The end of an order, as its front-end knows it.
#[derive(Debug, Clone, Copy)]
struct Conclusion {
    chain: ChainId,
    id: PaymentId,
    content: Hash,
    code: Option<OutcomeCode>,
}

impl Concluded {
    /// Nobody has concluded anything. Ids are remembered for so long.
    pub const fn new(window_back_ms: u64) -> Self {
        Self {
            window_back_ms,
            decided: Decided::new(),
            times: BTreeMap::new(),
            concluded: BTreeMap::new(),
            askers: BTreeMap::new(),
        }
    }

    /// A block was executed for the first time.
    pub fn executed(&mut self, header: &Header, body: &Body, outcomes: &BlockOutcomes) {
        self.times.insert(header.chain, header.time);
        for (subject, receipt) in outcomes.iter(body) {
            if is_kept(receipt.code) && !receipt.replay {
                let decided = self.decided.entry(content(subject)).or_default();
                decided.insert(header.chain, receipt.code);
            }
        }
    }

    /// A front-end asks no more about an order.
    pub fn concludes(&mut self, number: OrderNumber, order: &Order, code: Option<OutcomeCode>) {
        let (id, subject, signature) = match &order.item {
            // What is no payment at all is never decided.
            Item::Pay(record, signature) => match PaymentId::from_bytes(*record.id_bytes()) {
                Ok(id) => (id, Subject::Payment(record), *signature),
                Err(_) => return,
            },
            Item::Do(operation) => (operation.id, Subject::Operation(operation), None),
        };
        let content = content(subject);
        let conclusion = Conclusion { chain: order.chain, id, content, code };
        self.concluded.insert(number, conclusion);
        self.askers.entry(content).or_default().insert((order.institution, signature));
    }

    /// Everything is over.
    ///
    /// # Errors
    /// Whose belief is wrong.
    pub fn finish(&self) -> Result<(), String> {
        self.concluded.iter().try_for_each(|(number, conclusion)| {
            self.examine(conclusion).map_err(|text| format!("order {number}: {text}"))
        })
    }

    fn examine(&self, conclusion: &Conclusion) -> Result<(), String> {
        let Conclusion { chain, id, content, code } = *conclusion;
        let Some(decided) = self.decided.get(&content) else {
            let is_kept = code.is_some_and(is_kept);
            return if is_kept {
                Err(format!("told {code:?} of {id}, which nobody decided"))
            } else {
                Ok(())
            };
        };
        let is_right = match code {
            Some(code) if is_kept(code) => decided.values().any(|other| *other == code),
            // Long after it was decided an id is refused as too old: what became
            // of it is then asked for elsewhere.
            Some(OutcomeCode::Expired) if self.is_past(chain, id) => true,
            // The same was asked for by somebody else, who may.
            Some(code) if is_about_asker(code) && self.askers[&content].len() > 1 => true,
            // Refused in one way or another: whose answer it was that came first
            // does not matter.
            _ => !decided.values().copied().any(moves),
        };
        if is_right {
            return Ok(());
        }
        let told = code.map_or("not admitted", OutcomeCode::as_str);
        Err(format!("told {told} of {id}, of chain {chain}, which decided {decided:?}"))
    }

    /// Whether a chain has left an id's window.
    fn is_past(&self, chain: ChainId, id: PaymentId) -> bool {
        let time = self.times.get(&chain);
        time.is_some_and(|time| id.time() < time.minus_ms(self.window_back_ms))
    }
}

fn content(subject: Subject<'_>) -> Hash {
    Domain::Content.hash(&match subject {
        Subject::Payment(record) => record.to_bytes(),
        Subject::Operation(operation) => operation.to_bytes(),
    })
}

/// Whether a refusal says that whoever asks may not, whatever it is.
const fn is_about_asker(code: OutcomeCode) -> bool {
    use OutcomeCode::{OwnerSignatureInvalid, OwnerSignatureMissing, Unauthorized};
    matches!(code, OwnerSignatureInvalid | OwnerSignatureMissing | Unauthorized)
}

/// Whether money moved, or may yet.
const fn moves(code: OutcomeCode) -> bool {
    code.is_committed() || code.is_pending()
}
