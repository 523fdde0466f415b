//! Assets, institutions and their keys.

use std::collections::BTreeMap;

use tributary_chain::operation::{AssetEntry, InstitutionEntry, RegistryChange};
use tributary_types::{AssetId, InstitutionId, OutcomeCode, PublicKey};

use super::chain::Refused;

const ASSETS_MAX: usize = 256;
const INSTITUTIONS_MAX: usize = 4_096;
const KEYS_MAX: usize = 64;

/// What is registered.
#[derive(Debug, Clone, Default)]
pub(super) struct Registry {
    pub(super) assets: BTreeMap<AssetId, AssetEntry>,
    pub(super) institutions: BTreeMap<InstitutionId, InstitutionEntry>,
}

impl Registry {
    pub(super) fn apply(&mut self, change: &RegistryChange) {
        match change {
            RegistryChange::Asset(asset) => {
                self.assets.insert(asset.id, asset.clone());
            }
            RegistryChange::Institution(institution) => {
                self.institutions.insert(institution.id, institution.clone());
            }
            RegistryChange::AddKey(added) => {
                if let Some(institution) = self.institutions.get_mut(&added.institution) {
                    institution.keys.push(added.key);
                }
            }
            RegistryChange::RevokeKey(revoked) => {
                if let Some(institution) = self.institutions.get_mut(&revoked.institution) {
                    institution.keys.retain(|key| *key != revoked.key);
                }
            }
        }
    }

    /// Whether a change is allowed, and whether it would change anything.
    pub(super) fn check(&self, change: &RegistryChange) -> Result<bool, Refused> {
        let conflict = Err(OutcomeCode::RegistryConflict.into());
        let full = |held: usize, limit: usize| {
            if held < limit { Ok(true) } else { Err(OutcomeCode::LimitReached.into()) }
        };
        match change {
            RegistryChange::Asset(asset) => match self.assets.get(&asset.id) {
                Some(known) if known == asset => Ok(false),
                Some(_) => conflict,
                None if self.assets.values().any(|known| known.code == asset.code) => conflict,
                None => full(self.assets.len(), ASSETS_MAX),
            },
            RegistryChange::Institution(entry) => match self.institutions.get(&entry.id) {
                Some(known) if known == entry => Ok(false),
                Some(_) => conflict,
                None => {
                    for (index, key) in entry.keys.iter().enumerate() {
                        if entry.keys[..index].contains(key) || self.is_taken(key) {
                            return conflict;
                        }
                        check_key(key)?;
                    }
                    full(entry.keys.len(), KEYS_MAX + 1)?;
                    full(self.institutions.len(), INSTITUTIONS_MAX)
                }
            },
            RegistryChange::AddKey(added) => match self.institutions.get(&added.institution) {
                Some(known) if known.keys.contains(&added.key) => Ok(false),
                Some(_) if self.is_taken(&added.key) => conflict,
                Some(known) => {
                    check_key(&added.key)?;
                    full(known.keys.len(), KEYS_MAX)
                }
                None => conflict,
            },
            RegistryChange::RevokeKey(gone) => match self.institutions.get(&gone.institution) {
                Some(known) if !known.keys.contains(&gone.key) => Ok(false),
                Some(known) if known.operator && self.operator_keys() == 1 => conflict,
                Some(_) => Ok(true),
                None => conflict,
            },
        }
    }

    pub(super) fn is_operator(&self, institution: InstitutionId) -> bool {
        self.institutions.get(&institution).is_some_and(|entry| entry.operator)
    }

    fn is_taken(&self, key: &PublicKey) -> bool {
        self.institutions.values().any(|entry| entry.keys.contains(key))
    }

    fn operator_keys(&self) -> usize {
        let operators = self.institutions.values().filter(|entry| entry.operator);
        operators.map(|entry| entry.keys.len()).sum()
    }
}

/// Nobody registers a key that anybody can sign for.
pub(super) fn check_key(key: &PublicKey) -> Result<(), Refused> {
    if key.is_weak() { Err(OutcomeCode::WeakKey.into()) } else { Ok(()) }
}
