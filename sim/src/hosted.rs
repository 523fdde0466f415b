//! One replica inside a node process: what its thread in a real host does, in
//! the same order.
//!
//! Before every input the replica is told the time, if what it was told is
//! older than a few milliseconds; after every input its effects are carried
//! out, one by one, in the order in which it asks for them. Now and then inputs come
//! first, as where effects take long.

use std::collections::BTreeMap;
use std::sync::Arc;

use tributary_chain::channel::{DELIVERY_BYTES_MAX, Portion};
use tributary_chain::{Certificate, Delivery, Header};
use tributary_ledger::{Ledger, Outgoing, RoutesProof, RoutesProofParts};
use tributary_replica::{Replica, RequestId};
use tributary_types::{BlockHeight, ChainId, TimeMs};

use crate::event::Answer;
use crate::trace::Place;

/// Executed heights whose certificates are waited for.
const CAPTURES_MAX: usize = 256;
/// Most bytes of messages and hashes in one delivery.
const PORTION_BYTES_MAX: usize = DELIVERY_BYTES_MAX - (16 << 10);
/// Questions for what is outgoing that are held open.
const FOLLOWERS_MAX: usize = 256;

/// See the module head.
pub struct Hosted {
    /// The chain.
    pub chain: ChainId,
    /// Index in its validator set.
    pub validator: u16,
    /// The replica.
    pub replica: Replica,
    /// Who waits for which request.
    pub waiting: BTreeMap<RequestId, Caller>,
    /// When the replica was told the time last.
    pub told_at_us: Option<u64>,
    /// When the thread will have waited long enough.
    pub wake_at_us: u64,
    followers: Vec<Follower>,
    captured: BTreeMap<BlockHeight, Capture>,
    view: Option<View>,
    requests: u64,
}

/// Who asked, and what to tell.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// Who.
    pub place: Place,
    /// The caller's name for the question.
    pub call: u64,
    /// What it is about.
    pub purpose: Purpose,
}

/// What a request of a replica is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A batch; whether somebody changed it after it was signed.
    Submit,
    /// A delivery.
    Deliver,
    /// The cursor of a channel, as of everything acknowledged before.
    Cursor {
        /// The other chain.
        peer: ChainId,
        /// Height that was acknowledged when the question came.
        acknowledged: BlockHeight,
    },
    /// A state of a later block time than this.
    Later {
        /// That time.
        after: TimeMs,
    },
}

/// Somebody who waits for something new to carry.
#[derive(Debug, Clone, Copy)]
struct Follower {
    place: Place,
    call: u64,
    peer: ChainId,
    after: u64,
    acknowledged: u64,
}

/// A header and what it commits to about channels and, on the HF chain, about
/// the route table.
struct Capture {
    header: Header,
    leaves: BTreeMap<ChainId, Outgoing>,
    routes: Option<RoutesProofParts>,
}

/// The newest certified header and what it commits to.
struct View {
    certificate: Certificate,
    capture: Capture,
}

impl Hosted {
    /// The thread of a replica that was restored just now.
    #[must_use]
    pub fn new(chain: ChainId, validator: u16, replica: Replica) -> Self {
        let mut hosted = Self {
            chain,
            validator,
            waiting: BTreeMap::new(),
            told_at_us: None,
            wake_at_us: 0,
            followers: Vec::new(),
            captured: BTreeMap::new(),
            view: None,
            requests: 0,
            replica,
        };
        hosted.capture();
        hosted
    }

    /// Opens a request that will be answered once.
    pub fn open(&mut self, caller: Caller) -> RequestId {
        let id = RequestId(self.requests);
        self.requests += 1;
        self.waiting.insert(id, caller);
        id
    }

