//! What readers see of a state: plain data, as of one block.

use serde::{Deserialize, Serialize};
use tributary_chain::Counters;
use tributary_chain::operation::{AccountStatus, FloatPolicy};
use tributary_types::{
    AccountClass, AccountId, AccountName, Amount, AssetId, BlockHeight, ChainId, OutcomeCode,
    Position, PublicKey,
};

use crate::balance::Balance;
use crate::merchant::MerchantChain;

/// A user, issuer or control account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountView {
    /// Its id.
    pub account: AccountId,
    /// What it is for.
    pub class: AccountClass,
    /// What it holds.
    pub asset: AssetId,
    /// Whether it takes part.
    pub status: AccountStatus,
    /// The key that must sign every debit, if any.
    pub owner: Option<PublicKey>,
    /// Everything that ever went out.
    pub debits: Amount,
    /// Everything that ever came in.
    pub credits: Amount,
    /// The difference.
    pub balance: Balance,
    /// The newest entry of its history.
    pub last: Position,
}

/// A merchant's proxy on a user chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProxyView {
    /// The merchant's id.
    pub account: AccountId,
    /// What it holds.
    pub asset: AssetId,
    /// Whether it takes part.
    pub status: AccountStatus,
    /// What it keeps at a settlement.
    pub float: FloatPolicy,
    /// Everything it ever did.
    pub counters: Counters,
    /// What it holds now.
    pub balance: Amount,
    /// The outstanding request for money, if any.
    pub requested: Option<Amount>,
    /// Refunds and payouts that wait for money.
    pub waiting: u64,
    /// The money they wait for.
    pub waiting_amount: Amount,
    /// Whether the counters changed since the last statement.
    pub unsettled: bool,
    /// The newest entry of its history.
    pub last: Position,
}

/// A merchant on the HF chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MerchantView {
    /// Its id, also that of its proxies.
    pub account: AccountId,
    /// The name that the id is derived from.
    pub name: AccountName,
    /// What it holds.
    pub asset: AssetId,
    /// Whether it takes part.
    pub status: AccountStatus,
    /// What each proxy keeps at a settlement.
    pub float: FloatPolicy,
    /// Everything that ever left the HF account.
    pub debits: Amount,
    /// Everything that ever came into the HF account.
    pub credits: Amount,
    /// What the HF account holds: `credits - debits`.
    pub available: Amount,
    /// All of the merchant's money as the HF chain knows it: what is available,
    /// and what its proxies held when they last settled or were sent since.
    pub balance: Balance,
    /// Paid by users, over all chains.
    pub received: Amount,
    /// Given back or paid out to users, over all chains.
    pub refunded: Amount,
    /// Number of payments, refunds and payouts over all chains.
    pub payments: u64,
    /// Chain by chain, ascending; only those that settled or were sent money.
    pub chains: Vec<MerchantChain>,
    /// The newest entry of its history on the HF chain.
    pub last: Position,
}

/// What the id window knows of a payment or operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// The latest outcome.
    pub code: OutcomeCode,
    /// Where it stands.
    pub position: Position,
}

/// How far a channel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelStatus {
    /// The other chain.
    pub peer: ChainId,
    /// Number of the last message sent to it.
    pub sent: u64,
    /// Number of the last one that it is known to have received.
    pub acknowledged: u64,
    /// Number of the last message received from it.
    pub received: u64,
    /// Where the peer's quorum lied, if it did: nothing of it is accepted.
    pub frozen: Option<BlockHeight>,
}

/// What a user chain has not settled yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct SettlementStatus {
    /// The oldest block with a change that no statement has said yet.
    pub unsettled_since: Option<BlockHeight>,
    /// Proxies that changed since their last statement.
    pub unsettled_rows: u64,
    /// The last settlement; 0 before the first.
    pub last_epoch: u64,
    /// Its block.
    pub last_statement_height: BlockHeight,
    /// Number of the last message sent to the HF chain.
    pub sent_sequence_to_hf: u64,
}
