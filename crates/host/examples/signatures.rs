//! Ed25519 signatures verified per second: one by one, joined on one thread,
//! on a pool, and remembered.
//!
//! ```text
//! cargo run --release -p tributary-host --example signatures [--json]
//! ```
//!
//! Every signature has a key of its own, as owners of accounts have. With
//! `--json` it is one by one and the pool of all cores only, as a line of JSON.

use std::error::Error;
use std::hint::black_box;
use std::time::{Duration, Instant};

use tributary_chain::Batch;
use tributary_chain::batch::OwnerSignature;
use tributary_host::signatures::SignaturePool;
use tributary_ledger::SignatureVerifier as _;
use tributary_types::payment::Payment;
use tributary_types::{
    AccountId, Amount, AssetId, ChainId, Hash, InstitutionId, PaymentId, PaymentKind,
    PaymentRecord, PublicKey, Reference, SignatureCheck, SigningKey, TimeMs, verify_all,
};

/// As many as a full batch may carry.
const SIGNATURES: u32 = 8_192;
const ROUNDS: u32 = 5;
const CHAIN: ChainId = ChainId::new(1);
const BANK: InstitutionId = InstitutionId::new(1);

fn main() -> Result<(), Box<dyn Error>> {
    let (batch, checks) = signed();
    let cores = std::thread::available_parallelism()?.get();
    if std::env::args().any(|word| word == "--json") {
        let pool = SignaturePool::new(cores, 0)?;
        let alone = rate("alone", || checks.iter().all(SignatureCheck::holds));
        let all = rate("all cores", || all(&pool.verify(&checks)));
        println!(
            "{{\"ed25519_alone_per_second\":{alone:.0},\"ed25519_all_cores_per_second\":{all:.0}}}"
        );
        return Ok(());
    }
    println!("{SIGNATURES} signatures of as many keys, best of {ROUNDS}");
    measure("one by one", || checks.iter().all(SignatureCheck::holds));
    for joined in [8, 32, 128, 256] {
        measure(&format!("joined by {joined}"), || {
            checks.chunks(joined).all(|chunk| all(&verify_all(chunk)))
        });
    }
    for threads in [1, cores] {
        let pool = SignaturePool::new(threads, 0)?;
        measure(&format!("pool of {threads}"), || all(&pool.verify(&checks)));
    }
    let pool = SignaturePool::new(cores, 4 * checks.len())?;
    let owners: Vec<Option<PublicKey>> = checks.iter().map(|check| Some(check.key)).collect();
    assert!(pool.admit(&Hash::ZERO, &batch, &owners));
    measure("remembered", || all(&pool.verify(&checks)));
    Ok(())
}

fn measure(what: &str, verify: impl Fn() -> bool) {
    let rate = rate(what, verify);
    println!("{what:>16}: {rate:>9.0}/s, {:>6.0} ns each", 1e9 / rate);
}

/// Signatures per second of the best round.
fn rate(what: &str, verify: impl Fn() -> bool) -> f64 {
    let round = || {
        let start = Instant::now();
        assert!(black_box(verify()), "{what}: all signatures are good");
        start.elapsed()
    };
    let best = (0..ROUNDS).map(|_| round()).min().unwrap_or(Duration::MAX);
    f64::from(SIGNATURES) / best.as_secs_f64()
}

fn all(answers: &[bool]) -> bool {
    answers.iter().all(|holds| *holds)
}

/// A batch with an owner's signature on every payment, and the same as checks.
fn signed() -> (Batch, Vec<SignatureCheck>) {
    let (mut records, mut signatures, mut checks) = (Vec::new(), Vec::new(), Vec::new());
    for number in 0..SIGNATURES {
        let mut seed = [1; 32];
        seed[..4].copy_from_slice(&number.to_le_bytes());
        let owner = SigningKey::from_seed(seed);
        let record = record(number);
        let message = record.signing_hash(&Hash::ZERO);
        let signature = owner.sign(&message);
        records.push(record);
        signatures.push(OwnerSignature { payment: number, signature });
        checks.push(SignatureCheck { key: owner.public(), message, signature });
    }
    let bank = SigningKey::from_seed([2; 32]);
    let batch = Batch::sign(&Hash::ZERO, CHAIN, BANK, &bank, Vec::new(), records, signatures);
    (batch, checks)
}

fn record(number: u32) -> PaymentRecord {
    let mut entropy = [0; 10];
    entropy[..4].copy_from_slice(&number.to_le_bytes());
    let account = AccountId::issuer(BANK, AssetId::new(1), CHAIN);
    PaymentRecord::from(&Payment {
        id: PaymentId::new(TimeMs::new(1_760_000_000_000), entropy),
        kind: PaymentKind::Issue,
        debit: account,
        credit: account,
        amount: Amount::new(1),
        asset: AssetId::new(1),
        reference: Reference::default(),
    })
}
