//! What both kinds of chain have: rules, registry, accounts, id window,
//! channels.

use tributary_chain::operation::RegistryChange;
use tributary_chain::{AccountStatus, Inbox};
use tributary_types::{AccountId, AssetId, ChainId, InstitutionId, OutcomeCode};

use crate::account::Account;
use crate::channels::Channels;
use crate::genesis::{Genesis, GenesisError};
use crate::hashed::Hashed;
use crate::id_window::IdWindow;
use crate::index_key::IndexKey;
use crate::refusal::Refusal;
use crate::registry::Registry;
use crate::rules::Rules;
use crate::table::Table;

/// The part of a state that execution on any chain reads and writes.
#[derive(Debug, Clone)]
pub(crate) struct Core {
    pub(crate) index_key: IndexKey,
    pub(crate) rules: Rules,
    pub(crate) registry: Hashed<Registry>,
    pub(crate) accounts: Table<Account>,
    pub(crate) window: IdWindow,
    pub(crate) channels: Channels,
}

impl Core {
    /// The state at height 0.
    pub(crate) fn genesis(
        genesis: &Genesis,
        chain: ChainId,
        index_key: IndexKey,
    ) -> Result<Self, GenesisError> {
        let mut core = Self::without_accounts(genesis, chain, index_key)?;
        for asset in &genesis.assets {
            core.open_accounts_of_asset(asset.id);
        }
        Ok(core)
    }

    /// The state at height 0, but for accounts.
    pub(crate) fn without_accounts(
        genesis: &Genesis,
        chain: ChainId,
        index_key: IndexKey,
    ) -> Result<Self, GenesisError> {
        let rules = Rules::of(genesis, chain)?;
        let peers = genesis.chains.iter().filter(|peer| peer.id != chain);
        let inboxes = peers.filter_map(|peer| {
            genesis.validator_set(peer.id).map(|validators| (peer.id, Inbox::new(validators)))
        });
        Ok(Self {
            index_key,
            window: IdWindow::new(&rules.parameters, index_key),
            registry: Hashed::new(Registry::of(&genesis.assets, &genesis.institutions)?),
            accounts: Table::new(index_key),
            channels: Channels::new(chain, inboxes),
            rules,
        })
    }

    /// The account that holds what this chain owes `peer`.
    pub(crate) fn control(&self, peer: ChainId, asset: AssetId) -> Option<u32> {
        self.accounts.find(AccountId::control(self.rules.chain, peer, asset))
    }

    /// Follows a change of the registry, decided here or announced by the HF
    /// chain, and opens the issuer and control accounts that it calls for: one
    /// per institution and asset, one per peer and asset.
    pub(crate) fn change_registry(&mut self, change: &RegistryChange) {
        self.registry.change().apply(change);
        match change {
            RegistryChange::Asset(asset) => self.open_accounts_of_asset(asset.id),
            RegistryChange::Institution(institution) => {
                let assets: Vec<_> = self.registry.get().assets().map(|asset| asset.id).collect();
                for asset in assets {
                    self.open_issuer(institution.id, asset);
                }
            }
            RegistryChange::AddKey(_) | RegistryChange::RevokeKey(_) => {}
        }
    }

    fn open_accounts_of_asset(&mut self, asset: AssetId) {
        let registry = self.registry.get();
        let institutions: Vec<_> = registry.institutions().map(|entry| entry.id).collect();
        for institution in institutions {
            self.open_issuer(institution, asset);
        }
        let peers: Vec<_> = self.channels.peers().collect();
        for peer in peers {
            self.open_if_missing(AccountId::control(self.rules.chain, peer, asset), asset);
        }
    }

    fn open_issuer(&mut self, institution: InstitutionId, asset: AssetId) {
        self.open_if_missing(AccountId::issuer(institution, asset, self.rules.chain), asset);
    }

    fn open_if_missing(&mut self, id: AccountId, asset: AssetId) {
        if self.accounts.find(id).is_none() {
            self.accounts.insert(Account::open(id, asset, None));
        }
    }
}

/// What checks need of either side of a payment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Party {
    pub(crate) asset: AssetId,
    pub(crate) status: AccountStatus,
    /// A closed HF account may still pay out what it holds.
    pub(crate) pays_when_closed: bool,
}

/// Checks that both sides hold the asset and take part.
pub(crate) fn check_parties(asset: AssetId, debit: Party, credit: Party) -> Result<(), Refusal> {
    if debit.asset != asset || credit.asset != asset {
        return Err(OutcomeCode::AssetMismatch.into());
    }
    check_debit(debit)?;
    check_credit(credit)
}

/// Checks that a side of the right asset may pay.
pub(crate) fn check_debit(party: Party) -> Result<(), Refusal> {
    match party.status {
        AccountStatus::Open => Ok(()),
        AccountStatus::Closed if party.pays_when_closed => Ok(()),
        AccountStatus::Frozen => Err(OutcomeCode::DebitAccountFrozen.into()),
        AccountStatus::Closed => Err(OutcomeCode::DebitAccountClosed.into()),
    }
}

/// Checks that a side of the right asset may be paid.
pub(crate) fn check_credit(party: Party) -> Result<(), Refusal> {
    match party.status {
        AccountStatus::Open => Ok(()),
        AccountStatus::Frozen => Err(OutcomeCode::CreditAccountFrozen.into()),
        AccountStatus::Closed => Err(OutcomeCode::CreditAccountClosed.into()),
    }
}
