//! Floor 1: where accounts live and where payments run.
//!
//! [`table`] says which chain owns each of the 16,384 slots; [`placement`]
//! chooses the slot of an account when it is opened; [`route()`] says which chain
//! executes a payment. Pure: who holds the table, proves it and follows it is
//! the business of higher floors.

pub mod placement;
pub mod route;
pub mod table;

pub use placement::{PlacementError, PlacementRule};
pub use route::{RouteError, route, route_account};
pub use table::{RouteTable, RouteTableError, SlotRange, SlotSpace};
