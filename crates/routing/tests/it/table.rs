//! The route table: every slot has one owner, every map one encoding.

use std::collections::BTreeMap;

use proptest::prelude::*;
use tributary_routing::{RouteTable, RouteTableError, SlotRange, SlotSpace};
use tributary_types::codec::{Encode, decode_exact};
use tributary_types::{ChainId, Slot};

use crate::{HF_CHAIN, every_slot, slot};

fn chains(numbers: impl IntoIterator<Item = u16>) -> Vec<ChainId> {
    numbers.into_iter().map(ChainId::new).collect()
}

fn range(first: u16, last: u16, chain: u16) -> SlotRange {
    SlotRange { first: slot(first), last: slot(last), chain: ChainId::new(chain) }
}

/// Ranges that change owner at `cuts`, with owners taken in turn from `owners`.
fn ranges(cuts: &[u16], owners: &[u16]) -> Vec<SlotRange> {
    let mut list: Vec<SlotRange> = Vec::new();
    let mut first = 0;
    let ends = cuts.iter().map(|cut| cut - 1).chain([Slot::COUNT - 1]);
    for (last, owner) in ends.zip(owners.iter().cycle()) {
        match list.last_mut() {
            Some(previous) if previous.chain.get() == *owner => previous.last = slot(last),
            _ => list.push(range(first, last, *owner)),
        }
        first = last + 1;
    }
    list
}

prop_compose! {
    /// A table as it may look after many moves of slots.
    fn any_table()(
        version in any::<u64>(),
        user_cuts in prop::collection::btree_set(1..Slot::COUNT, 0..40),
        user_owners in prop::collection::vec(0..50_u16, 1..20),
        hf_cuts in prop::collection::btree_set(1..Slot::COUNT, 0..4),
        hf_owners in prop::collection::vec(900..905_u16, 1..4),
    ) -> RouteTable {
        let user_cuts: Vec<_> = user_cuts.into_iter().collect();
        let hf_cuts: Vec<_> = hf_cuts.into_iter().collect();
        let (user, hf) = (ranges(&user_cuts, &user_owners), ranges(&hf_cuts, &hf_owners));
        RouteTable::new(version, user, hf).unwrap()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_slot_has_exactly_one_owner(table in any_table()) {
        let user_chains = table.user_chains();
        for slot in every_slot() {
            let covering = |ranges: &[SlotRange]| {
                ranges.iter().filter(|range| range.first <= slot && slot <= range.last).count()
            };
            prop_assert_eq!(covering(table.user_ranges()), 1);
            prop_assert_eq!(covering(table.hf_ranges()), 1);
            let owners = user_chains.iter().copied().filter(|chain| table.owns(*chain, slot));
            prop_assert_eq!(owners.collect::<Vec<_>>(), vec![table.chain_of(slot)]);
            prop_assert!(table.hf_chains().contains(&table.hf_chain_of(slot)));
            prop_assert!(!user_chains.contains(&table.hf_chain_of(slot)));
        }
    }

    #[test]
    fn an_even_table_differs_by_one_slot_at_most(version in any::<u64>(), count in 1..200_u16) {
        let user_chains = chains(0..count);
        let table = RouteTable::even(version, &user_chains, HF_CHAIN).unwrap();
        let mut owned = BTreeMap::new();
        for slot in every_slot() {
            *owned.entry(table.chain_of(slot)).or_insert(0_u32) += 1;
        }
        let fewest = owned.values().min().unwrap();
        let most = owned.values().max().unwrap();
        prop_assert!(most - fewest <= 1);
        prop_assert_eq!(table.user_chains(), user_chains);
        prop_assert_eq!(table.version(), version);
    }

    #[test]
    fn tables_round_trip_through_every_encoding(table in any_table()) {
        let bytes = table.to_bytes();
        prop_assert_eq!(decode_exact(&bytes), Ok(table.clone()));
        let json = serde_json::to_string(&table).unwrap();
        prop_assert_eq!(&serde_json::from_str::<RouteTable>(&json).unwrap(), &table);
        let packed = postcard::to_stdvec(&table).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<RouteTable>(&packed).unwrap(), &table);
    }

    #[test]
    fn changed_bytes_are_refused_or_another_table(
        table in any_table(),
        at in any::<prop::sample::Index>(),
        flip in 1..=255_u8,
    ) {
        let mut bytes = table.to_bytes();
        let index = at.index(bytes.len());
        bytes[index] ^= flip;
        if let Ok(other) = decode_exact::<RouteTable>(&bytes) {
            prop_assert_eq!(other.to_bytes(), bytes);
            prop_assert_ne!(other.hash(), table.hash());
        }
    }
}

#[test]
fn truncated_and_extended_tables_are_refused() {
    let mut bytes = RouteTable::even(3, &chains([1, 2, 3]), HF_CHAIN).unwrap().to_bytes();
    for length in 0..bytes.len() {
        assert!(decode_exact::<RouteTable>(&bytes[..length]).is_err(), "{length} bytes");
    }
    bytes.push(0);
    assert!(decode_exact::<RouteTable>(&bytes).is_err());
}

