//! One strand: a bounded queue towards a chain, whose task joins what many
//! front-ends ask for into batches and has one batch under way at a time.
//!
//! With nothing under way a portion is sent at once; else it waits, with all
//! others that come meanwhile, for the batch before it. A batch costs the chain
//! about the same whatever is in it, so where several callers wait, the strand
//! *rests* after a batch for as long as that one took, or until the next one is
//! full: batches are larger then, and half as many. After a batch of one caller
//! there is no rest.
//! Portions are joined whole and in order, see [`crate::portion`].

use std::sync::Arc;
use std::time::Duration;

use metrics::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};
use tributary_chain::Batch;
use tributary_chain::batch::{BATCH_OPERATIONS_MAX, BATCH_PAYMENTS_MAX, OwnerSignature};
use tributary_types::{Hash, InstitutionId, SigningKey};
use tributary_wire::router::RouterError;

use crate::chain::Chain;
use crate::executed::{Executed, Share};
use crate::metric;
use crate::portion::{Portion, item_number};

/// What a front-end is told to wait, in ms, when a queue is full: about what
/// one batch takes under load.
pub const OVERLOADED_RETRY_MS: u64 = 50;

/// Longest rest after a batch: one that took very long may have met an election.
const REST_MAX: Duration = Duration::from_millis(20);

/// The outcomes of a portion, or why there are none.
pub type Answer = Result<Share, RouterError>;

/// Who signs what the strands send.
#[derive(Debug)]
pub struct Signer {
    /// Hash of the genesis.
    pub cluster: Hash,
    /// On whose behalf.
    pub institution: InstitutionId,
    /// A key that is registered for it.
    pub key: SigningKey,
}

/// The sending end of a strand.
#[derive(Debug)]
pub struct Strand {
    queue: mpsc::Sender<Waiting>,
    room: Room,
}

/// The receiving end; [`StrandTask::run`] drives it.
pub struct StrandTask {
    queue: mpsc::Receiver<Waiting>,
    room: Room,
    chain: Arc<Chain>,
    signer: Arc<Signer>,
    items: Gauge,
}

/// For payments and operations in the queue and under way.
#[derive(Debug, Clone)]
struct Room {
    free: Arc<Semaphore>,
    items_max: usize,
}

impl Room {
    fn taken(&self) -> usize {
        self.items_max.saturating_sub(self.free.available_permits())
    }
}

/// A portion that waits for its batch, or is under way in it.
struct Waiting {
    portion: Portion,
    answer: oneshot::Sender<Answer>,
    /// Held until the portion is answered.
    room: OwnedSemaphorePermit,
}

impl Strand {
    /// A strand that holds at most `items_max` payments and operations,
    /// waiting and under way, and the task that serves it.
    #[must_use]
    pub fn new(
        chain: Arc<Chain>,
        number: u8,
        signer: Arc<Signer>,
        items_max: u32,
    ) -> (Self, StrandTask) {
        let items_max = items_max as usize;
        // No portion is empty, so the room bounds the queue's length too.
        let (sender, queue) = mpsc::channel(items_max);
        let room = Room { free: Arc::new(Semaphore::new(items_max)), items_max };
        let items = metric::queue(chain.id(), number);
        let task = StrandTask { queue, room: room.clone(), chain, signer, items };
        (Self { queue: sender, room }, task)
    }

    /// Puts a portion into the queue; its answer comes through the receiver.
    ///
    /// # Errors
    /// [`RouterError::Overloaded`] at once if there is no room for it.
    pub fn enqueue(&self, portion: Portion) -> Result<oneshot::Receiver<Answer>, RouterError> {
        let overloaded = || RouterError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS };
        let items = u32::try_from(portion.item_count()).map_err(|_| overloaded())?;
        let room =
            Arc::clone(&self.room.free).try_acquire_many_owned(items).map_err(|_| overloaded())?;
        let (sender, receiver) = oneshot::channel();
        let waiting = Waiting { portion, answer: sender, room };
        self.queue.try_send(waiting).map_err(|_| overloaded())?;
        Ok(receiver)
    }

    /// Payments and operations in the queue and under way.
    #[must_use]
    pub fn items(&self) -> usize {
        self.room.taken()
    }
}

