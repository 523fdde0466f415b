//! Tables: rows in order of opening, found by id, under a Merkle tree.
//!
//! A row keeps its number for life. Whoever changes a row marks it; at the end
//! of the block [`Table::commit`] hashes each marked row once and updates the
//! tree above it, so a block costs what it touched and not what there is.

use tributary_chain::merkle::{DenseTree, MerklePath, TreeCommitment};
use tributary_types::codec::encode_list;
use tributary_types::{AccountId, Hash};

use crate::index::Index;
use crate::index_key::IndexKey;
use crate::leaves::Leaves;
use crate::limits::ROWS_MAX;
use crate::marks::Marks;
use crate::read_ahead::{NearEach, ROWS_AHEAD};
use crate::row::Row;

/// Rows of one kind, with their index and tree.
#[derive(Debug, Clone)]
pub(crate) struct Table<R> {
    rows: Vec<R>,
    index: Index,
    tree: DenseTree,
    /// Rows changed since the last commit.
    touched: Marks,
    /// Pages changed since they were last taken.
    dirty_pages: Marks,
}

impl<R: Row> Table<R> {
    /// An empty table, whose index hashes with `key`.
    pub(crate) fn new(key: IndexKey) -> Self {
        Self {
            rows: Vec::new(),
            index: Index::with_capacity(0, key),
            tree: DenseTree::default(),
            touched: Marks::default(),
            dirty_pages: Marks::default(),
        }
    }

    /// A table of these rows, committed; `None` if an id is there twice.
    pub(crate) fn of(rows: Vec<R>, key: IndexKey) -> Option<Self> {
        let mut leaves = Leaves::new(R::DOMAIN, rows.len());
        rows.iter().for_each(|row| leaves.push(|out| row.encode(out)));
        let mut index = Index::with_capacity(rows.len(), key);
        for (number, row) in rows.iter().enumerate() {
            let (id, number) = (row.id(), u32::try_from(number).ok()?);
            let hash = key.hash(id.get());
            if index.find(hash, |other| rows[other as usize].id() == id).is_some() {
                return None;
            }
            index.insert(hash, number, |other| key.hash(rows[other as usize].id().get()));
        }
        let tree = DenseTree::from_leaves(leaves.finish());
        Some(Self { rows, index, tree, touched: Marks::default(), dirty_pages: Marks::default() })
    }

    /// What its index hashes with.
    pub(crate) const fn key(&self) -> IndexKey {
        self.index.key()
    }

    /// The number of the row with this id.
    pub(crate) fn find(&self, id: AccountId) -> Option<u32> {
        self.index.find(self.key().hash(id.get()), |row| self.rows[row as usize].id() == id)
    }

    /// The number of the row with this id, which is most often `near`.
    pub(crate) fn find_near(&self, id: AccountId, near: Option<u32>) -> Option<u32> {
        let found = near.filter(|row| self.row(*row).id() == id);
        found.or_else(|| self.find(id))
    }

    /// Prefetches what the search for an id of this hash reads first.
    pub(crate) fn prefetch_slot(&self, hash: u64) {
        self.index.prefetch(hash);
    }

    /// Prefetches the row that most often is the one whose id has this hash; tells
    /// its number.
    pub(crate) fn prefetch_row(&self, hash: u64) -> Option<u32> {
        let row = self.index.probable(hash)?;
        self.row(row).prefetch();
        Some(row)
    }

    /// Where each of these ids most often is, for [`Table::find_near`]; what looking
    /// them up will read is read ahead.
    pub(crate) fn near<I: Iterator<Item = AccountId>>(&self, ids: I) -> NearEach<'_, R, I> {
        NearEach::new(self, ids)
    }

    /// The row with this id.
    pub(crate) fn get(&self, id: AccountId) -> Option<&R> {
        self.find(id).map(|number| self.row(number))
    }

    /// The row of that number.
    pub(crate) fn row(&self, number: u32) -> &R {
        &self.rows[number as usize]
    }

    /// The row of that number, to be changed.
    pub(crate) fn row_mut(&mut self, number: u32) -> &mut R {
        self.touched.mark(number);
        &mut self.rows[number as usize]
    }

    /// Prefetches the row of that number.
    pub(crate) fn prefetch(&self, number: u32) {
        self.row(number).prefetch();
    }

    /// Prefetches the row that comes a little after the one at `place` of these.
    pub(crate) fn prefetch_ahead(&self, numbers: &[u32], place: usize) {
        if let Some(number) = numbers.get(place + ROWS_AHEAD) {
            self.prefetch(*number);
        }
    }

    /// Whether another row fits.
    pub(crate) fn has_room(&self) -> bool {
        self.rows.len() < ROWS_MAX
    }

    /// Adds a row whose id is not there yet; the caller has checked both that
    /// and [`Table::has_room`].
    pub(crate) fn insert(&mut self, row: R) -> u32 {
        let number = u32::try_from(self.rows.len()).expect("tables are bounded by ROWS_MAX");
        let key = self.key();
        let hash = key.hash(row.id().get());
        self.rows.push(row);
        let rows = &self.rows;
        self.index.insert(hash, number, |other| key.hash(rows[other as usize].id().get()));
        self.tree.push(Hash::ZERO);
        self.touched.mark(number);
        number
    }

    /// All rows, in order of opening.
    pub(crate) fn rows(&self) -> &[R] {
        &self.rows
    }

    /// Rows changed since the last commit.
    pub(crate) fn touched(&self) -> &[u32] {
        self.touched.as_slice()
    }

    /// Brings the tree up to date with the rows.
    pub(crate) fn commit(&mut self) -> TreeCommitment {
        let touched = self.touched.take_sorted();
        let mut leaves = Leaves::new(R::DOMAIN, touched.len());
        for (place, number) in touched.iter().enumerate() {
            self.prefetch_ahead(&touched, place);
            leaves.push(|out| self.row(*number).encode(out));
            self.dirty_pages.mark(number / R::ROWS_PER_PAGE);
        }
        self.tree.set_each(&touched, &leaves.finish());
        self.tree.commit()
    }

    /// Root and count as of the last commit.
    pub(crate) fn commitment(&self) -> TreeCommitment {
        self.tree.commitment()
    }

    /// The row with this id and its place in the tree, as of the last commit.
    pub(crate) fn prove(&self, id: AccountId) -> Option<(&R, MerklePath)> {
        let number = self.find(id)?;
        Some((self.row(number), self.tree.path(number)?))
    }

    /// Pages changed since this was last asked, ascending.
    pub(crate) fn take_dirty_pages(&mut self) -> Vec<u32> {
        self.dirty_pages.take_sorted()
    }

    /// Number of pages.
    pub(crate) fn page_count(&self) -> u32 {
        u32::try_from(self.rows.len()).unwrap_or(u32::MAX).div_ceil(R::ROWS_PER_PAGE)
    }

    /// About how many bytes a page takes, by its first row.
    pub(crate) fn page_bytes_estimate(&self) -> usize {
        let row = self.rows.first().map_or(0, |row| row.to_bytes().len());
        size_of::<u32>() + R::ROWS_PER_PAGE as usize * row
    }

    /// Appends the canonical bytes of a page; nothing if there is no such page.
    pub(crate) fn encode_page(&self, number: u32, out: &mut Vec<u8>) {
        let start = number as usize * R::ROWS_PER_PAGE as usize;
        let end = (start + R::ROWS_PER_PAGE as usize).min(self.rows.len());
        if let Some(rows) = self.rows.get(start..end).filter(|rows| !rows.is_empty()) {
            encode_list(rows, out);
        }
    }
}
