//! Records of the log, and the rule of a log write, against a model: a map of
//! entries that is written, cut and compacted in the obvious way.

use std::collections::BTreeMap;

use record::LogRecord;
use tributary_replica::store::{HardState, LogEntry, LogWrite};
use tributary_types::{ChainId, Encode, Reader};

use crate::canonical::one_encoding;

/// The storage crate cannot be built for fuzzing (RocksDB); this is the same
/// source.
#[path = "../../crates/storage/src/log/record.rs"]
mod record;

/// Most entries of one write: gaps and overlaps need no more.
const ENTRIES_MAX: u8 = 8;

pub(crate) fn check(bytes: &[u8]) {
    one_encoding::<LogRecord>(bytes);
    let mut reader = Reader::new(bytes);
    let mut log = BTreeMap::new();
    let mut record = LogRecord::default();
    while let Some(write) = read_write(&mut reader) {
        let model = written(&record, &log, &write);
        match record.step(write) {
            Ok(step) => {
                if let Some(below) = step.drop_below {
                    log.retain(|index, _| *index >= below);
                }
                for entry in step.entries {
                    log.split_off(&entry.index);
                    log.insert(entry.index, entry.term);
                }
                record = step.record;
                assert_eq!(model.as_ref(), Some(&log), "another log than the model's");
                let span: Vec<u64> = (record.compacted_to + 1..=record.last_index).collect();
                assert_eq!(log.keys().copied().collect::<Vec<_>>(), span, "a gap");
            }
            Err(_) => assert_eq!(model, None, "a write without a gap is refused"),
        }
    }
}

/// The log after a write; nothing if it would leave a gap.
fn written(
    record: &LogRecord,
    log: &BTreeMap<u64, u64>,
    write: &LogWrite,
) -> Option<BTreeMap<u64, u64>> {
    let compacted_to = record.compacted_to.max(write.compact_to.unwrap_or(0));
    let mut log = log.clone();
    if let Some(first) = write.entries.first() {
        let end = record.last_index.max(compacted_to);
        let is_known = write.entries.iter().all(|entry| entry.kind <= 2);
        if !is_known || first.index == 0 || first.index > end + 1 {
            return None;
        }
        log.split_off(&first.index);
        log.extend(write.entries.iter().map(|entry| (entry.index, entry.term)));
    }
    log.retain(|index, _| *index > compacted_to);
    Some(log)
}

/// A write of a few consecutive entries near the beginning of a log.
fn read_write(reader: &mut Reader<'_>) -> Option<LogWrite> {
    let [first, count, term, compact, kind] = reader.array("write").ok()?;
    let entry = |number: u8| LogEntry {
        index: u64::from(first) + u64::from(number),
        term: u64::from(term),
        kind,
        data: bytes::Bytes::new(),
    };
    let hard_state = HardState { term: u64::from(term), vote: 0, commit: 0 };
    Some(LogWrite {
        chain: ChainId::new(1),
        entries: (0..count.min(ENTRIES_MAX)).map(entry).collect(),
        hard_state: (kind % 2 == 0).then_some(hard_state),
        compact_to: (compact > 0).then_some(u64::from(compact)),
    })
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let record = LogRecord { compacted_to: 4, last_index: 9, ..LogRecord::default() };
    vec![
        record.to_bytes(),
        vec![1, 3, 1, 0, 0, 4, 2, 1, 0, 0, 3, 5, 2, 0, 0, 0, 0, 2, 5, 0, 8, 1, 3, 0, 0],
        vec![1, 8, 1, 0, 0, 5, 2, 2, 6, 0, 51, 2, 3, 50, 0, 52, 2, 3, 50, 1],
    ]
}