impl StrandTask {
    /// Serves the strand until its sending end is gone.
    pub async fn run(mut self) {
        let mut left_over = None;
        let mut rest_end = Instant::now();
        while let Some(first) = match left_over.take() {
            Some(waiting) => Some(waiting),
            None => self.queue.recv().await,
        } {
            let mut gathered = Gathered::default();
            gathered.join(first);
            left_over = self.gather(&mut gathered, rest_end).await;
            let (begin, callers) = (Instant::now(), gathered.members.len());
            metric::set(&self.items, self.room.taken());
            gathered.send(&self.chain, &self.signer).await;
            metric::set(&self.items, self.room.taken());
            rest_end = Instant::now() + rest(callers, begin.elapsed());
        }
    }

    /// Joins what waits, and what comes until `rest_end`. Returns what does not
    /// fit any more.
    async fn gather(&mut self, gathered: &mut Gathered, rest_end: Instant) -> Option<Waiting> {
        while gathered.has_room_for(0, 1) {
            let waiting = match self.queue.try_recv() {
                Ok(waiting) => waiting,
                // A timer that is over counts up to the next millisecond.
                Err(_) if Instant::now() >= rest_end => return None,
                Err(_) => timeout_at(rest_end, self.queue.recv()).await.ok()??,
            };
            let Portion { operations, payments, .. } = &waiting.portion;
            if !gathered.has_room_for(operations.len(), payments.len()) {
                return Some(waiting);
            }
            gathered.join(waiting);
        }
        None
    }
}

/// How long a strand rests after a batch of so many callers that took so long.
fn rest(callers: usize, took: Duration) -> Duration {
    if callers > 1 { took.min(REST_MAX) } else { Duration::ZERO }
}

/// Portions that become one batch.
#[derive(Default)]
struct Gathered {
    joined: Portion,
    members: Vec<Member>,
}

struct Member {
    operations: usize,
    payments: usize,
    answer: oneshot::Sender<Answer>,
    room: OwnedSemaphorePermit,
}

impl Gathered {
    fn has_room_for(&self, operations: usize, payments: usize) -> bool {
        self.joined.operations.len() + operations <= BATCH_OPERATIONS_MAX
            && self.joined.payments.len() + payments <= BATCH_PAYMENTS_MAX
    }

    fn join(&mut self, waiting: Waiting) {
        let Waiting { portion, answer, room } = waiting;
        if answer.is_closed() {
            // Whoever asked is gone and has not been promised anything.
            return;
        }
        let (operations, payments) = (portion.operations.len(), portion.payments.len());
        if self.members.is_empty() {
            self.joined = portion;
        } else {
            let before = item_number(self.joined.payments.len());
            let moved =
                |own: OwnerSignature| OwnerSignature { payment: before + own.payment, ..own };
            self.joined.owner_signatures.extend(portion.owner_signatures.into_iter().map(moved));
            self.joined.operations.extend(portion.operations);
            self.joined.payments.extend(portion.payments);
        }
        self.members.push(Member { operations, payments, answer, room });
    }

    async fn send(self, chain: &Chain, signer: &Signer) {
        let Self { joined, members } = self;
        if members.is_empty() {
            return;
        }
        let operations = joined.operations.len();
        let batch = Batch::sign(
            &signer.cluster,
            chain.id(),
            signer.institution,
            &signer.key,
            joined.operations,
            joined.payments,
            joined.owner_signatures,
        );
        let answer = chain.submit(batch).await;
        distribute(members, operations, answer);
    }
}

