//! The same seed gives the same run, event by event.

use tributary_sim::profile::{PROFILES, Profile};
use tributary_sim::run::run;
use tributary_sim::scenario::{Given, Scenario};

use crate::seeds::run_seed;

#[test]
fn a_seed_run_twice_gives_the_same_digest() {
    for seed in [3, 29, 72] {
        assert_eq!(run_seed(seed), run_seed(seed));
    }
}

#[test]
fn seeds_differ() {
    assert_ne!(run_seed(1).digest, run_seed(2).digest);
}

#[test]
fn every_profile_by_name_runs_to_the_end() {
    for name in PROFILES {
        let profile = Profile::named(name);
        assert!(profile.is_some(), "{name}");
        let given = Given { profile, faulty_ms: Some(8_000), ..Given::default() };
        let report = run(&Scenario::draw(7, &given), false).unwrap();
        assert_eq!(report.failure, None, "{name}");
        assert!(report.blocks > 0 && report.healing_ms.is_some());
    }
}
