//! What became of one id, from what every chain says of it. Pure.
//!
//! The chain that executes a payment decides about it; another chain may know
//! the same id as the far end of a transfer, or as one that it turned away.
//! An id that no chain knows can still execute as long as some chain's block
//! time has not left the id's window: idle chains stand still in time, so the
//! answer compares with their own clocks, never with this machine's.

use serde::Serialize;
use tributary_routing::{RouteTable, route};
use tributary_types::payment::Payment;
use tributary_types::{ChainId, OutcomeCode, PaymentId, Position, Receipt, TimeMs};
use tributary_wire::query::PaymentFound;

/// What one chain says of an id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainAnswer {
    /// The chain.
    pub chain: ChainId,
    /// Block time of the state that was read.
    pub time: TimeMs,
    /// What it knows.
    pub found: Option<PaymentFound>,
}

/// Where an outcome stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Located {
    /// The chain.
    pub chain: ChainId,
    /// Block and index.
    pub position: Position,
    /// Time of that block.
    pub time: TimeMs,
    /// The receipt there.
    pub receipt: Receipt,
}

/// What became of a payment or operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "verdict")]
pub enum Verdict {
    /// Executed, finally.
    Committed(Located),
    /// Refused, finally; no money moved, or it came back.
    Refused(Located),
    /// Under way: it waits for funds or travels between chains.
    Pending(Located),
    /// No chain knows the id and every chain's time has left its window, so
    /// it never executed and never will.
    NeverExecuted,
    /// No chain knows the id yet; it can still execute on `chains`, until
    /// their block time passes `until`.
    NotSeen {
        /// Block time from which it can no longer execute.
        until: TimeMs,
        /// Chains whose time is earlier.
        chains: Vec<ChainId>,
    },
}

/// A [`Verdict`] and the payment itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PaymentReport {
    /// The id.
    pub id: PaymentId,
    /// The payment; `None` if no chain knows it or the id is an operation's.
    pub payment: Option<Payment>,
    /// What became of it.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Judges an id. `answers` must hold one of every chain; `window_back_ms` is
/// the genesis' parameter.
#[must_use]
pub fn judge(
    id: PaymentId,
    answers: &[ChainAnswer],
    routes: &RouteTable,
    window_back_ms: u64,
) -> PaymentReport {
    let known = |answer: &ChainAnswer| {
        answer.found.clone().map(|found| Known { chain: answer.chain, found })
    };
    let known: Vec<Known> = answers.iter().filter_map(known).collect();
    let decisive = known.iter().min_by_key(|known| known.rank(routes));
    let Some(decisive) = decisive else {
        let verdict = judge_unknown(id, answers, window_back_ms);
        return PaymentReport { id, payment: None, verdict };
    };
    let far_end = known.iter().find(|other| {
        let in_transit = decisive.found.receipt.code == OutcomeCode::InTransit;
        in_transit && other.found.receipt.code.is_committed()
    });
    let located = far_end.unwrap_or(decisive).located();
    let verdict = match located.receipt.code {
        code if code.is_committed() => Verdict::Committed(located),
        code if code.is_pending() => Verdict::Pending(located),
        _ => Verdict::Refused(located),
    };
    PaymentReport { id, payment: decisive.found.payment, verdict }
}

struct Known {
    chain: ChainId,
    found: PaymentFound,
}

impl Known {
    /// Whose word counts first, lowest: the executing chain's; of an
    /// operation, or if routes have changed since, a chain that carried it
    /// out, then one that is at it, then one that refused it for a reason of
    /// its own, last one that said only that it belongs elsewhere.
    fn rank(&self, routes: &RouteTable) -> u8 {
        let code = self.found.receipt.code;
        let payment = self.found.payment.as_ref();
        let executes = payment
            .and_then(|payment| route(payment, routes).ok())
            .is_some_and(|chain| chain == self.chain);
        match code {
            OutcomeCode::Moved | OutcomeCode::WrongChain => 4,
            _ if executes => 0,
            _ if code.is_committed() => 1,
            _ if code.is_pending() => 2,
            _ => 3,
        }
    }

    fn located(&self) -> Located {
        let PaymentFound { receipt, position, time, .. } = self.found;
        Located { chain: self.chain, position, time, receipt }
    }
}

