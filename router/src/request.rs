//! One front-end's request: cut into portions, answered item by item. Pure.
//!
//! What a chain refuses as `moved` is cut again by a newer table and sent to the
//! chain that owns it now, under the same ids. This keeps the order of one
//! payer: a portion executes in one block, under one table, so the items of a
//! payer in it are refused as `moved` together.

use std::num::NonZero;

use tributary_chain::Operation;
use tributary_chain::batch::OwnerSignature;
use tributary_routing::RouteTable;
use tributary_types::{ChainId, OutcomeCode, PaymentRecord};
use tributary_wire::router::{Outcome, RouterError};

use crate::portion::{Cut, StrandId, item_number};
use crate::shape::{place_operation, place_payment, subject};

/// Strands that requests most often have portions for.
const CUTS_USUAL: usize = 4;

/// What a front-end wants executed.
#[derive(Debug)]
enum Items {
    Payments { records: Vec<PaymentRecord>, signatures: Vec<OwnerSignature> },
    Operations { operations: Vec<Operation>, registry_chain: ChainId },
}

/// A request: its portions, and a result for each item once it is known.
#[derive(Debug)]
pub struct Request {
    items: Items,
    /// That each chain has.
    strands: NonZero<u8>,
    /// Items that a strand most often gets.
    share: usize,
    /// Of the route table that it was cut by last.
    version: u64,
    /// Ascending by strand. Most requests have few, and many have one item: a
    /// tree would take a kilobyte for it.
    cuts: Vec<(StrandId, Cut)>,
    results: Vec<Option<Result<Outcome, RouterError>>>,
}

impl Request {
    /// Cuts payments; malformed ones get their result at once. The lists have
    /// passed [`crate::shape::check_payments`].
    #[must_use]
    pub fn payments(
        records: Vec<PaymentRecord>,
        signatures: Vec<OwnerSignature>,
        routes: &RouteTable,
        strands: NonZero<u8>,
    ) -> Self {
        let count = records.len();
        Self::cut(Items::Payments { records, signatures }, count, routes, strands)
    }

    /// Cuts operations; malformed ones get their result at once.
    #[must_use]
    pub fn operations(
        operations: Vec<Operation>,
        routes: &RouteTable,
        registry_chain: ChainId,
        strands: NonZero<u8>,
    ) -> Self {
        let count = operations.len();
        Self::cut(Items::Operations { operations, registry_chain }, count, routes, strands)
    }

    /// The portions to send now, ascending by strand.
    #[must_use]
    pub fn take_cuts(&mut self) -> Vec<(StrandId, Cut)> {
        std::mem::take(&mut self.cuts)
    }

    /// Takes the outcomes of a portion with these items.
    pub fn answer(&mut self, items: &[usize], outcomes: impl IntoIterator<Item = Outcome>) {
        for (index, outcome) in items.iter().zip(outcomes) {
            self.results[*index] = Some(Ok(outcome));
        }
    }

    /// There are no outcomes of a portion with these items.
    pub fn fail(&mut self, items: &[usize], error: &RouterError) {
        for index in items {
            self.results[*index] = Some(Err(error.clone()));
        }
    }

    /// The latest version that chains went by when they refused items as
    /// `moved`; `None` if there are no such items, or the request was cut by it.
    #[must_use]
    pub fn moved_by(&self) -> Option<u64> {
        let versions = self.results.iter().flatten().flatten().filter_map(moved_by);
        versions.max().filter(|later| *later > self.version)
    }

    /// Cuts again what was refused as `moved` and has its place on another
    /// chain by `routes`. Until it is answered again, its result stays.
    /// Returns how many items that are.
    pub fn follow(&mut self, routes: &RouteTable) -> usize {
        self.version = routes.version();
        let mut followed = 0;
        for index in 0..self.results.len() {
            let Some(Ok(outcome)) = &self.results[index] else { continue };
            let elsewhere = self.items.strand(index, routes, self.strands).ok();
            let elsewhere = elsewhere.filter(|strand| strand.chain != outcome.chain);
            if let (Some(_), Some(strand)) = (moved_by(outcome), elsewhere) {
                self.add(strand, index);
                followed += 1;
            }
        }
        followed
    }

