//! A set of row or page numbers that is filled and emptied again and again:
//! what a block touched, what a checkpoint must rewrite.

/// Words of bits that are scanned sooner than one number is sorted among others.
const SCANNED_MAX: usize = 32;

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
        if self.bits.len() <= SCANNED_MAX * list.len() {
            list.clear();
            self.take_bits(&mut list);
        } else {
            for number in &list {
                self.bits[*number as usize / 64] = 0;
            }
            list.sort_unstable();
        }
        list
    }

    /// Unsets all bits and appends their numbers.
    fn take_bits(&mut self, numbers: &mut Vec<u32>) {
        for (first, word) in (0..).step_by(64).zip(&mut self.bits) {
            let mut bits = std::mem::take(word);
            while bits != 0 {
                numbers.push(first + bits.trailing_zeros());
                bits &= bits - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_and_few_numbers_come_back_ascending_and_once() {
        let mut marks = Marks::default();
        for (step, count) in [(1, 1_000), (63, 500), (1_009, 100), (99_991, 7), (1, 0), (64, 90)] {
            let numbers: Vec<u32> = (0..count).map(|number| number * step).collect();
            for number in numbers.iter().rev().chain(&numbers) {
                marks.mark(*number);
            }
            assert_eq!(marks.as_slice().len(), numbers.len());
            assert_eq!(marks.take_sorted(), numbers, "{count} numbers, {step} apart");
        }
    }
}