fn judge_unknown(id: PaymentId, answers: &[ChainAnswer], window_back_ms: u64) -> Verdict {
    let until = id.time().plus_ms(window_back_ms);
    let open = answers.iter().filter(|answer| answer.time <= until);
    let chains: Vec<ChainId> = open.map(|answer| answer.chain).collect();
    if chains.is_empty() { Verdict::NeverExecuted } else { Verdict::NotSeen { until, chains } }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_types::{
        AccountClass, AccountId, AccountName, Amount, AssetId, BlockHeight, InstitutionId,
        PaymentKind, Reference, Slot,
    };

    const ID_TIME: TimeMs = TimeMs::new(1_000_000);
    const WINDOW_BACK_MS: u64 = 600_000;

    fn id() -> PaymentId {
        PaymentId::new(ID_TIME, [1; 10])
    }

    fn routes() -> RouteTable {
        RouteTable::even(1, &[ChainId::new(1), ChainId::new(2)], ChainId::new(9)).unwrap()
    }

    /// Of a payer on chain 1 to a payee on chain 2.
    fn transfer() -> Payment {
        let account = |name: &str, slot| {
            let name: AccountName = name.parse().unwrap();
            let slot = Slot::new(slot).unwrap();
            AccountId::named(AccountClass::User, InstitutionId::new(1), &name, slot)
        };
        Payment {
            id: id(),
            kind: PaymentKind::Transfer,
            debit: account("payer", 0),
            credit: account("payee", Slot::COUNT - 1),
            amount: Amount::new(5),
            asset: AssetId::new(1),
            reference: Reference::default(),
        }
    }

    fn check(said: [Option<OutcomeCode>; 3], time: u64) -> (Option<u16>, Verdict) {
        let chains = [1, 2, 9].map(ChainId::new);
        let answers = chains.into_iter().zip(said).map(|(chain, code)| {
            let found = code.map(|code| PaymentFound {
                payment: Some(transfer()),
                receipt: Receipt::refused(code, Amount::ZERO),
                position: Position::new(BlockHeight::new(3), 0).unwrap(),
                time: TimeMs::new(time),
            });
            ChainAnswer { chain, time: TimeMs::new(time), found }
        });
        let report = judge(id(), &answers.collect::<Vec<_>>(), &routes(), WINDOW_BACK_MS);
        let chain = match &report.verdict {
            Verdict::Committed(at) | Verdict::Refused(at) | Verdict::Pending(at) => {
                Some(at.chain.get())
            }
            Verdict::NeverExecuted | Verdict::NotSeen { .. } => None,
        };
        (chain, report.verdict)
    }

    #[test]
    fn the_executing_chain_decides() {
        use OutcomeCode::{Committed, InsufficientFunds, Moved};
        let (chain, verdict) = check([Some(InsufficientFunds), Some(Moved), None], 0);
        assert!(matches!((chain, verdict), (Some(1), Verdict::Refused(_))));
        let (chain, verdict) = check([Some(Moved), Some(Committed), None], 0);
        assert!(matches!((chain, verdict), (Some(2), Verdict::Committed(_))));
    }

    #[test]
    fn a_transfer_in_transit_is_committed_once_the_far_end_credited_it() {
        use OutcomeCode::{Committed, InTransit, UnknownCreditAccount};
        let (chain, verdict) = check([Some(InTransit), Some(Committed), None], 0);
        assert!(matches!((chain, verdict), (Some(2), Verdict::Committed(_))));
        let (chain, verdict) = check([Some(InTransit), Some(UnknownCreditAccount), None], 0);
        assert!(matches!((chain, verdict), (Some(1), Verdict::Pending(_))));
        let (chain, verdict) = check([Some(InTransit), None, None], 0);
        assert!(matches!((chain, verdict), (Some(1), Verdict::Pending(_))));
    }

    #[test]
    fn an_unknown_id_is_dead_once_every_chain_left_its_window() {
        let until = ID_TIME.plus_ms(WINDOW_BACK_MS);
        let (_, verdict) = check([None; 3], until.get());
        let chains = [1, 2, 9].map(ChainId::new).to_vec();
        assert_eq!(verdict, Verdict::NotSeen { until, chains });
        assert_eq!(check([None; 3], until.get() + 1).1, Verdict::NeverExecuted);
    }
}
