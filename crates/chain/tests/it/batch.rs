//! Batches: whoever forwards one can alter nothing.

use proptest::prelude::*;
use proptest::sample::Index;
use tributary_chain::Batch;
use tributary_chain::batch::{BATCH_OPERATIONS_MAX, BATCH_PAYMENTS_MAX, OwnerSignature};
use tributary_types::codec::{DecodeError, Encode, decode_exact};
use tributary_types::{ChainId, Domain, InstitutionId};

use crate::{cluster, sample, signing_key};

const KEY: u8 = 40;

fn signed(owners: &[u32]) -> Batch {
    let signature = signing_key(41).sign(&Domain::Payment.hash(b"a payment"));
    let owner = |payment: &u32| OwnerSignature { payment: *payment, signature };
    Batch::sign(
        &cluster(),
        ChainId::new(1),
        InstitutionId::new(7),
        &signing_key(KEY),
        sample::operations(),
        vec![sample::record(1), sample::record(2), sample::record(3)],
        owners.iter().map(owner).collect(),
    )
}

#[test]
fn a_signature_holds_for_its_cluster_only() {
    assert!(signed(&[0, 2]).is_signed(&cluster()));
    assert!(!signed(&[0, 2]).is_signed(&Domain::Genesis.hash(b"another cluster")));
}

#[test]
fn the_bytes_before_the_signature_are_signed() {
    for owners in [&[][..], &[0, 2]] {
        let batch = signed(owners);
        let bytes = batch.to_bytes();
        let unsigned = &bytes[..bytes.len() - batch.signature.to_bytes().len()];
        let hash = Domain::Batch.hash_parts(&[cluster().as_bytes(), unsigned]);
        assert_eq!(batch.signing_hash(&cluster()), hash);
    }
}

#[test]
fn a_batch_cannot_be_moved_to_another_chain_institution_or_key() {
    let check = |change: fn(&mut Batch)| {
        let mut changed = signed(&[0]);
        change(&mut changed);
        assert!(!changed.is_signed(&cluster()));
    };
    check(|batch| batch.chain = ChainId::new(2));
    check(|batch| batch.institution = InstitutionId::new(8));
    check(|batch| batch.key = signing_key(KEY + 1).public());
    check(|batch| batch.payments.swap(0, 1));
    check(|batch| batch.payments.truncate(2));
    check(|batch| batch.payments.push(batch.payments[0]));
    check(|batch| batch.operations.clear());
    check(|batch| batch.owner_signatures.clear());
    check(|batch| batch.owner_signatures[0].payment = 1);
}

proptest! {
    #[test]
    fn any_changed_byte_is_refused(at in any::<Index>(), flip in 1..=255_u8) {
        let mut bytes = signed(&[0, 2]).to_bytes();
        let index = at.index(bytes.len());
        bytes[index] ^= flip;
        if let Ok(changed) = decode_exact::<Batch>(&bytes) {
            prop_assert!(!changed.is_signed(&cluster()));
        }
    }
}

#[test]
fn owner_signatures_are_found_by_payment() {
    let batch = signed(&[0, 2]);
    let found = [0, 1, 2, 3].map(|index| batch.owner_signature(index).is_some());
    assert_eq!(found, [true, false, true, false]);
    assert_eq!(batch.outcome_count(), batch.operations.len() + 3);
}

#[test]
fn owner_signatures_out_of_order_twice_or_beyond_are_refused() {
    let check = |owners: &[u32], ok: bool| {
        assert_eq!(decode_exact::<Batch>(&signed(owners).to_bytes()).is_ok(), ok, "{owners:?}");
    };
    check(&[], true);
    check(&[0, 1, 2], true);
    check(&[1, 0], false);
    check(&[1, 1], false);
    check(&[3], false);
    check(&[u32::MAX], false);
}

#[test]
fn more_payments_or_operations_than_the_limit_are_refused_unread() {
    let mut head = signed(&[]);
    head.operations.clear();
    head.payments.clear();
    let bytes = head.to_bytes();
    let operations_at = 2 + 4 + 32;
    let payments_at = operations_at + 4;
    let check = |at: usize, limit: usize, what: &'static str| {
        let found = limit + 1;
        let mut bytes = bytes.clone();
        bytes[at..at + 4].copy_from_slice(&u32::try_from(found).unwrap().to_le_bytes());
        let refused = DecodeError::TooMany { what, found, limit };
        assert_eq!(decode_exact::<Batch>(&bytes), Err(refused));
    };
    check(operations_at, BATCH_OPERATIONS_MAX, "operations");
    check(payments_at, BATCH_PAYMENTS_MAX, "payments");
    check(payments_at + 4, BATCH_PAYMENTS_MAX, "owner signatures");
}
