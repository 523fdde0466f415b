//! Merkle trees: what a path proves, and that it proves nothing else.

use proptest::prelude::*;
use proptest::sample::Index;
use tributary_chain::merkle::{PATH_LENGTH_MAX, TreeCommitment};
use tributary_chain::{DenseTree, MerklePath};
use tributary_types::codec::{DecodeError, Encode, decode_exact};
use tributary_types::{Domain, Hash};

fn leaf(number: u32) -> Hash {
    Domain::Account.hash(&number.to_le_bytes())
}

fn tree(count: u32) -> DenseTree {
    DenseTree::from_leaves((0..count).map(leaf).collect())
}

fn flip_bit(hash: &Hash, bit: usize) -> Hash {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8] ^= 1 << (bit % 8);
    Hash::from_bytes(bytes)
}

/// What happens to a tree between two blocks.
#[derive(Debug, Clone)]
enum Step {
    Push(u32),
    Set(Index, u32),
    Commit,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<u32>().prop_map(Step::Push),
        4 => (any::<Index>(), any::<u32>()).prop_map(|(index, value)| Step::Set(index, value)),
        1 => Just(Step::Commit),
    ]
}

proptest! {
    #[test]
    fn a_tree_updated_in_place_equals_one_built_anew(
        steps in prop::collection::vec(any_step(), 0..200)
    ) {
        let mut tree = DenseTree::default();
        let mut model: Vec<Hash> = Vec::new();
        for step in steps {
            match step {
                Step::Push(value) => {
                    tree.push(leaf(value));
                    model.push(leaf(value));
                }
                Step::Set(index, value) if !model.is_empty() => {
                    let index = index.index(model.len());
                    tree.set(u32::try_from(index).unwrap(), leaf(value));
                    model[index] = leaf(value);
                }
                Step::Set(..) => {}
                Step::Commit => {
                    let whole = DenseTree::from_leaves(model.clone());
                    prop_assert_eq!(tree.commit(), whole.commitment());
                }
            }
        }
        let commitment = tree.commit();
        prop_assert_eq!(commitment, DenseTree::from_leaves(model.clone()).commitment());
        prop_assert_eq!(tree.len(), model.len());
        for (index, leaf) in (0..).zip(&model) {
            prop_assert!(tree.path(index).unwrap().proves(leaf, &commitment));
        }
    }

    #[test]
    fn any_changed_bit_breaks_a_proof(
        count in 1..70_u32,
        at in any::<Index>(),
        which in any::<Index>(),
        bit in 0..256_usize,
    ) {
        let tree = tree(count);
        let commitment = tree.commitment();
        let index = u32::try_from(at.index(count as usize)).unwrap();
        let path = tree.path(index).unwrap();
        let own = leaf(index);
        prop_assert!(path.proves(&own, &commitment));
        prop_assert!(!path.proves(&flip_bit(&own, bit), &commitment));
        let other_root = TreeCommitment { root: flip_bit(&commitment.root, bit), ..commitment };
        prop_assert!(!path.proves(&own, &other_root));
        if !path.siblings.is_empty() {
            let mut changed = path.clone();
            let level = which.index(path.siblings.len());
            changed.siblings[level] = flip_bit(&path.siblings[level], bit);
            prop_assert!(!changed.proves(&own, &commitment));
        }
    }

    #[test]
    fn a_path_proves_its_index_only(count in 1..70_u32, at in any::<Index>(), other in any::<u64>()) {
        let tree = tree(count);
        let commitment = tree.commitment();
        let index = u32::try_from(at.index(count as usize)).unwrap();
        let path = tree.path(index).unwrap();
        for wrong in [other, other % u64::from(count), u64::from(index) + (1 << 32)] {
            let moved = MerklePath { index: wrong, ..path.clone() };
            let proves = moved.proves(&leaf(index), &commitment);
            prop_assert_eq!(proves, wrong == u64::from(index));
        }
    }

    #[test]
    fn a_path_has_exactly_the_depth_of_the_tree(count in 1..70_u32, at in any::<Index>()) {
        let tree = tree(count);
        let commitment = tree.commitment();
        let index = u32::try_from(at.index(count as usize)).unwrap();
        let path = tree.path(index).unwrap();
        let mut longer = path.clone();
        longer.siblings.push(Domain::Empty.hash(&[]));
        prop_assert!(!longer.proves(&leaf(index), &commitment));
        let mut shorter = path;
        if shorter.siblings.pop().is_some() {
            prop_assert!(!shorter.proves(&leaf(index), &commitment));
        }
    }
}

#[test]
fn an_inner_node_does_not_pass_for_a_leaf() {
    let four = tree(4);
    let path = four.path(0).unwrap();
    let node =
        Domain::Node.hash(&[leaf(0).as_bytes().as_slice(), path.siblings[0].as_bytes()].concat());
    let upper = MerklePath { index: 0, siblings: path.siblings[1..].to_vec() };
    let two = TreeCommitment { count: 2, ..four.commitment() };
    // With the count of the signed commitment the shorter path is refused; with
    // another count the commitment is another one, which nobody signed.
    assert!(!upper.proves(&node, &four.commitment()));
    assert!(upper.proves(&node, &two));
    assert_ne!(Domain::Channel.hash_value(&two), Domain::Channel.hash_value(&four.commitment()));
}

#[test]
fn padding_is_not_a_provable_leaf() {
    let three = tree(3);
    let commitment = three.commitment();
    let empty = Domain::Empty.hash(&[]);
    let sibling = three.path(2).unwrap();
    let beyond = MerklePath { index: 3, siblings: vec![leaf(2), sibling.siblings[1]] };
    assert!(!beyond.proves(&empty, &commitment));
    assert_eq!(three.path(3), None);
}

#[test]
fn an_empty_tree_proves_nothing() {
    let empty = DenseTree::default().commitment();
    let path = MerklePath { index: 0, siblings: Vec::new() };
    assert!(!path.proves(&empty.root, &empty));
    assert_eq!(DenseTree::default().path(0), None);
    assert_eq!(DenseTree::from_leaves(Vec::new()).commitment(), empty);
    assert!(DenseTree::from_leaves(Vec::new()).is_empty());
}

#[test]
fn a_commitment_to_more_leaves_than_paths_are_long_proves_nothing() {
    for count in [(1 << 32) + 1, u64::MAX] {
        let commitment = TreeCommitment { root: leaf(0), count };
        for length in 0..=PATH_LENGTH_MAX {
            let path = MerklePath { index: 0, siblings: vec![leaf(1); length] };
            assert!(!path.proves(&leaf(0), &commitment));
        }
    }
}

#[test]
fn a_path_longer_than_any_tree_is_refused_unread() {
    let mut bytes = 0_u64.to_bytes();
    u32::try_from(PATH_LENGTH_MAX + 1).unwrap().encode(&mut bytes);
    let (found, limit) = (PATH_LENGTH_MAX + 1, PATH_LENGTH_MAX);
    let refused = DecodeError::TooMany { what: "merkle siblings", found, limit };
    assert_eq!(decode_exact::<MerklePath>(&bytes), Err(refused));
}
