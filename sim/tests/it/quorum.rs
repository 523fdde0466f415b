//! Chains whose quorum lies: real validators' signatures under what no
//! execution of the rules sends. Whoever receives it keeps the evidence and
//! believes that chain nothing more; its own books stay as they are.

use std::collections::BTreeMap;

use tributary_chain::certificate::{ValidatorSet, Vote};
use tributary_chain::channel::{channels_root, extend_digest, message_hash};
use tributary_chain::message::{Fund, FundRequest, MerchantNotice, Statement, TransferOutcome};
use tributary_chain::{Body, Certificate, Delivery, DenseTree, InboxError, Message};
use tributary_ledger::{Executed, Ledger};
use tributary_sim::prng::Prng;
use tributary_sim::profile::Profile;
use tributary_sim::run::run;
use tributary_sim::scenario::{Given, Scenario};
use tributary_types::{
    Amount, AssetId, BlockHeight, ChainId, Encode, Hash, OutcomeCode, PaymentId, PaymentKind,
    PaymentRecord, PublicKey, SigningKey,
};

use crate::model_workload::Workload;
use crate::model_world::{HF, USER_CHAINS, World, key, validator_key};

const SEEDS: usize = 12;
/// Steps of the workload until lies begin, and how often they are told.
const STEPS: usize = 150;
const ROUNDS: usize = 16;
/// Beyond what any chain certified before.
const LYING_HEIGHT: u64 = 1_000_000;
const VALIDATORS: u16 = 3;

#[test]
fn a_message_that_breaks_a_rule_freezes_its_sender_and_moves_no_money() {
    let mut told = BTreeMap::new();
    for seed in 1..=SEEDS {
        for_each_pending(seed, |world, pending| {
            // Answers are rare, and hardly ever come first.
            let is_rare =
                |it: &Message| matches!(it, Message::Fund(_) | Message::TransferOutcome(_));
            let rare = pending.honest.iter().position(is_rare);
            let place = rare.unwrap_or(seed % pending.honest.len());
            for (what, lie) in lies(pending.honest.get(place)) {
                let mut messages = pending.honest[..place].to_vec();
                let mut ledger = copy_of(world, pending.to);
                let first = pending.delivery(world, messages.clone(), LYING_HEIGHT - 1);
                deliver(&mut ledger, first).unwrap();
                messages.push(lie);
                let delivery = pending.delivery(world, messages, LYING_HEIGHT);
                let before = ledger.books().assets;
                let refused = deliver(&mut ledger, delivery);
                let is_broken = matches!(refused, Err(InboxError::BrokenRule { .. }));
                assert!(is_broken, "seed {seed}: {what}: {refused:?}");
                assert_eq!(ledger.books().assets, before, "seed {seed}: {what}");
                check_frozen(world, pending, ledger);
                *told.entry(what).or_insert(0) += 1;
            }
        });
    }
    assert!(told.len() >= 20, "hardly any lie was told: {told:?}");
}

#[test]
fn two_headers_of_one_height_freeze_who_signed_both() {
    for seed in 1..=SEEDS {
        for_each_pending(seed, |world, pending| {
            let mut ledger = copy_of(world, pending.to);
            let first = pending.delivery(world, pending.honest.clone(), LYING_HEIGHT);
            let height = first.header.height;
            deliver(&mut ledger, first).unwrap();
            let more = [pending.honest.clone(), pending.honest.clone()].concat();
            let second = pending.delivery(world, more, LYING_HEIGHT);
            assert_eq!(deliver(&mut ledger, second), Err(InboxError::Equivocation(height)));
            check_frozen(world, pending, ledger);
        });
    }
}

#[test]
fn a_certified_validator_set_takes_over_and_the_old_one_counts_no_more() {
    for_each_pending(1, |world, pending| {
        let keys: Vec<_> = (0..VALIDATORS).map(|index| key(6, u32::from(index))).collect();
        let next = ValidatorSet::new(1, keys.iter().map(SigningKey::public).collect()).unwrap();
        let rotation = vec![Message::ValidatorSet(next.clone())];
        let rotated = pending.delivery(world, rotation.clone(), LYING_HEIGHT);
        let mut ledger = copy_of(world, pending.to);
        let received = deliver(&mut ledger, rotated).unwrap();
        let mut ledger = restored(world, &ledger);
        let messages = [rotation, pending.honest.clone()].concat();
        let by_the_old = pending.delivery(world, messages, LYING_HEIGHT + 1);
        let refused = deliver(&mut ledger, by_the_old.clone());
        assert!(matches!(refused, Err(InboxError::Certificate(_))), "{refused:?}");
        let by_the_new = signed(world, by_the_old, &next, &keys);
        assert!(deliver(&mut ledger, by_the_new).unwrap() > received);
    });
}

#[test]
fn a_replica_stops_when_a_quorum_signs_another_header_than_it_executed() {
    let mut profile = Profile::none();
    profile.liars.quorum = true;
    let given = Given { profile: Some(profile), replicas: Some(3), ..Given::default() };
    let violation = run(&Scenario::draw(1, &given), false).unwrap().failure.unwrap().violation;
    assert_eq!(violation.checker, "agreement");
    assert!(violation.text.contains("diverged at height"), "{}", violation.text);
}

