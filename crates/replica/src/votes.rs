//! Votes become certificates, or evidence.
//!
//! Every executed header is signed and the signature sent to all. Equal
//! signatures of a quorum are a certificate; a quorum that signed another
//! header than this replica executed proves that this replica has diverged.
//! Only recent heights are kept: votes that come too early or too late are
//! dropped, and asked for again by what [`crate::ClockNotice`] says.

use std::collections::BTreeMap;

use tributary_chain::certificate::Vote;
use tributary_chain::{Certificate, CertificateError, Header, ValidatorSet};
use tributary_types::{BlockHeight, Hash, SigningKey};

use crate::effect::Fatality;
use crate::peer::{CertifiedHeader, HeaderVote};

/// Heights behind the last executed one whose votes are kept.
pub(crate) const HEIGHTS_KEPT: u64 = 1_024;
/// Heights ahead of the last executed one whose votes are kept.
pub(crate) const HEIGHTS_AHEAD_MAX: u64 = 1_024;
/// Votes sent again in answer to one notice.
pub(crate) const VOTES_RESENT_MAX: usize = 64;

/// What a vote led to.
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

    /// Signs a header that was executed just now, unless it is known to be
    /// certified; the vote is to be sent to all. Of what was certified before a
    /// restart, the last is told again once it is executed: perhaps no later one
    /// comes.
    pub fn executed(&mut self, header: &Header, hash: Hash) -> (Option<HeaderVote>, Tallied) {
        self.executed = header.height;
        let lowest = BlockHeight::new(header.height.get().saturating_sub(HEIGHTS_KEPT));
        while self.heights.first_key_value().is_some_and(|(height, _)| *height < lowest) {
            self.heights.pop_first();
        }
        match &self.last_certified {
            Some((certified, _)) if header.height < certified.height => {
                return (None, Tallied::Open);
            }
            Some((certified, certificate)) if header.height == certified.height => {
                let told = Tallied::Certified(certified.clone(), certificate.clone());
                return (None, told);
            }
            _ => {}
        }
        let vote = Vote::sign(self.validator, &self.key, &hash);
        let own = HeaderVote { height: header.height, header_hash: hash, vote };
        let height = self.heights.entry(header.height).or_default();
        height.executed = Some((header.clone(), hash));
        height.own = Some(own);
        height.votes.insert(self.validator, (hash, vote));
        (Some(own), self.tally(header.height))
    }

    /// A peer's vote.
    ///
    /// # Errors
    /// [`CertificateError`] if the signature does not verify.
    pub fn received(&mut self, message: &HeaderVote) -> Result<Tallied, CertificateError> {
        let height = message.height.get();
        let near = height.saturating_add(HEIGHTS_KEPT) >= self.executed.get()
            && height <= self.executed.get().saturating_add(HEIGHTS_AHEAD_MAX);
        let executed_here = message.height <= self.executed;
        let tracked = self.heights.get(&message.height);
        let known = tracked.is_some_and(|found| {
            found.certified || found.votes.contains_key(&message.vote.validator)
        });
        // A height behind that is not tracked was certified before the start.
        if !near || known || (executed_here && tracked.is_none()) {
            return Ok(Tallied::Open);
        }
        message.vote.verify(&self.set, &message.header_hash)?;
        let found = self.heights.entry(message.height).or_default();
        found.votes.insert(message.vote.validator, (message.header_hash, message.vote));
        Ok(self.tally(message.height))
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
        height.certified = certificate.is_some();
        if let Some(certificate) = certificate {
            self.note_certified(header.clone(), certificate);
        }
    }

    /// The highest height certified here.
    pub fn last_certified(&self) -> BlockHeight {
        self.last_certified.as_ref().map_or(BlockHeight::new(0), |(header, _)| header.height)
    }

    /// The highest certified header.
    pub fn last_certificate(&self) -> Option<&(Header, Certificate)> {
        self.last_certified.as_ref()
    }

    /// Up to where this replica needs no votes of others.
    pub fn certified_through(&self) -> BlockHeight {
        let open = self.heights.range(..=self.executed).find(|(_, height)| !height.certified);
        open.map_or(self.executed, |(height, _)| BlockHeight::new(height.get().saturating_sub(1)))
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

    fn note_certified(&mut self, header: Header, certificate: Certificate) {
        if header.height > self.last_certified() {
            self.last_certified = Some((header, certificate));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_types::{ChainId, Domain, TimeMs};

    fn key(validator: u16) -> SigningKey {
        let [low, high] = validator.to_le_bytes();
        let mut seed = [7; 32];
        seed[..2].copy_from_slice(&[low, high]);
        SigningKey::from_seed(seed)
    }

    fn header(height: u64, mark: u8) -> Header {
        let hash = Domain::Body.hash(&[mark]);
        Header {
            chain: ChainId::new(1),
            height: BlockHeight::new(height),
            parent: hash,
            time: TimeMs::new(0),
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

    fn execute(votes: &mut Votes, header: &Header) -> Tallied {
        votes.executed(header, hash(header)).1
    }

    #[test]
    fn a_quorum_certifies_and_a_single_validator_is_one() {
        let mut alone = votes(1);
        let done = execute(&mut alone, &header(1, 0));
        assert!(matches!(done, Tallied::Certified(_, certificate) if certificate.votes.len() == 1));

        let mut three = votes(3);
        assert!(matches!(execute(&mut three, &header(1, 0)), Tallied::Open));
        let done = three.received(&vote(2, &header(1, 0))).unwrap();
        assert!(matches!(done, Tallied::Certified(_, certificate) if certificate.votes.len() == 2));
        assert_eq!(three.certified_through(), BlockHeight::new(1));
    }

    #[test]
    fn votes_that_come_before_execution_count() {
        let mut votes = votes(3);
        votes.received(&vote(1, &header(1, 0))).unwrap();
        assert!(matches!(execute(&mut votes, &header(1, 0)), Tallied::Certified(..)));
    }

    #[test]
    fn a_vote_counts_once_and_only_with_its_signature() {
        let mut votes = votes(5);
        execute(&mut votes, &header(1, 0));
        for _ in 0..3 {
            let tallied = votes.received(&vote(1, &header(1, 0))).unwrap();
            assert!(matches!(tallied, Tallied::Open));
        }
        let mut forged = vote(1, &header(1, 0));
        forged.vote.validator = 2;
        assert_eq!(votes.received(&forged).unwrap_err(), CertificateError::WrongSignature(2));
    }

    #[test]
    fn a_quorum_for_another_header_is_divergence_and_one_vote_is_not() {
        let mut votes = votes(3);
        execute(&mut votes, &header(1, 0));
        assert!(matches!(votes.received(&vote(1, &header(1, 9))), Ok(Tallied::Open)));
        let Ok(Tallied::Diverged(fatality)) = votes.received(&vote(2, &header(1, 9))) else {
            panic!("two of three signed another header");
        };
        assert!(matches!(fatality, Fatality::Diverged { votes, .. } if votes.len() == 2));
    }

    #[test]
    fn a_height_without_certificate_is_asked_for_until_it_has_one() {
        let mut votes = votes(3);
        for height in 1..=3 {
            execute(&mut votes, &header(height, 0));
        }
        votes.received(&vote(1, &header(1, 0))).unwrap();
        votes.received(&vote(1, &header(3, 0))).unwrap();
        assert_eq!(votes.certified_through(), BlockHeight::new(1));
        assert_eq!(votes.last_certified(), BlockHeight::new(3));
        let resent = votes.votes_for(1, BlockHeight::new(1));
        assert_eq!(resent.iter().map(|vote| vote.height.get()).collect::<Vec<_>>(), [2, 3]);
        votes.received(&vote(2, &header(2, 0))).unwrap();
        assert_eq!(votes.certified_through(), BlockHeight::new(3));
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
        assert_eq!(votes.certified_through(), BlockHeight::new(2));
    }

    #[test]
    fn an_installed_state_without_a_certificate_is_certified_by_others() {
        let mut votes = votes(3);
        votes.installed(&header(7, 0), hash(&header(7, 0)), None);
        assert_eq!(votes.certified_through(), BlockHeight::new(6), "votes are wanted");
        votes.received(&vote(1, &header(7, 0))).unwrap();
        let done = votes.received(&vote(2, &header(7, 0))).unwrap();
        assert!(matches!(done, Tallied::Certified(header, _) if header.height.get() == 7));
        assert_eq!(votes.certified_through(), BlockHeight::new(7));
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
        votes.received(&vote(1, &header(HEIGHTS_AHEAD_MAX + 1, 0))).unwrap();
        assert!(votes.heights.is_empty());
        for height in 1..=HEIGHTS_KEPT + 5 {
            execute(&mut votes, &header(height, 0));
        }
        assert_eq!(votes.heights.len() as u64, HEIGHTS_KEPT + 1);
    }
}
