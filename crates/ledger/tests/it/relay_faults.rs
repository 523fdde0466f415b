//! What goes wrong between chains, and what happens instead: one test for each
//! line of the design's list, in its order.

use tributary_chain::certificate::Vote;
use tributary_chain::channel::DELIVERY_BYTES_MAX;
use tributary_chain::message::{Statement, StatementRow};
use tributary_chain::{
    AccountStatus, Body, Certificate, CertificateError, Counters, Delivery, InboxError, Message,
};
use tributary_ledger::{Admission, Ledger};
use tributary_types::codec::decode_exact;
use tributary_types::{AccountId, ChainId, Encode, Hash, OutcomeCode, PaymentKind};

use crate::harness::{
    BANK, GBP, HF, Item, ONE, TWO, World, amount, certify, float, owner_key, validator_key,
};
use crate::puppet::Puppet;

/// The delivery is refused at admission and in execution, and nothing changes.
fn check_refused(world: &mut World, delivery: Delivery) -> InboxError {
    let admitted = world.ledger(HF).admit_delivery(&delivery);
    let before = world.ledger(HF).channel_status();
    let merchants: Vec<_> = world.ledger(HF).merchants().collect();
    let refused = world.deliver(HF, delivery).unwrap_err();
    assert_eq!(admitted, Err(refused.clone()));
    assert_eq!(world.ledger(HF).channel_status(), before);
    assert_eq!(world.ledger(HF).merchants().collect::<Vec<_>>(), merchants);
    refused
}

#[test]
fn a_forged_header_root_or_key_is_refused() {
    let (mut world, shop) = World::settled();
    let genuine = world.delivery(ONE, HF);
    let mut forged = genuine.clone();
    forged.header.state_root = Hash::from_bytes([1; 32]);
    assert!(matches!(check_refused(&mut world, forged), InboxError::Certificate(_)));
    let mut forged = genuine.clone();
    forged.header.channels_root = Hash::from_bytes([1; 32]);
    assert_eq!(check_refused(&mut world, forged), InboxError::WrongPath);
    let mut forged = genuine.clone();
    forged.header.validator_set = Hash::from_bytes([1; 32]);
    let refused = check_refused(&mut world, forged);
    assert!(matches!(refused, InboxError::Certificate(CertificateError::WrongSet { .. })));
    let mut forged = genuine;
    let hash = forged.header.hash(&world.genesis.hash());
    forged.certificate = Certificate {
        votes: (0..3_u8)
            .map(|index| Vote::sign(u16::from(index), &owner_key(index), &hash))
            .collect(),
    };
    let refused = check_refused(&mut world, forged);
    assert_eq!(refused, InboxError::Certificate(CertificateError::WrongSignature(0)));
    assert_eq!(world.available(shop), 0);
}

#[test]
fn a_certificate_of_another_cluster_or_chain_is_refused() {
    let (mut world, _) = World::settled();
    let mut other = world.delivery(ONE, HF);
    let hash = other.header.hash(&Hash::from_bytes([7; 32]));
    other.certificate.votes =
        (0..2).map(|index| Vote::sign(index, &validator_key(ONE, index), &hash)).collect();
    let refused = check_refused(&mut world, other);
    assert_eq!(refused, InboxError::Certificate(CertificateError::WrongSignature(0)));
    let mut other = world.delivery(ONE, HF);
    other.header.chain = TWO;
    let refused = check_refused(&mut world, other);
    assert!(matches!(refused, InboxError::Certificate(_)));
    let mut other = world.delivery(ONE, HF);
    other.header.chain = ChainId::new(77);
    assert_eq!(check_refused(&mut world, other), InboxError::UnknownSource(ChainId::new(77)));
}

#[test]
fn one_signature_counted_twice_or_too_few_is_refused() {
    let (mut world, _) = World::settled();
    let genuine = world.delivery(ONE, HF);
    let mut twice = genuine.clone();
    twice.certificate.votes[1] = twice.certificate.votes[0];
    let refused = check_refused(&mut world, twice);
    assert_eq!(refused, InboxError::Certificate(CertificateError::NotAscending(0)));
    let mut few = genuine;
    few.certificate.votes.pop();
    let refused = check_refused(&mut world, few);
    let no_quorum = CertificateError::NoQuorum { found: 1, needed: 2 };
    assert_eq!(refused, InboxError::Certificate(no_quorum));
}

