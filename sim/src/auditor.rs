//! An auditor: somebody with a genesis file and texts, who believes nothing else.
//!
//! Receipts, accounts, route tables and books reach people as JSON. What a
//! chain certified must read back as it was written and hold against the
//! genesis alone; whatever somebody changed in the text must not.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tributary_chain::certificate::DESCENDANTS_MAX;
use tributary_chain::{Body, Certificate, Header};
use tributary_ledger::outcome::Subject;
use tributary_ledger::{
    BlockOutcomes, BooksReport, Genesis, Ledger, OutcomeProof, ProofError, RoutesProof, StateProof,
    check_books,
};
use tributary_replica::ExecutedBlock;
use tributary_routing::{RouteTable, placement};
use tributary_types::codec::{Encode, decode_exact};
use tributary_types::payment::Payment;
use tributary_types::{AccountId, Amount, BlockHeight, ChainId, Receipt};

use crate::cluster::Cluster;
use crate::mistakes;
use crate::prng::Prng;
use crate::workload::{every_merchant, every_user};

/// Heights of a chain between two audits: JSON and signatures take time.
const EVERY: u64 = 32;
/// Changed texts of each proof.
const CHANGES: usize = 4;

/// See the module head.
pub struct Auditor {
    /// As read from its file.
    genesis: Genesis,
    accounts: Vec<AccountId>,
    prng: Prng,
    /// A block of each chain that is due for an audit, with the headers after it.
    blocks: BTreeMap<ChainId, (ExecutedBlock, Vec<Header>)>,
    /// The newest books of each chain, and older ones.
    books: BTreeMap<ChainId, BooksReport>,
    older: Option<BooksReport>,
}

/// What is shown as a text and holds or does not.
trait Shown: Sized + PartialEq {
    fn write(&self) -> Result<String, ProofError>;
    fn read(text: &str) -> Result<Self, ProofError>;
    fn holds(&self, genesis: &Genesis) -> Result<(), ProofError>;
}

impl Auditor {
    /// Reads the genesis file.
    ///
    /// # Errors
    /// It is not what was written, or one with a mistake would do as well.
    pub fn new(cluster: &Cluster, prng: &Prng) -> Result<Self, String> {
        let mut prng = prng.fork("auditor");
        let genesis = read_back(&cluster.genesis)?;
        if genesis.hash() != cluster.hash {
            return Err("the genesis file is of another cluster".to_owned());
        }
        let (mistake, wrong) = mistakes::in_genesis(&genesis, &mut prng);
        if wrong.validate().is_ok() {
            return Err(format!("a genesis with {mistake} is taken"));
        }
        let (mistake, rules) = mistakes::in_placement(&mut prng);
        if placement::validate(&rules).is_ok() {
            return Err(format!("a placement with {mistake} is taken"));
        }
        let file = serde_json::to_string(&genesis).map_err(|error| error.to_string())?;
        for _ in 0..CHANGES {
            let other: Option<Genesis> = serde_json::from_str(&changed(&file, &mut prng)).ok();
            if other.is_some_and(|other| other != genesis && other.hash() == genesis.hash()) {
                return Err("two geneses have one hash".to_owned());
            }
        }
        let users = every_user(&cluster.genesis.routes).into_iter().map(|(_, account)| account);
        let accounts = users.chain(every_merchant()).collect();
        Ok(Self {
            genesis,
            accounts,
            prng,
            blocks: BTreeMap::new(),
            books: BTreeMap::new(),
            older: None,
        })
    }

    /// A block was executed for the first time.
    pub fn executed(&mut self, block: &ExecutedBlock) {
        let header = &block.header;
        match self.blocks.entry(header.chain) {
            Entry::Occupied(mut due) if due.get().1.len() < DESCENDANTS_MAX => {
                due.get_mut().1.push(header.clone());
            }
            due => {
                if is_due(header.height) {
                    due.insert_entry((block.clone(), Vec::new()));
                }
            }
        }
    }

