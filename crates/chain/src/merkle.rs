//! Dense binary Merkle trees.
//!
//! Leaves keep their index for life. A level with an odd number of nodes is
//! completed by the empty hash. The root alone does not fix the number of
//! leaves, so whoever signs a root signs the count beside it
//! ([`TreeCommitment`]). Leaf hashes come from another
//! [`Domain`] than nodes, so that neither passes for the other.

use std::sync::LazyLock;

use prefetch_index::prefetch_index;
use serde::{Deserialize, Serialize};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{Domain, Hash, canonical};

/// Most levels of a path: trees of up to 2^32 leaves.
pub const PATH_LENGTH_MAX: usize = 32;

/// Nodes that are hashed together, while those where the next hashes go are
/// prefetched.
const RUN_NODES: usize = 64;
/// How many leaves ahead of its change one is prefetched.
const LEAVES_AHEAD: usize = 16;

static EMPTY: LazyLock<Hash> = LazyLock::new(|| Domain::Empty.hash(&[]));

fn parent(left: &Hash, right: &Hash) -> Hash {
    let mut pair = Pair::of(left);
    pair.set(1, right);
    Domain::Node.hash(&pair.0)
}

/// Root and number of leaves of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeCommitment {
    /// Merkle root; the empty hash for no leaves.
    pub root: Hash,
    /// Number of leaves.
    pub count: u64,
}
canonical!(TreeCommitment { root: Hash, count: u64 });

impl TreeCommitment {
    /// That of a tree of these leaves, of which nothing else is kept.
    #[must_use]
    pub fn of(leaves: Vec<Hash>) -> Self {
        let count = leaves.len() as u64;
        let (mut nodes, mut above) = (leaves, Vec::new());
        while nodes.len() > 1 {
            if nodes.len() % 2 == 1 {
                nodes.push(*EMPTY);
            }
            above.reserve(nodes.len() / 2);
            Domain::Node.hash_blocks(1, Hash::bytes_of(&nodes), |hash| above.push(hash));
            nodes.clear();
            std::mem::swap(&mut nodes, &mut above);
        }
        Self { root: nodes.pop().unwrap_or(*EMPTY), count }
    }
}

/// The siblings from a leaf up to the root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MerklePath {
    /// Index of the leaf.
    pub index: u64,
    /// Lowest level first.
    pub siblings: Vec<Hash>,
}

impl Encode for MerklePath {
    fn encode(&self, out: &mut Vec<u8>) {
        self.index.encode(out);
        encode_list(&self.siblings, out);
    }
}

impl Decode for MerklePath {
    const BYTES_MIN: usize = 12;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            index: u64::decode(reader)?,
            siblings: decode_list(reader, "merkle siblings", PATH_LENGTH_MAX)?,
        })
    }
}

impl MerklePath {
    /// Whether `leaf` stands at this path's index in the committed tree. The
    /// path must have exactly the tree's depth.
    #[must_use]
    pub fn proves(&self, leaf: &Hash, tree: &TreeCommitment) -> bool {
        if self.index >= tree.count || self.siblings.len() != depth(tree.count) {
            return false;
        }
        let mut index = self.index;
        let mut hash = *leaf;
        for sibling in &self.siblings {
            hash = if index & 1 == 0 { parent(&hash, sibling) } else { parent(sibling, &hash) };
            index >>= 1;
        }
        hash == tree.root
    }
}

/// Levels above the leaves of a tree of `count` leaves.
fn depth(count: u64) -> usize {
    if count <= 1 { 0 } else { (u64::BITS - (count - 1).leading_zeros()) as usize }
}

/// A tree held in memory, level by level, updated in place.
///
/// Writes go to leaves ([`DenseTree::set`], [`DenseTree::push`]); the inner
/// nodes follow in one pass per block by [`DenseTree::commit`].
#[derive(Debug, Clone, Default)]
pub struct DenseTree {
    /// `levels[0]` are the leaves; each further level has half as many.
    levels: Vec<Level>,
    /// Leaves written since the last commit; unsorted, may repeat.
    touched: Vec<u32>,
}

/// Nodes of one height, in pairs of siblings.
#[derive(Debug, Clone, Default)]
struct Level {
    pairs: Vec<Pair>,
    len: usize,
}

