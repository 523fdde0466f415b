//! A set of row or page numbers that is filled and emptied again and again:
//! what a block touched, what a checkpoint must rewrite.

/// Where there are no more words of bits than this for each number, reading all of
/// them takes less time than sorting.
const WORDS_PER_NUMBER: usize = 16;

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
        if list.len() * WORDS_PER_NUMBER >= self.bits.len() {
            list.clear();
            for (first, bits) in (0..).step_by(64).zip(&mut self.bits) {
                let mut rest = std::mem::take(bits);
                while rest != 0 {
                    list.push(first + rest.trailing_zeros());
                    rest &= rest - 1;
                }
            }
        } else {
            for number in &list {
                self.bits[*number as usize / 64] = 0;
            }
            list.sort_unstable();
        }
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_once_and_ascending_whether_few_or_many() {
        let mut marks = Marks::default();
        for count in [0, 1, 3, 40, 1_000, 5, 0, 20_000] {
            let numbers = (0..count).map(|number: u32| number.wrapping_mul(48_271) % 30_011);
            let expected: std::collections::BTreeSet<u32> = numbers.clone().collect();
            for number in numbers.clone().chain(numbers) {
                marks.mark(number);
            }
            assert_eq!(marks.as_slice().len(), expected.len());
            assert_eq!(marks.take_sorted(), Vec::from_iter(expected), "{count}");
        }
    }
}
