//! The log stays within its limits, whatever its chains do.

use tributary_replica::store::LogStore;

use crate::support::{SMALL_LOG, append, chain, compact, files, open_log, reload, scratch, span};

fn bytes_of(directory: &std::path::Path) -> u64 {
    files(directory).iter().map(|file| file.metadata().unwrap().len()).sum()
}

#[test]
fn many_compactions_leave_a_small_log_though_one_chain_is_silent() {
    let directory = scratch();
    let mut log = open_log(directory.path()).unwrap();
    let maintainer = log.maintainer();
    log.write(vec![append(9, 1, 20, 1)]).unwrap();
    // Live entries, files for reuse, and what was written since the last purge.
    let bytes_max = SMALL_LOG.purge_bytes * 5 / 2;
    for index in 1..=10_000 {
        log.write(vec![append(1, index, index, 1)]).unwrap();
        if index % 50 == 0 {
            log.write(vec![compact(1, index - 10)]).unwrap();
            maintainer.maintain().unwrap();
            let (bytes, counted) = (bytes_of(directory.path()), log.bytes_on_disk());
            assert!(bytes <= bytes_max, "{bytes} bytes after {index} writes");
            assert!(counted <= bytes && counted * 10 > bytes * 9, "{counted} of {bytes}");
        }
    }
    drop((log, maintainer));
    assert_eq!(span(&reload(directory.path(), 1).unwrap()), Some((9_991, 10_000)));
    assert_eq!(span(&reload(directory.path(), 9).unwrap()), Some((1, 20)));
}

#[test]
fn a_chain_that_never_compacts_is_named_as_what_keeps_the_log_large() {
    let directory = scratch();
    let mut log = open_log(directory.path()).unwrap();
    for index in 1..=1_500 {
        log.write(vec![append(1, index, index, 1), append(2, index, index, 1)]).unwrap();
        log.write(vec![compact(2, index)]).unwrap();
    }
    assert_eq!(log.maintainer().maintain().unwrap(), [chain(1)]);
    log.write(vec![compact(1, 1_490)]).unwrap();
    assert_eq!(log.maintainer().maintain().unwrap(), []);
    assert!(bytes_of(directory.path()) <= SMALL_LOG.purge_bytes * 5 / 2);
}