/// Two siblings: the input of their parent's hash, in one line of cache. A left
/// node without a sibling has the empty hash beside it.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
struct Pair([u8; 64]);

impl DenseTree {
    /// A tree of these leaves, committed.
    #[must_use]
    pub fn from_leaves(leaves: Vec<Hash>) -> Self {
        let mut levels = vec![Level::of(&leaves)];
        while levels[levels.len() - 1].len > 1 {
            let below = levels[levels.len() - 1].pairs.iter().map(|pair| &pair.0);
            levels.push(Level::of(&Domain::Node.hash_many(below)));
        }
        Self { levels, touched: Vec::new() }
    }

    /// Number of leaves.
    #[must_use]
    pub fn len(&self) -> usize {
        self.levels.first().map_or(0, |leaves| leaves.len)
    }

    /// Whether there are no leaves.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a leaf.
    ///
    /// # Panics
    /// From 2^32 leaves on; tables that use a tree have lower limits.
    pub fn push(&mut self, leaf: Hash) {
        if self.levels.is_empty() {
            self.levels.push(Level::default());
        }
        let index = u32::try_from(self.len()).expect("tables are bounded below 2^32");
        self.levels[0].push(&leaf);
        self.touched.push(index);
    }

    /// Replaces a leaf.
    ///
    /// # Panics
    /// If there is no leaf `index`.
    pub fn set(&mut self, index: u32, leaf: Hash) {
        assert!((index as usize) < self.len(), "the tree has no leaf {index}");
        self.levels[0].set(index, &leaf);
        self.touched.push(index);
    }

    /// Replaces the leaves at these indices by those, one by one.
    ///
    /// # Panics
    /// If there is no leaf of one of the indices.
    pub fn set_each(&mut self, indices: &[u32], leaves: &[Hash]) {
        for ((place, index), leaf) in indices.iter().enumerate().zip(leaves) {
            if let Some(next) = indices.get(place + LEAVES_AHEAD) {
                self.levels[0].prefetch(*next);
            }
            self.set(*index, *leaf);
        }
    }

    /// Recomputes the nodes above the touched leaves, each once.
    pub fn commit(&mut self) -> TreeCommitment {
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        let mut level = 0;
        while !self.levels.is_empty() && self.levels[level].len > 1 {
            if self.levels.len() == level + 1 {
                self.levels.push(Level::default());
            }
            let (lower, upper) = self.levels.split_at_mut(level + 1);
            let (below, above) = (&lower[level], &mut upper[0]);
            while above.len < below.pairs.len() {
                above.push(&EMPTY);
            }
            for index in &mut touched {
                *index >>= 1;
            }
            touched.dedup();
            above.follow(&touched, below);
            level += 1;
        }
        touched.clear();
        self.touched = touched;
        self.commitment()
    }

    /// Root and count as of the last commit.
    #[must_use]
    pub fn commitment(&self) -> TreeCommitment {
        debug_assert!(self.touched.is_empty(), "commit before reading the root");
        let root = self.levels.last().and_then(|level| level.get(0));
        TreeCommitment { root: root.unwrap_or(*EMPTY), count: self.len() as u64 }
    }

    /// The path of leaf `index` as of the last commit, or `None` beyond the end.
    #[must_use]
    pub fn path(&self, index: u32) -> Option<MerklePath> {
        if index as usize >= self.len() {
            return None;
        }
        let mut position = index as usize;
        let mut siblings = Vec::with_capacity(self.levels.len());
        for level in self.levels.iter().take(self.levels.len() - 1) {
            siblings.push(level.get(position ^ 1).unwrap_or(*EMPTY));
            position >>= 1;
        }
        Some(MerklePath { index: u64::from(index), siblings })
    }
}

impl Level {
    fn of(nodes: &[Hash]) -> Self {
        let pairs = nodes.chunks(2).map(|siblings| {
            let mut pair = Pair::of(&siblings[0]);
            if let Some(right) = siblings.get(1) {
                pair.set(1, right);
            }
            pair
        });
        Self { pairs: pairs.collect(), len: nodes.len() }
    }

    fn push(&mut self, node: &Hash) {
        match self.pairs.last_mut() {
            Some(pair) if self.len % 2 == 1 => pair.set(1, node),
            _ => self.pairs.push(Pair::of(node)),
        }
        self.len += 1;
    }

