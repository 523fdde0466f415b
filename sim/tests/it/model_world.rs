//! Real ledgers of four chains with the model beside them. Headers are signed
//! by all validators; bodies and deliveries pass through their encoding.

use std::collections::BTreeMap;

use tributary_chain::certificate::Vote;
use tributary_chain::operation::{AssetEntry, InstitutionEntry};
use tributary_chain::{Batch, Body, Certificate, ClockReport, Delivery};
use tributary_ledger::{
    ChainKind, ChainSpec, Executed, Genesis, Ledger, Page, PageKey, Parameters,
};
use tributary_routing::RouteTable;
use tributary_routing::table::SlotRange;
use tributary_sim::model::{Difference, Model, Rules};
use tributary_sim::prng::{Chance, Prng};
use tributary_types::codec::decode_exact;
use tributary_types::{AssetId, ChainId, Encode, InstitutionId, SigningKey, Slot, TimeMs};

pub const GBP: AssetId = AssetId::new(1);
pub const EUR: AssetId = AssetId::new(2);
/// The operator.
pub const BANK: InstitutionId = InstitutionId::new(7);
pub const OTHER: InstitutionId = InstitutionId::new(8);
pub const USER_CHAINS: [ChainId; 3] = [ChainId::new(1), ChainId::new(2), ChainId::new(3)];
pub const HF: ChainId = ChainId::new(9);
const CREATED: TimeMs = TimeMs::new(1_760_000_000_000);
const VALIDATORS: u16 = 3;

pub struct World {
    pub genesis: Genesis,
    pub ledgers: BTreeMap<ChainId, Ledger>,
    /// What every validator's clock says, about.
    pub now: TimeMs,
    model: Model,
    pages: BTreeMap<ChainId, BTreeMap<PageKey, Page>>,
    prng: Prng,
}

