//! A set of row or page numbers that is filled and emptied again and again:
//! what a block touched, what a checkpoint must rewrite.

/// Distinct numbers in the order in which they were marked.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    bits: Vec<u64>,
    list: Vec<u32>,
}

impl Marks {
    /// Adds a number; returns whether it was new.
    pub(crate) fn mark(&mut self, number: u32) -> bool {
        let (word, bit) = (number as usize / 64, 1_u64 << (number % 64));
        if word >= self.bits.len() {
            self.bits.resize(word + 1, 0);
        }
        let new = self.bits[word] & bit == 0;
        if new {
            self.bits[word] |= bit;
            self.list.push(number);
        }
        new
    }

    /// The numbers marked so far.
    pub(crate) fn as_slice(&self) -> &[u32] {
        &self.list
    }

    /// Empties the set and returns what was in it, ascending.
    pub(crate) fn take_sorted(&mut self) -> Vec<u32> {
        let mut list = std::mem::take(&mut self.list);
        for number in &list {
            self.bits[*number as usize / 64] = 0;
        }
        list.sort_unstable();
        list
    }
}
