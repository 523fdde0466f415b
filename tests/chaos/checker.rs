//! The checker: pure, from a [`History`] to what is wrong with it.
//!
//! | rule | what it says |
//! | --- | --- |
//! | `definite` | every id that was submitted has a definite outcome in the end |
//! | `acknowledged` | what a client was told is what became of the id, at the same place |
//! | `once` | totals and histories are exactly those of the committed ids |
//! | `forward` | of two reads, the later one shows no smaller total |
//! | `current` | a read shows all that was acknowledged before, and nothing not asked for yet |
//! | `order` | payments of one payer stand in the order in which they were made |
//! | `time` | no new id is refused as too old or from the future: block time is right |
//! | `books` | the books of all chains balance |
//! | `enough` | payments were acknowledged, reads answered, and faults struck: each kind that is possible, in a run that is long enough for all |

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use tributary_client::{OutcomeCode, PaymentId};

use crate::history::{Answer, Fate, History, Kind, Micros, PAID, Place, Read, Subject, Submission};

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The rule, as in the table.
    pub rule: &'static str,
    /// What was found.
    pub found: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.rule, self.found)
    }
}

/// What breaks one rule.
type Rule = fn(&History) -> Vec<String>;

/// Checks every rule.
#[must_use]
pub fn check(history: &History) -> Vec<Violation> {
    let rules: [(&'static str, Rule); 9] = [
        ("definite", definite),
        ("acknowledged", acknowledged),
        ("once", once),
        ("forward", forward),
        ("current", current),
        ("order", order),
        ("time", time),
        ("books", |history| history.books.iter().cloned().collect()),
        ("enough", enough),
    ];
    let violations = rules.iter().flat_map(|(rule, check)| {
        check(history).into_iter().map(|found| Violation { rule, found })
    });
    violations.collect()
}

/// Clients' clocks are right, and they repeat nothing that is old.
fn time(history: &History) -> Vec<String> {
    let wrong = [OutcomeCode::Expired, OutcomeCode::FromFuture].map(|code| code.to_string());
    let found = history.submissions.iter().filter_map(|one| match &one.answer {
        Answer::Refused(why) if wrong.contains(why) => Some(format!("{}: {why}", one.id)),
        _ => None,
    });
    found.collect()
}

/// A run in which nothing happened would break none of the other rules.
fn enough(history: &History) -> Vec<String> {
    let lacking = [
        (history.payments_acknowledged() == 0, "no payment was acknowledged"),
        (history.reads.is_empty(), "no read was answered"),
        (history.faults_struck() == 0, "no fault struck"),
    ];
    let lacking = lacking.into_iter().filter(|(is_lacking, _)| *is_lacking);
    let missed = history.faults.iter().filter(|fault| fault.is_due && fault.struck == 0);
    let missed = missed.map(|fault| format!("no {} struck in a long run", fault.kind));
    lacking.map(|(_, what)| what.to_owned()).chain(missed).collect()
}

/// The first submission of each id.
fn by_id(history: &History) -> BTreeMap<PaymentId, &Submission> {
    let mut first: BTreeMap<PaymentId, &Submission> = BTreeMap::new();
    for submission in &history.submissions {
        let earliest = first.entry(submission.id).or_insert(submission);
        if submission.invoked < earliest.invoked {
            *earliest = submission;
        }
    }
    first
}

fn committed(history: &History) -> impl Iterator<Item = (&Submission, Place)> {
    by_id(history).into_iter().filter_map(|(id, submission)| match history.fates.get(&id) {
        Some(Fate::Committed(place)) => Some((submission, *place)),
        _ => None,
    })
}

fn definite(history: &History) -> Vec<String> {
    let undecided = by_id(history).into_keys().filter_map(|id| match history.fates.get(&id) {
        Some(Fate::Undecided(why)) => Some(format!("{id}: {why}")),
        None => Some(format!("{id}: nobody knows it")),
        Some(Fate::Committed(_) | Fate::Refused(_)) => None,
    });
    undecided.collect()
}

fn acknowledged(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for Submission { id, kind, answer, .. } in &history.submissions {
        let fate = history.fates.get(id);
        let holds = match (answer, fate) {
            // A refund that waited has two places: where it began to, and where it ended.
            (Answer::Committed(told), Some(Fate::Committed(place))) => {
                told == place || *kind == Kind::Refund && told.0 == place.0
            }
            (Answer::Committed(_), _) => false,
            (Answer::Refused(_), Some(Fate::Committed(_))) => false,
            _ => true,
        };
        if !holds {
            found.push(format!("{id}: told {answer:?}, in the end {fate:?}"));
        }
    }
    found
}

fn once(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let mut differs = |what: String, expected: u128, shown: u128| {
        if expected != shown {
            found.push(format!("{what} is {shown}, the committed ids come to {expected}"));
        }
    };
    let committed: Vec<_> = committed(history).map(|(one, _)| one).collect();
    let sum = |wanted: &dyn Fn(&Submission) -> bool| -> u128 {
        committed.iter().filter(|one| wanted(one)).map(|one| one.amount).sum()
    };
    for (number, payer) in history.payers.iter().enumerate() {
        let of = |kind| sum(&|one| one.payer == number && one.kind == kind);
        differs(format!("debits of payer {number}"), of(Kind::Payment), payer.debits);
        let credits = payer.opening + of(Kind::Refund);
        differs(format!("credits of payer {number}"), credits, payer.credits);
    }
    for (number, merchant) in history.merchants.iter().enumerate() {
        let of = |kind| sum(&|one| one.merchant == number && one.kind == kind);
        differs(format!("received by merchant {number}"), of(Kind::Payment), merchant.received);
        differs(format!("refunded by merchant {number}"), of(Kind::Refund), merchant.refunded);
        let count = committed.iter().filter(|one| one.merchant == number).count();
        let shown = u128::from(merchant.payments);
        differs(format!("payments of merchant {number}"), count as u128, shown);
    }
    found.extend(histories(history));
    found
}

/// Each committed id stands once in its payer's history, and no other does.
fn histories(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    let mut expected: BTreeSet<(usize, PaymentId, Place)> =
        committed(history).map(|(one, place)| (one.payer, one.id, place)).collect();
    for (payer, end) in history.payers.iter().enumerate() {
        for &(id, place) in &end.committed {
            if !expected.remove(&(payer, id, place)) {
                found.push(format!("{id} stands at {place:?} of payer {payer}: unknown or twice"));
            }
        }
    }
    let missing = expected.iter().map(|(payer, id, place)| {
        format!("{id} was committed at {place:?}, the history of payer {payer} lacks it")
    });
    found.extend(missing);
    found
}

/// Reads of one subject, by when they were asked.
fn reads_by_subject(history: &History) -> BTreeMap<Subject, Vec<&Read>> {
    let mut reads: BTreeMap<Subject, Vec<&Read>> = BTreeMap::new();
    for read in &history.reads {
        reads.entry(read.subject).or_default().push(read);
    }
    reads.values_mut().for_each(|reads| reads.sort_by_key(|read| read.invoked));
    reads
}

fn forward(history: &History) -> Vec<String> {
    let mut found = Vec::new();
    for (subject, reads) in reads_by_subject(history) {
        let mut done = reads.clone();
        done.sort_by_key(|read| read.completed);
        let mut done = done.into_iter().peekable();
        let mut least: BTreeMap<&str, u128> = BTreeMap::new();
        for read in reads {
            while let Some(earlier) = done.next_if(|earlier| earlier.completed < read.invoked) {
                for (name, total) in &earlier.totals {
                    let known = least.entry(name).or_default();
                    *known = (*known).max(*total);
                }
            }
            for (name, total) in &read.totals {
                if let Some(known) = least.get(name).filter(|known| *known > total) {
                    found.push(format!("{name} of {subject:?} went from {known} to {total}"));
                }
            }
        }
    }
    found
}

fn current(history: &History) -> Vec<String> {
    let acknowledged = first_acknowledged(history);
    let (mut told, mut asked) = (Sums::new(), Sums::new());
    for (id, one) in by_id(history).into_iter().filter(|(_, one)| one.kind == Kind::Payment) {
        for subject in [Subject::Payer(one.payer), Subject::Merchant(one.merchant)] {
            asked.entry(subject).or_default().push((one.invoked, one.amount));
            if let Some((at, _)) = acknowledged.get(&id) {
                told.entry(subject).or_default().push((*at, one.amount));
            }
        }
    }
    for sums in [&mut told, &mut asked] {
        sums.values_mut().for_each(|events| add_up(events));
    }
    let mut found = Vec::new();
    for read in &history.reads {
        let Some(&shown) = read.totals.get(PAID) else { continue };
        let subject = read.subject;
        let least = sum_before(&told, subject, read.invoked);
        let most = sum_before(&asked, subject, read.completed.saturating_add(1));
        if !(least..=most).contains(&shown) {
            found.push(format!("{subject:?} showed {shown} paid, must be {least} to {most}"));
        }
    }
    found
}

/// Amounts of each subject by time; added up, the sum until then.
type Sums = BTreeMap<Subject, Vec<(Micros, u128)>>;

fn add_up(events: &mut [(Micros, u128)]) {
    events.sort_unstable();
    let mut sum = 0;
    for (_, amount) in events {
        sum += *amount;
        *amount = sum;
    }
}

fn sum_before(sums: &Sums, subject: Subject, time: Micros) -> u128 {
    let Some(events) = sums.get(&subject) else { return 0 };
    let before = events.partition_point(|(at, _)| *at < time);
    before.checked_sub(1).map_or(0, |last| events[last].1)
}

/// When each committed id was first told to be so, and its place.
fn first_acknowledged(history: &History) -> BTreeMap<PaymentId, (Micros, Place)> {
    let mut first: BTreeMap<PaymentId, (Micros, Place)> = BTreeMap::new();
    for submission in &history.submissions {
        let Answer::Committed(place) = submission.answer else { continue };
        let told = first.entry(submission.id).or_insert((submission.completed, place));
        told.0 = told.0.min(submission.completed);
    }
    first
}

fn order(history: &History) -> Vec<String> {
    let acknowledged = first_acknowledged(history);
    let mut by_payer: BTreeMap<usize, Vec<(&Submission, Micros, Place)>> = BTreeMap::new();
    for (id, submission) in by_id(history) {
        if let (Kind::Payment, Some((told, place))) = (submission.kind, acknowledged.get(&id)) {
            by_payer.entry(submission.payer).or_default().push((submission, *told, *place));
        }
    }
    let mut found = within_requests(history);
    for (payer, payments) in by_payer {
        let (mut asked, mut told) = (payments.clone(), payments);
        asked.sort_by_key(|(submission, ..)| submission.invoked);
        told.sort_by_key(|(_, told, _)| *told);
        let mut told = told.into_iter().peekable();
        let mut last: Option<(PaymentId, Place)> = None;
        for (submission, _, place) in asked {
            while let Some((earlier, _, place)) =
                told.next_if(|(_, at, _)| *at < submission.invoked)
            {
                if last.is_none_or(|(_, known)| known < place) {
                    last = Some((earlier.id, place));
                }
            }
            if let Some((before, known)) = last.filter(|(_, known)| *known >= place) {
                let id = submission.id;
                found.push(format!(
                    "payer {payer}: {id} at {place:?} was made after {before} at {known:?}"
                ));
            }
        }
    }
    found
}

/// Payments of one request that it was answered stand in its order. One without
/// an answer may have been placed by a later submission of it, by its payer or
/// when everything was over.
fn within_requests(history: &History) -> Vec<String> {
    let is_answered =
        |one: &Submission| one.kind == Kind::Payment && matches!(one.answer, Answer::Committed(_));
    let mut answered: Vec<_> = committed(history).filter(|(one, _)| is_answered(one)).collect();
    answered.sort_by_key(|(one, _)| (one.payer, one.request));
    let neighbours = answered.windows(2).filter_map(|pair| {
        let [(one, first), (two, second)] = pair else { return None };
        let is_one_request = (one.payer, one.request.0) == (two.payer, two.request.0);
        (is_one_request && first >= second).then(|| {
            let (payer, one, two) = (one.payer, one.id, two.id);
            format!("payer {payer}: {two} at {second:?} follows {one} at {first:?} in one request")
        })
    });
    neighbours.collect()
}

#[cfg(test)]
#[path = "checker_tests.rs"]
mod tests;