#[test]
fn a_proof_serves_no_other_amount_account_chain_or_asset() {
    let (mut world, shop) = World::settled();
    let genuine = world.delivery(ONE, HF);
    let other = world.merchant("other");
    let changes: [fn(&mut StatementRow, AccountId); 3] = [
        |row, _| row.counters.swept = amount(301),
        |row, other| row.account = other,
        |row, _| row.asset = crate::harness::EUR,
    ];
    for change in changes {
        let mut altered = genuine.clone();
        let Some(Message::Statement(statement)) = altered.messages.last_mut() else {
            panic!("a statement is what there is to carry")
        };
        change(&mut statement.rows[0], other);
        assert_eq!(check_refused(&mut world, altered), InboxError::WrongDigest);
    }
    let wrong_destination = world.deliver(TWO, genuine).unwrap_err();
    assert_eq!(wrong_destination, InboxError::WrongDestination { expected: TWO, found: HF });
    assert_eq!(world.available(shop), 0);
}

#[test]
fn a_failed_payment_enters_no_channel() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 10);
    let nobody = world.user("nobody", ONE);
    let bob = world.user("bob", TWO);
    let before = world.ledger(ONE).channel_status();
    let poor = world.pay(ONE, PaymentKind::Payment, alice, shop, 11);
    let missing = world.pay(ONE, PaymentKind::Transfer, nobody, bob, 1);
    assert_eq!(poor.code, OutcomeCode::InsufficientFunds);
    assert_eq!(missing.code, OutcomeCode::UnknownDebitAccount);
    world.advance(1_000);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).channel_status(), before);
    assert_eq!(world.ledger(ONE).settlement_status().last_epoch, 0);
}

#[test]
fn a_replay_is_a_no_op() {
    let (mut world, shop) = World::settled();
    let delivery = world.delivery(ONE, HF);
    let cursor = world.deliver(HF, delivery.clone()).unwrap();
    let once = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!(once.available, amount(300));
    assert_eq!(world.ledger(HF).admit_delivery(&delivery), Ok(Admission::Known(cursor)));
    for _ in 0..3 {
        assert_eq!(world.deliver(HF, delivery.clone()), Ok(cursor));
    }
    let twice_in_a_block = world.block(HF, Vec::new(), vec![delivery.clone(), delivery]);
    assert_eq!(twice_in_a_block.deliveries, [Ok(cursor), Ok(cursor)]);
    assert_eq!(world.ledger(HF).merchant(&shop).unwrap(), once);
}

#[test]
fn a_gap_or_another_order_is_refused_with_the_expected_number() {
    let (mut world, shop) = World::settled();
    let alice = world.user("alice", ONE);
    for _ in 0..2 {
        world.pay(ONE, PaymentKind::Payment, alice, shop, 10);
        world.advance(200);
        world.tick(ONE);
    }
    let gap = world.delivery_after(ONE, HF, 1, DELIVERY_BYTES_MAX);
    assert_eq!(check_refused(&mut world, gap), InboxError::Gap { expected: 1, found: 2 });
    let mut swapped = world.delivery(ONE, HF);
    swapped.messages.swap(0, 1);
    assert_eq!(check_refused(&mut world, swapped), InboxError::WrongDigest);
    world.carry(ONE, HF).unwrap();
    assert_eq!(world.available(shop), 320);
}

#[test]
fn a_relay_that_omits_something_is_refused_and_another_delivers() {
    let (mut world, shop) = World::settled();
    let alice = world.user("alice", ONE);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 10);
    world.advance(200);
    world.tick(ONE);
    let genuine = world.delivery(ONE, HF);
    let mut omitted = genuine.clone();
    omitted.messages.remove(0);
    assert!(matches!(check_refused(&mut world, omitted), InboxError::Length { .. }));
    let mut omitted = genuine.clone();
    omitted.messages.pop();
    assert!(matches!(check_refused(&mut world, omitted), InboxError::Length { .. }));
    let mut hidden = genuine.clone();
    hidden.messages.pop();
    hidden.tail.push(Hash::from_bytes([1; 32]));
    assert_eq!(check_refused(&mut world, hidden), InboxError::WrongDigest);
    world.deliver(HF, genuine).unwrap();
    assert_eq!(world.available(shop), 310);
}

#[test]
fn a_delivery_may_carry_a_prefix_and_hashes_prove_the_rest() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 1_000);
    let bob = world.open("bob", TWO, 0);
    for _ in 0..50 {
        world.pay(ONE, PaymentKind::Transfer, alice, bob, 1);
    }
    let mut deliveries = 0;
    while world.received(TWO, ONE) < 50 {
        let after = world.received(TWO, ONE);
        let delivery = world.delivery_after(ONE, TWO, after, 8_500);
        assert!(delivery.messages.len() < 50 && !delivery.messages.is_empty());
        assert_eq!(
            delivery.messages.len() + delivery.tail.len() + usize::try_from(after).unwrap(),
            50
        );
        world.deliver(TWO, delivery).unwrap();
        assert_eq!(world.balance(TWO, bob), world.received(TWO, ONE).to_string());
        deliveries += 1;
    }
    assert!(deliveries > 2);
    world.relay();
    world.books();
}

