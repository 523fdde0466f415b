//! The whole node in one place: which threads there are, what they own, and
//! which queues run between them.
//!
//! | thread | owns | lives |
//! | --- | --- | --- |
//! | `chain-N`, one per replica | the replica | until stop; a leader hands over first |
//! | `log` | the raft log | until the last chain thread ends |
//! | `archive` | writes of blocks and certificates | until the last chain thread ends |
//! | `checkpoints` | checkpoints | until the archive's thread ends |
//! | `maintenance` | purging of log files | until the stores have ended |
//! | `signatures-N` | the cache of verified signatures, together | until the process ends |
//! | runtime workers | connections, admission, long polls, one backfill per chain | until the last reply is sent |
//! | runtime's blocking threads | reads of the archive, writes of fetched blocks | until the last reply is sent |
//!
//! Order of start: everything is checked, then ports are taken, then data are
//! opened, then replicas are restored, then threads run. Whatever fails leaves
//! the data as they were.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use rayon::prelude::*;
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;
use tributary_chain::Header;
use tributary_ledger::SignatureVerifier;
use tributary_replica::store::BlockStore;
use tributary_replica::{Replica, ReplicaConfig};
use tributary_service::Supervisor;
use tributary_service::observe::Observer;
use tributary_service::telemetry::MetricsHandle;
use tributary_transport::{Endpoint, Listener, Renewal, Shortcuts};
use tributary_types::ChainId;

use crate::archive::backfill::{Backfill, Means};
use crate::archive::blocks::BlockReader;
use crate::archive::checkpoints;
use crate::archive::missing::MissingBlocks;
use crate::archive::verify::ChainRules;
use crate::archive::{self, ArchiveJob};
use crate::chain::{ChainHandle, ChainThread, Outputs, Published, Queues};
use crate::checked::Checked;
use crate::cluster::HostedReplica;
use crate::error::StartError;
use crate::host::Host;
use crate::log::{self, LogJob, SharedLog};
use crate::network::{NodeLinks, PeerArchive};
use crate::readiness::NodeReadiness;
use crate::server::Server;
use crate::server::refusals::Refusals;
use crate::signatures::SignaturePool;
use crate::stop::Stop;
use crate::storage::{self, Storage};

/// Completions that wait for a chain's thread beside those of its log writes:
/// one checkpoint, and one snapshot for each validator.
const OTHER_COMPLETIONS_MAX: usize = 128;

/// Checkpoints that wait while another one is saved; with more the archive waits. A
/// chain has one under way, and rarely a second one that it received.
const CHECKPOINT_JOBS_MAX: usize = 16;

