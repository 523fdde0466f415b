//! A source whose quorum lies, and one whose validators change.

use tributary_chain::message::{Statement, StatementRow};
use tributary_chain::{CertificateError, Counters, InboxError, Message, ValidatorSet};
use tributary_types::{Hash, PaymentKind, PublicKey};

use super::check_refused;
use crate::harness::{GBP, HF, ONE, TWO, World, amount, certify, float, owner_key};
use crate::puppet::Puppet;

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
}

#[test]
fn a_validator_set_that_cannot_follow_freezes_its_source() {
    let key = owner_key(14);
    let sets = [(0, key.public()), (2, key.public()), (1, PublicKey::from_bytes([0; 32]))];
    for (version, key) in sets {
        let mut world = World::new(1);
        let mut puppet = Puppet::new(&world.genesis, ONE, HF);
        puppet.send(Message::ValidatorSet(ValidatorSet::new(version, vec![key]).unwrap()));
        let lie = puppet.delivery(0);
        let refused = world.deliver(HF, lie).unwrap_err();
        assert!(matches!(refused, InboxError::BrokenRule { sequence: 1, .. }), "{refused}");
        let status = &world.ledger(HF).channel_status()[0];
        assert!(status.frozen.is_some() && status.received == 0, "{status:?}");
    }
}