#[test]
fn an_overlapping_delivery_applies_only_its_new_part() {
    let mut world = World::new(2);
    let alice = world.open("alice", ONE, 1_000);
    let bob = world.open("bob", TWO, 0);
    for total in 1..=10_u64 {
        world.pay(ONE, PaymentKind::Transfer, alice, bob, 1);
        let everything = world.delivery_after(ONE, TWO, 0, DELIVERY_BYTES_MAX);
        assert_eq!(world.deliver(TWO, everything), Ok(total));
        assert_eq!(world.balance(TWO, bob), total.to_string());
    }
}

#[test]
fn two_certified_headers_at_one_height_freeze_their_source_and_no_other() {
    let (mut world, shop) = World::settled();
    let genuine = world.delivery(ONE, HF);
    let mut second = genuine.clone();
    world.deliver(HF, genuine).unwrap();
    second.header.state_root = Hash::from_bytes([9; 32]);
    second.certificate = certify(&world.genesis, &second.header);
    let height = second.header.height;
    let refused = world.deliver(HF, second.clone()).unwrap_err();
    assert_eq!(refused, InboxError::Equivocation(height));
    let status = world.ledger(HF).channel_status();
    assert_eq!((status[0].peer, status[0].frozen), (ONE, Some(height)));
    assert_eq!(world.deliver(HF, second), Err(InboxError::Frozen(height)));
    // The other chain settles as before.
    let bob = world.open("bob", TWO, 100);
    world.pay(TWO, PaymentKind::Payment, bob, shop, 50);
    world.advance(200);
    world.tick(TWO);
    world.carry(TWO, HF).unwrap();
    assert_eq!(world.available(shop), 350);
    world.books();
}

#[test]
fn a_certified_statement_that_breaks_the_rules_is_not_applied_and_freezes_its_source() {
    let counters = |received, refunded, funded, swept| Counters {
        received: amount(received),
        refunded: amount(refunded),
        funded: amount(funded),
        swept: amount(swept),
        payments: 1,
    };
    let good = counters(100, 0, 0, 100);
    let cases: [(&str, u64, bool, &str, Counters); 7] = [
        ("epoch out of order", 3, true, "shop", good),
        ("another predecessor", 2, false, "shop", good),
        ("unknown merchant", 2, true, "nobody", good),
        ("negative balance", 2, true, "shop", counters(100, 0, 0, 101)),
        ("shrinking counter", 2, true, "shop", counters(49, 0, 0, 49)),
        ("funds never sent", 2, true, "shop", counters(100, 0, 1, 101)),
        ("more than there can be", 2, true, "shop", counters(u128::MAX, 0, 0, u128::MAX)),
    ];
    for (rule, epoch, linked, name, counters) in cases {
        let mut world = World::new(2);
        let shop = world.open_merchant("shop", float(0, 0));
        let mut puppet = Puppet::new(&world.genesis, ONE, HF);
        puppet.received = world.received(ONE, HF);
        let statement = |epoch, previous, account, counters| Statement {
            epoch,
            first_height: tributary_types::BlockHeight::new(epoch),
            last_height: tributary_types::BlockHeight::new(epoch),
            time: world.now,
            previous,
            rows: vec![StatementRow { account, asset: GBP, counters }],
        };
        let half = Counters { received: amount(50), swept: amount(50), ..Counters::default() };
        let first = statement(1, Hash::ZERO, shop, half);
        let previous = if linked { first.hash() } else { Hash::ZERO };
        let bad = statement(epoch, previous, world.merchant(name), counters);
        puppet.send(Message::Statement(first));
        puppet.send(Message::Statement(bad));
        let delivery = puppet.delivery(0);
        let refused = world.deliver(HF, delivery.clone()).unwrap_err();
        assert!(matches!(refused, InboxError::BrokenRule { sequence: 2, .. }), "{rule}: {refused}");
        assert_eq!(world.available(shop), 50, "{rule}: what came before stands");
        let status = world.ledger(HF).channel_status()[0];
        assert_eq!((status.received, status.frozen), (1, Some(delivery.header.height)), "{rule}");
        assert!(matches!(world.deliver(HF, delivery), Err(InboxError::Frozen(_))));
        let bob = world.open("bob", TWO, 100);
        assert!(world.pay(TWO, PaymentKind::Payment, bob, shop, 50).code.is_committed());
        world.advance(200);
        world.tick(TWO);
        world.carry(TWO, HF).unwrap();
        assert_eq!(world.available(shop), 100, "{rule}: the others go on");
    }
}