/// Gives every member its share of a batch that has so many operations.
fn distribute(members: Vec<Member>, operations: usize, answer: Result<Executed, RouterError>) {
    let answer = answer.map(Arc::new);
    let (mut operation, mut payment) = (0, operations);
    for Member { operations, payments, answer: sender, room } in members {
        let own = (operation..operation + operations, payment..payment + payments);
        (operation, payment) = (own.0.end, own.1.end);
        let share = answer.as_ref().map_err(Clone::clone).map(|executed| {
            let (operations, payments) = own;
            Share { executed: Arc::clone(executed), operations, payments }
        });
        drop(room);
        // Whoever asked may be gone; the outcome stands in the block.
        drop(sender.send(share));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use tributary_types::payment::Payment;
    use tributary_types::{
        AccountClass, AccountId, AccountName, Amount, AssetId, ChainId, PaymentId, PaymentKind,
        PaymentRecord, Reference, Slot, TimeMs,
    };

    const ITEMS_MAX: u32 = 100_000;
    const LONG: Duration = Duration::from_secs(3_600);

    fn strand() -> (Strand, StrandTask) {
        let chain = Arc::new(Chain::new(ChainId::new(1), Vec::new()));
        let institution = InstitutionId::new(1);
        let key = SigningKey::from_seed([7; 32]);
        let signer = Arc::new(Signer { cluster: Hash::ZERO, institution, key });
        Strand::new(chain, 0, signer, ITEMS_MAX)
    }

    fn portion(payments: usize) -> Portion {
        let account = |name: &str| {
            let name: AccountName = name.parse().unwrap();
            let slot = Slot::new(0).unwrap();
            AccountId::named(AccountClass::User, InstitutionId::new(1), &name, slot)
        };
        let record = PaymentRecord::from(&Payment {
            id: PaymentId::new(TimeMs::new(1), [1; 10]),
            kind: PaymentKind::Transfer,
            asset: AssetId::new(1),
            debit: account("a"),
            credit: account("b"),
            amount: Amount::new(1),
            reference: Reference::default(),
        });
        Portion { payments: vec![record; payments], ..Portion::default() }
    }

    #[tokio::test]
    async fn without_a_rest_what_waits_is_joined_and_nothing_is_waited_for() {
        let (strand, mut task) = strand();
        let answers = [2, 3].map(|payments| strand.enqueue(portion(payments)).unwrap());
        let mut gathered = Gathered::default();
        {
            let gathering = pin!(task.gather(&mut gathered, Instant::now()));
            let polled = gathering.poll(&mut Context::from_waker(Waker::noop()));
            assert!(matches!(polled, Poll::Ready(None)));
        }
        assert_eq!((gathered.members.len(), gathered.joined.payments.len()), (2, 5));
        drop(answers);
    }

    #[tokio::test]
    async fn a_rest_ends_when_the_batch_is_full() {
        let (strand, mut task) = strand();
        let gathering = tokio::spawn(async move {
            let mut gathered = Gathered::default();
            let left_over = task.gather(&mut gathered, Instant::now() + LONG).await;
            (gathered.joined.payments.len(), left_over.map(|waiting| waiting.portion.item_count()))
        });
        let mut answers = vec![strand.enqueue(portion(BATCH_PAYMENTS_MAX - 10)).unwrap()];
        tokio::task::yield_now().await;
        answers.push(strand.enqueue(portion(9)).unwrap());
        tokio::task::yield_now().await;
        assert!(!gathering.is_finished(), "it rests: another one would fit");
        answers.push(strand.enqueue(portion(2)).unwrap());
        assert_eq!(gathering.await.unwrap(), (BATCH_PAYMENTS_MAX - 1, Some(2)));
    }

    #[test]
    fn only_what_several_callers_waited_for_is_rested_after() {
        let took = Duration::from_millis(3);
        assert_eq!(rest(1, took), Duration::ZERO);
        assert_eq!(rest(2, took), took);
        assert_eq!(rest(2, LONG), REST_MAX);
    }
}