    /// One result per item, in order.
    #[must_use]
    pub fn finish(self) -> Vec<Result<Outcome, RouterError>> {
        let unknown = || Err(RouterError::OutcomeUnknown("the router gave no answer".to_owned()));
        self.results.into_iter().map(|result| result.unwrap_or_else(unknown)).collect()
    }

    fn cut(items: Items, count: usize, routes: &RouteTable, strands: NonZero<u8>) -> Self {
        let cuts = Vec::with_capacity(count.min(CUTS_USUAL));
        let share = usual_share(count, routes, strands);
        let (version, results) = (routes.version(), vec![None; count]);
        let mut request = Self { items, strands, share, version, cuts, results };
        for index in 0..count {
            match request.items.strand(index, routes, strands) {
                Ok(strand) => request.add(strand, index),
                Err(error) => request.results[index] = Some(Err(error)),
            }
        }
        request
    }

    /// Puts an item behind those that its strand has.
    fn add(&mut self, strand: StrandId, index: usize) {
        let place = match self.cuts.binary_search_by_key(&strand, |(known, _)| *known) {
            Ok(place) => place,
            Err(place) => {
                self.cuts.insert(place, (strand, self.empty_cut()));
                place
            }
        };
        let Cut { portion, items } = &mut self.cuts[place].1;
        items.push(index);
        match &self.items {
            Items::Payments { records, signatures } => {
                let own = signatures.binary_search_by_key(&index, |own| own.payment as usize);
                if let Ok(own) = own {
                    let payment = item_number(portion.payments.len());
                    let signature = OwnerSignature { payment, ..signatures[own] };
                    portion.owner_signatures.push(signature);
                }
                portion.payments.push(records[index]);
            }
            Items::Operations { operations, .. } => {
                portion.operations.push(operations[index].clone());
            }
        }
    }

    fn empty_cut(&self) -> Cut {
        let mut cut = Cut::default();
        cut.items.reserve_exact(self.share);
        match &self.items {
            Items::Payments { .. } => cut.portion.payments.reserve_exact(self.share),
            Items::Operations { .. } => cut.portion.operations.reserve_exact(self.share),
        }
        cut
    }
}

impl Items {
    /// Where an item goes by a table.
    fn strand(
        &self,
        index: usize,
        routes: &RouteTable,
        strands: NonZero<u8>,
    ) -> Result<StrandId, RouterError> {
        match self {
            Self::Payments { records, .. } => {
                let (chain, debit) = place_payment(&records[index], routes)?;
                Ok(StrandId::of(chain, debit, strands))
            }
            Self::Operations { operations, registry_chain } => {
                let operation = &operations[index];
                let chain = place_operation(operation, routes, *registry_chain)?;
                Ok(match subject(&operation.action) {
                    Some((account, _)) => StrandId::of(chain, account, strands),
                    None => StrandId { chain, number: 0 },
                })
            }
        }
    }
}

/// Items that a strand gets of so many that are spread evenly, and a little more:
/// what is spread by chance seldom gets more than that.
fn usual_share(count: usize, routes: &RouteTable, strands: NonZero<u8>) -> usize {
    let share = count.div_ceil(routes.user_ranges().len().max(1) * usize::from(strands.get()));
    share + share / 16
}

