//! Votes become certificates, or evidence.
//!
//! Every executed header is noted; those that [`crate::signing`] names are
//! signed, and the signature sent to all. Equal signatures of a quorum are a
//! certificate, for all headers before it too; a quorum that signed another
//! header than this replica executed proves that this replica has diverged.
//! Only recent heights are kept, from the last certified one on: votes that come
//! too early or too late are dropped, and asked for again by what
//! [`crate::ClockNotice`] says.

use std::collections::BTreeMap;

use tributary_chain::certificate::Vote;
use tributary_chain::{Certificate, CertificateError, Header, ValidatorSet};
use tributary_types::{BlockHeight, Hash, SigningKey};

use crate::effect::Fatality;
use crate::peer::{CertifiedHeader, HeaderVote};
use crate::signing::is_due;

/// Heights behind the last executed one whose votes are kept.
pub(crate) const HEIGHTS_KEPT: u64 = 1_024;
/// Heights ahead of the last executed one whose votes are kept.
pub(crate) const HEIGHTS_AHEAD_MAX: u64 = 1_024;
/// Votes sent again in answer to one notice.
pub(crate) const VOTES_RESENT_MAX: usize = 64;

/// What came of a header or vote.
#[derive(Debug)]
pub(crate) struct Counted {
    /// This replica's own vote, given just now: to be sent to all.
    pub vote: Option<HeaderVote>,
    /// What the votes for that height amount to.
    pub tallied: Tallied,
}

/// What the votes for a height amount to.
#[derive(Debug)]
pub(crate) enum Tallied {
    /// Nothing yet, or nothing new.
    Open,
    /// A quorum agrees with this replica.
    Certified(Header, Certificate),
    /// A quorum agrees on something else.
    Diverged(Fatality),
}

/// The votes for one height.
#[derive(Debug, Default)]
struct Height {
    /// The header executed here and its hash.
    executed: Option<(Header, Hash)>,
    /// Others executed it: this replica took their state over and signs nothing.
    installed: bool,
    /// This replica's own vote.
    own: Option<HeaderVote>,
    /// Each validator's first vote, with what it signed.
    votes: BTreeMap<u16, (Hash, Vote)>,
    certified: bool,
}

/// See the module head.
#[derive(Debug)]
pub(crate) struct Votes {
    set: ValidatorSet,
    validator: u16,
    key: SigningKey,
    heights: BTreeMap<BlockHeight, Height>,
    executed: BlockHeight,
    last_certified: Option<(Header, Certificate)>,
    /// Up to where each peer said it needs no votes.
    satisfied: BTreeMap<u16, BlockHeight>,
}

impl Votes {
    /// Votes of one validator, from the state at height `executed` on.
    pub fn new(
        set: ValidatorSet,
        validator: u16,
        key: SigningKey,
        executed: BlockHeight,
        last_certified: Option<(Header, Certificate)>,
    ) -> Self {
        Self {
            set,
            validator,
            key,
            heights: BTreeMap::new(),
            executed,
            last_certified,
            satisfied: BTreeMap::new(),
        }
    }

    /// Notes a header that was executed just now, and signs it if it is due or a
    /// peer has signed one of its height. Of what was certified before a restart,
    /// the last is told again once it is executed: perhaps no later one comes.
    pub fn executed(&mut self, header: &Header, hash: Hash) -> Counted {
        self.executed = header.height;
        let lowest = BlockHeight::new(header.height.get().saturating_sub(HEIGHTS_KEPT));
        while self.heights.first_key_value().is_some_and(|(height, _)| *height < lowest) {
            self.heights.pop_first();
        }
        let certified = self.last_certified.as_ref();
        let certified = certified.filter(|(certified, _)| header.height <= certified.height);
        let told = certified.filter(|(certified, _)| certified.height == header.height);
        let is_due = self.executed_before(header.height).is_none_or(|last| is_due(last, header));
        let height = Height {
            executed: Some((header.clone(), hash)),
            certified: certified.is_some(),
            ..self.heights.remove(&header.height).unwrap_or_default()
        };
        let is_asked = !height.votes.is_empty();
        let told = told.cloned();
        self.heights.insert(header.height, height);
        if let Some((certified, certificate)) = told {
            return Counted { vote: None, tallied: Tallied::Certified(certified, certificate) };
        }
        if is_due || is_asked { self.sign(header.height) } else { Counted::nothing() }
    }

    /// Signs the header that was executed last, if that is not done yet.
    pub fn sign_last(&mut self) -> Counted {
        self.sign(self.executed)
    }

    /// A peer's vote. If this replica has executed that height, it signs its
    /// header too: a peer that wants a certificate gets one.
    ///
    /// # Errors
    /// [`CertificateError`] if the signature does not verify.
    pub fn received(&mut self, message: &HeaderVote) -> Result<Counted, CertificateError> {
        let height = message.height.get();
        let near = message.height > self.last_certified()
            && height.saturating_add(HEIGHTS_KEPT) >= self.executed.get()
            && height <= self.executed.get().saturating_add(HEIGHTS_AHEAD_MAX);
        let executed_here = message.height <= self.executed;
        let tracked = self.heights.get(&message.height);
        let known = tracked.is_some_and(|found| {
            found.certified || found.votes.contains_key(&message.vote.validator)
        });
        // A height behind that is not tracked is too old, or was before the start.
        if !near || known || (executed_here && tracked.is_none()) {
            return Ok(Counted::nothing());
        }
        message.vote.verify(&self.set, &message.header_hash)?;
        let found = self.heights.entry(message.height).or_default();
        found.votes.insert(message.vote.validator, (message.header_hash, message.vote));
        Ok(self.sign(message.height))
    }

