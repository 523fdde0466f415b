//! Which items of a submission still lack a definite answer. Pure.
//!
//! Items are always asked for in the order given, oldest undecided first, and
//! a router never executes an item behind one of the same payer that it left
//! undecided. Together this keeps the order of each payer over any number of
//! rounds.
//!
//! An id that a chain calls `from_future` although its time has come is no
//! mistake of whoever asks: the chain stood still, or too few of its clocks are
//! right. It catches up, so the item stays undecided.

use thiserror::Error;
use tributary_types::{OutcomeCode, TimeMs};
use tributary_wire::router::{Outcome, RouterError};

/// How long an item waits for a chain whose time is behind, in ms.
const BEHIND_RETRY_MS: u64 = 200;

/// Why an item of a submission has no outcome.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ItemError {
    /// The item breaks a rule of shape; it was not executed.
    #[error("{field}: {rule}")]
    Malformed {
        /// Which field.
        field: String,
        /// The value and the rule it breaks.
        rule: String,
    },
    /// Router or chain does not take the item; it was not executed.
    #[error("refused: {0}")]
    Refused(String),
    /// The deadline passed. If `may_have_executed`, it may or may not have
    /// taken effect: submit it again under the same id, or ask for the id.
    #[error(
        "no answer after {attempts} attempts (last: {last}); {}",
        if *may_have_executed { "submit again with the same id" } else { "nothing was done" }
    )]
    Unanswered {
        /// Times it was submitted.
        attempts: u32,
        /// What the last attempt ended with.
        last: String,
        /// Whether any attempt may have taken effect.
        may_have_executed: bool,
    },
}

/// What became of one item: a receipt, which may be a refusal of the ledger
/// or not final yet, or the reason why there is none.
pub type ItemResult = Result<Outcome, ItemError>;

/// How a round ended that no item was decided in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RoundFailure {
    /// Nothing was done.
    NothingDone(String),
    /// It may or may not have taken effect.
    Unknown(String),
}

/// The items of one submission.
#[derive(Debug, Clone)]
pub(crate) struct Undecided {
    /// The time in the id of each.
    times: Vec<TimeMs>,
    items: Vec<Item>,
    /// Every item before this one is decided.
    first: usize,
}

#[derive(Debug, Clone)]
enum Item {
    Open {
        attempts: u32,
        last: Option<String>,
        may_have_executed: bool,
        /// The refusal of a chain that was behind. Boxed because it is rare.
        behind: Option<Box<Outcome>>,
    },
    Decided(ItemResult),
}

impl Undecided {
    pub(crate) fn new(times: Vec<TimeMs>) -> Self {
        let open = Item::Open { attempts: 0, last: None, may_have_executed: false, behind: None };
        Self { items: vec![open; times.len()], times, first: 0 }
    }

    /// The first `limit` items without a definite answer; without a limit all
    /// items again, until every one is decided.
    pub(crate) fn next_round(&mut self, limit: Option<usize>) -> Vec<usize> {
        let decided = |item: &Item| matches!(item, Item::Decided(_));
        while self.items.get(self.first).is_some_and(decided) {
            self.first += 1;
        }
        let count = self.items.len();
        match limit {
            None if self.first < count => (0..count).collect(),
            None => Vec::new(),
            Some(limit) => {
                let open = (self.first..count).filter(|index| !decided(&self.items[*index]));
                open.take(limit).collect()
            }
        }
    }

    /// Takes the answers to a round, at this time of the wall clock; returns how
    /// long to wait before the next one, in ms, if any item must be asked for
    /// again.
    pub(crate) fn answer(
        &mut self,
        round: &[usize],
        answers: Vec<Result<Outcome, RouterError>>,
        now: TimeMs,
    ) -> Option<u64> {
        let mut wait_ms = None;
        for (index, answer) in round.iter().zip(answers) {
            match answer {
                Ok(outcome) if self.is_behind(*index, &outcome, now) => {
                    self.await_chain(*index, outcome);
                    wait_ms = wait_ms.max(Some(BEHIND_RETRY_MS));
                }
                Ok(outcome) => self.items[*index] = Item::Decided(Ok(outcome)),
                Err(error) => wait_ms = wait_ms.max(self.refuse(*index, error)),
            }
        }
        wait_ms
    }