#[test]
fn sixteen_thousand_chains_own_one_slot_each_and_no_more_fit() {
    let table = RouteTable::even(1, &chains(0..Slot::COUNT), ChainId::new(20_000)).unwrap();
    assert!(every_slot().all(|slot| table.chain_of(slot).get() == slot.get()));
    let error = RouteTable::even(1, &chains(0..=Slot::COUNT), ChainId::new(20_000)).unwrap_err();
    assert_eq!(error.to_string(), "16385 user chains cannot share 16384 slots");
}

#[test]
fn golden_bytes_of_a_table() {
    let table = RouteTable::even(5, &chains([1, 2]), HF_CHAIN).unwrap();
    let expected = [
        5, 0, 0, 0, 0, 0, 0, 0, // version
        2, 0, 0, 0, // user ranges
        0, 0, 0xff, 0x1f, 1, 0, // slots 0 to 8191 of chain 1
        0, 0x20, 0xff, 0x3f, 2, 0, // slots 8192 to 16383 of chain 2
        1, 0, 0, 0, // hf ranges
        0, 0, 0xff, 0x3f, 0x84, 3, // all slots of chain 900
    ];
    assert_eq!(table.to_bytes(), expected);
}

#[test]
fn json_shows_the_ranges() {
    let table = RouteTable::even(5, &chains([1, 2]), HF_CHAIN).unwrap();
    let expected = r#"{"version":5,"user":[{"first":0,"last":8191,"chain":1},{"first":8192,"last":16383,"chain":2}],"hf":[{"first":0,"last":16383,"chain":900}]}"#;
    assert_eq!(serde_json::to_string(&table).unwrap(), expected);
}

#[test]
fn json_that_breaks_a_rule_is_refused_with_the_rule() {
    let check = |user: &str, rule: &str| {
        let hf = r#"[{"first":0,"last":16383,"chain":900}]"#;
        let json = format!(r#"{{"version":1,"user":{user},"hf":{hf}}}"#);
        let error = serde_json::from_str::<RouteTable>(&json).unwrap_err().to_string();
        assert!(error.contains(rule), "{error}");
    };
    check("[]", "user slots: 16384 slots need an owner, the ranges end after 0");
    check(r#"[{"first":0,"last":16384,"chain":1}]"#, "slot 16384 is not below 16384");
    check(r#"[{"first":0,"last":16383,"chain":1,"weight":2}]"#, "unknown field `weight`");
}

#[test]
fn each_way_to_miss_the_cover_has_its_error() {
    let all = Slot::COUNT - 1;
    let hf = vec![range(0, all, 900)];
    let check = |user: &[SlotRange], sentence: &str| {
        let error = RouteTable::new(1, user.to_vec(), hf.clone()).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    };
    let start = "user slots: the next range must begin at";
    check(&[range(1, all, 1)], &format!("{start} 0, found 1"));
    check(&[range(0, 9, 1), range(11, all, 2)], &format!("{start} 10, found 11"));
    check(&[range(0, 9, 1), range(9, all, 2)], &format!("{start} 10, found 9"));
    check(&[range(10, all, 2), range(0, 9, 1)], &format!("{start} 0, found 10"));
    check(&[range(0, all, 1), range(0, all, 2)], &format!("{start} 16384, found 0"));
    check(
        &[range(0, 9, 1), range(10, 8, 2)],
        "user slots: the range from 10 ends at 8, before it begins",
    );
    check(
        &[range(0, 9, 1), range(10, all, 1)],
        "user slots: the ranges that meet at 10 are both of chain 1, merge them",
    );
    check(&[range(0, 9, 1)], "user slots: 16384 slots need an owner, the ranges end after 10");
    check(&[range(0, all, 900)], "chain 900 owns slots of both user and hf accounts");
}

#[test]
fn an_hf_space_with_a_hole_is_refused() {
    let all = Slot::COUNT - 1;
    let error = RouteTable::new(1, vec![range(0, all, 1)], vec![range(0, 7, 900)]);
    let expected = RouteTableError::End { space: SlotSpace::Hf, expected: Slot::COUNT, found: 8 };
    assert_eq!(error, Err(expected));
}

#[test]
fn even_refuses_no_chain_and_a_repeated_one() {
    assert_eq!(RouteTable::even(1, &[], HF_CHAIN), Err(RouteTableError::NoUserChain));
    let repeated = RouteTable::even(1, &chains([4, 5, 4]), HF_CHAIN);
    assert_eq!(repeated, Err(RouteTableError::DuplicateChain(ChainId::new(4))));
    let both = RouteTable::even(1, &chains([4, 5]), ChainId::new(5));
    assert_eq!(both, Err(RouteTableError::BothSpaces(ChainId::new(5))));
}