    /// A header is certified; `ledger` may be further.
    ///
    /// # Errors
    /// What does not hold, or holds and should not.
    pub fn certified(
        &mut self,
        header: &Header,
        certificate: &Certificate,
        ledger: &Ledger,
    ) -> Result<(), String> {
        let shows = |(block, after): &(ExecutedBlock, Vec<Header>)| {
            block.header == *header || after.contains(header)
        };
        if !self.blocks.get(&header.chain).is_some_and(shows) || ledger.header() != header {
            return Ok(());
        }
        let place = format!("chain {} height {}", header.chain, header.height);
        let due = self.blocks.remove(&header.chain);
        let audited = due.map_or(Ok(()), |(block, mut after)| {
            after.retain(|descendant| descendant.height <= header.height);
            self.outcome(&block, &after, certificate)
        });
        let audited = audited.and_then(|()| self.account(header, certificate, ledger));
        let audited = audited.and_then(|()| self.routes(header, certificate, ledger));
        audited.and_then(|()| self.books(ledger)).map_err(|text| format!("{place}: {text}"))
    }

    /// What became of something in the block, as the archive keeps it; the last
    /// of the headers `after` it is certified, or its own.
    fn outcome(
        &mut self,
        block: &ExecutedBlock,
        after: &[Header],
        certificate: &Certificate,
    ) -> Result<(), String> {
        let stored = block.outcomes.to_bytes();
        let outcomes: BlockOutcomes = decode_exact(&stored).map_err(|error| error.to_string())?;
        let body: Body = decode_exact(&block.body).map_err(|error| error.to_string())?;
        let index = u32::try_from(self.prng.index(outcomes.len())).unwrap_or(0);
        for message in body.deliveries.iter().flat_map(|delivery| &delivery.messages) {
            read_back(message)?;
        }
        if let Some((Subject::Payment(record), receipt)) = outcomes.get(&body, index)
            && let Ok(payment) = record.parse()
        {
            check_line(&payment, receipt)?;
        }
        let prove = |index| {
            let (header, after) = (block.header.clone(), after.to_vec());
            OutcomeProof::from_block(header, after, certificate.clone(), &body, &outcomes, index)
        };
        // One payment twice in a block is refused twice in the same words.
        let is_true = |other: &OutcomeProof| {
            let index = u32::try_from(other.path.index).unwrap_or(u32::MAX);
            prove(index).is_some_and(|proof| proof == *other)
        };
        match prove(index) {
            Some(proof) if proof.receipt.replay => match proof.holds(&self.genesis) {
                Err(ProofError::Replay { first }) if proof.receipt.first() == Some(first) => Ok(()),
                other => Err(format!("a replay as a proof: {other:?}")),
            },
            // A malformed record has no fields to show.
            Some(proof) if proof.write().is_ok() => self.show(&proof, is_true),
            Some(proof) => proof.holds(&self.genesis).map_err(|error| error.to_string()),
            None if outcomes.is_empty() => Ok(()),
            None => Err(format!("outcome {index} of {} has no proof", outcomes.len())),
        }
    }

    /// An account, a proxy or a merchant that the chain has, and its history.
    fn account(
        &mut self,
        header: &Header,
        certificate: &Certificate,
        ledger: &Ledger,
    ) -> Result<(), String> {
        let first = self.prng.index(self.accounts.len());
        let mut turn = self.accounts.iter().cycle().skip(first).take(self.accounts.len());
        let found = turn.find_map(|account| {
            let parts = ledger.prove_account(account).or_else(|| ledger.prove_proxy(account));
            Some((*account, parts.or_else(|| ledger.prove_merchant(account))?))
        });
        let Some((account, parts)) = found else { return Ok(()) };
        let account_view = ledger.account(&account).map(|view| read_back(&view)).transpose()?;
        let proxy = ledger.proxy(&account).map(|view| read_back(&view)).transpose()?;
        let merchant = ledger.merchant(&account).map(|view| read_back(&view)).transpose()?;
        let last = account_view.map(|view| view.last).or(proxy.map(|view| view.last));
        let last = last.or(merchant.map(|view| view.last));
        if last != Some(ledger.last_position(&account)) {
            return Err(format!("the history of {account} ends at {last:?}"));
        }
        self.show(&parts.certified(header.clone(), Vec::new(), certificate.clone()), |_| false)
    }