    /// Takes a round that failed as a whole.
    pub(crate) fn fail(&mut self, round: &[usize], failure: &RoundFailure) {
        let (text, unknown) = match failure {
            RoundFailure::NothingDone(text) => (text, false),
            RoundFailure::Unknown(text) => (text, true),
        };
        for index in round {
            self.leave_open(*index, text.clone(), unknown);
        }
    }

    /// Every item's result; what is open is unanswered.
    pub(crate) fn finish(self) -> Vec<ItemResult> {
        let finished = self.items.into_iter().map(|item| match item {
            Item::Decided(result) => result,
            Item::Open { behind: Some(refused), may_have_executed: false, .. } => Ok(*refused),
            Item::Open { attempts, last, may_have_executed, .. } => {
                let last = last.unwrap_or_else(|| "never sent".to_owned());
                Err(ItemError::Unanswered { attempts, last, may_have_executed })
            }
        });
        finished.collect()
    }

    /// Whether a refusal tells of the chain's clock alone.
    fn is_behind(&self, index: usize, outcome: &Outcome, now: TimeMs) -> bool {
        outcome.receipt.code == OutcomeCode::FromFuture && self.times[index] <= now
    }

    /// Leaves an item open until the chain's time has come to it.
    fn await_chain(&mut self, index: usize, refused: Outcome) {
        self.leave_open(index, "the chain's time is behind".to_owned(), false);
        if let Item::Open { behind, .. } = &mut self.items[index] {
            *behind = Some(Box::new(refused));
        }
    }

    fn refuse(&mut self, index: usize, error: RouterError) -> Option<u64> {
        match error {
            RouterError::Overloaded { retry_after_ms } => {
                self.leave_open(index, "overloaded".to_owned(), false);
                return Some(retry_after_ms);
            }
            RouterError::OutcomeUnknown(reason) => {
                self.leave_open(index, reason, true);
                return Some(0);
            }
            RouterError::Malformed { field, rule } => {
                self.items[index] = Item::Decided(Err(ItemError::Malformed { field, rule }));
            }
            RouterError::Refused(reason) => {
                let error = self.refused(index, reason);
                self.items[index] = Item::Decided(Err(error));
            }
        }
        None
    }

    /// A refusal says that nothing was done by the attempt that it answers;
    /// an earlier attempt may still have taken effect.
    fn refused(&self, index: usize, reason: String) -> ItemError {
        match self.items[index] {
            Item::Open { attempts, may_have_executed: true, .. } => ItemError::Unanswered {
                attempts: attempts + 1,
                last: format!("refused: {reason}"),
                may_have_executed: true,
            },
            _ => ItemError::Refused(reason),
        }
    }

