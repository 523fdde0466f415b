//! Cutting a request into portions, one per strand. Pure.
//!
//! A *strand* is one of [`STRANDS_PER_CHAIN`] queues towards a chain. All items
//! of one payer on one chain are in the same strand, a strand has one batch
//! under way at a time, and a portion is never cut: so what a front-end sends
//! in order for one payer executes in order, and if an item gets no outcome,
//! no later one of that payer in the request gets one either.

use std::collections::BTreeMap;

use tributary_chain::Operation;
use tributary_chain::batch::OwnerSignature;
use tributary_routing::RouteTable;
use tributary_types::{AccountId, ChainId, PaymentRecord};
use tributary_wire::router::{Outcome, RouterError};

use crate::shape::{place_operation, place_payment, subject};

/// Batches of this router that a chain can be working on at once. Two keep a
/// chain busy while one answer travels; more would only make batches smaller.
pub const STRANDS_PER_CHAIN: u8 = 2;

/// Which queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StrandId {
    /// Towards which chain.
    pub chain: ChainId,
    /// Below [`STRANDS_PER_CHAIN`].
    pub number: u8,
}

/// The items of one request that go through one strand, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Portion {
    /// Operations.
    pub operations: Vec<Operation>,
    /// Payments, after the operations.
    pub payments: Vec<PaymentRecord>,
    /// Of the payments, by their index in this portion.
    pub owner_signatures: Vec<OwnerSignature>,
}

impl Portion {
    /// Operations and payments together.
    #[must_use]
    pub fn item_count(&self) -> usize {
        self.operations.len() + self.payments.len()
    }
}

/// A portion and where its items stood in the request.
#[derive(Debug, Default)]
pub struct Cut {
    /// What to execute.
    pub portion: Portion,
    /// Index in the request of each item of the portion.
    pub items: Vec<usize>,
}

/// One request: its portions, and a result for each item once it is known.
#[derive(Debug)]
pub struct Request {
    /// Portions by strand.
    pub cuts: BTreeMap<StrandId, Cut>,
    results: Vec<Option<Result<Outcome, RouterError>>>,
}

impl Request {
    /// Cuts payments; malformed ones get their result at once. The lists have
    /// passed [`crate::shape::check_payments`].
    #[must_use]
    pub fn payments(
        payments: &[PaymentRecord],
        signatures: &[OwnerSignature],
        routes: &RouteTable,
    ) -> Self {
        let mut request = Self::empty(payments.len());
        let mut signatures = signatures.iter().peekable();
        for (index, record) in payments.iter().enumerate() {
            let signature = signatures.next_if(|next| next.payment as usize == index);
            match place_payment(record, routes) {
                Ok((chain, payment)) => {
                    let strand = strand_of(chain, payment.debit);
                    let portion = request.add(strand, index);
                    if let Some(signature) = signature {
                        let payment = item_number(portion.payments.len());
                        portion.owner_signatures.push(OwnerSignature { payment, ..*signature });
                    }
                    portion.payments.push(*record);
                }
                Err(error) => request.results[index] = Some(Err(error)),
            }
        }
        request
    }

    /// Cuts operations; malformed ones get their result at once.
    #[must_use]
    pub fn operations(
        operations: Vec<Operation>,
        routes: &RouteTable,
        registry_chain: ChainId,
    ) -> Self {
        let mut request = Self::empty(operations.len());
        for (index, operation) in operations.into_iter().enumerate() {
            match place_operation(&operation, routes, registry_chain) {
                Ok(chain) => {
                    let strand = match subject(&operation.action) {
                        Some((account, _)) => strand_of(chain, account),
                        None => StrandId { chain, number: 0 },
                    };
                    request.add(strand, index).operations.push(operation);
                }
                Err(error) => request.results[index] = Some(Err(error)),
            }
        }
        request
    }

    /// Takes a strand's answer to a portion.
    pub fn answer(&mut self, items: &[usize], answer: Result<Vec<Outcome>, RouterError>) {
        match answer {
            Ok(outcomes) => {
                for (index, outcome) in items.iter().zip(outcomes) {
                    self.results[*index] = Some(Ok(outcome));
                }
            }
            Err(error) => {
                for index in items {
                    self.results[*index] = Some(Err(error.clone()));
                }
            }
        }
    }

    /// One result per item, in order.
    #[must_use]
    pub fn finish(self) -> Vec<Result<Outcome, RouterError>> {
        let unknown = || Err(RouterError::OutcomeUnknown("the router gave no answer".to_owned()));
        self.results.into_iter().map(|result| result.unwrap_or_else(unknown)).collect()
    }

    fn empty(count: usize) -> Self {
        Self { cuts: BTreeMap::new(), results: vec![None; count] }
    }

    fn add(&mut self, strand: StrandId, index: usize) -> &mut Portion {
        let cut = self.cuts.entry(strand).or_default();
        cut.items.push(index);
        &mut cut.portion
    }
}

/// An index of an owner signature.
pub(crate) fn item_number(index: usize) -> u32 {
    u32::try_from(index).expect("requests and batches are limited far below 2^32 items")
}