    /// The route table, which no other one replaces.
    fn routes(
        &mut self,
        header: &Header,
        certificate: &Certificate,
        ledger: &Ledger,
    ) -> Result<(), String> {
        let Some(parts) = ledger.prove_routes() else { return Ok(()) };
        let proof = parts.certified(header.clone(), Vec::new(), certificate.clone());
        self.show(&proof, |_| false)?;
        let (known, genesis) = (&self.genesis.routes, &self.genesis);
        proof.verify_after(genesis, known).map_err(|error| error.to_string())?;
        let mut chains = known.user_chains();
        chains.reverse();
        let table = |version| RouteTable::even(version, &chains, self.genesis.hf_chain()).ok();
        let newer = table(known.version() + 1);
        let others = [newer.clone(), table(known.version()).filter(|other| other != known)];
        for other in others.iter().flatten() {
            if proof.verify_after(genesis, other).is_ok() {
                return Err(format!("version {} gives way to an older table", other.version()));
            }
        }
        let elsewhere = Header { chain: ChainId::new(0), ..header.clone() };
        let of_another = RoutesProof { header: elsewhere, ..proof.clone() };
        let shown = newer.map(|routes| RoutesProof { routes, ..proof });
        if shown.iter().chain([&of_another]).any(|proof| proof.verify(genesis).is_ok()) {
            return Err("a route table holds that nobody certified".to_owned());
        }
        Ok(())
    }

    /// The books of all chains, and forged ones.
    fn books(&mut self, ledger: &Ledger) -> Result<(), String> {
        let report = read_back(&ledger.books())?;
        if let Some(before) = self.books.insert(report.chain, report) {
            self.older = Some(before);
        }
        let reports: Vec<_> = self.books.values().cloned().collect();
        if let Ok(summary) = check_books(&reports) {
            read_back(&summary)?;
            let older = self.older.clone();
            let (what, forged) = forged_books(reports, older, &mut self.prng);
            // Books of an earlier moment may be those of this one, too.
            if check_books(&forged).is_ok() && what != "an older report" {
                return Err(format!("books with {what} balance"));
            }
        }
        Ok(())
    }

    /// What is proved reads back and holds; a changed text does not, unless it
    /// `is_true` as well.
    fn show<P: Shown>(&mut self, proof: &P, is_true: impl Fn(&P) -> bool) -> Result<(), String> {
        let text = proof.write().map_err(|error| error.to_string())?;
        let read = P::read(&text).map_err(|error| error.to_string())?;
        if read != *proof {
            return Err(format!("reads back as something else: {text}"));
        }
        read.holds(&self.genesis).map_err(|error| error.to_string())?;
        for _ in 0..CHANGES {
            let changed = changed(&text, &mut self.prng);
            if changed == text {
                continue;
            }
            let holds = |proof: &P| proof.holds(&self.genesis).is_ok() && !is_true(proof);
            if P::read(&changed).is_ok_and(|proof| holds(&proof)) {
                return Err(format!("a changed text holds: {changed}instead of: {text}"));
            }
        }
        Ok(())
    }
}

impl Shown for StateProof {
    fn write(&self) -> Result<String, ProofError> {
        self.to_json()
    }
    fn read(text: &str) -> Result<Self, ProofError> {
        Self::from_json(text)
    }
    fn holds(&self, genesis: &Genesis) -> Result<(), ProofError> {
        self.verify(genesis)
    }
}

impl Shown for OutcomeProof {
    fn write(&self) -> Result<String, ProofError> {
        self.to_json()
    }
    fn read(text: &str) -> Result<Self, ProofError> {
        Self::from_json(text)
    }
    fn holds(&self, genesis: &Genesis) -> Result<(), ProofError> {
        self.verify(genesis)
    }
}

