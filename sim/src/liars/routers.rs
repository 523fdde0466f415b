//! A lying router: it goes by a table that is old or made up, signs what nobody
//! asked for, and a lying validator proves its table to others.

use tributary_chain::batch::OwnerSignature;
use tributary_chain::certificate::Vote;
use tributary_chain::{Batch, Certificate};
use tributary_ledger::RoutesProof;
use tributary_routing::RouteTable;
use tributary_types::{Hash, InstitutionId};

use super::lying_validator;
use crate::cluster::{Cluster, SHOPS, institution_key, strangers_key, validator_key};
use crate::prng::{Chance, Prng};
use crate::stage::Stage;

/// A router signs with a key that was added later, if there may be one.
const FURTHER_KEY: Chance = Chance::percent(30);
/// The lying router goes by its own table.
const MISROUTES: Chance = Chance::percent(40);
/// The lying router signs what nobody asked for.
const MISSIGNS: Chance = Chance::percent(4);
/// A lying validator proves a table that is none.
const MISPROVES: Chance = Chance::percent(60);
/// An honest router begins with a table of long ago.
const OLD_TABLE: Chance = Chance::percent(50);

/// The table that a router begins with, and whether it is that of the genesis.
/// Tables do not change yet in a cluster: an old one is what the table of a
/// lower version may have been.
#[must_use]
pub fn first_table(router: u16, stage: &Stage) -> (RouteTable, bool) {
    let cluster = &stage.cluster;
    let routes = &cluster.genesis.routes;
    let mut prng = Prng::new(stage.scenario.seed).fork_nth("table", u64::from(router));
    let is_old = stage.scenario.profile.liars.router && router > 0 && prng.happens(OLD_TABLE);
    // A lone user chain had all slots from the beginning.
    let is_old = is_old && cluster.users.len() > 1;
    let old = is_old.then(|| other_table(cluster, routes.version() - 1, &mut prng)).flatten();
    old.map_or_else(|| (routes.clone(), true), |old| (old, false))
}

/// The table that a lying router goes by this time: old or made up.
pub fn table(router: u16, stage: &mut Stage) -> Option<RouteTable> {
    let lies = stage.scenario.profile.liars.router && router == 0;
    if !lies || stage.healing || !stage.liar_prng.happens(MISROUTES) {
        return None;
    }
    let version = stage.liar_prng.between(1, 9);
    stage.trace.count("lie: a router goes by another table");
    other_table(&stage.cluster, version, &mut stage.liar_prng)
}

/// A table in which all slots of users have other owners.
fn other_table(cluster: &Cluster, version: u64, prng: &mut Prng) -> Option<RouteTable> {
    let mut users = cluster.users.clone();
    let mut hf = cluster.hf;
    let by = 1 + prng.index(users.len().saturating_sub(1));
    match users.len() {
        1 => std::mem::swap(&mut users[0], &mut hf),
        length => users.rotate_left(by % length),
    }
    RouteTable::even(version, &users, hf).ok()
}

/// What a node shows who asks for the route table, instead of what is proved.
pub fn proof(validator: u16, honest: RoutesProof, stage: &mut Stage) -> RoutesProof {
    let lies = lying_validator(stage) == Some(validator) && !stage.healing;
    if !lies || !stage.liar_prng.happens(MISPROVES) {
        return honest;
    }
    let Stage { cluster, liar_prng: prng, .. } = stage;
    let version = honest.routes.version() + prng.below(4) - 1;
    let Some(routes) = other_table(cluster, version, prng) else { return honest };
    let mut lie = RoutesProof { routes, ..honest };
    let drawn = prng.below(5);
    if drawn > 0 {
        lie.parts.routes = lie.routes.hash();
    }
    if drawn > 1 {
        lie.header.state_root = lie.parts.root();
    }
    let (chain, hash) = (lie.header.chain, lie.header.hash(&cluster.hash));
    let own = Vote::sign(validator, &validator_key(chain, validator), &hash);
    let made_up = |index: u16| match index == validator {
        true => own,
        false => Vote::sign(index, &strangers_key(u32::from(index)), &hash),
    };
    match drawn {
        3 => lie.certificate = Certificate { votes: vec![own; lie.certificate.votes.len()] },
        4 => {
            let votes = (0..cluster.replicas()).map(made_up).collect();
            lie.certificate = Certificate { votes };
        }
        _ => {}
    }
    stage.trace.count("lie: a table under a proof that is none");
    lie
}

/// Which of an institution's keys a router signs with.
pub fn key_number(institution: InstitutionId, stage: &mut Stage) -> u16 {
    let most = stage.orders.further_keys;
    if institution != SHOPS || most == 0 || !stage.liar_prng.happens(FURTHER_KEY) {
        return 0;
    }
    u16::try_from(stage.liar_prng.between(1, u64::from(most))).unwrap_or(0)
}

/// What a lying router signs in the name of its institution instead of what it
/// was asked for: nothing at all, something for another chain, or an owner's
/// signature of no payment.
pub fn signed(router: u16, honest: Batch, stage: &mut Stage) -> Batch {
    let lies = stage.scenario.profile.liars.router && router == 0;
    if !lies || stage.healing || !stage.liar_prng.happens(MISSIGNS) {
        return honest;
    }
    let Batch { mut chain, institution, operations, mut payments, mut owner_signatures, .. } =
        honest;
    let key = institution_key(institution, 0);
    match stage.liar_prng.below(3) {
        0 => {
            (payments, owner_signatures) = (Vec::new(), Vec::new());
        }
        1 => chain = stage.liar_prng.pick(&stage.cluster.chains).copied().unwrap_or(chain),
        _ => {
            let signature = key.sign(&Hash::ZERO);
            let payment = u32::try_from(payments.len()).unwrap_or(u32::MAX);
            owner_signatures.push(OwnerSignature { payment, signature });
        }
    }
    let cluster = &stage.cluster.hash;
    Batch::sign(cluster, chain, institution, &key, operations, payments, owner_signatures)
}