pub fn key(what: u8, number: u32) -> SigningKey {
    let mut seed = [what; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    SigningKey::from_seed(seed)
}

pub fn validator_key(chain: ChainId, index: u16) -> SigningKey {
    key(1, u32::from(chain.get()) << 16 | u32::from(index))
}

pub fn institution_key(institution: InstitutionId) -> SigningKey {
    key(2, institution.get())
}

impl World {
    pub fn new(prng: &Prng) -> Self {
        let mut prng = prng.fork("world");
        let genesis = genesis(&mut prng);
        let ledger = |chain: &ChainSpec| (chain.id, Ledger::genesis(&genesis, chain.id).unwrap());
        let ledgers = genesis.chains.iter().map(ledger).collect();
        let model = Model::new(Rules::from(&genesis));
        let pages = BTreeMap::new();
        Self { ledgers, model, pages, prng, now: CREATED, genesis }
    }

    /// Executes a block; the model must have predicted it.
    pub fn block(
        &mut self,
        chain: ChainId,
        batches: Vec<Batch>,
        deliveries: Vec<Delivery>,
    ) -> Result<Executed, Difference> {
        let body = Body { clocks: self.clocks(), deliveries, batches };
        let bytes = body.to_bytes();
        let body: Body = decode_exact(&bytes).unwrap();
        let ledger = self.ledgers.get_mut(&chain).unwrap();
        let executed = ledger.execute(&body, Body::root_of_bytes(&bytes));
        let predicted = self.model.follow(&body, &executed.header, &executed.outcomes)?;
        let cursors = executed.deliveries.iter().map(|cursor| cursor.as_ref().ok().copied());
        assert_eq!(predicted, cursors.collect::<Vec<_>>());
        self.model.compare(ledger)?;
        self.now = self.now.max(executed.header.time);
        Ok(executed)
    }

    /// Most often all clocks, a little apart; some are missing, wrong, or of
    /// nobody.
    fn clocks(&mut self) -> Vec<ClockReport> {
        let mut clocks = Vec::new();
        for validator in 0..VALIDATORS + 1 {
            let stranger = validator == VALIDATORS;
            if self.prng.happens(Chance::percent(if stranger { 95 } else { 3 })) {
                continue;
            }
            let apart = self.prng.below(20);
            let wrong = self.prng.happens(Chance::percent(1));
            let time = if wrong { TimeMs::new(self.prng.bits()) } else { self.now.plus_ms(apart) };
            clocks.push(ClockReport { validator, time });
        }
        clocks
    }

    /// Everything of `from` that `to` lacks after message `after`, certified.
    pub fn delivery(
        &self,
        from: ChainId,
        to: ChainId,
        after: u64,
        bytes_max: usize,
    ) -> Option<Delivery> {
        let ledger = &self.ledgers[&from];
        let outgoing = ledger.outgoing(to, after, bytes_max)?;
        let header = ledger.header().clone();
        let hash = header.hash(&self.genesis.hash());
        let vote = |index| Vote::sign(index, &validator_key(from, index), &hash);
        let certificate = Certificate { votes: (0..VALIDATORS - 1).map(vote).collect() };
        Some(outgoing.certified(header, certificate))
    }

    pub fn received(&self, chain: ChainId, peer: ChainId) -> u64 {
        let status = self.ledgers[&chain].channel_status();
        status.iter().find(|status| status.peer == peer).unwrap().received
    }

    /// Forgets a chain's state and restores it from its last checkpoint pages.
    pub fn restart(&mut self, chain: ChainId) {
        let ledger = self.ledgers.get_mut(&chain).unwrap();
        let pages = self.pages.entry(chain).or_default();
        for page in ledger.take_dirty_pages() {
            if page.bytes.is_empty() {
                pages.remove(&page.key);
            } else {
                pages.insert(page.key, page);
            }
        }
        let pages: Vec<_> = pages.values().cloned().collect();
        let restored = Ledger::restore(&self.genesis, chain, ledger.header().clone(), &pages);
        *ledger = restored.unwrap();
    }
}

fn genesis(prng: &mut Prng) -> Genesis {
    let spec = |id, kind| ChainSpec {
        id,
        kind,
        validators: (0..VALIDATORS).map(|index| validator_key(id, index).public()).collect(),
    };
    let users = USER_CHAINS.into_iter().map(|id| spec(id, ChainKind::User));
    let asset = |id, code: &str| AssetEntry { id, code: code.parse().unwrap(), scale: 2 };
    let institution = |id, name: &str, operator| InstitutionEntry {
        id,
        name: name.parse().unwrap(),
        keys: vec![institution_key(id).public()],
        operator,
    };
    let range = |first: u16, last: u16, chain| SlotRange {
        first: Slot::new(first).unwrap(),
        last: Slot::new(last).unwrap(),
        chain,
    };
    let [one, two, three] = USER_CHAINS;
    let user_ranges = vec![
        range(0, 1_000, one),
        range(1_001, 5_000, two),
        range(5_001, 9_000, one),
        range(9_001, Slot::COUNT - 1, three),
    ];
    let hf_ranges = vec![range(0, Slot::COUNT - 1, HF)];
    Genesis {
        cluster: "model".to_owned(),
        created: CREATED,
        chains: users.chain([spec(HF, ChainKind::Hf)]).collect(),
        assets: vec![asset(GBP, "GBP"), asset(EUR, "EUR")],
        institutions: vec![institution(BANK, "bank", true), institution(OTHER, "other", false)],
        routes: RouteTable::new(5, user_ranges, hf_ranges).unwrap(),
        parameters: Parameters {
            settlement_interval_ms: prng.between(1, 400),
            id_window_back_ms: prng.between(5_000, 40_000),
            id_window_ahead_ms: prng.between(100, 5_000),
            time_step_ms_max: prng.between(3_000, 30_000),
            statements_unacknowledged_max: prng.between(1, 3),
            waiting_refunds_max: prng.between(1, 6),
        },
    }
}