/// Messages that one chain has for another, which has everything before them.
struct Pending {
    from: ChainId,
    to: ChainId,
    /// Number and digest of the last one before them.
    last: (u64, Hash),
    honest: Vec<Message>,
}

/// Runs a workload; tells of each channel with something under way, now and
/// then.
fn for_each_pending(seed: usize, mut tell: impl FnMut(&World, &Pending)) {
    let seed = seed as u64;
    let mut workload = Workload::new(seed);
    let mut prng = Prng::new(seed).fork("rounds");
    for _ in 0..STEPS {
        workload.step().unwrap();
    }
    for _ in 0..ROUNDS {
        workload.finish().unwrap();
        let before = ends(&workload.world);
        for _ in 0..=prng.below(16) {
            workload.step().unwrap();
        }
        for ((from, to), last) in before {
            let ledger = &workload.world.ledgers[&from];
            let honest = ledger.outgoing(to, last.0, usize::MAX).map(|out| out.messages);
            let honest = honest.filter(|_| workload.world.received(to, from) == last.0);
            if let Some(honest) = honest.filter(|honest| !honest.is_empty()) {
                tell(&workload.world, &Pending { from, to, last, honest });
            }
        }
    }
}

/// Number and digest of the last message of each channel, all of which arrived.
fn ends(world: &World) -> Vec<((ChainId, ChainId), (u64, Hash))> {
    let mut ends = Vec::new();
    for (from, ledger) in &world.ledgers {
        for channel in ledger.channel_status() {
            let leaf = ledger.outgoing(channel.peer, channel.sent, 0).unwrap().leaf;
            if world.received(channel.peer, *from) == channel.sent {
                ends.push(((*from, channel.peer), (channel.sent, leaf.sent_digest)));
            }
        }
    }
    ends
}

impl Pending {
    /// These messages instead, under a header of that height which the
    /// validators sign.
    fn delivery(&self, world: &World, messages: Vec<Message>, height: u64) -> Delivery {
        let (first_sequence, mut digest) = (self.last.0 + 1, self.last.1);
        for (sequence, message) in (first_sequence..).zip(&messages) {
            digest = extend_digest(&digest, self.from, self.to, sequence, &message_hash(message));
        }
        let outgoing = world.ledgers[&self.from].outgoing(self.to, self.last.0, 0).unwrap();
        let mut leaf = outgoing.leaf;
        leaf.sent_sequence = self.last.0 + messages.len() as u64;
        leaf.sent_digest = digest;
        let tree = DenseTree::from_leaves(vec![leaf.hash()]);
        let (path, channels) = (tree.path(0).unwrap(), tree.commitment());
        let mut header = world.ledgers[&self.from].header().clone();
        header.height = BlockHeight::new(height);
        header.channels_root = channels_root(&channels);
        let certificate = Certificate { votes: Vec::new() };
        let tail = Vec::new();
        let delivery =
            Delivery { first_sequence, messages, tail, leaf, path, channels, header, certificate };
        let keys: Vec<_> = (0..VALIDATORS).map(|index| validator_key(self.from, index)).collect();
        let set = world.genesis.validator_set(self.from).unwrap();
        signed(world, delivery, &set, &keys)
    }
}

fn signed(
    world: &World,
    mut delivery: Delivery,
    set: &ValidatorSet,
    keys: &[SigningKey],
) -> Delivery {
    delivery.header.validator_set = set.hash();
    let hash = delivery.header.hash(&world.genesis.hash());
    let votes = (0..).zip(keys).map(|(index, key)| Vote::sign(index, key, &hash));
    delivery.certificate = Certificate { votes: votes.collect() };
    delivery
}

/// What no execution of the rules would have sent in this message's place.
fn lies(honest: Option<&Message>) -> Vec<(&'static str, Message)> {
    let mut lies = everywhere();
    match honest {
        Some(Message::Statement(statement)) => lies.extend(false_statements(statement)),
        Some(Message::FundRequest(request)) => lies.extend(false_requests(*request)),
        Some(Message::Fund(fund)) => lies.extend(false_funds(*fund)),
        Some(Message::Merchant(notice)) => lies.extend(false_notices(*notice)),
        Some(Message::Transfer(transfer)) => {
            let mut other = *transfer;
            let mut payment = other.payment.parse().unwrap();
            payment.kind = PaymentKind::Payment;
            other.payment = PaymentRecord::from(&payment);
            lies.push(("a transfer that is none", Message::Transfer(other)));
        }
        Some(Message::TransferOutcome(outcome)) => {
            let code = OutcomeCode::InTransit;
            let pending = TransferOutcome { code, ..*outcome };
            lies.push(("an answer that is none", Message::TransferOutcome(pending)));
        }
        _ => {}
    }
    lies
}

