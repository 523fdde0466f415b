//! A front-end: thinks of orders and asks routers, again and again with the
//! same ids, until each has a definite outcome. Now and then it loses an answer
//! or asks once more for what it knows already.

use std::collections::BTreeMap;

use tributary_types::OutcomeCode;

use crate::event::{Event, Told};
use crate::model::ids::is_kept;
use crate::orders::OrderNumber;
use crate::prng::{Chance, Prng};
use crate::stage::Stage;
use crate::trace::Place;
use crate::workload::Workload;

/// Orders of one submission.
const SUBMISSION_ORDERS_MAX: usize = 12;
/// Orders without a definite outcome at which a front-end thinks of no more.
const OPEN_ORDERS_MAX: usize = 200;
/// First wait for an answer.
const RETRY_US_MIN: u64 = 1_500_000;
/// Longest wait for an answer.
const RETRY_US_MAX: u64 = 4_000_000;
/// How long a payment is left alone that is pending, or whose time has not come.
const PENDING_US: u64 = 700_000;
/// Refusals that another router may not share, before they are taken as final:
/// so many that no liar among the routers gave them all.
const ELSEWHERE_MAX: u32 = 60;
/// The same once nobody lies any more.
const ELSEWHERE_HEALING_MAX: u32 = 15;
/// A definite answer is lost on the way to whoever wanted it.
const FORGETS: Chance = Chance::percent(3);
/// Something that is done is asked for again, later.
const ASKS_AGAIN: Chance = Chance::percent(6);
/// How much later.
const AGAIN_US_MAX: u64 = 12_000_000;

/// See the module head.
pub struct Client {
    number: u16,
    prng: Prng,
    open: BTreeMap<OrderNumber, Progress>,
    workload: Workload,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    next_us: u64,
    attempts: u32,
    /// Refused in a way that may depend on whom was asked.
    elsewhere: u32,
    /// As often after the faults.
    elsewhere_healing: u32,
    /// The definite outcome, if it is only asked for again.
    known: Option<OutcomeCode>,
}

impl Client {
    /// A front-end that wants nothing yet.
    #[must_use]
    pub fn new(number: u16, stage: &mut Stage) -> Self {
        let prng = Prng::new(stage.scenario.seed).fork_nth("client", u64::from(number));
        let workload = Workload::new(number, &prng, stage);
        stage.after(u64::from(number) * 1_000, Event::ClientDue { client: number });
        Self { number, prng, open: BTreeMap::new(), workload }
    }

    /// Orders without a definite outcome.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.values().filter(|progress| progress.known.is_none()).count()
    }

    /// The lowest order without a definite outcome.
    #[must_use]
    pub fn first_open(&self) -> Option<OrderNumber> {
        self.open.iter().find(|(_, progress)| progress.known.is_none()).map(|(order, _)| *order)
    }

    /// Time to think and to ask.
    pub fn due(&mut self, stage: &mut Stage) {
        let sleeps = stage.scenario.sleep.is_some_and(|sleep| sleep.lasts_at(stage.now_us / 1_000));
        if !stage.healing && !sleeps && self.open.len() < OPEN_ORDERS_MAX {
            for order in self.workload.think(stage) {
                self.open.insert(order, Progress { next_us: stage.now_us, ..Progress::default() });
            }
        }
        self.ask(stage);
        let mean_us = stage.scenario.order_every_ms * 1_000;
        let wait_us = self.prng.between(1_000, mean_us * 2);
        stage.after(wait_us, Event::ClientDue { client: self.number });
    }

    /// A router answers.
    pub fn outcomes(&mut self, outcomes: &[(OrderNumber, Told)], stage: &mut Stage) {
        for (order, told) in outcomes {
            if self.prng.happens(FORGETS) && !stage.healing {
                continue;
            }
            let Some(progress) = self.open.get(order).copied() else { continue };
            self.told(*order, progress, *told, stage);
        }
    }

    fn told(&mut self, order: OrderNumber, mut progress: Progress, told: Told, stage: &mut Stage) {
        let soon_us = stage.now_us + self.prng.between(50_000, 500_000);
        let code = match told {
            Told::Outcome(receipt) => Some(receipt.code),
            Told::Refused => None,
            Told::Nothing => {
                self.open.insert(order, Progress { next_us: soon_us, ..progress });
                return;
            }
        };
        if code == Some(OutcomeCode::Moved) {
            // Whoever sent it there goes by a wrong table: another router will
            // not, or this one no more. Nobody stays without an outcome for that.
            self.open.insert(order, Progress { next_us: soon_us, ..progress });
            return;
        }
        let is_early = code == Some(OutcomeCode::FromFuture);
        let elsewhere = progress.elsewhere < ELSEWHERE_MAX
            && progress.elsewhere_healing < ELSEWHERE_HEALING_MAX;
        if code.is_none_or(depends) && elsewhere {
            progress.elsewhere += 1;
            progress.elsewhere_healing += u32::from(stage.healing);
            self.open.insert(order, Progress { next_us: soon_us, ..progress });
        } else if is_early || code.is_some_and(OutcomeCode::is_pending) {
            progress.next_us = stage.now_us + PENDING_US;
            progress.elsewhere = 0;
            self.open.insert(order, progress);
        } else {
            self.decided(order, progress, code, stage);
        }
    }

    fn decided(
        &mut self,
        order: OrderNumber,
        progress: Progress,
        code: Option<OutcomeCode>,
        stage: &mut Stage,
    ) {
        let what = code.map_or("not admitted", OutcomeCode::as_str);
        stage.note(Place::Client(self.number), 0, what, [u64::from(order), 0]);
        if let Some(content) = stage.orders.get(order) {
            stage.checks.concludes(order, content, progress.known.or(code));
        }
        if let (Some(known), Some(code)) = (progress.known, code) {
            stage.checks.asked_again(order, known, code);
            self.open.remove(&order);
        } else if self.prng.happens(ASKS_AGAIN) && progress.known.is_none() && !stage.healing {
            let next_us = stage.now_us + self.prng.below(AGAIN_US_MAX);
            self.open.insert(order, Progress { next_us, known: code, ..progress });
        } else {
            self.open.remove(&order);
        }
    }

    /// Sends what is due to some router.
    fn ask(&mut self, stage: &mut Stage) {
        let now_us = stage.now_us;
        let due = self.open.iter_mut().filter(|(_, progress)| progress.next_us <= now_us);
        let mut orders = Vec::new();
        for (order, progress) in due.take(SUBMISSION_ORDERS_MAX) {
            let wait_us = (RETRY_US_MIN << progress.attempts.min(4)).min(RETRY_US_MAX);
            progress.attempts += 1;
            progress.next_us = now_us + wait_us;
            orders.push(*order);
        }
        if orders.is_empty() {
            return;
        }
        let router = u16::try_from(self.prng.below(u64::from(stage.scenario.routers))).unwrap_or(0);
        let (from, to) = (Place::Client(self.number), Place::Router(router));
        let client = self.number;
        stage.send(from, to, Event::Submit { router, client, orders });
    }
}

/// Whether a refusal may depend on whom was asked: a liar may have changed what
/// it passed on.
fn depends(code: OutcomeCode) -> bool {
    use OutcomeCode::{Expired, FromFuture, Malformed};
    !is_kept(code) && !matches!(code, Expired | FromFuture | Malformed)
}
