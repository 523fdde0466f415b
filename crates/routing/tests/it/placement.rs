//! Placement rules: the first that matches decides, and a name is found again.

use proptest::prelude::*;
use tributary_routing::PlacementRule;
use tributary_routing::placement::{PLACEMENT_RULES_MAX, candidates, place, validate};
use tributary_types::codec::{Encode, decode_exact};
use tributary_types::{AccountClass, AccountName, AssetId, InstitutionId, Slot, TimeMs};

use crate::slot;

const BANK: InstitutionId = InstitutionId::new(7);
const OTHER_BANK: InstitutionId = InstitutionId::new(8);
const POUND: AssetId = AssetId::new(1);
const EURO: AssetId = AssetId::new(2);
const NOW: TimeMs = TimeMs::new(1_000);

fn name(text: &str) -> AccountName {
    text.parse().unwrap()
}

/// A rule without conditions for one slot, so that its effect is visible.
fn to_slot(number: u16) -> PlacementRule {
    PlacementRule {
        institution: None,
        asset: None,
        class: None,
        name: None,
        valid_from: TimeMs::new(0),
        valid_until: None,
        first: slot(number),
        last: slot(number),
    }
}

fn placed_user(rules: &[PlacementRule]) -> Slot {
    place(rules, BANK, POUND, AccountClass::User, &name("c17850"), NOW)
}

#[test]
fn without_rules_names_spread_over_all_slots() {
    let mut per_quarter = [0_u32; 4];
    for number in 0..4_000 {
        let name = name(&format!("c{number}"));
        let slot = place(&[], BANK, POUND, AccountClass::User, &name, NOW);
        per_quarter[usize::from(slot.get() / (Slot::COUNT / 4))] += 1;
    }
    assert!(per_quarter.iter().all(|count| (850..1_150).contains(count)), "{per_quarter:?}");
}

#[test]
fn the_first_rule_that_matches_decides() {
    let bank_only = PlacementRule { institution: Some(BANK), ..to_slot(10) };
    let other_bank = PlacementRule { institution: Some(OTHER_BANK), ..to_slot(11) };
    assert_eq!(placed_user(&[other_bank.clone(), bank_only.clone(), to_slot(12)]), slot(10));
    assert_eq!(placed_user(&[to_slot(12), bank_only]), slot(12));
    assert_eq!(placed_user(&[other_bank]), placed_user(&[]));
}

#[test]
fn every_condition_must_fit() {
    let fits = |rule: PlacementRule| placed_user(&[rule]) == slot(10);
    let rule = to_slot(10);
    assert!(fits(PlacementRule { asset: Some(POUND), ..rule.clone() }));
    assert!(!fits(PlacementRule { asset: Some(EURO), ..rule.clone() }));
    assert!(fits(PlacementRule { name: Some(name("c17850")), ..rule.clone() }));
    assert!(!fits(PlacementRule { name: Some(name("c17851")), ..rule.clone() }));
    assert!(fits(PlacementRule { class: Some(AccountClass::User), ..rule.clone() }));
    assert!(!fits(PlacementRule { class: Some(AccountClass::Hf), ..rule }));
}

#[test]
fn a_rule_holds_from_its_start_until_before_its_end() {
    let rule = PlacementRule {
        valid_from: TimeMs::new(100),
        valid_until: Some(TimeMs::new(200)),
        ..to_slot(10)
    };
    let fits = |time| {
        let time = TimeMs::new(time);
        place(std::slice::from_ref(&rule), BANK, POUND, AccountClass::User, &name("c1"), time)
            == slot(10)
    };
    assert_eq!([99, 100, 199, 200].map(fits), [false, true, true, false]);
}

#[test]
fn merchants_use_the_whole_space_unless_a_rule_names_their_class() {
    let place_merchant = |rules: &[PlacementRule]| {
        place(rules, BANK, POUND, AccountClass::Hf, &name("m85123A"), NOW)
    };
    assert_eq!(place_merchant(&[to_slot(10)]), place_merchant(&[]));
    let for_merchants = PlacementRule { class: Some(AccountClass::Hf), ..to_slot(10) };
    assert_eq!(place_merchant(&[for_merchants]), slot(10));
}