/// The version of the route table by which a chain refused an item as `moved`.
#[must_use]
pub fn moved_by(outcome: &Outcome) -> Option<u64> {
    let is_moved = outcome.receipt.code == OutcomeCode::Moved;
    u64::try_from(outcome.receipt.detail.get()).ok().filter(|_| is_moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tributary_chain::operation::{OpenAccount, SetStatus};
    use tributary_chain::{AccountStatus, Action};
    use tributary_routing::table::SlotRange;
    use tributary_types::payment::Payment;
    use tributary_types::{
        AccountClass, AccountId, AccountName, Amount, AssetId, BlockHeight, InstitutionId,
        PaymentId, PaymentKind, Position, Receipt, Reference, Signature, Slot, TimeMs,
    };

    const HF_CHAIN: ChainId = ChainId::new(9);
    const TWO: NonZero<u8> = NonZero::<u8>::MIN.saturating_add(1);

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
            let records = [record(debit, credit)];
            let request = Request::payments(records.to_vec(), vec![], &routes(), TWO);
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
        let request = Request::payments(records.to_vec(), vec![], &routes(), TWO);
        for payer in [one, other] {
            let wanted: Vec<_> =
                (0..64).filter(|n| records[*n].parse().unwrap().debit == payer).collect();
            let holds = |cut: &Cut| {
                let own = cut.items.iter().filter(|n| wanted.contains(n)).copied();
                own.collect::<Vec<_>>() == wanted
            };
            assert_eq!(request.cuts.iter().filter(|(_, cut)| holds(cut)).count(), 1);
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
        let signatures = [signature(1), signature(2)];
        let request = Request::payments(records.to_vec(), signatures.to_vec(), &routes(), TWO);
        for (_, cut) in &request.cuts {
            for own in &cut.portion.owner_signatures {
                let item = cut.items[own.payment as usize];
                assert_eq!(own.signature, signature(u32::try_from(item).unwrap()).signature);
            }
        }
        let kept = request.cuts.iter().map(|(_, cut)| cut.portion.owner_signatures.len());
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
        let request = Request::payments(records.to_vec(), vec![], &routes(), TWO);
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
        let request = Request::operations(operations.to_vec(), &routes(), HF_CHAIN, TWO);
        assert_eq!(chains(&request), [(2, vec![0]), (HF_CHAIN.get(), vec![1])]);
        let malformed = &request.finish()[2];
        assert!(
            matches!(malformed, Err(RouterError::Malformed { field, .. }) if field == "account")
        );
    }

    fn outcome(chain: u16, code: OutcomeCode, detail: u128) -> Outcome {
        let position = Position::new(BlockHeight::new(1), 0).unwrap();
        let receipt = Receipt::refused(code, Amount::new(detail));
        Outcome { chain: ChainId::new(chain), position, receipt }
    }

    #[test]
    fn only_what_has_another_place_is_cut_again_and_in_order() {
        let payee = account(AccountClass::Hf, "m", 0);
        let issuer = AccountId::issuer(InstitutionId::new(1), AssetId::new(1), ChainId::new(1));
        let (near, far) = (user("a", 0), user("a", Slot::COUNT / 2 - 1));
        let records =
            [(near, payee), (far, payee), (issuer, far), (far, payee), (far, payee), (near, far)]
                .map(|(debit, credit)| record(debit, credit));
        let signature = Signature::from_bytes([1; 64]);
        let signatures = [OwnerSignature { payment: 4, signature }];
        let mut request = Request::payments(records.to_vec(), signatures.to_vec(), &routes(), TWO);
        assert_eq!(request.moved_by(), None);
        for (_, cut) in request.take_cuts() {
            let codes = cut.items.iter().map(|item| match item {
                0 => outcome(1, OutcomeCode::Committed, 7),
                3 => outcome(1, OutcomeCode::Expired, 8),
                5 => outcome(1, OutcomeCode::Moved, u128::MAX),
                _ => outcome(1, OutcomeCode::Moved, 2),
            });
            request.answer(&cut.items, codes);
        }
        assert_eq!(request.moved_by(), Some(2));
        // A table by which `near` stays and `far` moves; the issuer's home does not.
        let chains = [1, 2].map(ChainId::new);
        let slots = [0, Slot::COUNT / 4, Slot::COUNT / 4 - 1, Slot::COUNT - 1];
        let [first, middle, last, end] = slots.map(|slot| Slot::new(slot).unwrap());
        let ranges = [(first, last, chains[0]), (middle, end, chains[1])];
        let ranges = ranges.map(|(first, last, chain)| SlotRange { first, last, chain });
        let newer = RouteTable::new(2, ranges.to_vec(), routes().hf_ranges().to_vec()).unwrap();
        assert_eq!(request.follow(&newer), 2);
        let cuts = request.take_cuts();
        let items: Vec<_> = cuts.iter().map(|(strand, cut)| (strand.chain, &cut.items)).collect();
        assert_eq!(items, [(chains[1], &vec![1, 4])]);
        let portion = &cuts[0].1.portion;
        assert_eq!(portion.owner_signatures, [OwnerSignature { payment: 1, signature }]);
        request.fail(&[1, 4], &RouterError::Overloaded { retry_after_ms: 1 });
        assert_eq!(request.moved_by(), None, "it was cut by the table that the chain goes by");
        let results = request.finish();
        assert_eq!(results[2], Ok(outcome(1, OutcomeCode::Moved, 2)));
        assert_eq!(results[4], Err(RouterError::Overloaded { retry_after_ms: 1 }));
    }
}