    fn leave_open(&mut self, index: usize, reason: String, unknown: bool) {
        if let Item::Open { attempts, last, may_have_executed, .. } = &mut self.items[index] {
            *attempts += 1;
            *last = Some(reason);
            *may_have_executed |= unknown;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_types::{Amount, BlockHeight, ChainId, Position, Receipt};

    /// When every round of these tests is answered.
    const NOW: TimeMs = TimeMs::new(1_000);

    /// So many items, whose time has come.
    fn undecided(count: usize) -> Undecided {
        Undecided::new(vec![NOW; count])
    }

    fn outcome() -> Outcome {
        outcome_of(OutcomeCode::Committed)
    }

    fn outcome_of(code: OutcomeCode) -> Outcome {
        let receipt = Receipt::refused(code, Amount::ZERO);
        let position = Position::new(BlockHeight::new(1), 0).unwrap();
        Outcome { chain: ChainId::new(1), position, receipt }
    }

    fn overloaded(retry_after_ms: u64) -> Result<Outcome, RouterError> {
        Err(RouterError::Overloaded { retry_after_ms })
    }

    #[test]
    fn undecided_items_come_again_first_and_in_order() {
        let mut items = undecided(5);
        assert_eq!(items.next_round(Some(3)), [0, 1, 2]);
        let wait = items.answer(&[0, 1, 2], vec![Ok(outcome()), overloaded(7), overloaded(3)], NOW);
        assert_eq!(wait, Some(7));
        assert_eq!(items.next_round(Some(3)), [1, 2, 3]);
        let answers = vec![Ok(outcome()), Ok(outcome()), Ok(outcome())];
        assert_eq!(items.answer(&[1, 2, 3], answers, NOW), None);
        assert_eq!(items.next_round(Some(3)), [4]);
    }

    #[test]
    fn a_whole_is_repeated_until_every_item_is_decided() {
        let mut items = undecided(2);
        assert_eq!(items.next_round(None), [0, 1]);
        assert_eq!(items.answer(&[0, 1], vec![Ok(outcome()), overloaded(1)], NOW), Some(1));
        assert_eq!(items.next_round(None), [0, 1]);
        assert_eq!(items.answer(&[0, 1], vec![Ok(outcome()), Ok(outcome())], NOW), None);
        assert_eq!(items.next_round(None), Vec::<usize>::new());
    }

    #[test]
    fn malformed_and_refused_items_are_decided() {
        let malformed = RouterError::Malformed { field: "id".into(), rule: "no UUIDv7".into() };
        let mut items = undecided(2);
        let answers = vec![Err(malformed), Err(RouterError::Refused("no".into()))];
        assert_eq!(items.answer(&[0, 1], answers, NOW), None);
        assert_eq!(items.next_round(Some(2)), Vec::<usize>::new());
        assert!(matches!(items.finish()[0], Err(ItemError::Malformed { .. })));
    }

    #[test]
    fn what_may_have_executed_stays_so_whatever_later_rounds_say() {
        let mut items = undecided(1);
        items.fail(&[0], &RoundFailure::Unknown("disconnected".into()));
        items.fail(&[0], &RoundFailure::NothingDone("no router".into()));
        let expected = ItemError::Unanswered {
            attempts: 2,
            last: "no router".into(),
            may_have_executed: true,
        };
        assert_eq!(items.finish(), [Err(expected)]);
    }

    #[test]
    fn a_refusal_decides_nothing_about_an_earlier_attempt_that_was_lost() {
        let mut items = undecided(1);
        items.fail(&[0], &RoundFailure::Unknown("disconnected".into()));
        assert_eq!(items.answer(&[0], vec![Err(RouterError::Refused("key".into()))], NOW), None);
        assert_eq!(items.next_round(Some(1)), Vec::<usize>::new());
        let result = items.finish().remove(0);
        assert!(matches!(result, Err(ItemError::Unanswered { may_have_executed: true, .. })));
    }

    #[test]
    fn missing_answers_leave_items_open() {
        let mut items = undecided(2);
        assert_eq!(items.answer(&[0, 1], vec![Ok(outcome())], NOW), None);
        assert_eq!(items.next_round(Some(2)), [1]);
    }

    #[test]
    fn what_comes_too_early_for_a_chain_that_is_behind_is_asked_for_again() {
        let early = || outcome_of(OutcomeCode::FromFuture);
        let mut items = undecided(2);
        let wait = items.answer(&[0, 1], vec![Ok(early()), Ok(outcome())], NOW);
        assert_eq!(wait, Some(BEHIND_RETRY_MS));
        assert_eq!(items.next_round(Some(2)), [0]);
        assert_eq!(items.answer(&[0], vec![Ok(early())], NOW), Some(BEHIND_RETRY_MS));
        let mut given_up = items.clone();
        assert_eq!(items.answer(&[0], vec![Ok(outcome())], NOW), None);
        assert_eq!(items.finish(), [Ok(outcome()), Ok(outcome())]);
        assert_eq!(given_up.clone().finish()[0], Ok(early()), "nothing was done");
        given_up.fail(&[0], &RoundFailure::Unknown("disconnected".into()));
        let result = given_up.finish().remove(0);
        assert!(matches!(result, Err(ItemError::Unanswered { may_have_executed: true, .. })));
    }

    #[test]
    fn what_comes_too_early_by_this_clock_as_well_is_refused() {
        let mut items = Undecided::new(vec![NOW.plus_ms(1)]);
        let refused = outcome_of(OutcomeCode::FromFuture);
        assert_eq!(items.answer(&[0], vec![Ok(refused)], NOW), None);
        assert_eq!(items.finish(), [Ok(refused)]);
    }
}
