//! Everything that front-ends ever asked for, by number.

use tributary_chain::Operation;
use tributary_types::{ChainId, InstitutionId, PaymentRecord, Signature};

/// The number of an order.
pub type OrderNumber = u32;

/// One thing that somebody wants done once.
#[derive(Debug, Clone)]
pub struct Order {
    /// What.
    pub item: Item,
    /// Where it runs by the true route table.
    pub chain: ChainId,
    /// Who asks for it.
    pub institution: InstitutionId,
}

/// A payment or an operation.
#[derive(Debug, Clone)]
pub enum Item {
    /// A payment, with its owner's signature if there is one.
    Pay(PaymentRecord, Option<Signature>),
    /// An operation.
    Do(Operation),
}

/// See the module head.
#[derive(Debug, Default)]
pub struct Orders {
    all: Vec<Order>,
    /// Keys that somebody asked to register beyond an institution's first.
    pub further_keys: u16,
}

impl Orders {
    /// Notes an order down.
    pub fn add(&mut self, order: Order) -> OrderNumber {
        let number = OrderNumber::try_from(self.all.len()).unwrap_or(OrderNumber::MAX);
        self.all.push(order);
        number
    }

    /// An order that was noted down.
    #[must_use]
    pub fn get(&self, number: OrderNumber) -> Option<&Order> {
        self.all.get(usize::try_from(number).ok()?)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether nothing was ever asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
}