/// Wrong from any chain to any other.
fn everywhere() -> Vec<(&'static str, Message)> {
    let mut weak = [0; 32];
    weak[0] = 1;
    let weak = ValidatorSet::new(1, vec![PublicKey::from_bytes(weak)]).unwrap();
    let later = ValidatorSet::new(7, vec![key(6, 0).public()]).unwrap();
    let id = PaymentId::new(tributary_types::TimeMs::new(1), [9; 10]);
    let outcome = TransferOutcome { id, code: OutcomeCode::Committed };
    vec![
        ("a validator set out of turn", Message::ValidatorSet(later)),
        ("a validator set with a weak key", Message::ValidatorSet(weak)),
        ("an answer to nothing", Message::TransferOutcome(outcome)),
    ]
}

fn false_statements(honest: &Statement) -> Vec<(&'static str, Message)> {
    let mut lies = Vec::new();
    let mut lie = |what, change: &dyn Fn(&mut Statement)| {
        let mut statement = honest.clone();
        change(&mut statement);
        if statement != *honest {
            lies.push((what, Message::Statement(statement)));
        }
    };
    lie("a statement left out", &|it| it.epoch += 1);
    lie("a statement on another", &|it| it.previous = Hash::ZERO.max(it.hash()));
    lie("a row twice", &|it| it.rows.extend(it.rows.first().copied()));
    lie("a row of a user", &|it| {
        let user = tributary_types::AccountId::control(HF, HF, AssetId::new(1));
        it.rows.iter_mut().take(1).for_each(|row| row.account = user);
        it.rows.truncate(1);
    });
    lie("another asset", &|it| it.rows.iter_mut().for_each(|row| row.asset = AssetId::new(77)));
    lie("money from nowhere", &|it| {
        it.rows.iter_mut().for_each(|row| row.counters.swept = Amount::new(u128::MAX));
    });
    lie("a fund that was not sent", &|it| {
        for row in &mut it.rows {
            row.counters.funded = Amount::new(row.counters.funded.get() + (1 << 100));
        }
    });
    lie("more than a proxy takes", &|it| {
        it.rows.iter_mut().for_each(|row| row.counters.received = Amount::new(1 << 116));
    });
    lies
}

fn false_requests(honest: FundRequest) -> Vec<(&'static str, Message)> {
    let asset = AssetId::new(77);
    let account = tributary_types::AccountId::control(HF, HF, AssetId::new(1));
    vec![
        ("a request of another asset", Message::FundRequest(FundRequest { asset, ..honest })),
        ("a request of nobody", Message::FundRequest(FundRequest { account, ..honest })),
        (
            "money for no request",
            Message::Fund(Fund {
                account: honest.account,
                asset: honest.asset,
                requested: honest.amount,
                granted: honest.amount,
            }),
        ),
    ]
}

fn false_funds(honest: Fund) -> Vec<(&'static str, Message)> {
    let requested = Amount::new(honest.requested.get() + 1);
    let account = tributary_types::AccountId::control(HF, HF, AssetId::new(1));
    vec![
        ("money for another request", Message::Fund(Fund { requested, ..honest })),
        ("money for nobody", Message::Fund(Fund { account, ..honest })),
    ]
}

fn false_notices(honest: MerchantNotice) -> Vec<(&'static str, Message)> {
    let user = tributary_types::AccountId::issuer(
        honest.account.institution(),
        honest.asset,
        USER_CHAINS[0],
    );
    vec![
        ("a merchant that is none", Message::Merchant(MerchantNotice { account: user, ..honest })),
        (
            "a merchant of no asset",
            Message::Merchant(MerchantNotice { asset: AssetId::new(77), ..honest }),
        ),
    ]
}

fn deliver(ledger: &mut Ledger, delivery: Delivery) -> Result<u64, InboxError> {
    let admitted = ledger.admit_delivery(&delivery).map(|_| ());
    let body = Body { deliveries: vec![delivery], ..Body::default() };
    let root = Body::root_of_bytes(&body.to_bytes());
    let Executed { mut deliveries, .. } = ledger.execute(&body, root);
    let executed = deliveries.remove(0);
    // A broken rule shows when the message is applied, everything else before.
    if !matches!(executed, Err(InboxError::BrokenRule { .. })) {
        assert_eq!(admitted.err(), executed.as_ref().err().cloned());
    }
    executed
}

/// A peer that lied stays frozen, over a restart too, whatever it says next.
fn check_frozen(world: &World, pending: &Pending, ledger: Ledger) {
    ledger.validate().unwrap();
    let mut ledger = restored(world, &ledger);
    ledger.validate().unwrap();
    let status = ledger.channel_status();
    let frozen = status.iter().find(|channel| channel.peer == pending.from).unwrap().frozen;
    let honest = pending.delivery(world, pending.honest.clone(), LYING_HEIGHT + 1);
    assert_eq!(deliver(&mut ledger, honest), Err(InboxError::Frozen(frozen.unwrap())));
}

fn copy_of(world: &World, chain: ChainId) -> Ledger {
    restored(world, &world.ledgers[&chain])
}

fn restored(world: &World, ledger: &Ledger) -> Ledger {
    let (chain, header) = (ledger.chain(), ledger.header().clone());
    Ledger::restore(&world.genesis, chain, header, &ledger.all_pages()).unwrap()
}
