//! Pages: the form in which a state is checkpointed and sent to a replica that
//! fell behind.
//!
//! A state is a set of pages, each the canonical bytes of a slice of one table.
//! Execution marks pages dirty, so a checkpoint rewrites only what changed, and
//! a snapshot is simply all pages. The certified `state_root` is the check: see
//! [`Ledger::restore`].

mod bytes;

use tributary_types::canonical;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list};

pub use self::bytes::PageBytes;

use crate::ledger::{Ledger, Side};
use crate::registry::Registry;

/// Most bytes of one page.
pub const PAGE_BYTES_MAX: usize = 16 << 20;

/// Which slice of which table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageKey {
    /// The table.
    pub section: u8,
    /// The slice.
    pub number: u32,
}
canonical!(PageKey { section: u8, number: u32 });

/// One slice of the state. Empty bytes mean that the slice is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Where it belongs.
    pub key: PageKey,
    /// Canonical bytes of the slice.
    pub bytes: PageBytes,
}

impl Encode for Page {
    fn encode(&self, out: &mut Vec<u8>) {
        self.key.encode(out);
        self.bytes.encode_list(out);
    }
}

impl Decode for Page {
    const BYTES_MIN: usize = 9;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let key = PageKey::decode(reader)?;
        let bytes: Vec<u8> = decode_list(reader, "page", PAGE_BYTES_MAX)?;
        Ok(Self { key, bytes: bytes.into() })
    }
}

/// The tables that pages are slices of.
pub(crate) mod section {
    /// One page: the registry, and where settlement stands.
    pub(crate) const SMALL: u8 = 1;
    /// By row number.
    pub(crate) const ACCOUNTS: u8 = 2;
    /// By row number (user chain).
    pub(crate) const PROXIES: u8 = 3;
    /// By row number (HF chain).
    pub(crate) const MERCHANTS: u8 = 4;
    /// By number of the peer.
    pub(crate) const CHANNELS: u8 = 5;
    /// By bucket and slice.
    pub(crate) const ID_WINDOW: u8 = 6;
    /// By number of the proxy (user chain).
    pub(crate) const WAITING: u8 = 7;
    /// By number of the peer (user chain).
    pub(crate) const TRANSFERS: u8 = 8;
}

impl Ledger {
    /// The whole state, ascending by key.
    #[must_use]
    pub fn all_pages(&self) -> Vec<Page> {
        let core = &self.core;
        let mut keys = vec![key(section::SMALL, 0)];
        keys.extend(numbers(section::ACCOUNTS, 0..core.accounts.page_count()));
        match &self.side {
            Side::User(user) => {
                keys.extend(numbers(section::PROXIES, 0..user.proxies.page_count()));
                keys.extend(numbers(section::WAITING, user.waiting.keys().copied()));
                keys.extend(numbers(section::TRANSFERS, 0..core.channels.page_count()));
            }
            Side::Hf(hf) => {
                keys.extend(numbers(section::MERCHANTS, 0..hf.merchants.page_count()));
            }
        }
        keys.extend(numbers(section::CHANNELS, 0..core.channels.page_count()));
        keys.extend(numbers(section::ID_WINDOW, core.window.pages()));
        keys.sort_unstable();
        let pages = keys.into_iter().map(|key| self.page(key));
        pages.filter(|page| !page.bytes.is_empty()).collect()
    }

    /// The whole state, ascending by key; [`Ledger::take_dirty_pages`] goes on
    /// from here.
    pub fn take_all_pages(&mut self) -> Vec<Page> {
        self.take_dirty_keys();
        self.all_pages()
    }

    /// The pages that changed since they were last taken, ascending by key; an
    /// empty one is gone. After [`Ledger::genesis`] that is the whole state,
    /// after [`Ledger::restore`] it may be a few pages too many.
    pub fn take_dirty_pages(&mut self) -> Vec<Page> {
        let mut keys = self.take_dirty_keys();
        keys.sort_unstable();
        keys.into_iter().map(|key| self.page(key)).collect()
    }

    /// The keys of the pages that changed since this was last called.
    fn take_dirty_keys(&mut self) -> Vec<PageKey> {
        let core = &mut self.core;
        let mut small = core.registry.take_dirty();
        let mut keys = Vec::new();
        keys.extend(numbers(section::ACCOUNTS, core.accounts.take_dirty_pages()));
        keys.extend(numbers(section::CHANNELS, core.channels.take_dirty_pages()));
        keys.extend(numbers(section::ID_WINDOW, core.window.take_dirty_pages()));
        match &mut self.side {
            Side::User(user) => {
                small |= user.settlement.take_dirty();
                keys.extend(numbers(section::PROXIES, user.proxies.take_dirty_pages()));
                let queues = std::mem::take(&mut user.dirty_queues);
                keys.extend(numbers(section::WAITING, queues));
                let dirty = user.transfers.take_dirty();
                let peers = (0..).zip(user.transfers.peers());
                let dirty = peers.filter(|(_, peer)| dirty.contains(peer));
                keys.extend(numbers(section::TRANSFERS, dirty.map(|(number, _)| number)));
            }
            Side::Hf(hf) => {
                small |= hf.settled.take_dirty();
                keys.extend(numbers(section::MERCHANTS, hf.merchants.take_dirty_pages()));
            }
        }
        keys.extend(small.then_some(key(section::SMALL, 0)));
        keys
    }

    /// One page; empty if there is no such page.
    fn page(&self, key: PageKey) -> Page {
        let (core, number) = (&self.core, key.number);
        let bytes = match (key.section, &self.side) {
            (section::ACCOUNTS, _) => core.accounts.page(number).into(),
            (section::CHANNELS, _) => core.channels.page(number).into(),
            (section::ID_WINDOW, _) => core.window.page(number),
            (section::SMALL, Side::User(user)) => {
                small(core.registry.get(), user.settlement.get()).into()
            }
            (section::SMALL, Side::Hf(hf)) => small(core.registry.get(), hf.settled.get()).into(),
            (section::PROXIES, Side::User(user)) => user.proxies.page(number).into(),
            (section::WAITING, Side::User(user)) => {
                user.waiting.get(&number).map(Encode::to_bytes).unwrap_or_default().into()
            }
            (section::TRANSFERS, Side::User(user)) => {
                let peer = user.transfers.peers().nth(number as usize);
                peer.map(|peer| user.transfers.page(peer)).unwrap_or_default().into()
            }
            (section::MERCHANTS, Side::Hf(hf)) => hf.merchants.page(number).into(),
            _ => Vec::new().into(),
        };
        Page { key, bytes }
    }
}

fn small(registry: &Registry, settlement: &impl Encode) -> Vec<u8> {
    let mut bytes = registry.to_bytes();
    settlement.encode(&mut bytes);
    bytes
}

const fn key(section: u8, number: u32) -> PageKey {
    PageKey { section, number }
}

fn numbers(section: u8, numbers: impl IntoIterator<Item = u32>) -> impl Iterator<Item = PageKey> {
    numbers.into_iter().map(move |number| key(section, number))
}
