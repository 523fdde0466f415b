//! Checkpoints and snapshots: a state comes back from its pages, or not at all.

use tributary_ledger::{IndexKey, Ledger, Page, RestoreError};
use tributary_types::{AccountId, BlockHeight, Hash, PaymentKind, PaymentRecord};

use crate::harness::{HF, Item, ONE, TWO, World, float, validator_key};

/// A world with something in every table and queue.
fn busy() -> (World, AccountId) {
    let mut world = World::new(2);
    let shop = world.open_merchant("shop", float(100, 50));
    world.fund_merchant(shop, 20);
    let alice = world.open("alice", ONE, 10_000);
    let bob = world.open("bob", TWO, 10_000);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 300);
    world.settle();
    world.pay(ONE, PaymentKind::Transfer, alice, bob, 7);
    world.pay(ONE, PaymentKind::Refund, shop, alice, 900);
    world.pay(ONE, PaymentKind::Refund, shop, alice, 100);
    world.pay(TWO, PaymentKind::Transfer, bob, alice, 9);
    world.advance(200);
    world.pay(ONE, PaymentKind::Payment, alice, shop, 30);
    (world, alice)
}

fn restore(world: &World, pages: &[Page]) -> Result<Ledger, RestoreError> {
    let header = world.ledger(ONE).header().clone();
    Ledger::restore(&world.genesis, ONE, header, pages)
}

#[test]
fn all_pages_give_the_same_state_and_it_goes_on_the_same_way() {
    let (mut world, alice) = busy();
    for chain in world.chains() {
        let pages = world.ledger(chain).all_pages();
        assert!(pages.windows(2).all(|pair| pair[0].key < pair[1].key));
        let header = world.ledger(chain).header().clone();
        let restored = Ledger::restore(&world.genesis, chain, header, &pages).unwrap();
        restored.validate().unwrap();
        assert_eq!(restored.all_pages(), pages);
        assert_eq!(restored.books(), world.ledger(chain).books());
        assert_eq!(restored.next_due(), world.ledger(chain).next_due());
    }
    let mut twin = World::new(2);
    twin.now = world.now;
    twin.ledgers = world.ledgers.clone();
    for chain in twin.chains() {
        twin.restart(chain);
    }
    for world in [&mut world, &mut twin] {
        world.relay();
        world.settle();
        world.books();
    }
    for chain in world.chains() {
        assert_eq!(world.ledger(chain).header(), twin.ledger(chain).header());
    }
    assert_eq!(world.balance(ONE, alice), twin.balance(ONE, alice));
}

#[test]
fn what_an_index_hashes_with_reaches_no_result() {
    let (world, _) = busy();
    let key = |validator| IndexKey::of_validator(&validator_key(HF, validator));
    for chain in world.chains() {
        let mut ledger = Ledger::genesis_keyed(&world.genesis, chain, key(0)).unwrap();
        let header = world.ledger(chain).header();
        let hash = header.hash(&world.genesis.hash());
        assert_eq!(world.replay_into(chain, &mut ledger), hash);
        let pages = world.ledger(chain).all_pages();
        assert_eq!(ledger.all_pages(), pages);
        let restored =
            Ledger::restore_keyed(&world.genesis, chain, header.clone(), &pages, key(1)).unwrap();
        restored.validate().unwrap();
        assert_eq!(restored.all_pages(), pages);
    }
}

#[test]
fn dirty_pages_over_an_older_set_give_the_newer_state() {
    let (mut world, alice) = busy();
    let shop = world.merchant("shop");
    for round in 0..30 {
        for chain in world.chains() {
            world.restart(chain);
        }
        world.pay(ONE, PaymentKind::Payment, alice, shop, 10);
        world.open(&format!("user{round}"), ONE, 5);
        if round % 3 == 0 {
            world.settle();
        }
        if round % 10 == 9 {
            // Buckets of ids come and go.
            world.advance(700_000);
        }
    }
    world.books();
}

#[test]
fn pages_of_ids_stay_what_they_were_when_the_ledger_goes_on() {
    let mut world = World::new(1);
    let [alice, bob] = ["alice", "bob"].map(|name| world.open(name, ONE, 20_000));
    let mut payments = Vec::new();
    // A page has room for 8,192 ids: the last round begins with a full one.
    for _ in 0..6 {
        let pages = world.ledger(ONE).all_pages();
        let before: Vec<_> = pages.iter().map(|page| page.bytes.to_bytes().into_owned()).collect();
        let block: Vec<_> =
            (0..2_000).map(|_| world.payment(PaymentKind::Transfer, alice, bob, 1)).collect();
        let items: Vec<_> =
            block.iter().map(|payment| Item::Pay(PaymentRecord::from(payment))).collect();
        world.submit(ONE, &items);
        payments.extend(block);
        for (page, before) in pages.iter().zip(&before) {
            assert_eq!(*page.bytes.to_bytes(), **before);
        }
        world.restart(ONE);
    }
    let mut lengths: Vec<_> =
        world.ledger(ONE).all_pages().iter().map(|page| page.bytes.len()).collect();
    lengths.sort_unstable();
    assert_eq!(lengths.pop(), Some(12 + 8_192 * 32));
    for payment in [&payments[0], &payments[8_191], &payments[11_999]] {
        assert!(world.pay_record(ONE, payment).replay);
    }
    assert_eq!(world.balance(ONE, alice), "8000");
}

