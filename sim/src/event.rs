//! Everything that can happen, as one closed list.

use std::sync::Arc;

use tributary_chain::Delivery;
use tributary_ledger::RoutesProof;
use tributary_types::{BlockHeight, ChainId, Receipt};

use crate::faults::Lasting;
use crate::orders::OrderNumber;
use crate::trace::Place;

/// Something that happens at a moment of virtual time. What belongs to one life
/// of a process is dropped in the next.
#[derive(Debug, Clone)]
pub enum Event {
    /// A chain's thread has waited long enough for an input.
    Wake {
        /// Where.
        node: u16,
        /// In which life.
        life: u64,
        /// Whose thread.
        chain: ChainId,
    },
    /// A message of another validator arrives.
    Peer {
        /// Where.
        node: u16,
        /// Of which chain.
        chain: ChainId,
        /// Who sent it, as its certificate proves.
        from: u16,
        /// What, encoded.
        bytes: Vec<u8>,
        /// Whether a byte of it was changed under way.
        garbled: bool,
    },
    /// A node hears that the process of another validator has ended; that may
    /// run again, or have run all the time.
    Ended {
        /// Where.
        node: u16,
        /// Of which chain.
        chain: ChainId,
        /// Which validator.
        peer: u16,
    },
    /// A snapshot has left a node, or could not.
    SnapshotLeft {
        /// Where.
        node: u16,
        /// In which life.
        life: u64,
        /// Of which chain.
        chain: ChainId,
        /// To which validator.
        to: u16,
        /// Whether it left.
        left: bool,
    },
    /// The log's sync of so many writes ends.
    Synced {
        /// Where.
        node: u16,
        /// In which life.
        life: u64,
        /// How many writes it took.
        count: usize,
    },
    /// The archive's oldest checkpoint is saved.
    Saved {
        /// Where.
        node: u16,
        /// In which life.
        life: u64,
    },
    /// A node process begins.
    Start {
        /// Where.
        node: u16,
    },
    /// A node process that was asked to stop saves what it has.
    Leave {
        /// Where.
        node: u16,
        /// In which life.
        life: u64,
    },
    /// A node process that was asked to stop ends.
    End {
        /// Where.
        node: u16,
        /// In which life.
        life: u64,
    },
    /// Somebody asks a node.
    Call {
        /// Where.
        node: u16,
        /// Who asks.
        from: Place,
        /// The caller's name for the question.
        call: u64,
        /// About which chain.
        chain: ChainId,
        /// What.
        ask: Ask,
    },
    /// A node answers a relay or router.
    Answer {
        /// Whom.
        to: Place,
        /// The caller's name for the question.
        call: u64,
        /// What.
        answer: Answer,
    },
    /// A front-end asks a router.
    Submit {
        /// Which router.
        router: u16,
        /// Which front-end.
        client: u16,
        /// What it wants done.
        orders: Vec<OrderNumber>,
    },
    /// A router answers a front-end.
    Outcomes {
        /// Which front-end.
        client: u16,
        /// What became of which order.
        outcomes: Vec<(OrderNumber, Told)>,
    },
    /// A router looks at a task again.
    RouterDue {
        /// Which router.
        router: u16,
        /// In which life.
        life: u64,
        /// Which task.
        task: u64,
        /// At which of its attempts the timer was set.
        attempt: u32,
    },
    /// A relay looks at a channel again.
    RelayDue {
        /// Which relay.
        relay: u16,
        /// In which life.
        life: u64,
        /// Which of its channels.
        channel: usize,
        /// At which of its steps the timer was set.
        step: u64,
    },
    /// A front-end looks at what it wants.
    ClientDue {
        /// Which.
        client: u16,
    },
    /// A fault of the profile's list strikes.
    Fault(usize),
    /// A lasting fault is over.
    Over(Lasting),
    /// Time to look at everything that is bounded.
    Inspect,
}