/// Starts a node from what was checked.
///
/// # Errors
/// [`StartError`], one sentence.
pub fn start(checked: Checked, metrics: Option<MetricsHandle>) -> Result<Host, StartError> {
    let limits = &checked.config.limits;
    let runtime = runtime(limits.archive_read_threads)?;
    let entered = runtime.enter();
    let observer = runtime.block_on(Observer::bind(checked.node.http))?;
    let log_bytes = limits.log_bytes(checked.hosted.len());
    let storage = Storage::open(&checked.config.data_dir, log_bytes)?;
    let endpoint = Endpoint::client(&checked.credentials)?;
    let links = NodeLinks::dial(&endpoint, &checked.cluster.topology, &checked.node.replicas);

    let (log_sender, log_jobs) = bounded(limits.log_writes_max);
    let (archive, archive_jobs) = bounded(limits.archive_writes_max);
    let (stop, refusals) = (Arc::new(Stop::default()), Arc::new(Refusals::default()));
    let common = Common {
        checked: &checked,
        blocks: &storage.blocks,
        links,
        runtime: runtime.handle(),
        log: Arc::clone(&storage.log),
        log_jobs: log_sender,
        archive,
        refusals: Arc::clone(&refusals),
    };
    let mut wired: Vec<_> = checked.hosted.iter().map(|hosted| common.wire(hosted)).collect();
    drop(common);
    let handles: BTreeMap<ChainId, ChainHandle> =
        wired.iter().map(|wired| (wired.handle.chain, wired.handle.clone())).collect();
    let space_wanted =
        wired.iter().map(|wired| (wired.handle.chain, wired.space_wanted.clone())).collect();

    let readiness = NodeReadiness::new(handles.values(), Arc::clone(&stop));
    let signatures =
        Arc::new(SignaturePool::new(limits.signature_threads, limits.remembered_signatures_max)?);
    let (cluster, pool) = (Arc::clone(&checked.cluster), Arc::clone(&signatures));
    let server = Server::new(cluster, handles, limits, pool, refusals, Arc::clone(&stop));
    let shortcuts = Shortcuts::offered_if(checked.config.shortcuts);
    let address = checked.node.address;
    let listener = Listener::bind(address, &checked.credentials, shortcuts, Arc::new(server))?;
    let replicas = restore(&checked, &storage, &signatures)?;

    let (supervisor, deaths) = Supervisor::new();
    let (address, http) = (listener.local_addr()?, observer.address());
    supervisor.task("http", observer.serve(Arc::new(readiness.clone()), metrics));
    supervisor.task("certificates", Renewal::new(&endpoint, Some(&listener)).run());
    start_backfills(&supervisor, &checked, &replicas, &mut wired);
    drop(entered);
    let mut host = Host {
        stop,
        deaths,
        readiness,
        address,
        http,
        chains: Vec::new(),
        stores: Vec::new(),
        maintenance: None,
        listener: Some(listener),
        endpoint: Some(endpoint),
        runtime: Some(runtime),
    };
    start_stores(&mut host, &supervisor, storage, (log_jobs, archive_jobs), space_wanted)?;
    for (Restarted { replica, tick, .. }, Wired { handle, queues, outputs, .. }) in
        replicas.into_iter().zip(wired)
    {
        let stop = Arc::clone(&host.stop);
        let thread = ChainThread::new(replica, handle.validator, tick, queues, outputs, stop);
        let name = format!("chain-{}", handle.chain);
        host.chains.push(supervisor.thread(&name, move || handle.seat.run(thread))?);
    }
    Ok(host)
}

/// What the queues of every chain lead to.
struct Common<'a> {
    checked: &'a Checked,
    blocks: &'a Arc<dyn BlockStore>,
    links: NodeLinks,
    runtime: &'a Handle,
    log: Arc<SharedLog>,
    log_jobs: Sender<LogJob>,
    archive: Sender<ArchiveJob>,
    refusals: Arc<Refusals>,
}

/// One chain's queues: the outer ends, and those of its thread.
struct Wired {
    handle: ChainHandle,
    /// To the thread, from maintenance.
    space_wanted: Sender<()>,
    queues: Queues,
    outputs: Outputs,
    /// Until its backfill is started.
    archives: Vec<PeerArchive>,
}

impl Common<'_> {
    /// Makes one chain's queues.
    fn wire(&self, hosted: &HostedReplica) -> Wired {
        let (place, limits) = (hosted.place, &self.checked.config.limits);
        let (request_sender, requests) = bounded(limits.chain_inputs_max);
        let (peer_sender, peers) = bounded(limits.chain_inputs_max);
        // Twice the queue: as many writes wait for the sync as may be in it.
        let (completed, completions) = bounded(2 * limits.log_writes_max + OTHER_COMPLETIONS_MAX);
        let (space_sender, space_wanted) = bounded(1);
        let (certified_sender, certified) = watch::channel(None);
        let published = Arc::new(Published::default());
        let blocks = Arc::clone(self.blocks);
        let reader = Arc::new(BlockReader::new(place.chain, blocks, limits.cached_payments_max));
        let missing = Arc::new(MissingBlocks::default());
        let network = self.links.of_chain(self.runtime, &self.checked.cluster.topology, place);
        network.report_ends(&peer_sender);
        let archives = network.archives();
        let outputs = Outputs {
            log: Arc::clone(&self.log),
            log_jobs: self.log_jobs.clone(),
            archive: self.archive.clone(),
            completed,
            network,
            reader: Arc::clone(&reader),
            missing: Arc::clone(&missing),
            published: Arc::clone(&published),
            certified: certified_sender,
            refusals: Arc::clone(&self.refusals),
        };
        let handle = ChainHandle {
            chain: place.chain,
            validator: place.validator,
            requests: request_sender,
            peers: peer_sender,
            seat: Arc::default(),
            published,
            certified,
            reader,
            missing,
        };
        let queues = Queues { completions, peers, requests, space_wanted };
        Wired { handle, space_wanted: space_sender, queues, outputs, archives }
    }
}