#[test]
fn settlement_is_part_of_execution_so_a_failover_cannot_settle_twice() {
    let (mut world, shop) = World::settled();
    let mut other = Ledger::genesis(&world.genesis, ONE).unwrap();
    let replayed = world.replay_into(ONE, &mut other);
    assert_eq!(replayed, world.ledger(ONE).header().hash(&world.genesis.hash()));
    let ours = world.ledger(ONE).outgoing(HF, 0, DELIVERY_BYTES_MAX).unwrap();
    assert_eq!(other.outgoing(HF, 0, DELIVERY_BYTES_MAX), Some(ours));
    world.relay();
    assert_eq!(world.available(shop), 300);
    world.tick(ONE);
    world.tick(ONE);
    assert_eq!(world.ledger(ONE).settlement_status().last_epoch, 1);
}

#[test]
fn relays_may_be_killed_at_any_moment_and_any_number_may_run() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 1_000);
    let mut kept = Vec::new();
    for _ in 0..10 {
        world.pay(ONE, PaymentKind::Payment, alice, shop, 7);
        world.advance(200);
        world.tick(ONE);
        let delivery = world.delivery(ONE, HF);
        kept.push(delivery.clone());
        // One relay delivers, another does the same, a third is behind.
        let stale = kept[kept.len() / 2].clone();
        let executed = world.block(HF, Vec::new(), vec![delivery.clone(), stale, delivery]);
        assert!(executed.deliveries.iter().all(Result::is_ok));
        world.carry(HF, ONE).unwrap();
    }
    assert_eq!(world.available(shop), 70);
    for delivery in kept {
        assert!(world.deliver(HF, delivery).is_ok());
    }
    assert_eq!(world.available(shop), 70);
    world.books();
}

#[test]
fn a_closed_merchant_is_credited_whole() {
    let (mut world, shop) = World::settled();
    assert_eq!(world.set_merchant(shop, AccountStatus::Closed), OutcomeCode::Committed);
    world.relay();
    let merchant = world.ledger(HF).merchant(&shop).unwrap();
    assert_eq!((merchant.available, merchant.status), (amount(300), AccountStatus::Closed));
    let issuer = world.issuer(HF);
    let withdrawn = world.pay(HF, PaymentKind::Redeem, shop, issuer, 300);
    assert_eq!(withdrawn.code, OutcomeCode::Committed, "and can take its money");
    world.books();
}

#[test]
fn clocks_of_chains_may_differ_by_hours() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let bob = world.open("bob", TWO, 1_000);
    let alice = world.open("alice", ONE, 1_000);
    world.advance(3_000_000);
    world.tick(ONE);
    assert!(world.pay(ONE, PaymentKind::Payment, alice, shop, 5).code.is_committed());
    world.relay();
    world.now = world.now.minus_ms(3_000_000);
    assert!(world.pay(TWO, PaymentKind::Payment, bob, shop, 5).code.is_committed());
    world.advance(400);
    world.tick(TWO);
    world.relay();
    assert_eq!(world.available(shop), 10);
    world.books();
}

#[test]
fn while_one_chain_is_halted_the_others_go_on_and_it_catches_up() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let alice = world.open("alice", ONE, 1_000);
    let bob = world.open("bob", TWO, 1_000);
    world.pay(TWO, PaymentKind::Payment, bob, shop, 5);
    for _ in 0..20 {
        world.advance(200);
        world.pay(ONE, PaymentKind::Payment, alice, shop, 10);
        world.carry(ONE, HF).unwrap();
        world.carry(HF, ONE).unwrap();
    }
    assert!(world.available(shop) >= 190);
    world.settle();
    world.settle();
    assert_eq!(world.available(shop), 205);
    world.books();
}

