//! Random operations: accounts, merchants, the registry.

use tributary_chain::operation::{
    AccountStatus, Action, AssetEntry, FloatPolicy, InstitutionEntry, InstitutionKey, OpenAccount,
    OpenMerchant, RegistryChange, SetFloat, SetStatus,
};
use tributary_types::{Amount, AssetId, ChainId, InstitutionId, PublicKey};

use crate::model_workload::{Workload, merchant_name, owner};
use crate::model_world::{HF, OTHER, institution_key, key};

/// The neutral point: anybody can sign for it.
fn weak_key() -> PublicKey {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    PublicKey::from_bytes(bytes)
}

pub fn random_action(work: &mut Workload, chain: ChainId, sender: InstitutionId) -> Action {
    let on_hf = if work.percent(3) { chain != HF } else { chain == HF };
    if on_hf { on_the_hf_chain(work, sender) } else { on_a_user_chain(work, chain, sender) }
}

/// More assets, and more keys of one institution, than a registry holds.
pub fn registry_beyond_its_limits() -> Vec<RegistryChange> {
    let letter = |number: u32| char::from(b'A' + (number % 26) as u8);
    let asset = |number: u32| {
        let code = [letter(number / 676), letter(number / 26), letter(number)];
        let code = code.iter().collect::<String>().parse().unwrap();
        RegistryChange::Asset(AssetEntry { id: AssetId::new(100 + number), code, scale: 0 })
    };
    let key = |number| {
        let key = key(5, number).public();
        RegistryChange::AddKey(InstitutionKey { institution: OTHER, key })
    };
    (0..260).map(asset).chain((0..70).map(key)).collect()
}

fn on_a_user_chain(work: &mut Workload, chain: ChainId, sender: InstitutionId) -> Action {
    let users = work.users_of(chain, sender);
    let merchants = work.pool.merchants.clone();
    let user = if work.percent(3) { work.pick(&merchants) } else { work.pick(&users) };
    if work.percent(50) {
        let asset = work.asset_of(user);
        let owner = owner(user).map(|key| key.public());
        let owner = match work.prng.below(60) {
            0 => Some(key(3, 9).public()),
            1 => Some(weak_key()),
            _ => owner,
        };
        return Action::OpenAccount(OpenAccount { account: user, asset, owner });
    }
    Action::SetAccountStatus(SetStatus { account: user, status: status(work) })
}

fn on_the_hf_chain(work: &mut Workload, sender: InstitutionId) -> Action {
    let (merchants, users) = (work.pool.merchants.clone(), work.pool.users.clone());
    let number = work.prng.index(merchants.len());
    let account = if work.percent(3) { work.pick(&users) } else { merchants[number] };
    let sender_has = merchants.iter().position(|id| id.institution() == sender);
    let (number, account) = match sender_has {
        Some(own) if account.institution() != sender && work.percent(80) => (own, merchants[own]),
        _ => (number, account),
    };
    match work.prng.below(10) {
        0..5 => {
            let number = if work.percent(3) { number + 1 } else { number };
            let name = merchant_name(number).parse().unwrap();
            let (asset, float) = (work.asset_of(account), float(work));
            Action::OpenMerchant(OpenMerchant { account, name, asset, float })
        }
        5 => Action::SetMerchantStatus(SetStatus { account, status: status(work) }),
        6 | 7 => Action::SetFloat(SetFloat { account, float: float(work) }),
        _ => Action::Register(registry_change(work, sender)),
    }
}

fn status(work: &mut Workload) -> AccountStatus {
    use AccountStatus::{Closed, Frozen, Open};
    work.pick(&[Open, Open, Open, Frozen, Frozen, Closed])
}

fn float(work: &mut Workload) -> FloatPolicy {
    let (target, low_mark) = match work.prng.below(40) {
        0 => (5, 10),
        1 => (u128::MAX, 1),
        _ => work.pick(&[(0, 0), (0, 0), (50, 20), (500, 500), (300, 0)]),
    };
    FloatPolicy { target: Amount::new(target), low_mark: Amount::new(low_mark) }
}

fn registry_change(work: &mut Workload, sender: InstitutionId) -> RegistryChange {
    let institution = work.institution();
    let spares = [0, 1, 2, 3].map(|number| key(4, number).public());
    let spare = if work.percent(10) { weak_key() } else { work.pick(&spares) };
    let its_key = if work.percent(50) { institution_key(institution).public() } else { spare };
    match work.prng.below(4) {
        0 => {
            let number = work.pick(&[2, 3, 4, 5, 6]);
            let codes = ["USD", "CHF", "GBP", "SEK"];
            let code = work.pick(&codes).parse().unwrap();
            RegistryChange::Asset(AssetEntry { id: AssetId::new(number), code, scale: 2 })
        }
        1 => RegistryChange::Institution(InstitutionEntry {
            id: InstitutionId::new(9),
            name: "third".parse().unwrap(),
            keys: vec![institution_key(InstitutionId::new(9)).public(); 1 + work.prng.index(2)],
            operator: false,
        }),
        2 => RegistryChange::AddKey(InstitutionKey { institution, key: its_key }),
        _ => {
            let whose = if work.percent(80) { InstitutionId::new(9) } else { sender };
            RegistryChange::RevokeKey(InstitutionKey { institution: whose, key: its_key })
        }
    }
}