/// The strand of everything that `account` pays, or that is done to it.
fn strand_of(chain: ChainId, account: AccountId) -> StrandId {
    // The low bits of a serial are spread evenly, whether it is a hash or counted.
    let number = account.get().to_le_bytes()[0] % STRANDS_PER_CHAIN;
    StrandId { chain, number }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_chain::operation::{OpenAccount, SetStatus};
    use tributary_chain::{AccountStatus, Action};
    use tributary_types::payment::Payment;
    use tributary_types::{
        AccountClass, AccountName, Amount, AssetId, InstitutionId, PaymentId, PaymentKind,
        Reference, Signature, Slot, TimeMs,
    };

    const HF_CHAIN: ChainId = ChainId::new(9);

    fn routes() -> RouteTable {
        RouteTable::even(1, &[ChainId::new(1), ChainId::new(2)], HF_CHAIN).unwrap()
    }

    fn account(class: AccountClass, name: &str, slot: u16) -> AccountId {
        let name: AccountName = name.parse().unwrap();
        AccountId::named(class, InstitutionId::new(1), &name, Slot::new(slot).unwrap())
    }

    fn user(name: &str, slot: u16) -> AccountId {
        account(AccountClass::User, name, slot)
    }

    fn record(debit: AccountId, credit: AccountId) -> PaymentRecord {
        PaymentRecord::from(&Payment {
            id: PaymentId::new(TimeMs::new(1), [1; 10]),
            kind: PaymentKind::Transfer,
            debit,
            credit,
            amount: Amount::new(1),
            asset: AssetId::new(1),
            reference: Reference::default(),
        })
    }

    fn chains(request: &Request) -> Vec<(u16, Vec<usize>)> {
        let cuts = request.cuts.iter();
        cuts.map(|(strand, cut)| (strand.chain.get(), cut.items.clone())).collect()
    }

    #[test]
    fn payments_go_to_the_chain_of_their_user() {
        let (near, far) = (user("a", 0), user("a", Slot::COUNT - 1));
        let merchant = account(AccountClass::Hf, "a", 0);
        let check = |debit, credit, chain| {
            let request = Request::payments(&[record(debit, credit)], &[], &routes());
            assert_eq!(chains(&request), [(chain, vec![0])]);
        };
        check(near, merchant, 1);
        check(far, merchant, 2);
        check(merchant, far, 2);
        check(near, far, 1);
        check(merchant, account(AccountClass::Hf, "b", 5), HF_CHAIN.get());
    }

    #[test]
    fn payments_of_one_payer_are_in_one_portion_in_order() {
        let (one, other) = (user("one", 0), user("two", 0));
        let payee = account(AccountClass::Hf, "m", 0);
        let records: Vec<_> =
            (0..64).map(|n| record(if n % 3 == 0 { one } else { other }, payee)).collect();
        let request = Request::payments(&records, &[], &routes());
        for payer in [one, other] {
            let wanted: Vec<_> =
                (0..64).filter(|n| records[*n].parse().unwrap().debit == payer).collect();
            let holds = |cut: &Cut| {
                let own = cut.items.iter().filter(|n| wanted.contains(n)).copied();
                own.collect::<Vec<_>>() == wanted
            };
            assert_eq!(request.cuts.values().filter(|cut| holds(cut)).count(), 1);
        }
    }

    #[test]
    fn owner_signatures_follow_their_payment() {
        let payee = account(AccountClass::Hf, "m", 0);
        let payers = [user("a", 0), user("a", Slot::COUNT - 1), user("a", 1)];
        let records = payers.map(|payer| record(payer, payee));
        let signature = |payment| OwnerSignature {
            payment,
            signature: Signature::from_bytes([u8::try_from(payment).unwrap(); 64]),
        };
        let request = Request::payments(&records, &[signature(1), signature(2)], &routes());
        for cut in request.cuts.values() {
            for own in &cut.portion.owner_signatures {
                let item = cut.items[own.payment as usize];
                assert_eq!(own.signature, signature(u32::try_from(item).unwrap()).signature);
            }
        }
        let kept = request.cuts.values().map(|cut| cut.portion.owner_signatures.len());
        assert_eq!(kept.sum::<usize>(), 2);
    }

    #[test]
    fn malformed_items_are_named_and_the_others_go_on() {
        let payee = account(AccountClass::Hf, "m", 0);
        let control = AccountId::control(ChainId::new(1), ChainId::new(2), AssetId::new(1));
        let mut bad = tributary_types::Encode::to_bytes(&record(user("a", 0), payee));
        bad[6] = 0x40;
        let bad: PaymentRecord = tributary_types::codec::decode_exact(&bad).unwrap();
        let records = [bad, record(user("a", 0), payee), record(user("a", 0), control)];
        let request = Request::payments(&records, &[], &routes());
        assert_eq!(chains(&request), [(1, vec![1])]);
        let results = request.finish();
        let field = |index: usize| match &results[index] {
            Err(RouterError::Malformed { field, rule }) => (field.clone(), rule.clone()),
            other => panic!("{other:?}"),
        };
        assert_eq!(field(0).0, "id");
        assert!(field(0).1.contains("version 7"), "{}", field(0).1);
        assert_eq!(field(2).0, "credit");
    }

    #[test]
    fn operations_go_to_the_chain_of_their_account() {
        let open = |account| {
            let asset = AssetId::new(1);
            Action::OpenAccount(OpenAccount { account, asset, owner: None })
        };
        let close = |account| {
            Action::SetMerchantStatus(SetStatus { account, status: AccountStatus::Closed })
        };
        let merchant = account(AccountClass::Hf, "m", 0);
        let actions = [open(user("a", Slot::COUNT - 1)), close(merchant), open(merchant)];
        let operations =
            actions.map(|action| Operation { id: PaymentId::new(TimeMs::new(1), [1; 10]), action });
        let request = Request::operations(operations.to_vec(), &routes(), HF_CHAIN);
        assert_eq!(chains(&request), [(2, vec![0]), (HF_CHAIN.get(), vec![1])]);
        let malformed = &request.finish()[2];
        assert!(
            matches!(malformed, Err(RouterError::Malformed { field, .. }) if field == "account")
        );
    }
}
