//! Operations on the HF chain: merchants and the registry. Whatever changes is
//! announced to every user chain in the same step.

use tributary_chain::Message;
use tributary_chain::message::MerchantNotice;
use tributary_chain::operation::{
    Action, FloatPolicy, OpenMerchant, RegistryChange, SetFloat, SetStatus,
};
use tributary_types::{AccountClass, InstitutionId, OutcomeCode};

use crate::core::Core;
use crate::hf::HfChain;
use crate::merchant::Merchant;
use crate::operation::{check_account, check_opening, check_status_change};
use crate::refusal::Refusal;
use crate::registry::RegistryError;

impl HfChain {
    /// Executes an operation whose id is checked.
    ///
    /// # Errors
    /// [`Refusal`]; then nothing is changed.
    pub(crate) fn operate(
        &mut self,
        core: &mut Core,
        institution: InstitutionId,
        action: &Action,
    ) -> Result<(), Refusal> {
        match action {
            Action::OpenMerchant(open) => self.open_merchant(core, institution, open),
            Action::SetMerchantStatus(set) => self.set_status(core, institution, set),
            Action::SetFloat(set) => self.set_float(core, institution, set),
            Action::Register(change) => register(core, institution, change),
            Action::OpenAccount(_) | Action::SetAccountStatus(_) => {
                Err(OutcomeCode::WrongChain.into())
            }
        }
    }

    fn open_merchant(
        &mut self,
        core: &mut Core,
        institution: InstitutionId,
        open: &OpenMerchant,
    ) -> Result<(), Refusal> {
        check_account(&core.rules, institution, open.account, AccountClass::Hf)?;
        core.check_asset(open.asset)?;
        check_float(&open.float)?;
        if !open.account.is_named(institution, &open.name) {
            return Err(OutcomeCode::Malformed.into());
        }
        let merchant = Merchant::open(open.account, open.name, open.asset, open.float);
        let is_same = |known: &Merchant| {
            (known.name, known.asset, known.float)
                == (merchant.name, merchant.asset, merchant.float)
        };
        if !check_opening(&self.merchants, open.account, is_same)? {
            return Ok(());
        }
        announce(core, &Message::Merchant(merchant.notice()))?;
        self.merchants.insert(merchant);
        Ok(())
    }

    fn set_status(
        &mut self,
        core: &mut Core,
        institution: InstitutionId,
        set: &SetStatus,
    ) -> Result<(), Refusal> {
        check_account(&core.rules, institution, set.account, AccountClass::Hf)?;
        let number = self.find(set.account, None, OutcomeCode::UnknownDebitAccount)?;
        let merchant = self.merchants.row(number);
        if !check_status_change(merchant.status, set.status)? {
            return Ok(());
        }
        self.change(core, number, |merchant| merchant.status = set.status)
    }

    fn set_float(
        &mut self,
        core: &mut Core,
        institution: InstitutionId,
        set: &SetFloat,
    ) -> Result<(), Refusal> {
        check_account(&core.rules, institution, set.account, AccountClass::Hf)?;
        check_float(&set.float)?;
        let number = self.find(set.account, None, OutcomeCode::UnknownDebitAccount)?;
        let merchant = self.merchants.row(number);
        if merchant.float == set.float {
            return Ok(());
        }
        self.change(core, number, |merchant| merchant.float = set.float)
    }

    /// Changes what user chains know of a merchant and announces it.
    fn change(
        &mut self,
        core: &mut Core,
        number: u32,
        change: impl Fn(&mut Merchant),
    ) -> Result<(), Refusal> {
        let mut changed = self.merchants.row(number).clone();
        change(&mut changed);
        announce(core, &Message::Merchant(changed.notice()))?;
        *self.merchants.row_mut(number) = changed;
        Ok(())
    }
}

impl Merchant {
    /// What user chains must know.
    const fn notice(&self) -> MerchantNotice {
        MerchantNotice {
            account: self.id,
            asset: self.asset,
            status: self.status,
            float: self.float,
        }
    }
}

/// Changes the registry, if an operator asks for it.
fn register(
    core: &mut Core,
    institution: InstitutionId,
    change: &RegistryChange,
) -> Result<(), Refusal> {
    let registry = core.registry.get();
    if !registry.is_operator(institution) {
        return Err(OutcomeCode::Unauthorized.into());
    }
    let changes = registry.check(change).map_err(|error| match error {
        RegistryError::Limit { .. } => OutcomeCode::LimitReached,
        RegistryError::WeakKey(_) => OutcomeCode::WeakKey,
        _ => OutcomeCode::RegistryConflict,
    })?;
    if changes {
        announce(core, &Message::Registry(change.clone()))?;
        core.change_registry(change);
    }
    Ok(())
}

/// Sends a message to every user chain, or to none.
fn announce(core: &mut Core, message: &Message) -> Result<(), Refusal> {
    let Core { rules, channels, .. } = core;
    if !rules.user_chains.iter().all(|chain| channels.may_begin(*chain)) {
        return Err(OutcomeCode::LimitReached.into());
    }
    for chain in &rules.user_chains {
        channels.send(*chain, message.clone());
    }
    Ok(())
}

fn check_float(float: &FloatPolicy) -> Result<(), Refusal> {
    if float.low_mark <= float.target { Ok(()) } else { Err(OutcomeCode::Malformed.into()) }
}