    /// A header that a peer says is certified.
    ///
    /// # Errors
    /// [`CertificateError`] if the certificate does not hold.
    pub fn certified_elsewhere(
        &mut self,
        cluster: &Hash,
        message: CertifiedHeader,
    ) -> Result<Tallied, CertificateError> {
        let CertifiedHeader { header, certificate } = message;
        let height = self.heights.get(&header.height).filter(|height| !height.certified);
        let Some((executed, own)) = height.and_then(|height| height.executed.clone()) else {
            return Ok(Tallied::Open);
        };
        certificate.verify(cluster, &header, &self.set)?;
        if executed == header {
            return Ok(self.certify(header, certificate));
        }
        let (height, other) = (header.height, header.hash(cluster));
        let votes = certificate.votes;
        Ok(Tallied::Diverged(Fatality::Diverged { height, own, other, votes }))
    }

    /// Takes over a state that others executed: this replica has no vote for it,
    /// and may need theirs.
    pub fn installed(&mut self, header: &Header, hash: Hash, certificate: Option<Certificate>) {
        self.executed = header.height;
        self.heights = self.heights.split_off(&header.height);
        let height = self.heights.entry(header.height).or_default();
        height.executed = Some((header.clone(), hash));
        height.installed = true;
        height.certified = certificate.is_some();
        if let Some(certificate) = certificate {
            self.note_certified(header.clone(), certificate);
        }
    }

    /// The highest height certified here: up to it, this replica needs no votes.
    pub fn last_certified(&self) -> BlockHeight {
        self.last_certified.as_ref().map_or(BlockHeight::new(0), |(header, _)| header.height)
    }

    /// The highest certified header.
    pub fn last_certificate(&self) -> Option<&(Header, Certificate)> {
        self.last_certified.as_ref()
    }

    /// Whether a peer may still need a vote for `height`, as far as is known.
    pub fn is_wanted_by(&self, peer: u16, height: BlockHeight) -> bool {
        self.satisfied.get(&peer).is_none_or(|through| height > *through)
    }

    /// A peer needs no votes up to and including `through`. Returns this
    /// replica's votes that it may need: for the lowest heights above, and for
    /// the last one.
    pub fn votes_for(&mut self, peer: u16, through: BlockHeight) -> Vec<HeaderVote> {
        self.satisfied.insert(peer, through);
        let mut own = self.heights.range(through.next()..).filter_map(|(_, height)| height.own);
        let mut votes: Vec<_> = own.by_ref().take(VOTES_RESENT_MAX - 1).collect();
        votes.extend(own.next_back());
        votes
    }

    /// The last certified header, unless a peer says that it needs no votes for
    /// it.
    pub fn certificate_above(&self, through: BlockHeight) -> Option<CertifiedHeader> {
        let known = self.last_certified.as_ref().filter(|(header, _)| header.height > through);
        known.cloned().map(|(header, certificate)| CertifiedHeader { header, certificate })
    }

    /// The header executed here at the height below `height`.
    fn executed_before(&self, height: BlockHeight) -> Option<&Header> {
        let (last, found) = self.heights.range(..height).next_back()?;
        let (header, _) = found.executed.as_ref()?;
        (last.next() == height).then_some(header)
    }

    /// Signs the header executed at a height, unless that was done, is not
    /// wanted any more, or was others' doing; and counts.
    fn sign(&mut self, at: BlockHeight) -> Counted {
        let Some(height) = self.heights.get_mut(&at) else { return Counted::nothing() };
        let unsigned = height.own.is_none() && !height.certified && !height.installed;
        let vote = height.executed.as_ref().filter(|_| unsigned).map(|(_, hash)| {
            let vote = Vote::sign(self.validator, &self.key, hash);
            HeaderVote { height: at, header_hash: *hash, vote }
        });
        if let Some(own) = vote {
            height.own = vote;
            height.votes.insert(self.validator, (own.header_hash, own.vote));
        }
        Counted { vote, tallied: self.tally(at) }
    }

    fn tally(&mut self, at: BlockHeight) -> Tallied {
        let quorum = self.set.quorum();
        let Some(height) = self.heights.get(&at) else { return Tallied::Open };
        let Some((header, own)) = height.executed.clone() else { return Tallied::Open };
        if height.certified {
            return Tallied::Open;
        }
        let signers_of = |hash: Hash| {
            let equal = height.votes.values().filter(move |(signed, _)| *signed == hash);
            equal.map(|(_, vote)| *vote).collect::<Vec<_>>()
        };
        let votes = signers_of(own);
        if votes.len() >= quorum {
            return self.certify(header, Certificate { votes });
        }
        for (other, _) in height.votes.values().filter(|(signed, _)| *signed != own) {
            let votes = signers_of(*other);
            if votes.len() >= quorum {
                let other = *other;
                return Tallied::Diverged(Fatality::Diverged { height: at, own, other, votes });
            }
        }
        Tallied::Open
    }

    fn certify(&mut self, header: Header, certificate: Certificate) -> Tallied {
        if let Some(height) = self.heights.get_mut(&header.height) {
            height.certified = true;
        }
        self.note_certified(header.clone(), certificate.clone());
        Tallied::Certified(header, certificate)
    }

    /// All lower heights are certified with it, and forgotten.
    fn note_certified(&mut self, header: Header, certificate: Certificate) {
        if header.height > self.last_certified() {
            self.heights = self.heights.split_off(&header.height);
            self.last_certified = Some((header, certificate));
        }
    }
}

impl Counted {
    /// Neither a vote given nor a certificate.
    fn nothing() -> Self {
        Self { vote: None, tallied: Tallied::Open }
    }
}

#[cfg(test)]
mod tests;