fn runtime(archive_read_threads: usize) -> Result<Runtime, StartError> {
    let mut builder = tributary_service::runtime::builder();
    builder.thread_name("runtime").max_blocking_threads(archive_read_threads);
    Ok(builder.build()?)
}

/// A replica that goes on from where its process ended.
struct Restarted {
    replica: Replica,
    tick: Duration,
    /// The last checkpoint; what it has executed since it has executed again.
    saved: Option<Header>,
}

/// Brings every replica to where it was, as many at once as there are cores.
fn restore(
    checked: &Checked,
    storage: &Storage,
    signatures: &Arc<SignaturePool>,
) -> Result<Vec<Restarted>, StartError> {
    let limits = checked.config.limits.of_replica(checked.hosted.len());
    let restored = checked.hosted.par_iter().map(|hosted| {
        let chain = hosted.place.chain;
        let verifier: Arc<dyn SignatureVerifier> = Arc::<SignaturePool>::clone(signatures);
        let settings = ReplicaConfig {
            verifier,
            limits,
            ..ReplicaConfig::new(chain, hosted.place.validator, hosted.key.clone())
        };
        let tick = Duration::from_millis(settings.tick_ms);
        let restored = storage.restored(chain)?;
        let saved = restored.checkpoint.as_ref().map(|checkpoint| checkpoint.header.clone());
        let replica = Replica::new(settings, &checked.cluster.genesis, restored)
            .map_err(|error| StartError::Replica { chain, error })?;
        let height = replica.ledger().header().height;
        tracing::info!(%chain, %height, "replica restored");
        Ok(Restarted { replica, tick, saved })
    });
    restored.collect()
}

/// Starts what fetches blocks that archives lack. Needs a runtime.
fn start_backfills(
    supervisor: &Supervisor,
    checked: &Checked,
    replicas: &[Restarted],
    wired: &mut [Wired],
) {
    for (Restarted { replica, saved, .. }, wired) in replicas.iter().zip(wired) {
        // Nothing is missing above: it is executed again.
        if let Some(header) = saved {
            wired.outputs.missing.state_is_at(header.clone());
        }
        let ledger = replica.ledger();
        let rules = ChainRules {
            chain: ledger.chain(),
            cluster: checked.cluster.hash,
            validators: ledger.validator_set().clone(),
        };
        let backfill = Backfill::new(Means {
            rules: Arc::new(rules),
            reader: Arc::clone(&wired.handle.reader),
            missing: Arc::clone(&wired.handle.missing),
            peers: std::mem::take(&mut wired.archives),
            refusals: Arc::clone(&wired.outputs.refusals),
        });
        supervisor.task(&format!("backfill-{}", wired.handle.chain), backfill.run());
    }
}

/// Starts the threads that own the data.
fn start_stores(
    host: &mut Host,
    supervisor: &Supervisor,
    storage: Storage,
    (log_jobs, archive_jobs): (Receiver<LogJob>, Receiver<ArchiveJob>),
    space_wanted: BTreeMap<ChainId, Sender<()>>,
) -> Result<(), StartError> {
    let Storage { log, maintainer, checkpoints: store, blocks } = storage;
    host.stores.push(supervisor.thread("log", move || log::run(&log, &log_jobs))?);
    let (checkpoint_sender, checkpoint_jobs) = bounded(CHECKPOINT_JOBS_MAX);
    let archive = move || archive::run(blocks.as_ref(), &checkpoint_sender, &archive_jobs);
    host.stores.push(supervisor.thread("archive", archive)?);
    let checkpoints = move || checkpoints::run(store, &checkpoint_jobs);
    host.stores.push(supervisor.thread("checkpoints", checkpoints)?);
    let (sender, ended) = bounded(0);
    let purge = move || storage::maintain(&maintainer, &space_wanted, &ended);
    host.maintenance = Some((sender, supervisor.thread("maintenance", purge)?));
    Ok(())
}
