//! What a user chain does with the messages of other chains.

use tributary_chain::message::MerchantNotice;
use tributary_chain::{AccountStatus, Message};
use tributary_types::{AccountClass, ChainId};

use crate::block::Block;
use crate::core::Core;
use crate::proxy::Proxy;
use crate::refusal::RuleBroken;
use crate::user::UserChain;

impl UserChain {
    /// Applies one message. Rotation of validators is not this chain's kind of
    /// business and is done before.
    ///
    /// # Errors
    /// [`RuleBroken`]; then nothing is changed.
    pub(crate) fn receive(
        &mut self,
        core: &mut Core,
        block: &mut Block,
        source: ChainId,
        message: &Message,
    ) -> Result<(), RuleBroken> {
        let of_hf_chain = source == core.rules.hf_chain;
        match message {
            Message::Fund(fund) if of_hf_chain => self.receive_fund(core, block, fund),
            Message::Merchant(notice) if of_hf_chain => self.notice(core, block, notice),
            Message::Registry(change) if of_hf_chain => {
                core.change_registry(change);
                Ok(())
            }
            Message::Transfer(transfer) if !of_hf_chain => {
                self.transfer_in(core, block, source, transfer)
            }
            Message::TransferOutcome(outcome) if !of_hf_chain => {
                self.transfer_answered(core, block, source, outcome)
            }
            _ => Err(RuleBroken("a message that this chain sends to no user chain")),
        }
    }

    /// Opens a proxy or brings it up to date.
    fn notice(
        &mut self,
        core: &Core,
        block: &Block,
        notice: &MerchantNotice,
    ) -> Result<(), RuleBroken> {
        if notice.account.class() != AccountClass::Hf {
            return Err(RuleBroken("merchant notice about another class of account"));
        }
        if core.registry.get().asset(notice.asset).is_none() {
            return Err(RuleBroken("merchant notice with an asset that is not registered"));
        }
        match self.proxies.find(notice.account) {
            None => {
                if !self.proxies.has_room() {
                    return Err(RuleBroken("more merchants than there may be"));
                }
                let (id, asset) = (notice.account, notice.asset);
                let proxy = Proxy::open(id, asset, notice.status, notice.float);
                let number = self.proxies.insert(proxy);
                if !notice.float.low_mark.is_zero() {
                    self.unsettled_mut(number, block);
                }
            }
            Some(number) => {
                let proxy = self.proxies.row(number);
                if proxy.asset != notice.asset
                    || proxy.status == AccountStatus::Closed
                        && notice.status != AccountStatus::Closed
                {
                    return Err(RuleBroken("merchant notice that contradicts an earlier one"));
                }
                // A new float is put in force by the next settlement.
                let float_changed = proxy.float != notice.float;
                let proxy = if float_changed {
                    self.unsettled_mut(number, block)
                } else {
                    self.proxies.row_mut(number)
                };
                proxy.status = notice.status;
                proxy.float = notice.float;
            }
        }
        Ok(())
    }
}