impl Event {
    /// The node whose process this happens to, and in which of its lives if only
    /// in one.
    #[must_use]
    pub const fn process(&self) -> Option<(u16, Option<u64>)> {
        match self {
            Self::Peer { node, .. } | Self::Ended { node, .. } | Self::Call { node, .. } => {
                Some((*node, None))
            }
            Self::Wake { node, life, .. }
            | Self::SnapshotLeft { node, life, .. }
            | Self::Synced { node, life, .. }
            | Self::Saved { node, life }
            | Self::Leave { node, life } => Some((*node, Some(*life))),
            _ => None,
        }
    }

    /// A number for the kind of event and one for where it happens, for the
    /// digest.
    #[must_use]
    pub fn mark(&self) -> (u8, u64) {
        match self {
            Self::Wake { node, chain, .. } => (1, place(*node, chain.get())),
            Self::Peer { node, chain, bytes, .. } => {
                (2, place(*node, chain.get()) | (bytes.len() as u64) << 32)
            }
            Self::SnapshotLeft { node, chain, .. } => (3, place(*node, chain.get())),
            Self::Synced { node, .. } => (4, place(*node, 0)),
            Self::Saved { node, .. } => (5, place(*node, 0)),
            Self::Start { node } => (6, place(*node, 0)),
            Self::End { node, .. } => (7, place(*node, 0)),
            Self::Call { node, call, .. } => (8, place(*node, 0) | *call << 32),
            Self::Answer { call, .. } => (9, *call),
            Self::Submit { router, client, .. } => (10, place(*router, *client)),
            Self::Outcomes { client, .. } => (11, place(*client, 0)),
            Self::RouterDue { router, task, .. } => (12, place(*router, 0) | *task << 32),
            Self::RelayDue { relay, step, .. } => (13, place(*relay, 0) | *step << 32),
            Self::ClientDue { client } => (14, place(*client, 0)),
            Self::Fault(index) => (15, *index as u64),
            Self::Over(_) => (16, 0),
            Self::Inspect => (17, 0),
            Self::Leave { node, .. } => (18, place(*node, 0)),
            Self::Ended { node, chain, .. } => (19, place(*node, chain.get())),
        }
    }
}

const fn place(first: u16, second: u16) -> u64 {
    (first as u64) << 16 | second as u64
}

/// What a node is asked.
#[derive(Debug, Clone)]
pub enum Ask {
    /// To execute a batch, encoded.
    Submit(Arc<[u8]>),
    /// To take a delivery, encoded.
    Deliver(Arc<[u8]>),
    /// For what the chain has for another one; held open until there is some.
    Outgoing {
        /// The receiving chain.
        peer: ChainId,
        /// The last message it has.
        after: u64,
        /// The last acknowledgement of its own messages it has.
        acknowledged: u64,
    },
    /// How far the channel with another chain is.
    Cursor {
        /// The other chain.
        peer: ChainId,
    },
    /// For the route table with its proof.
    Routes,
}

/// What a node answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A batch was executed.
    Receipts {
        /// In which block.
        height: BlockHeight,
        /// What became of its items.
        receipts: Vec<Receipt>,
    },
    /// A delivery was taken, up to this number, or refused.
    Delivered(Result<u64, ()>),
    /// What there is for the other chain.
    Outgoing(Arc<Delivery>),
    /// How far a channel is.
    Cursor {
        /// The last message of the other chain that is here.
        received: u64,
        /// The last message that the other chain is known to have.
        acknowledged: u64,
    },
    /// The route table with its proof; nothing if none is certified yet.
    Routes(Option<Arc<RoutesProof>>),
    /// Another replica leads; which validator, if known.
    NotLeader(Option<u16>),
    /// It may or may not take effect.
    Unknown,
    /// A queue is full.
    Overloaded {
        /// Suggested wait.
        retry_after_ms: u64,
    },
    /// It breaks a rule.
    Refused,
}

/// What a router tells a front-end about an order.
#[derive(Debug, Clone, Copy)]
pub enum Told {
    /// This became of it.
    Outcome(Receipt),
    /// The chain did not take the batch that it was in.
    Refused,
    /// The router gave up; the outcome is not known.
    Nothing,
}
