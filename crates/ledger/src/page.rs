//! Pages: the form in which a state is checkpointed and sent to a replica that
//! fell behind.
//!
//! A state is a set of pages, each the canonical bytes of a slice of one table.
//! Execution marks pages dirty, so a checkpoint rewrites only what changed, and
//! a snapshot is simply all pages. The certified `state_root` is the check: see
//! [`Ledger::restore`].

mod bytes;
mod lot;

use tributary_types::canonical;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list};

pub use self::bytes::PageBytes;

use self::lot::Lot;
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
        let mut pages = self.pages(keys);
        pages.retain(|page| !page.bytes.is_empty());
        pages
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
        let keys = self.take_dirty_keys();
        self.pages(keys)
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

    /// These pages, ascending by key; one that does not exist is empty.
    fn pages(&self, mut keys: Vec<PageKey>) -> Vec<Page> {
        keys.sort_unstable();
        let mut lot = Lot::new(keys.iter().map(|key| self.page_bytes_estimate(*key)).sum());
        keys.into_iter().for_each(|key| self.put_page(key, &mut lot));
        lot.finish()
    }

    fn put_page(&self, key: PageKey, lot: &mut Lot) {
        let (core, number) = (&self.core, key.number);
        match (key.section, &self.side) {
            (section::ID_WINDOW, _) => match core.window.full_page(number) {
                Some(page) => lot.share(key, page),
                None => lot.put(key, |out| core.window.encode_page(number, out)),
            },
            (section::ACCOUNTS, _) => lot.put(key, |out| core.accounts.encode_page(number, out)),
            (section::CHANNELS, _) => lot.put(key, |out| core.channels.encode_page(number, out)),
            (section::SMALL, Side::User(user)) => {
                lot.put(key, |out| encode_small(core.registry.get(), user.settlement.get(), out));
            }
            (section::SMALL, Side::Hf(hf)) => {
                lot.put(key, |out| encode_small(core.registry.get(), hf.settled.get(), out));
            }
            (section::PROXIES, Side::User(user)) => {
                lot.put(key, |out| user.proxies.encode_page(number, out));
            }
            (section::WAITING, Side::User(user)) => lot.put(key, |out| {
                if let Some(queue) = user.waiting.get(&number) {
                    queue.encode(out);
                }
            }),
            (section::TRANSFERS, Side::User(user)) => lot.put(key, |out| {
                if let Some(peer) = user.transfers.peers().nth(number as usize) {
                    user.transfers.encode_page(peer, out);
                }
            }),
            (section::MERCHANTS, Side::Hf(hf)) => {
                lot.put(key, |out| hf.merchants.encode_page(number, out));
            }
            _ => lot.put(key, |_| {}),
        }
    }

    /// About how many bytes a page of one of the large tables takes.
    fn page_bytes_estimate(&self, key: PageKey) -> usize {
        match (key.section, &self.side) {
            (section::ACCOUNTS, _) => self.core.accounts.page_bytes_estimate(),
            (section::PROXIES, Side::User(user)) => user.proxies.page_bytes_estimate(),
            (section::MERCHANTS, Side::Hf(hf)) => hf.merchants.page_bytes_estimate(),
            _ => 0,
        }
    }
}

fn encode_small(registry: &Registry, settlement: &impl Encode, out: &mut Vec<u8>) {
    registry.encode(out);
    settlement.encode(out);
}

const fn key(section: u8, number: u32) -> PageKey {
    PageKey { section, number }
}

fn numbers(section: u8, numbers: impl IntoIterator<Item = u32>) -> impl Iterator<Item = PageKey> {
    numbers.into_iter().map(move |number| key(section, number))
}
