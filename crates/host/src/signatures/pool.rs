//! The threads that verify, and what they remember.

use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use tributary_chain::Batch;
use tributary_ledger::SignatureVerifier;
use tributary_types::{Hash, PublicKey, SignatureCheck, verify_all};

use super::cache::SignatureCache;
use crate::measure::SignatureMetrics;

/// Signatures that one thread verifies at a time. Fewer are verified by the
/// thread that asks: waking another takes longer.
const SIGNATURES_PER_CHUNK: usize = 128;

/// Verifies signatures for all chains of a process.
#[derive(Debug)]
pub struct SignaturePool {
    threads: ThreadPool,
    cache: SignatureCache,
    admission: SignatureMetrics,
    execution: SignatureMetrics,
}

impl SignaturePool {
    /// With so many threads (0: one per core), remembering at most
    /// `remembered_max` signatures.
    ///
    /// # Errors
    /// If the system gives no threads.
    pub fn new(threads: usize, remembered_max: usize) -> Result<Self, ThreadPoolBuildError> {
        let name = |number| format!("signatures-{number}");
        Ok(Self {
            threads: ThreadPoolBuilder::new().num_threads(threads).thread_name(name).build()?,
            cache: SignatureCache::new(remembered_max),
            admission: SignatureMetrics::new("admission"),
            execution: SignatureMetrics::new("execution"),
        })
    }

    /// Runs `work` on a thread of the pool. The caller bounds how much waits.
    pub fn spawn(&self, work: impl FnOnce() + Send + 'static) {
        self.threads.spawn(work);
    }

    /// Whether a batch is its institution's. If so, verifies the owners'
    /// signatures too, of which `owners` has the keys that are known, and
    /// remembers the good ones; about wrong ones execution decides.
    #[must_use]
    pub fn admit(&self, cluster: &Hash, batch: &Batch, owners: &[Option<PublicKey>]) -> bool {
        if !batch.is_signed(cluster) {
            return false;
        }
        let signed = batch.owner_signatures.iter().zip(owners);
        let checks: Vec<SignatureCheck> = signed
            .filter_map(|(entry, owner)| {
                let record = batch.payments.get(entry.payment as usize)?;
                let (message, signature) = (record.signing_hash(cluster), entry.signature);
                Some(SignatureCheck { key: (*owner)?, message, signature })
            })
            .collect();
        let answers = self.answer(&checks, &self.admission);
        let good = checks.iter().zip(answers).filter(|(_, holds)| *holds);
        self.cache.remember(good.map(|(check, _)| check));
        true
    }

    /// One answer for each check: remembered ones at once, the others verified.
    fn answer(&self, checks: &[SignatureCheck], metrics: &SignatureMetrics) -> Vec<bool> {
        let mut answers = self.cache.know(checks);
        let unknown: Vec<usize> = (0..checks.len()).filter(|index| !answers[*index]).collect();
        metrics.answered(checks.len() - unknown.len(), unknown.len());
        let rest: Vec<SignatureCheck> = unknown.iter().map(|index| checks[*index]).collect();
        for (index, holds) in unknown.into_iter().zip(self.verify_unknown(&rest)) {
            answers[index] = holds;
        }
        answers
    }

    fn verify_unknown(&self, checks: &[SignatureCheck]) -> Vec<bool> {
        if checks.len() <= SIGNATURES_PER_CHUNK {
            return verify_all(checks);
        }
        let chunks = checks.par_chunks(SIGNATURES_PER_CHUNK);
        let answers: Vec<Vec<bool>> = self.threads.install(|| chunks.map(verify_all).collect());
        answers.concat()
    }
}

impl SignatureVerifier for SignaturePool {
    fn verify(&self, checks: &[SignatureCheck]) -> Vec<bool> {
        self.answer(checks, &self.execution)
    }
}

#[cfg(test)]
mod tests {
    use tributary_chain::batch::OwnerSignature;
    use tributary_types::payment::Payment;
    use tributary_types::{
        AccountId, Amount, AssetId, ChainId, Domain, InstitutionId, PaymentId, PaymentKind,
        PaymentRecord, Reference, SigningKey, TimeMs,
    };

    use super::*;

    const CHAIN: ChainId = ChainId::new(1);
    const BANK: InstitutionId = InstitutionId::new(7);

    fn check(number: u32, is_good: bool) -> SignatureCheck {
        let signer = SigningKey::from_seed([number.to_le_bytes()[0]; 32]);
        let message = Domain::Payment.hash(&number.to_le_bytes());
        let signed = if is_good { message } else { Domain::Batch.hash(b"other") };
        SignatureCheck { key: signer.public(), message, signature: signer.sign(&signed) }
    }

    #[test]
    fn the_pool_answers_as_each_alone() {
        let pool = SignaturePool::new(2, 1_000).unwrap();
        for count in [0, 1, 128, 129, 1_000] {
            let checks: Vec<_> = (0..count).map(|number| check(number, number % 97 != 5)).collect();
            let alone: Vec<bool> = checks.iter().map(SignatureCheck::holds).collect();
            assert_eq!(pool.verify(&checks), alone);
        }
    }

    #[test]
    fn remembered_answers_stand_where_they_belong() {
        let pool = SignaturePool::new(2, 1_000).unwrap();
        let checks: Vec<_> = (0..300).map(|number| check(number, number % 3 != 0)).collect();
        let alone: Vec<bool> = checks.iter().map(SignatureCheck::holds).collect();
        let good = checks.iter().zip(&alone).filter(|(_, holds)| **holds);
        pool.cache.remember(good.step_by(2).map(|(check, _)| check));
        assert_eq!(pool.verify(&checks), alone);
    }

    #[test]
    fn only_good_signatures_of_a_good_batch_are_remembered() {
        let pool = SignaturePool::new(1, 1_000).unwrap();
        let (cluster, bank) = (Hash::ZERO, SigningKey::from_seed([2; 32]));
        let owner = SigningKey::from_seed([3; 32]);
        let account = AccountId::issuer(BANK, AssetId::new(1), CHAIN);
        let record = PaymentRecord::from(&Payment {
            id: PaymentId::new(TimeMs::new(1), [0; 10]),
            kind: PaymentKind::Issue,
            debit: account,
            credit: account,
            amount: Amount::new(1),
            asset: AssetId::new(1),
            reference: Reference::default(),
        });
        let records = vec![record; 2];
        let message = records[0].signing_hash(&cluster);
        let entry = |payment, signature| OwnerSignature { payment, signature };
        let wrong = owner.sign(&Hash::ZERO);
        let signatures = vec![entry(0, owner.sign(&message)), entry(1, wrong)];
        let mut batch = Batch::sign(&cluster, CHAIN, BANK, &bank, vec![], records, signatures);
        let good = SignatureCheck { key: owner.public(), message, signature: owner.sign(&message) };
        let bad = SignatureCheck { signature: wrong, ..good };
        let owners = [Some(owner.public()); 2];

        let right = std::mem::replace(&mut batch.signature, wrong);
        assert!(!pool.admit(&cluster, &batch, &owners));
        assert_eq!(pool.cache.know(&[good, bad]), [false, false]);
        batch.signature = right;
        assert!(pool.admit(&cluster, &batch, &[None, None]));
        assert_eq!(pool.cache.know(&[good, bad]), [false, false]);
        assert!(pool.admit(&cluster, &batch, &owners));
        assert_eq!(pool.cache.know(&[good, bad]), [true, false]);
    }
}
