//! The rule of a log write, for every implementation: what it drops, what it
//! keeps, and what must be remembered beside the entries.
//!
//! raft-engine panics on a gap, and forgets that entries were compacted when
//! it purges the file that said so: compacted entries can come back at the
//! next start. So each chain's record says where its log begins and ends.

use tributary_replica::store::{HardState, LogEntry, LogWrite, StorageFault};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader};

use crate::fault::corrupt;

/// Highest entry kind: normal, and two kinds of configuration change.
const ENTRY_KIND_MAX: u8 = 2;

/// What is remembered of a chain's log beside its entries. The entries are
/// exactly `compacted_to + 1 ..= last_index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct LogRecord {
    /// The last hard state written.
    pub(crate) hard_state: HardState,
    /// Entries up to here were dropped.
    pub(crate) compacted_to: u64,
    /// Index of the last entry; `compacted_to` if there is none.
    pub(crate) last_index: u64,
}

impl Encode for LogRecord {
    fn encode(&self, out: &mut Vec<u8>) {
        let HardState { term, vote, commit } = self.hard_state;
        for number in [term, vote, commit, self.compacted_to, self.last_index] {
            number.encode(out);
        }
    }
}

impl Decode for LogRecord {
    const BYTES_MIN: usize = 5 * u64::BYTES_MIN;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut number = || u64::decode(reader);
        Ok(Self {
            hard_state: HardState { term: number()?, vote: number()?, commit: number()? },
            compacted_to: number()?,
            last_index: number()?,
        })
    }
}

/// What one write does to one chain's log, in this order.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LogStep {
    /// Entries below this index go.
    pub(crate) drop_below: Option<u64>,
    /// Replace everything from the first one's index on.
    pub(crate) entries: Vec<LogEntry>,
    /// The record from now on.
    pub(crate) record: LogRecord,
}

impl LogRecord {
    /// Works out a write against this log.
    ///
    /// # Errors
    /// [`StorageFault::Corrupt`] for a write that would leave a gap or an entry
    /// of an unknown kind: the log would not load.
    pub(crate) fn step(&self, write: LogWrite) -> Result<LogStep, StorageFault> {
        self.check(&write)?;
        let mut record = *self;
        if let Some(hard_state) = write.hard_state {
            record.hard_state = hard_state;
        }
        record.compacted_to = self.compacted_to.max(write.compact_to.unwrap_or(0));
        let mut entries = write.entries;
        let end = entries.last().map(|entry| entry.index);
        record.last_index = end.unwrap_or(self.last_index).max(record.compacted_to);
        entries.retain(|entry| entry.index > record.compacted_to);
        let drop_below = if end.is_some() && entries.is_empty() {
            // All new entries are compacted already; the old ones they replace
            // go too.
            Some(self.last_index.max(record.compacted_to) + 1)
        } else {
            (record.compacted_to > self.compacted_to).then_some(record.compacted_to + 1)
        };
        Ok(LogStep { drop_below, entries, record })
    }

    fn check(&self, write: &LogWrite) -> Result<(), StorageFault> {
        let what = || format!("write to the log of chain {}", write.chain);
        let end = self.last_index.max(write.compact_to.unwrap_or(0));
        if let Some(first) = write.entries.first()
            && (first.index == 0 || first.index > end + 1)
        {
            let reason = format!("entry {} does not follow entry {end}", first.index);
            return Err(corrupt(what(), reason));
        }
        for pair in write.entries.windows(2) {
            if pair[1].index != pair[0].index + 1 {
                let reason = format!("entry {} follows entry {}", pair[1].index, pair[0].index);
                return Err(corrupt(what(), reason));
            }
        }
        match write.entries.iter().find(|entry| entry.kind > ENTRY_KIND_MAX) {
            Some(entry) => {
                Err(corrupt(what(), format!("entry {} is of kind {}", entry.index, entry.kind)))
            }
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tributary_types::ChainId;
    use tributary_types::codec::decode_exact;

    use super::*;

    type Indexes = std::ops::RangeInclusive<u64>;

    fn entries(range: Indexes) -> Vec<LogEntry> {
        range.map(|index| LogEntry { index, term: 1, kind: 0, data: bytes::Bytes::new() }).collect()
    }

    /// A log of `compacted_to + 1 ..= last`, then a write; expects what is
    /// dropped, which entries are written and the span that results.
    fn check(
        (compacted_to, last_index): (u64, u64),
        (range, compact_to): (Indexes, Option<u64>),
        expected: Option<(Option<u64>, Indexes, (u64, u64))>,
    ) {
        let record = LogRecord { compacted_to, last_index, ..LogRecord::default() };
        let chain = ChainId::new(1);
        let write = LogWrite { chain, entries: entries(range), hard_state: None, compact_to };
        let step = record.step(write).ok();
        let expected = expected.map(|(drop_below, kept, (compacted_to, last_index))| LogStep {
            drop_below,
            entries: entries(kept),
            record: LogRecord { compacted_to, last_index, ..record },
        });
        assert_eq!(step, expected);
    }

    #[test]
    #[expect(clippy::reversed_empty_ranges, reason = "an empty range of entries")]
    fn a_write_appends_replaces_compacts_and_never_leaves_a_gap() {
        const NONE: Indexes = 1..=0;
        check((0, 0), (1..=3, None), Some((None, 1..=3, (0, 3))));
        check((0, 3), (4..=5, None), Some((None, 4..=5, (0, 5))));
        check((0, 9), (4..=5, None), Some((None, 4..=5, (0, 5))));
        check((0, 3), (5..=5, None), None);
        check((0, 0), (0..=1, None), None);
        check((0, 9), (NONE, Some(4)), Some((Some(5), NONE, (4, 9))));
        check((4, 9), (NONE, Some(2)), Some((None, NONE, (4, 9))));
        check((0, 9), (NONE, Some(50)), Some((Some(51), NONE, (50, 50))));
        check((0, 9), (51..=52, Some(50)), Some((Some(51), 51..=52, (50, 52))));
        check((0, 9), (52..=53, Some(50)), None);
        check((0, 9), (5..=8, Some(6)), Some((Some(7), 7..=8, (6, 8))));
        check((0, 9), (5..=6, Some(6)), Some((Some(10), NONE, (6, 6))));
        check((6, 9), (5..=8, None), Some((None, 7..=8, (6, 8))));
    }

    #[test]
    fn a_record_reads_back_as_written() {
        let hard_state = HardState { term: 1, vote: 2, commit: 3 };
        let record = LogRecord { hard_state, compacted_to: 4, last_index: 5 };
        assert_eq!(decode_exact::<LogRecord>(&record.to_bytes()), Ok(record));
    }
}