#[test]
fn candidates_are_distinct_and_end_with_the_default() {
    let expired = PlacementRule { valid_until: Some(TimeMs::new(1)), ..to_slot(10) };
    let for_euro = PlacementRule { asset: Some(EURO), ..to_slot(11) };
    let for_other = PlacementRule { institution: Some(OTHER_BANK), ..to_slot(12) };
    let rules = [expired.clone(), for_euro, for_other, expired];
    let found = candidates(&rules, BANK, AccountClass::User, &name("c17850"));
    assert_eq!(found, [slot(10), slot(11), placed_user(&[])]);
}

#[test]
fn rules_that_make_no_sense_are_refused_with_their_number() {
    let check = |rule: PlacementRule, sentence: &str| {
        let error = validate(&[to_slot(1), rule]).unwrap_err();
        assert_eq!(error.to_string(), sentence);
    };
    check(
        PlacementRule { first: slot(9), last: slot(8), ..to_slot(1) },
        "placement rule 2: slots 9 to 8 end before they begin",
    );
    check(
        PlacementRule { valid_from: NOW, valid_until: Some(NOW), ..to_slot(1) },
        "placement rule 2: valid until 1000 ms, not after its start at 1000 ms",
    );
    check(
        PlacementRule { class: Some(AccountClass::Issuer), ..to_slot(1) },
        "placement rule 2: accounts of class Issuer have no slot",
    );
    let many = vec![to_slot(1); PLACEMENT_RULES_MAX];
    assert_eq!(validate(&many), Ok(()));
    let error = validate(&vec![to_slot(1); PLACEMENT_RULES_MAX + 1]).unwrap_err();
    assert_eq!(error.to_string(), "1025 placement rules, at most 1024 are allowed");
}

fn any_name() -> impl Strategy<Value = AccountName> {
    "[!-~]{1,32}".prop_map(|text| name(&text))
}

prop_compose! {
    fn any_rule()(
        institution in prop::option::of(prop::sample::select(vec![BANK, OTHER_BANK])),
        asset in prop::option::of(prop::sample::select(vec![POUND, EURO])),
        class in prop::option::of(
            prop::sample::select(vec![AccountClass::User, AccountClass::Hf])
        ),
        name in prop::option::weighted(0.2, any_name()),
        valid_from in 0..2_000_u64,
        lasts in prop::option::of(1..2_000_u64),
        first in 0..Slot::COUNT,
        width in 0..Slot::COUNT,
    ) -> PlacementRule {
        PlacementRule {
            institution,
            asset,
            class,
            name,
            valid_from: TimeMs::new(valid_from),
            valid_until: lasts.map(|lasts| TimeMs::new(valid_from + lasts)),
            first: slot(first),
            last: slot(first.saturating_add(width).min(Slot::COUNT - 1)),
        }
    }
}

proptest! {
    #[test]
    fn a_placed_name_is_always_among_its_candidates(
        rules in prop::collection::vec(any_rule(), 0..20),
        asset in prop::sample::select(vec![POUND, EURO]),
        class in prop::sample::select(vec![AccountClass::User, AccountClass::Hf]),
        name in any_name(),
        time in 0..4_000_u64,
    ) {
        prop_assert_eq!(validate(&rules), Ok(()));
        let slot = place(&rules, BANK, asset, class, &name, TimeMs::new(time));
        let found = candidates(&rules, BANK, class, &name);
        prop_assert!(found.contains(&slot));
        let distinct: std::collections::BTreeSet<_> = found.iter().collect();
        prop_assert_eq!(distinct.len(), found.len());
    }

    #[test]
    fn a_slot_lies_in_the_range_of_its_rule(rule in any_rule(), name in any_name()) {
        let rule = PlacementRule {
            institution: None, asset: None, class: None, name: None,
            valid_from: TimeMs::new(0), valid_until: None, ..rule
        };
        let range = rule.first..=rule.last;
        let slot = place(&[rule], BANK, POUND, AccountClass::User, &name, NOW);
        prop_assert!(range.contains(&slot));
    }

    #[test]
    fn rules_round_trip_through_every_encoding(rule in any_rule()) {
        let bytes = rule.to_bytes();
        prop_assert_eq!(decode_exact(&bytes), Ok(rule.clone()));
        let json = serde_json::to_string(&rule).unwrap();
        prop_assert_eq!(serde_json::from_str::<PlacementRule>(&json).unwrap(), rule);
    }
}