    /// Takes down what the executed header commits to.
    pub fn capture(&mut self) {
        let ledger = self.replica.ledger();
        let header = ledger.header();
        if self.captured.contains_key(&header.height) {
            return;
        }
        let leaf = |peer, sent| Some((peer, ledger.outgoing(peer, sent, 0)?));
        let leaves = ledger.channel_status();
        let leaves = leaves.iter().filter_map(|channel| leaf(channel.peer, channel.sent)).collect();
        let capture = Capture { header: header.clone(), leaves, routes: ledger.prove_routes() };
        self.captured.insert(header.height, capture);
        while self.captured.len() > CAPTURES_MAX {
            self.captured.pop_first();
        }
    }

    /// Shows a certified header to relays. One that comes late changes nothing.
    pub fn publish(&mut self, header: &Header, certificate: &Certificate) {
        let is_behind = |height: &BlockHeight| *height < header.height;
        while self.captured.first_key_value().is_some_and(|(height, _)| is_behind(height)) {
            self.captured.pop_first();
        }
        let captured = self.captured.remove(&header.height);
        let newer =
            self.view.as_ref().is_none_or(|view| view.capture.header.height < header.height);
        if let Some(capture) = captured.filter(|capture| capture.header == *header)
            && newer
        {
            self.view = Some(View { certificate: certificate.clone(), capture });
        }
    }

    /// The route table with its proof, if the chain is the HF chain and a header
    /// of it is certified.
    #[must_use]
    pub fn routes(&self) -> Option<RoutesProof> {
        let View { certificate, capture } = self.view.as_ref()?;
        let parts = capture.routes.clone()?;
        Some(parts.certified(capture.header.clone(), Vec::new(), certificate.clone()))
    }

    /// Holds a question open until there is something to answer it with.
    pub fn follow(
        &mut self,
        place: Place,
        call: u64,
        peer: ChainId,
        after: u64,
        acknowledged: u64,
    ) {
        self.followers.retain(|follower| follower.place != place || follower.peer != peer);
        if self.followers.len() < FOLLOWERS_MAX {
            self.followers.push(Follower { place, call, peer, after, acknowledged });
        }
    }

    /// Answers those for whom there is something.
    pub fn answer_followers(&mut self) -> Vec<(Place, u64, Answer)> {
        let mut answers = Vec::new();
        let Some(view) = &self.view else { return answers };
        let ledger = self.replica.ledger();
        self.followers.retain(|follower| match delivery(ledger, view, follower) {
            Some(delivery) => {
                answers.push((follower.place, follower.call, Answer::Outgoing(Arc::new(delivery))));
                false
            }
            None => true,
        });
        answers
    }
}

/// What a view proves and the follower lacks.
fn delivery(ledger: &Ledger, view: &View, follower: &Follower) -> Option<Delivery> {
    let View { certificate, capture } = view;
    let proof = capture.leaves.get(&follower.peer)?;
    let through = proof.leaf.sent_sequence;
    let is_newer = through > follower.after || proof.leaf.received_sequence > follower.acknowledged;
    if !is_newer {
        return None;
    }
    let Portion { first_sequence, messages, tail } = if through > follower.after {
        portion(ledger, follower.peer, follower.after, through)?
    } else {
        Portion { first_sequence: follower.after + 1, messages: Vec::new(), tail: Vec::new() }
    };
    Some(Delivery {
        first_sequence,
        messages,
        tail,
        leaf: proof.leaf,
        path: proof.path.clone(),
        channels: proof.channels,
        header: capture.header.clone(),
        certificate: certificate.clone(),
    })
}

/// Unacknowledged messages up to `through`, or their hashes where they do not
/// fit; the outbox may be ahead of the header that they are wanted for.
fn portion(ledger: &Ledger, peer: ChainId, after: u64, through: u64) -> Option<Portion> {
    let channels = ledger.channel_status();
    let channel = channels.iter().find(|channel| channel.peer == peer)?;
    let after = after.max(channel.acknowledged);
    let Outgoing { first_sequence, mut messages, mut tail, .. } =
        ledger.outgoing(peer, after, PORTION_BYTES_MAX)?;
    let wanted = usize::try_from(through.saturating_sub(after)).unwrap_or(usize::MAX);
    messages.truncate(wanted);
    tail.truncate(wanted - messages.len());
    Some(Portion { first_sequence, messages, tail })
}
