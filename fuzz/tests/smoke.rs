//! Every target for a moment: its samples, what the corpus keeps of former
//! defects, and a fixed number of seeded mutations of both. Runs with every
//! test run; `cargo xtask fuzz` is the long form.

use std::path::Path;
use std::time::{Duration, Instant};

use tributary_fuzz::Target;
use tributary_fuzz::mutation::Mutations;

/// Mutations of one target, unless time runs out first.
const MUTATIONS: usize = 20_000;
/// Longest that one target may take.
const TIME_MAX: Duration = Duration::from_millis(1_500);

/// What the repository keeps for a target, by name.
fn kept(name: &str) -> Vec<Vec<u8>> {
    // Asked for now: a build cache may hold a binary that another checkout built.
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it for tests");
    let corpus = Path::new(&package).join("corpus");
    assert!(corpus.is_dir(), "{} is missing", corpus.display());
    let folder = corpus.join(name);
    let mut files: Vec<_> = std::fs::read_dir(folder).into_iter().flatten().flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    files.iter().map(|file| std::fs::read(file.path()).expect("a file of the corpus")).collect()
}

fn smoke(name: &str) {
    let target = Target::named(name).expect("a target");
    let samples = (target.samples)();
    assert!(!samples.is_empty(), "{name} has no samples");
    let inputs = [samples, kept(name)].concat();
    inputs.iter().for_each(|input| (target.check)(input));
    let begin = Instant::now();
    let mut mutations = Mutations::new(1, inputs, target.bytes_max);
    let mut executed = 0;
    while executed < MUTATIONS && begin.elapsed() < TIME_MAX {
        let input = mutations.next_input();
        let outcome = std::panic::catch_unwind(|| (target.check)(&input));
        assert!(outcome.is_ok(), "{name}, mutation {executed}: {}", hex(&input));
        executed += 1;
    }
    println!("{name}: {executed} mutations in {:?}", begin.elapsed());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

macro_rules! smoke_tests {
    ($($name:ident),+ $(,)?) => {
        $(#[test]
        fn $name() {
            smoke(stringify!($name));
        })+

        #[test]
        fn no_target_is_forgotten() {
            let tested = [$(stringify!($name)),+];
            let all: Vec<_> = tributary_fuzz::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(all, tested);
        }
    };
}

smoke_tests! {
    frames, node_request, node_reply, router_request, router_reply, peer_frame, serde_values,
    peer_message, body, batch, delivery, message, header, certificate, record, outcomes,
    proofs, texts, rows, topology, settings, genesis, client_file, log_rule, state, execution,
    stored_value, stored_block, served_blocks, log_mark, format_file, journal, rows_gz, proof_file,
    credentials, key_file,
}

#[test]
fn the_same_seed_gives_the_same_inputs_and_none_is_too_long() {
    let inputs = |seed| {
        let samples = vec![b"some bytes".to_vec(), b"others".to_vec()];
        let mut mutations = Mutations::new(seed, samples, 12);
        (0..1_000).map(|_| mutations.next_input()).collect::<Vec<_>>()
    };
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(2));
    assert!(inputs(3).iter().all(|input| input.len() <= 12));
}