#[test]
fn validators_rotate_inside_the_channel_and_the_old_set_counts_only_up_to_there() {
    let mut world = World::new(1);
    let shop = world.open_merchant("shop", float(0, 0));
    let mut puppet = Puppet::new(&world.genesis, ONE, HF);
    let statement = |epoch, previous: Hash, received| Statement {
        epoch,
        first_height: tributary_types::BlockHeight::new(epoch),
        last_height: tributary_types::BlockHeight::new(epoch),
        time: world.now,
        previous,
        rows: vec![StatementRow {
            account: shop,
            asset: GBP,
            counters: Counters {
                received: amount(received),
                swept: amount(received),
                ..Counters::default()
            },
        }],
    };
    let (first, keys) = (statement(1, Hash::ZERO, 10), [11, 12, 13].map(owner_key).to_vec());
    let second = statement(2, first.hash(), 20);
    puppet.send(Message::Statement(first));
    // The old set certifies the new one.
    let mut next = Puppet::new(&world.genesis, ONE, HF);
    let set = next.rotate(keys.clone(), 1);
    puppet.send(Message::ValidatorSet(set));
    let old = puppet.delivery(0);
    world.deliver(HF, old.clone()).unwrap();
    assert_eq!(world.available(shop), 10);
    // From here the old set is a stranger.
    puppet.send(Message::Statement(second));
    let by_old_set = puppet.delivery(2);
    let refused = check_refused(&mut world, by_old_set);
    assert!(matches!(refused, InboxError::Certificate(CertificateError::WrongSet { .. })));
    assert!(world.deliver(HF, old).is_err(), "even for what is known");
    puppet.rotate(keys, 1);
    let by_new_set = puppet.delivery(2);
    world.deliver(HF, by_new_set).unwrap();
    assert_eq!(world.available(shop), 20);
    // A set that does not follow the one before is a lie.
    let skipped = Puppet::new(&world.genesis, ONE, HF).rotate([owner_key(14)].to_vec(), 3);
    puppet.send(Message::ValidatorSet(skipped));
    let refused = {
        let lie = puppet.delivery(3);
        world.deliver(HF, lie).unwrap_err()
    };
    assert!(matches!(refused, InboxError::BrokenRule { sequence: 4, .. }));
}

#[test]
fn corrupted_bytes_of_a_delivery_are_never_executed() {
    let (mut world, shop) = World::settled();
    let bytes = world.delivery(ONE, HF).to_bytes();
    let before = world.ledger(HF).merchant(&shop);
    let mut decoded = 0;
    for position in 0..bytes.len() {
        let mut corrupted = bytes.clone();
        corrupted[position] ^= 1 << (position % 8);
        let Ok(delivery) = decode_exact::<Delivery>(&corrupted) else { continue };
        decoded += 1;
        assert!(world.ledger(HF).admit_delivery(&delivery).is_err(), "byte {position}");
        let body = Body { deliveries: vec![delivery], ..Body::default() };
        let mut copy = world.ledger(HF).clone();
        let executed = copy.execute(&body, Hash::ZERO);
        assert!(executed.deliveries[0].is_err(), "byte {position}");
        assert_eq!(copy.merchant(&shop), before);
    }
    assert!(decoded > bytes.len() / 2);
    world.carry(ONE, HF).unwrap();
    assert_eq!(world.available(shop), 300);
}

#[test]
fn worthless_deliveries_change_nothing_and_cost_no_state() {
    let (mut world, _) = World::settled();
    let mut worthless = world.delivery(ONE, HF);
    worthless.leaf.received_sequence += 1;
    let pages = world.ledger(HF).all_pages();
    for _ in 0..10 {
        let executed = world.block(HF, Vec::new(), vec![worthless.clone(); 20]);
        assert!(executed.deliveries.iter().all(|answer| answer == &Err(InboxError::WrongPath)));
    }
    assert_eq!(world.ledger(HF).all_pages(), pages);
}

#[test]
fn a_stale_route_table_does_no_harm() {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(0, 0));
    let bob = world.open("bob", TWO, 1_000);
    let payment = world.payment(PaymentKind::Payment, bob, shop, 5);
    let refund = world.payment(PaymentKind::Refund, shop, bob, 5);
    for payment in [&payment, &refund] {
        let receipt = world.pay_record(ONE, payment);
        assert_eq!((receipt.code, receipt.detail), (OutcomeCode::Moved, amount(3)));
    }
    let open = tributary_chain::operation::OpenAccount { account: bob, asset: GBP, owner: None };
    assert_eq!(world.act(ONE, tributary_chain::Action::OpenAccount(open)), OutcomeCode::Moved);
    let batch = world.batch(TWO, BANK, &[Item::Pay((&payment).into())]);
    let wrong_chain = world.block(ONE, vec![batch], Vec::new()).outcomes.receipts[0];
    assert_eq!(wrong_chain.code, OutcomeCode::WrongChain);
    assert_eq!(world.pay_record(TWO, &payment).code, OutcomeCode::Committed);
}