#[test]
fn the_first_checkpoint_is_complete() {
    let world = World::new(1);
    let mut ledger = Ledger::genesis(&world.genesis, ONE).unwrap();
    let all = ledger.all_pages();
    let dirty: Vec<_> =
        ledger.take_dirty_pages().into_iter().filter(|page| !page.bytes.is_empty()).collect();
    assert_eq!(dirty, all);
    assert!(ledger.take_dirty_pages().is_empty());
}

#[test]
fn any_changed_byte_of_any_page_is_found() {
    let (world, _) = busy();
    let pages = world.ledger(ONE).all_pages();
    assert!(restore(&world, &pages).is_ok());
    let mut checked = 0;
    for (number, page) in pages.iter().enumerate() {
        let step = (page.bytes.len() / 200).max(1);
        for position in (0..page.bytes.len()).step_by(step) {
            let mut corrupted = pages.clone();
            let mut bytes = page.bytes.to_bytes().into_owned();
            bytes[position] ^= 1 << (position % 8);
            corrupted[number].bytes = bytes.into();
            let found = restore(&world, &corrupted);
            assert!(found.is_err(), "page {:?}, byte {position}", page.key);
            checked += 1;
        }
    }
    assert!(checked > 500);
}

#[test]
fn a_missing_a_doubled_and_a_foreign_page_are_found() {
    let (world, _) = busy();
    let pages = world.ledger(ONE).all_pages();
    for number in 0..pages.len() {
        let mut missing = pages.clone();
        missing.remove(number);
        assert!(restore(&world, &missing).is_err(), "{:?}", pages[number].key);
        let mut doubled = pages.clone();
        doubled.push(pages[number].clone());
        assert!(matches!(restore(&world, &doubled), Err(RestoreError::Page { .. })));
    }
    let foreign = world.ledger(HF).all_pages();
    let merchants = foreign.into_iter().find(|page| page.key.section == 4).unwrap();
    let mut mixed = pages;
    mixed.push(merchants);
    assert!(matches!(restore(&world, &mixed), Err(RestoreError::Page { .. })));
}

#[test]
fn a_channel_without_its_page_is_not_taken_for_an_unused_one() {
    let world = World::new(2);
    let pages = world.ledger(ONE).all_pages();
    assert!(restore(&world, &pages).is_ok());
    let channels = pages.iter().filter(|page| page.key.section == 5);
    for channel in channels {
        let missing: Vec<_> =
            pages.iter().filter(|page| page.key != channel.key).cloned().collect();
        assert!(matches!(restore(&world, &missing), Err(RestoreError::Page { .. })));
    }
}

#[test]
fn a_mismatch_names_the_height() {
    let (world, _) = busy();
    let pages = world.ledger(ONE).all_pages();
    let header = world.ledger(ONE).header().clone();
    let mut other = header.clone();
    other.state_root = Hash::from_bytes([1; 32]);
    let error = Ledger::restore(&world.genesis, ONE, other, &pages).unwrap_err();
    let RestoreError::Root { what, height, expected, found } = error.clone() else {
        panic!("{error}")
    };
    assert_eq!((what, height), ("state root", header.height));
    assert_eq!((expected, found), (Hash::from_bytes([1; 32]), header.state_root));
    assert!(error.to_string().contains(&format!("height {}", header.height)));
    let mut other = header.clone();
    other.channels_root = Hash::ZERO;
    let error = Ledger::restore(&world.genesis, ONE, other, &pages).unwrap_err();
    assert!(matches!(error, RestoreError::Root { what: "channels root", .. }));
    let error = Ledger::restore(&world.genesis, TWO, header.clone(), &pages).unwrap_err();
    assert!(matches!(error, RestoreError::WrongChain { .. }));
    let mut other = header;
    other.height = BlockHeight::new(u64::MAX);
    let error = Ledger::restore(&world.genesis, ONE, other, &pages).unwrap_err();
    assert!(matches!(error, RestoreError::Height(_)));
}
