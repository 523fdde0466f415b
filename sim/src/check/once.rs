//! An id moves money at most once on a chain, and what is told again is what
//! was told first.

use std::collections::BTreeMap;

use tributary_chain::Body;
use tributary_ledger::BlockOutcomes;
use tributary_ledger::outcome::Subject;
use tributary_types::{ChainId, OutcomeCode, PaymentId, PaymentRecord};

use crate::model::ids::is_kept;

/// Outcomes by chain and id; those of another chain's transfers apart.
#[derive(Debug, Default)]
pub struct Once {
    decided: BTreeMap<(ChainId, PaymentId, bool), OutcomeCode>,
}

impl Once {
    /// A block was executed.
    ///
    /// # Errors
    /// Which id was decided twice, or told differently.
    pub fn executed(
        &mut self,
        chain: ChainId,
        body: &Body,
        outcomes: &BlockOutcomes,
    ) -> Result<(), String> {
        for (index, (subject, receipt)) in outcomes.iter(body).enumerate() {
            let id = match subject {
                Subject::Payment(record) => match PaymentId::from_bytes(*record.id_bytes()) {
                    Ok(id) => id,
                    Err(_) => continue,
                },
                Subject::Operation(operation) => operation.id,
            };
            let late = index >= outcomes.receipts.len();
            let own = (chain, id, false);
            // A late outcome of what is not pending here came with a transfer.
            let pending = self.decided.get(&own).is_some_and(|code| code.is_pending());
            let key = (chain, id, late && !pending);
            let before = self.decided.get(&key).copied();
            let place = || format!("chain {chain} id {id}: {} after {before:?}", receipt.code);
            if receipt.replay {
                // Deliveries are executed before batches, and told after them.
                let is_told = before == Some(receipt.code) || is_late(outcomes, id, receipt.code);
                if !is_told {
                    return Err(format!("{}, as a repetition", place()));
                }
            } else if is_kept(receipt.code) {
                let goes_on = before.is_none_or(|before| before.is_pending() && late);
                if !goes_on || (late && receipt.code.is_pending()) {
                    return Err(place());
                }
                self.decided.insert(key, receipt.code);
            }
        }
        Ok(())
    }
}

/// Whether a block decides an id late, in this way.
fn is_late(outcomes: &BlockOutcomes, id: PaymentId, code: OutcomeCode) -> bool {
    let decided = |record: &PaymentRecord| *record.id_bytes() == id.to_be_bytes();
    outcomes.late.iter().any(|(record, receipt)| decided(record) && receipt.code == code)
}
