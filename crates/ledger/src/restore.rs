//! From pages back to a state: everything that a root can be recomputed from is,
//! and must come out as the header says.

use std::borrow::Cow;
use std::collections::BTreeMap;

use thiserror::Error;
use tributary_chain::Header;
use tributary_types::codec::{Decode, Reader, decode_exact, decode_list};
use tributary_types::{BlockHeight, ChainId, Hash, Position};

use crate::core::Core;
use crate::genesis::{ChainKind, Genesis, GenesisError};
use crate::hashed::Hashed;
use crate::hf::{HfChain, Settled};
use crate::index_key::IndexKey;
use crate::ledger::{Ledger, Side};
use crate::page::{Page, PageKey, section};
use crate::proxy::Proxy;
use crate::queue::Queue;
use crate::registry::Registry;
use crate::roots::StateParts;
use crate::row::Row;
use crate::table::Table;
use crate::user::UserChain;
use crate::user::settlement::Settlement;

/// Why pages are not the state that a header names.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RestoreError {
    /// The genesis is invalid, or does not know the chain.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// The header is of another chain.
    #[error("header is of chain {found}, expected chain {expected}")]
    WrongChain {
        /// The chain to restore.
        expected: ChainId,
        /// What the header names.
        found: ChainId,
    },
    /// The header's height does not fit a [`Position`].
    #[error("height {0} is beyond the largest possible")]
    Height(BlockHeight),
    /// A page is missing, repeated, undecodable or contradicts another.
    #[error("page {} of section {} at height {height}: {reason}", key.number, key.section)]
    Page {
        /// Which page.
        key: PageKey,
        /// Of which state.
        height: BlockHeight,
        /// What is wrong.
        reason: String,
    },
    /// The pages give another root.
    #[error("{what} at height {height} is {found}, the header names {expected}")]
    Root {
        /// Which root.
        what: &'static str,
        /// Of which state.
        height: BlockHeight,
        /// In the header.
        expected: Hash,
        /// Of the pages.
        found: Hash,
    },
}

/// What is wrong with which page.
type Wrong = (PageKey, String);

/// Non-empty pages of one section, ascending by number.
type Pages<'a> = Vec<(u32, Cow<'a, [u8]>)>;

/// Those of all sections.
type Sections<'a> = BTreeMap<u8, Pages<'a>>;

impl Ledger {
    /// The state that `header` names, from its pages in any order. Whether the
    /// header itself is to be believed is for the caller to know.
    ///
    /// # Errors
    /// [`RestoreError`] if the pages are not exactly that state.
    pub fn restore(
        genesis: &Genesis,
        chain: ChainId,
        header: Header,
        pages: &[Page],
    ) -> Result<Self, RestoreError> {
        Self::restore_keyed(genesis, chain, header, pages, IndexKey::KNOWN)
    }

    /// As [`Ledger::restore`], for a replica that serves.
    ///
    /// # Errors
    /// [`RestoreError`].
    pub fn restore_keyed(
        genesis: &Genesis,
        chain: ChainId,
        header: Header,
        pages: &[Page],
        index_key: IndexKey,
    ) -> Result<Self, RestoreError> {
        let (expected, found) = (chain, header.chain);
        if expected != found {
            return Err(RestoreError::WrongChain { expected, found });
        }
        let height = header.height;
        if Position::new(height, 0).is_none() {
            return Err(RestoreError::Height(height));
        }
        let mut core = Core::without_accounts(genesis, chain, index_key)?;
        let page_error = |(key, reason)| RestoreError::Page { key, height, reason };
        let mut sections = sort(pages).map_err(page_error)?;
        let side = restore(&mut core, &mut sections, &header).map_err(page_error)?;
        if let Some((section, pages)) = sections.first_key_value() {
            let key = PageKey { section: *section, number: pages.first().map_or(0, |page| page.0) };
            return Err(page_error((key, "this chain has no such page".to_owned())));
        }
        let mut ledger = Self { core, side, header, parts: StateParts::default() };
        let channels_root = ledger.commit();
        let header = &ledger.header;
        let roots = [
            ("state root", header.state_root, ledger.parts.root()),
            ("channels root", header.channels_root, channels_root),
            ("validator set", header.validator_set, ledger.core.rules.validators.hash()),
        ];
        for (what, expected, found) in roots {
            if expected != found {
                return Err(RestoreError::Root { what, height, expected, found });
            }
        }
        Ok(ledger)
    }
}

/// Groups pages by section and number; empty ones are of slices that are gone.
fn sort(pages: &[Page]) -> Result<Sections<'_>, Wrong> {
    let mut sections = Sections::new();
    for page in pages.iter().filter(|page| !page.bytes.is_empty()) {
        let pages = sections.entry(page.key.section).or_default();
        pages.push((page.key.number, page.bytes.to_bytes()));
    }
    for (section, pages) in &mut sections {
        pages.sort_unstable_by_key(|page| page.0);
        if let Some(pair) = pages.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            let key = PageKey { section: *section, number: pair[0].0 };
            return Err((key, "the page is there twice".to_owned()));
        }
    }
    Ok(sections)
}