    /// Sets these nodes, ascending, to the hashes of the pairs below them.
    fn follow(&mut self, nodes: &[u32], below: &Self) {
        let mut runs = nodes.chunks(RUN_NODES).peekable();
        while let Some(run) = runs.next() {
            runs.peek().into_iter().copied().flatten().for_each(|node| self.prefetch(*node));
            let pairs = run.iter().map(|node| &below.pairs[*node as usize].0);
            let mut run = run.iter();
            Domain::Node.hash_each(pairs, |hash| {
                if let Some(node) = run.next() {
                    self.set(*node, &hash);
                }
            });
        }
    }

    /// Prefetches a node.
    fn prefetch(&self, index: u32) {
        prefetch_index(&self.pairs, index as usize / 2);
    }

    fn set(&mut self, index: u32, node: &Hash) {
        self.pairs[index as usize / 2].set(index as usize % 2, node);
    }

    fn get(&self, index: usize) -> Option<Hash> {
        (index < self.len).then(|| self.pairs[index / 2].get(index % 2))
    }
}

impl Pair {
    /// A left node without a sibling.
    fn of(left: &Hash) -> Self {
        let mut pair = Self([0; 64]);
        pair.set(0, left);
        pair.set(1, &EMPTY);
        pair
    }

    fn set(&mut self, side: usize, node: &Hash) {
        self.0[32 * side..32 * (side + 1)].copy_from_slice(node.as_bytes());
    }

    fn get(&self, side: usize) -> Hash {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(&self.0[32 * side..32 * (side + 1)]);
        Hash::from_bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf(number: u32) -> Hash {
        Domain::Account.hash(&number.to_le_bytes())
    }

    #[test]
    fn incremental_and_whole_trees_agree_at_every_size() {
        let mut tree = DenseTree::default();
        for count in 1..=70_u32 {
            tree.push(leaf(count - 1));
            tree.set(count / 2, leaf(1_000 + count));
            let commitment = tree.commit();
            let leaves: Vec<_> =
                (0..tree.len()).filter_map(|index| tree.levels[0].get(index)).collect();
            let mut whole = DenseTree::from_leaves(leaves.clone());
            assert_eq!(commitment, whole.commitment(), "{count} leaves");
            assert_eq!(commitment, TreeCommitment::of(leaves.clone()), "{count} leaves");
            let changed: Vec<u32> = (0..count).step_by(3).collect();
            let leaf_of = |index: &u32| leaf(2_000 + index);
            whole.set_each(&changed, &changed.iter().map(leaf_of).collect::<Vec<_>>());
            let mut expected = leaves.clone();
            changed.iter().for_each(|index| expected[*index as usize] = leaf_of(index));
            assert_eq!(whole.commit(), TreeCommitment::of(expected), "{count} leaves");
            for index in 0..count {
                let path = tree.path(index).unwrap();
                assert!(path.proves(&leaves[index as usize], &commitment));
            }
        }
    }

    #[test]
    fn a_path_proves_nothing_else() {
        let tree = DenseTree::from_leaves((0..11).map(leaf).collect());
        let commitment = tree.commitment();
        let path = tree.path(10).unwrap();
        assert!(path.proves(&leaf(10), &commitment));
        assert!(!path.proves(&leaf(9), &commitment));
        for wrong_index in 0..16 {
            let moved = MerklePath { index: wrong_index, ..path.clone() };
            assert_eq!(moved.proves(&leaf(10), &commitment), wrong_index == 10);
        }
        let mut short = path.clone();
        short.siblings.pop();
        assert!(!short.proves(&leaf(10), &commitment));
        let miscounted = TreeCommitment { count: 17, ..commitment };
        assert!(!path.proves(&leaf(10), &miscounted));
    }

    #[test]
    fn trees_of_different_sizes_have_different_commitments() {
        let three = DenseTree::from_leaves((0..3).map(leaf).collect()).commitment();
        let mut padded: Vec<_> = (0..3).map(leaf).collect();
        padded.push(*EMPTY);
        assert_ne!(three, DenseTree::from_leaves(padded).commitment());
        assert_eq!(TreeCommitment::of(Vec::new()), TreeCommitment { root: *EMPTY, count: 0 });
        assert_eq!(DenseTree::default().commit(), TreeCommitment { root: *EMPTY, count: 0 });
    }
}
