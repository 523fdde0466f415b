//! The registry: which assets and institutions there are, and whose keys may
//! sign batches.
//!
//! The HF chain decides about changes ([`Registry::check`], then
//! [`Registry::apply`]); user chains apply what it announces. Nothing is ever
//! removed but keys.

use std::collections::BTreeMap;

use thiserror::Error;
use tributary_chain::operation::{
    AssetEntry, INSTITUTION_KEYS_MAX, InstitutionEntry, InstitutionKey, RegistryChange,
};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{AssetCode, AssetId, InstitutionId, PublicKey};

use crate::limits::{ASSETS_MAX, INSTITUTIONS_MAX};

/// Assets, institutions and keys, as of one block.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Registry {
    assets: BTreeMap<AssetId, AssetEntry>,
    institutions: BTreeMap<InstitutionId, InstitutionEntry>,
}

/// Why an entry or change is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistryError {
    /// The asset exists with another code or scale.
    #[error("asset {0} exists with other properties")]
    AssetConflict(AssetId),
    /// The code belongs to another asset.
    #[error("asset code {0} is taken")]
    CodeTaken(AssetCode),
    /// The institution exists with other properties.
    #[error("institution {0} exists with other properties")]
    InstitutionConflict(InstitutionId),
    /// No such institution.
    #[error("institution {0} is not registered")]
    UnknownInstitution(InstitutionId),
    /// The key signs for another institution, or is listed twice.
    #[error("key {0} is registered already")]
    KeyTaken(PublicKey),
    /// Anybody can sign for the key.
    #[error("key {0} is weak: anybody can sign for it")]
    WeakKey(PublicKey),
    /// Without this key nobody could change the registry any more.
    #[error("key {0} is the last one of the last operator")]
    LastOperatorKey(PublicKey),
    /// A named limit is reached.
    #[error("the registry holds {limit} {what} already, the most allowed")]
    Limit {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
}

impl Registry {
    /// A registry of these entries.
    ///
    /// # Errors
    /// [`RegistryError`] for the first entry that contradicts the ones before.
    pub fn of(
        assets: &[AssetEntry],
        institutions: &[InstitutionEntry],
    ) -> Result<Self, RegistryError> {
        let mut registry = Self::default();
        let assets = assets.iter().cloned().map(RegistryChange::Asset);
        let institutions = institutions.iter().cloned().map(RegistryChange::Institution);
        for change in assets.chain(institutions) {
            if !registry.check(&change)? {
                return Err(registry.repeated(&change));
            }
            registry.apply(&change);
        }
        Ok(registry)
    }

    /// The registered assets, ascending by id.
    pub fn assets(&self) -> impl ExactSizeIterator<Item = &AssetEntry> {
        self.assets.values()
    }

    /// The registered institutions, ascending by id.
    pub fn institutions(&self) -> impl ExactSizeIterator<Item = &InstitutionEntry> {
        self.institutions.values()
    }

    /// The asset of that number.
    #[must_use]
    pub fn asset(&self, id: AssetId) -> Option<&AssetEntry> {
        self.assets.get(&id)
    }

    /// The institution of that number.
    #[must_use]
    pub fn institution(&self, id: InstitutionId) -> Option<&InstitutionEntry> {
        self.institutions.get(&id)
    }

    /// Whether `key` may sign batches of `institution`.
    #[must_use]
    pub fn has_key(&self, institution: InstitutionId, key: &PublicKey) -> bool {
        self.institutions.get(&institution).is_some_and(|entry| entry.keys.contains(key))
    }

    /// Whether `institution` may change the registry.
    #[must_use]
    pub fn is_operator(&self, institution: InstitutionId) -> bool {
        self.institutions.get(&institution).is_some_and(|entry| entry.operator)
    }

    /// Whether anyone can still change the registry.
    #[must_use]
    pub fn has_operator(&self) -> bool {
        self.institutions.values().any(|entry| entry.operator && !entry.keys.is_empty())
    }

    /// Whether a change is allowed; `false` if it would change nothing.
    ///
    /// # Errors
    /// [`RegistryError`] says which rule it breaks.
    pub fn check(&self, change: &RegistryChange) -> Result<bool, RegistryError> {
        match change {
            RegistryChange::Asset(entry) => self.check_asset(entry),
            RegistryChange::Institution(entry) => self.check_institution(entry),
            RegistryChange::AddKey(key) => self.check_added_key(key),
            RegistryChange::RevokeKey(key) => self.check_revoked_key(key),
        }
    }

    /// Makes a change that the HF chain has found to be allowed.
    pub fn apply(&mut self, change: &RegistryChange) {
        match change {
            RegistryChange::Asset(entry) => {
                self.assets.insert(entry.id, entry.clone());
            }
            RegistryChange::Institution(entry) => {
                self.institutions.insert(entry.id, entry.clone());
            }
            RegistryChange::AddKey(added) => {
                if let Some(entry) = self.institutions.get_mut(&added.institution) {
                    entry.keys.push(added.key);
                }
            }
            RegistryChange::RevokeKey(revoked) => {
                if let Some(entry) = self.institutions.get_mut(&revoked.institution) {
                    entry.keys.retain(|key| *key != revoked.key);
                }
            }
        }
    }

