//! The crashes and failures that the stores in memory can play.

use tributary_replica::store::{BlockStore, CheckpointStore, LogStore};
use tributary_storage::memory::{DiskFault, MemoryDisk};

use crate::support::{append, block, certificate, chain, checkpoint, header, height, page, span};

#[test]
fn a_crash_takes_blocks_since_the_last_checkpoint_and_nothing_else() {
    let disk = MemoryDisk::new();
    let blocks = disk.blocks();
    disk.log().write(vec![append(1, 1, 5, 1)]).unwrap();
    blocks.put_blocks(&[block(1, 1, 9), block(1, 2, 9)]).unwrap();
    disk.checkpoints().save(chain(1), &checkpoint(1, 2, vec![page(0, 0, b"x")]), true).unwrap();
    blocks.put_blocks(&[block(1, 3, 9), block(1, 4, 9)]).unwrap();
    blocks.put_certificate(&header(1, 3, 3), &certificate(3)).unwrap();
    assert_eq!(disk.unsynced_writes(), 3);

    disk.crash(1);
    assert_eq!(disk.unsynced_writes(), 0);
    let here = |at| blocks.block(chain(1), height(at)).unwrap().is_some();
    assert_eq!([here(1), here(2), here(3), here(4)], [true, true, true, false]);
    assert_eq!(blocks.last_certificate(chain(1)).unwrap(), None);
    assert_eq!(span(&disk.log().load(chain(1)).unwrap()), Some((1, 5)));
    assert_eq!(disk.checkpoints().load(chain(1)).unwrap().unwrap().index, 102);
}

#[test]
fn a_failed_log_write_leaves_what_was_told_and_the_disk_refuses_until_the_crash() {
    let disk = MemoryDisk::new();
    let mut log = disk.log();
    log.write(vec![append(1, 1, 2, 1)]).unwrap();
    disk.fail_next(DiskFault::Log { applied: 1 });
    let fault = log.write(vec![append(1, 3, 4, 1), append(2, 1, 1, 1)]).unwrap_err();
    assert_eq!(fault.to_string(), "use the disk in memory: it was told to fail");
    assert!(log.load(chain(1)).is_err());
    assert!(disk.blocks().put_blocks(&[block(1, 1, 1)]).is_err());
    disk.crash(0);
    assert_eq!(span(&log.load(chain(1)).unwrap()), Some((1, 4)));
    assert_eq!(span(&log.load(chain(2)).unwrap()), None);
    log.write(vec![append(2, 1, 1, 1)]).unwrap();
}

#[test]
fn a_failed_checkpoint_leaves_the_one_before() {
    let disk = MemoryDisk::new();
    let mut checkpoints = disk.checkpoints();
    let before = checkpoint(1, 2, vec![page(0, 0, b"x")]);
    checkpoints.save(chain(1), &before, true).unwrap();
    disk.blocks().put_blocks(&[block(1, 3, 9)]).unwrap();
    disk.fail_next(DiskFault::Checkpoint);
    assert!(checkpoints.save(chain(1), &checkpoint(1, 3, vec![]), true).is_err());
    disk.crash(0);
    assert_eq!(checkpoints.load(chain(1)).unwrap(), Some(before));
    assert_eq!(disk.blocks().block(chain(1), height(3)).unwrap(), None);
    disk.fail_next(DiskFault::Archive);
    assert!(disk.blocks().put_blocks(&[block(1, 3, 9)]).is_err());
}