impl Shown for RoutesProof {
    fn write(&self) -> Result<String, ProofError> {
        self.to_json()
    }
    fn read(text: &str) -> Result<Self, ProofError> {
        Self::from_json(text)
    }
    fn holds(&self, genesis: &Genesis) -> Result<(), ProofError> {
        self.verify(genesis).map(|_| ())
    }
}

const fn is_due(height: BlockHeight) -> bool {
    height.get().is_multiple_of(EVERY)
}

/// A value as somebody reads it who was sent its JSON.
fn read_back<T: Serialize + DeserializeOwned + PartialEq>(value: &T) -> Result<T, String> {
    let text = serde_json::to_string_pretty(value).map_err(|error| error.to_string())?;
    let read: T = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
    if read == *value { Ok(read) } else { Err(format!("reads back as something else: {text}")) }
}

/// A payment as a line of a list, as front-ends import and print them, reads
/// back field by field.
fn check_line(payment: &Payment, receipt: &Receipt) -> Result<(), String> {
    let Payment { id, debit, credit, amount, asset, reference, .. } = payment;
    let (sponsor, code) = (debit.institution(), receipt.code);
    let line = format!("{id},{sponsor},{debit},{credit},{amount},{asset},{code},{reference}");
    let fields: Vec<&str> = line.splitn(8, ',').collect();
    let [f_id, f_sponsor, f_debit, f_credit, f_amount, f_asset, f_code, _] = fields[..] else {
        return Err(format!("a line with too few fields: {line}"));
    };
    let is_same = f_id.parse() == Ok(*id)
        && f_sponsor.parse() == Ok(sponsor)
        && f_debit.parse() == Ok(*debit)
        && f_credit.parse() == Ok(*credit)
        && f_amount.parse() == Ok(*amount)
        && f_asset.parse() == Ok(*asset)
        && f_code == code.as_str();
    if is_same { Ok(()) } else { Err(format!("reads back as something else: {line}")) }
}

/// A text in which one character is another one, is missing, or is added.
fn changed(text: &str, prng: &mut Prng) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let place = prng.index(bytes.len());
    match bytes.get(place) {
        Some(b'0'..=b'9') => bytes[place] = b"0123456789"[prng.index(10)],
        Some(b'a'..=b'z') if prng.below(2) == 0 => bytes[place] = b"acdefz"[prng.index(6)],
        Some(_) if prng.below(2) == 0 => drop(bytes.remove(place)),
        _ => bytes.insert(place, b" 0-"[prng.index(3)]),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Books in which money is missing, or reports are.
fn forged_books(
    mut reports: Vec<BooksReport>,
    older: Option<BooksReport>,
    prng: &mut Prng,
) -> (&'static str, Vec<BooksReport>) {
    let penny = Amount::new(1).into();
    let place = prng.index(reports.len());
    let Some(report) = reports.get_mut(place) else { return ("no report", reports) };
    let books = report.assets.first_mut();
    let control = report.channels.first_mut().and_then(|channel| channel.control.first_mut());
    let what = match (prng.below(6), books, control, older) {
        (0, Some(books), ..) => {
            books.users = books.users.plus(penny);
            "a penny that nobody paid"
        }
        (1, Some(books), ..) => {
            books.users = books.users.plus(penny);
            books.control = books.control.minus(penny);
            "a penny that is nowhere in flight"
        }
        (2, _, Some((_, control)), _) => {
            *control = control.plus(penny);
            "a penny that another chain knows nothing of"
        }
        (3, _, _, Some(older)) => {
            if let Some(newer) = reports.iter_mut().find(|report| report.chain == older.chain) {
                *newer = older;
            }
            "an older report"
        }
        (4, ..) => {
            reports.remove(place);
            "no report of a chain"
        }
        _ => {
            let twice = report.clone();
            reports.push(twice);
            "two reports of a chain"
        }
    };
    (what, reports)
}