/// Takes everything out of the sections that this kind of chain has.
fn restore(core: &mut Core, sections: &mut Sections<'_>, header: &Header) -> Result<Side, Wrong> {
    let key = core.index_key;
    core.accounts = restore_table(section::ACCOUNTS, sections, key)?;
    let channels = take(sections, section::CHANNELS);
    let (found, expected) = (channels.len(), core.channels.page_count() as usize);
    if found != expected {
        let key = PageKey { section: section::CHANNELS, number: 0 };
        return Err((key, format!("{found} channels have a page, expected {expected}")));
    }
    for (number, bytes) in channels {
        let restored = core.channels.restore_page(number, &bytes);
        restored.map_err(|reason| (PageKey { section: section::CHANNELS, number }, reason))?;
    }
    for (number, bytes) in take(sections, section::ID_WINDOW) {
        let restored = core.window.restore_page(number, &bytes);
        restored.map_err(|reason| (PageKey { section: section::ID_WINDOW, number }, reason))?;
    }
    core.window.restored();
    match core.rules.kind {
        ChainKind::User => {
            let settlement: Settlement = restore_small(core, sections)?;
            let mut user = UserChain::genesis(core, header.time);
            user.settlement = Hashed::new(settlement);
            user.proxies = restore_table(section::PROXIES, sections, key)?;
            restore_waiting(&mut user, sections)?;
            restore_transfers(&mut user, sections)?;
            user.derive_lists();
            Ok(Side::User(Box::new(user)))
        }
        ChainKind::Hf => {
            let settled: Settled = restore_small(core, sections)?;
            let merchants = restore_table(section::MERCHANTS, sections, key)?;
            Ok(Side::Hf(Box::new(HfChain { merchants, settled: Hashed::new(settled) })))
        }
    }
}

fn restore_small<T: Decode>(core: &mut Core, sections: &mut Sections<'_>) -> Result<T, Wrong> {
    let key = PageKey { section: section::SMALL, number: 0 };
    let pages = take(sections, section::SMALL);
    let [(0, bytes)] = &pages[..] else {
        return Err((key, format!("expected this page alone, found {} pages", pages.len())));
    };
    let (registry, settlement): (Registry, T) =
        decode_exact(bytes).map_err(|error| (key, error.to_string()))?;
    core.registry = Hashed::new(registry);
    Ok(settlement)
}

/// Rows of consecutive pages, each full but the last.
fn restore_table<R: Row>(
    section: u8,
    sections: &mut Sections<'_>,
    index_key: IndexKey,
) -> Result<Table<R>, Wrong> {
    let rows_per_page = R::ROWS_PER_PAGE as usize;
    let mut rows: Vec<R> = Vec::new();
    for (number, bytes) in take(sections, section) {
        let key = PageKey { section, number };
        if rows.len() != number as usize * rows_per_page {
            return Err((key, format!("{} rows come before this page", rows.len())));
        }
        let mut reader = Reader::new(&bytes);
        let decoded = decode_list(&mut reader, "rows", rows_per_page);
        let decoded = decoded.and_then(|rows| reader.finish().map(|()| rows));
        rows.append(&mut decoded.map_err(|error| (key, error.to_string()))?);
    }
    let repeated = (PageKey { section, number: 0 }, "a row is there twice".to_owned());
    Table::of(rows, index_key).ok_or(repeated)
}

/// Queues of waiting refunds: exactly those that proxies commit to.
fn restore_waiting(user: &mut UserChain, sections: &mut Sections<'_>) -> Result<(), Wrong> {
    for (number, bytes) in take(sections, section::WAITING) {
        let key = PageKey { section: section::WAITING, number };
        let queue: Queue<_> = decode_exact(&bytes).map_err(|error| (key, error.to_string()))?;
        let committed = user
            .proxies
            .rows()
            .get(number as usize)
            .and_then(|proxy| proxy.waiting.as_deref().copied());
        if committed.is_none() || committed != queue.commitment() || !queue.is_consistent() {
            return Err((key, "the queue is not the one that its proxy commits to".to_owned()));
        }
        user.waiting.insert(number, queue);
    }
    let is_missing = |(number, proxy): &(u32, &Proxy)| {
        proxy.waiting.is_some() && !user.waiting.contains_key(number)
    };
    match (0..).zip(user.proxies.rows()).find(is_missing) {
        Some((number, _)) => {
            let key = PageKey { section: section::WAITING, number };
            Err((key, "the proxy has waiting refunds, the page is missing".to_owned()))
        }
        None => Ok(()),
    }
}

fn restore_transfers(user: &mut UserChain, sections: &mut Sections<'_>) -> Result<(), Wrong> {
    let peers: Vec<_> = user.transfers.peers().collect();
    for (number, bytes) in take(sections, section::TRANSFERS) {
        let key = PageKey { section: section::TRANSFERS, number };
        let queue = decode_exact(&bytes).map_err(|error| (key, error.to_string()))?;
        let peer = peers.get(number as usize);
        if !peer.is_some_and(|peer| user.transfers.restore(*peer, queue)) {
            return Err((key, "no such peer, or a queue that contradicts itself".to_owned()));
        }
    }
    Ok(())
}

fn take<'a>(sections: &mut Sections<'a>, section: u8) -> Pages<'a> {
    sections.remove(&section).unwrap_or_default()
}
