//! Operations: accounts, merchants, floats, the registry.

use tributary_chain::operation::{
    AccountStatus, AssetEntry, FloatPolicy, InstitutionEntry, InstitutionKey, OpenAccount,
    OpenMerchant, RegistryChange, SetFloat, SetStatus,
};
use tributary_chain::{Action, Operation};
use tributary_types::{Amount, AssetId, ChainId, InstitutionId};

use super::{Workload, asset_of, owner_of};
use crate::clock::true_time;
use crate::cluster::{BANK, SHOPS, institution_key};
use crate::orders::{Item, Order};
use crate::stage::Stage;

/// Most pence that a proxy keeps.
const FLOAT_PENCE_MAX: u64 = 200;
/// Keys that are ever added.
const FURTHER_KEYS_MAX: u16 = 6;

impl Workload {
    /// Opens everybody who is there from the start.
    pub(super) fn open_everything(&mut self, stage: &Stage) -> Vec<Order> {
        let merchants: Vec<_> = self.directory.merchants().collect();
        let mut orders = Vec::new();
        for (account, name) in merchants {
            let float = self.float();
            let open = OpenMerchant { account, name, asset: asset_of(account), float };
            let action = Action::OpenMerchant(open);
            orders.push(self.operation(stage, stage.cluster.hf, account.institution(), action));
        }
        let users: Vec<_> = self.directory.users().collect();
        for (chain, number, account) in users {
            let owner = owner_of(chain, number).map(|key| key.public());
            let action =
                Action::OpenAccount(OpenAccount { account, asset: asset_of(account), owner });
            orders.push(self.operation(stage, chain, account.institution(), action));
        }
        orders
    }

    pub(super) fn open_user(&mut self, stage: &mut Stage) -> Option<Order> {
        match self.prng.below(10) {
            0 | 1 => return self.open_merchant(stage),
            2 => return self.open_placed(stage),
            _ => {}
        }
        let chain = self.directory.some_chain(&mut self.prng)?;
        let (number, account) = self.directory.next_user(chain, &mut self.prng)?;
        let owner = owner_of(chain, number).map(|key| key.public());
        let action = Action::OpenAccount(OpenAccount { account, asset: asset_of(account), owner });
        Some(self.operation(stage, chain, account.institution(), action))
    }

    fn open_placed(&mut self, stage: &Stage) -> Option<Order> {
        let now = true_time(stage.now_us);
        let (chain, account) = self.directory.place(now, &mut self.prng)?;
        let open = OpenAccount { account, asset: asset_of(account), owner: None };
        Some(self.operation(stage, chain, account.institution(), Action::OpenAccount(open)))
    }

    fn open_merchant(&mut self, stage: &Stage) -> Option<Order> {
        let (account, name) = self.directory.next_merchant(&mut self.prng)?;
        let open = OpenMerchant { account, name, asset: asset_of(account), float: self.float() };
        let action = Action::OpenMerchant(open);
        Some(self.operation(stage, stage.cluster.hf, account.institution(), action))
    }

    pub(super) fn set_user_status(&mut self, stage: &mut Stage) -> Option<Order> {
        let chain = self.directory.some_chain(&mut self.prng)?;
        let account = self.directory.some_user(chain, &mut self.prng)?;
        let status = self.status(8);
        let action = Action::SetAccountStatus(SetStatus { account, status });
        Some(self.operation(stage, chain, account.institution(), action))
    }

    pub(super) fn set_merchant_status(&mut self, stage: &mut Stage) -> Option<Order> {
        let (account, _) = self.directory.some_merchant(&mut self.prng)?;
        let status = self.status(3);
        let action = Action::SetMerchantStatus(SetStatus { account, status });
        Some(self.operation(stage, stage.cluster.hf, account.institution(), action))
    }

    pub(super) fn set_float(&mut self, stage: &mut Stage) -> Option<Order> {
        let (account, _) = self.directory.some_merchant(&mut self.prng)?;
        let action = Action::SetFloat(SetFloat { account, float: self.float() });
        Some(self.operation(stage, stage.cluster.hf, account.institution(), action))
    }

    pub(super) fn register(&mut self, stage: &mut Stage) -> Option<Order> {
        let number = self.prng.between(3, 9);
        let small = u32::try_from(number).ok()?;
        let change = match self.prng.below(5) {
            0 => RegistryChange::Asset(AssetEntry {
                id: AssetId::new(small),
                code: format!("X-{number}").parse().ok()?,
                scale: 2,
            }),
            1 => RegistryChange::Institution(InstitutionEntry {
                id: InstitutionId::new(small + 10),
                name: format!("i{number}").parse().ok()?,
                keys: vec![institution_key(InstitutionId::new(small + 10), 0).public()],
                operator: false,
            }),
            2 if stage.orders.further_keys > 0 => {
                RegistryChange::RevokeKey(self.shops_key(stage.orders.further_keys))
            }
            _ => {
                stage.orders.further_keys = FURTHER_KEYS_MAX.min(stage.orders.further_keys + 1);
                RegistryChange::AddKey(self.shops_key(stage.orders.further_keys))
            }
        };
        Some(self.operation(stage, stage.cluster.hf, BANK, Action::Register(change)))
    }

    fn shops_key(&mut self, most: u16) -> InstitutionKey {
        let number = u16::try_from(self.prng.between(1, u64::from(most))).unwrap_or(1);
        InstitutionKey { institution: SHOPS, key: institution_key(SHOPS, number).public() }
    }

    pub(super) fn operation(
        &mut self,
        stage: &Stage,
        chain: ChainId,
        institution: InstitutionId,
        action: Action,
    ) -> Order {
        let operation = Operation { id: self.id(stage), action };
        Order { item: Item::Do(operation), chain, institution }
    }

    /// Mostly open; closed in so many of a hundred.
    fn status(&mut self, closed_percent: u64) -> AccountStatus {
        let drawn = self.prng.below(100);
        if drawn < closed_percent {
            AccountStatus::Closed
        } else if drawn < 35 {
            AccountStatus::Frozen
        } else {
            AccountStatus::Open
        }
    }

    fn float(&mut self) -> FloatPolicy {
        let target = self.prng.below(FLOAT_PENCE_MAX);
        let low_mark = self.prng.below(target + 1);
        let pence = |pence: u64| Amount::new(u128::from(pence));
        FloatPolicy { target: pence(target), low_mark: pence(low_mark) }
    }
}
