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
        if let Some((certified, certificate)) = told.cloned() {
            self.heights.insert(header.height, height);
            return Counted { vote: None, tallied: Tallied::Certified(certified, certificate) };
        }
        self.heights.insert(header.height, height);
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
        // A height behind that is not tracked was certified before the start.
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
mod tests {
    use super::*;
    use crate::signing::{SIGNED_HEIGHTS, SIGNED_SPAN_MS};
    use tributary_types::{ChainId, Domain, TimeMs};

    fn key(validator: u16) -> SigningKey {
        let [low, high] = validator.to_le_bytes();
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&[low, high]);
        SigningKey::from_seed(seed)
    }

    /// Each is due.
    fn header(height: u64, mark: u8) -> Header {
        let hash = Domain::Body.hash(&[mark]);
        Header {
            chain: ChainId::new(1),
            height: BlockHeight::new(height),
            parent: hash,
            time: TimeMs::new(height * SIGNED_SPAN_MS),
            validator_set: hash,
            body_root: hash,
            receipts_root: hash,
            state_root: hash,
            channels_root: hash,
        }
    }

    fn hash(header: &Header) -> Hash {
        header.hash(&Hash::ZERO)
    }

    fn vote(validator: u16, header: &Header) -> HeaderVote {
        let hash = hash(header);
        let vote = Vote::sign(validator, &key(validator), &hash);
        HeaderVote { height: header.height, header_hash: hash, vote }
    }

    fn votes(validators: u16) -> Votes {
        let keys = (0..validators).map(|validator| key(validator).public()).collect();
        let set = ValidatorSet::new(0, keys).unwrap();
        Votes::new(set, 0, key(0), BlockHeight::new(0), None)
    }

    fn receive(votes: &mut Votes, validator: u16, header: &Header) -> Counted {
        votes.received(&vote(validator, header)).unwrap()
    }

    fn execute(votes: &mut Votes, header: &Header) -> Tallied {
        votes.executed(header, hash(header)).tallied
    }

    #[test]
    fn a_quorum_certifies_and_a_single_validator_is_one() {
        let mut alone = votes(1);
        let done = execute(&mut alone, &header(1, 0));
        assert!(matches!(done, Tallied::Certified(_, certificate) if certificate.votes.len() == 1));

        let mut three = votes(3);
        assert!(matches!(execute(&mut three, &header(1, 0)), Tallied::Open));
        let done = receive(&mut three, 2, &header(1, 0)).tallied;
        assert!(matches!(done, Tallied::Certified(_, certificate) if certificate.votes.len() == 2));
        assert_eq!(three.last_certified(), BlockHeight::new(1));
    }

    #[test]
    fn votes_that_come_before_execution_count() {
        let mut votes = votes(3);
        receive(&mut votes, 1, &header(1, 0));
        assert!(matches!(execute(&mut votes, &header(1, 0)), Tallied::Certified(..)));
    }

    #[test]
    fn a_vote_counts_once_and_only_with_its_signature() {
        let mut votes = votes(5);
        execute(&mut votes, &header(1, 0));
        for _ in 0..3 {
            let counted = receive(&mut votes, 1, &header(1, 0));
            assert!(matches!(counted.tallied, Tallied::Open));
        }
        let mut forged = vote(1, &header(1, 0));
        forged.vote.validator = 2;
        assert_eq!(votes.received(&forged).unwrap_err(), CertificateError::WrongSignature(2));
    }

    #[test]
    fn a_quorum_for_another_header_is_divergence_and_one_vote_is_not() {
        let mut votes = votes(3);
        execute(&mut votes, &header(1, 0));
        let first = receive(&mut votes, 1, &header(1, 9)).tallied;
        assert!(matches!(first, Tallied::Open));
        let Tallied::Diverged(fatality) = receive(&mut votes, 2, &header(1, 9)).tallied else {
            panic!("two of three signed another header");
        };
        assert!(matches!(fatality, Fatality::Diverged { votes, .. } if votes.len() == 2));
    }

    #[test]
    fn a_certificate_holds_for_all_lower_heights_too() {
        let mut votes = votes(3);
        for height in 1..=4 {
            execute(&mut votes, &header(height, 0));
        }
        receive(&mut votes, 1, &header(3, 0));
        assert_eq!(votes.last_certified(), BlockHeight::new(3));
        let late = receive(&mut votes, 2, &header(2, 0));
        assert!(matches!(late, Counted { vote: None, tallied: Tallied::Open }));
        let resent = votes.votes_for(1, BlockHeight::new(0));
        assert_eq!(resent.iter().map(|vote| vote.height.get()).collect::<Vec<_>>(), [3, 4]);
    }

    #[test]
    fn a_header_that_is_not_due_is_signed_when_a_peer_has_signed_it_or_somebody_asks() {
        let not_due = |height: u64| Header { time: header(1, 0).time, ..header(height, 0) };
        let mut votes = votes(3);
        assert!(votes.executed(&header(1, 0), hash(&header(1, 0))).vote.is_some(), "no parent");
        assert!(votes.executed(&not_due(2), hash(&not_due(2))).vote.is_none());
        assert!(votes.executed(&not_due(3), hash(&not_due(3))).vote.is_none());
        let asked = receive(&mut votes, 1, &not_due(2));
        assert_eq!(asked.vote.map(|vote| vote.header_hash), Some(hash(&not_due(2))));
        assert!(
            matches!(asked.tallied, Tallied::Certified(certified, _) if certified == not_due(2))
        );
        receive(&mut votes, 2, &not_due(4));
        let counted = votes.executed(&not_due(4), hash(&not_due(4)));
        assert!(matches!(counted.tallied, Tallied::Certified(..)) && counted.vote.is_some());
        votes.executed(&not_due(5), hash(&not_due(5)));
        assert_eq!(votes.sign_last().vote.map(|vote| vote.height), Some(BlockHeight::new(5)));
        assert!(votes.sign_last().vote.is_none(), "once");
    }

    #[test]
    fn every_span_of_time_and_every_so_many_heights_have_a_header_that_is_due() {
        let mut votes = votes(3);
        let at = |height, time| Header { time: TimeMs::new(time), ..header(height, 0) };
        let mut signed = Vec::new();
        for height in 1..=70 {
            let header = at(height, 7 + 3 * height.min(20));
            signed.extend(votes.executed(&header, hash(&header)).vote.map(|own| own.height.get()));
        }
        assert_eq!(signed, [1, 15, SIGNED_HEIGHTS, 2 * SIGNED_HEIGHTS]);
        let last = Header { channels_root: Hash::ZERO, ..at(71, 67) };
        assert!(votes.executed(&last, hash(&last)).vote.is_some(), "it has something to tell");
    }

    /// Found by the seeds 685 and 7002088 of `sim-fast --long`, where no block came
    /// any more: one of three validators was dead, or had voted for another header
    /// first; one had restarted, or had come to this height by a snapshot.
    #[test]
    fn the_certificate_of_a_peer_stands_for_votes_that_never_come() {
        let executed = Header { validator_set: votes(3).set.hash(), ..header(1, 0) };
        let signed = |header: &Header, validators: [u16; 2]| CertifiedHeader {
            header: header.clone(),
            certificate: Certificate { votes: validators.map(|v| vote(v, header).vote).to_vec() },
        };
        let mut votes = votes(3);
        let good = signed(&executed, [0, 2]);
        let early = votes.certified_elsewhere(&Hash::ZERO, good.clone());
        assert!(matches!(early, Ok(Tallied::Open)), "it was not executed here");
        execute(&mut votes, &executed);
        votes.received(&vote(2, &header(1, 9))).unwrap();
        let mut forged = good.clone();
        forged.certificate.votes[1].validator = 1;
        let refused = votes.certified_elsewhere(&Hash::ZERO, forged);
        assert_eq!(refused.unwrap_err(), CertificateError::WrongSignature(1));
        assert!(votes.certificate_above(BlockHeight::new(0)).is_none());

        let done = votes.certified_elsewhere(&Hash::ZERO, good.clone());
        assert!(matches!(done, Ok(Tallied::Certified(header, _)) if header == executed));
        assert_eq!(votes.certificate_above(BlockHeight::new(0)), Some(good.clone()));
        assert_eq!(votes.certificate_above(BlockHeight::new(1)), None);
        let again = votes.certified_elsewhere(&Hash::ZERO, good);
        assert!(matches!(again, Ok(Tallied::Open)));
    }

    /// Found by the seed 10004498 of `sim-fast --wide --long`: all replicas of an
    /// idle chain restarted, and none showed relays the last certified header.
    #[test]
    fn what_was_certified_before_a_restart_is_told_again_when_it_is_executed() {
        let mut before = votes(3);
        execute(&mut before, &header(1, 0));
        execute(&mut before, &header(2, 0));
        before.received(&vote(1, &header(2, 0))).unwrap();
        let certified = before.last_certificate().cloned();
        let mut votes = Votes { last_certified: certified.clone(), ..votes(3) };
        assert!(matches!(execute(&mut votes, &header(1, 0)), Tallied::Open));
        let Tallied::Certified(told, certificate) = execute(&mut votes, &header(2, 0)) else {
            panic!("it was certified before");
        };
        assert_eq!(Some((told, certificate)), certified);
        assert!(votes.executed(&header(3, 0), hash(&header(3, 0))).vote.is_some());
    }

    #[test]
    fn an_installed_state_without_a_certificate_is_certified_by_others() {
        let mut votes = votes(3);
        votes.installed(&header(7, 0), hash(&header(7, 0)), None);
        assert_eq!(votes.last_certified(), BlockHeight::new(0), "votes are wanted");
        assert!(votes.sign_last().vote.is_none(), "others executed it");
        assert!(receive(&mut votes, 1, &header(7, 0)).vote.is_none());
        let done = receive(&mut votes, 2, &header(7, 0)).tallied;
        assert!(matches!(done, Tallied::Certified(header, _) if header.height.get() == 7));
        assert_eq!(votes.last_certified(), BlockHeight::new(7));
    }

    #[test]
    fn the_certificate_of_another_header_is_divergence() {
        let mut votes = votes(3);
        execute(&mut votes, &header(1, 0));
        let other = Header { validator_set: votes.set.hash(), ..header(1, 9) };
        let certificate = Certificate { votes: [1, 2].map(|v| vote(v, &other).vote).to_vec() };
        let message = CertifiedHeader { header: other.clone(), certificate };
        let Ok(Tallied::Diverged(Fatality::Diverged { own, other: found, votes, .. })) =
            votes.certified_elsewhere(&Hash::ZERO, message)
        else {
            panic!("a quorum signed another header");
        };
        assert_eq!((own, found, votes.len()), (hash(&header(1, 0)), hash(&other), 2));
    }

    #[test]
    fn a_peer_far_behind_gets_the_lowest_votes_and_the_last() {
        let mut votes = votes(3);
        for height in 1..=200 {
            execute(&mut votes, &header(height, 0));
        }
        let resent = votes.votes_for(2, BlockHeight::new(50));
        assert_eq!(resent.len(), VOTES_RESENT_MAX);
        assert_eq!((resent[0].height.get(), resent[VOTES_RESENT_MAX - 1].height.get()), (51, 200));
        assert!(!votes.is_wanted_by(2, BlockHeight::new(50)));
        assert!(votes.is_wanted_by(2, BlockHeight::new(51)));
    }

    #[test]
    fn only_a_window_of_heights_is_kept() {
        let mut votes = votes(3);
        receive(&mut votes, 1, &header(HEIGHTS_AHEAD_MAX + 1, 0));
        assert!(votes.heights.is_empty());
        for height in 1..=HEIGHTS_KEPT + 5 {
            execute(&mut votes, &header(height, 0));
        }
        assert_eq!(votes.heights.len() as u64, HEIGHTS_KEPT + 1);
    }
}