    fn check_asset(&self, entry: &AssetEntry) -> Result<bool, RegistryError> {
        if let Some(known) = self.assets.get(&entry.id) {
            return if known == entry {
                Ok(false)
            } else {
                Err(RegistryError::AssetConflict(entry.id))
            };
        }
        if self.assets.values().any(|known| known.code == entry.code) {
            return Err(RegistryError::CodeTaken(entry.code));
        }
        check_limit("assets", self.assets.len(), ASSETS_MAX)
    }

    fn check_institution(&self, entry: &InstitutionEntry) -> Result<bool, RegistryError> {
        if let Some(known) = self.institutions.get(&entry.id) {
            return if known == entry {
                Ok(false)
            } else {
                Err(RegistryError::InstitutionConflict(entry.id))
            };
        }
        for (index, key) in entry.keys.iter().enumerate() {
            if entry.keys[..index].contains(key) || self.owner_of(key).is_some() {
                return Err(RegistryError::KeyTaken(*key));
            }
            check_key(key)?;
        }
        let others = entry.keys.len().saturating_sub(1);
        check_limit("keys of an institution", others, INSTITUTION_KEYS_MAX)?;
        check_limit("institutions", self.institutions.len(), INSTITUTIONS_MAX)
    }

    fn check_added_key(&self, added: &InstitutionKey) -> Result<bool, RegistryError> {
        let entry = self.known(added.institution)?;
        match self.owner_of(&added.key) {
            Some(owner) if owner == added.institution => Ok(false),
            Some(_) => Err(RegistryError::KeyTaken(added.key)),
            None => {
                check_key(&added.key)?;
                check_limit("keys of an institution", entry.keys.len(), INSTITUTION_KEYS_MAX)
            }
        }
    }

    fn check_revoked_key(&self, revoked: &InstitutionKey) -> Result<bool, RegistryError> {
        let entry = self.known(revoked.institution)?;
        if !entry.keys.contains(&revoked.key) {
            return Ok(false);
        }
        let other_operator = self
            .institutions
            .values()
            .any(|other| other.id != entry.id && other.operator && !other.keys.is_empty());
        if entry.operator && entry.keys.len() == 1 && !other_operator {
            return Err(RegistryError::LastOperatorKey(revoked.key));
        }
        Ok(true)
    }

    fn known(&self, id: InstitutionId) -> Result<&InstitutionEntry, RegistryError> {
        self.institutions.get(&id).ok_or(RegistryError::UnknownInstitution(id))
    }

    fn owner_of(&self, key: &PublicKey) -> Option<InstitutionId> {
        self.institutions.values().find(|entry| entry.keys.contains(key)).map(|entry| entry.id)
    }

    /// The error for an entry that a genesis lists twice.
    fn repeated(&self, change: &RegistryChange) -> RegistryError {
        match change {
            RegistryChange::Asset(entry) => RegistryError::AssetConflict(entry.id),
            RegistryChange::Institution(entry) => RegistryError::InstitutionConflict(entry.id),
            RegistryChange::AddKey(key) | RegistryChange::RevokeKey(key) => {
                RegistryError::KeyTaken(key.key)
            }
        }
    }
}

fn check_key(key: &PublicKey) -> Result<(), RegistryError> {
    if key.is_weak() { Err(RegistryError::WeakKey(*key)) } else { Ok(()) }
}

fn check_limit(what: &'static str, held: usize, limit: usize) -> Result<bool, RegistryError> {
    if held < limit { Ok(true) } else { Err(RegistryError::Limit { what, limit }) }
}

impl Encode for Registry {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(&self.assets.values().cloned().collect::<Vec<_>>(), out);
        encode_list(&self.institutions.values().cloned().collect::<Vec<_>>(), out);
    }
}

impl Decode for Registry {
    const BYTES_MIN: usize = 8;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let assets: Vec<AssetEntry> = decode_list(reader, "assets", ASSETS_MAX)?;
        let institutions: Vec<InstitutionEntry> =
            decode_list(reader, "institutions", INSTITUTIONS_MAX)?;
        if !assets.windows(2).all(|pair| pair[0].id < pair[1].id)
            || !institutions.windows(2).all(|pair| pair[0].id < pair[1].id)
        {
            return Err(DecodeError::Invalid { what: "registry order", value: 0 });
        }
        Ok(Self {
            assets: assets.into_iter().map(|entry| (entry.id, entry)).collect(),
            institutions: institutions.into_iter().map(|entry| (entry.id, entry)).collect(),
        })
    }
}
