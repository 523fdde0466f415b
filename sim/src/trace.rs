//! Everything that happens, hashed: two runs are the same run if their digests
//! are equal. The last few notes are kept for whoever must explain a violation.

use std::collections::VecDeque;
use std::fmt;

use crate::tally::Tally;

/// Notes that are kept.
const NOTES_KEPT: usize = 60;
/// Bytes that are gathered before they are hashed: many at once take a fraction
/// of the time.
const GATHERED_BYTES: usize = 16 << 10;

/// One thing that happened, where, and two numbers about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Note {
    /// Virtual time.
    pub at_us: u64,
    /// What happened.
    pub what: &'static str,
    /// Where: an endpoint and a chain, or zeros.
    pub place: (Place, u16),
    /// What there is to say about it.
    pub numbers: [u64; 2],
}

/// Who takes part in the simulated network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The world itself.
    World,
    /// A node process.
    Node(u16),
    /// A router.
    Router(u16),
    /// A relay.
    Relay(u16),
    /// A front-end.
    Client(u16),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::World => f.pad("world"),
            Self::Node(number) => f.pad(&format!("node {number}")),
            Self::Router(number) => f.pad(&format!("router {number}")),
            Self::Relay(number) => f.pad(&format!("relay {number}")),
            Self::Client(number) => f.pad(&format!("client {number}")),
        }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, rest) = (self.at_us / 1_000_000, self.at_us % 1_000_000);
        let ((place, chain), [a, b]) = (self.place, self.numbers);
        write!(f, "{seconds:>4}.{rest:06} {place:<10} chain {chain:<3} {:<24} {a} {b}", self.what)
    }
}

/// See the module head.
#[derive(Debug, Default)]
pub struct Trace {
    hasher: blake3::Hasher,
    /// What the hasher has not seen yet.
    gathered: Vec<u8>,
    last: VecDeque<Note>,
    events: u64,
    tally: Tally,
    prints: bool,
}

impl Trace {
    /// Nothing yet; with `prints` every note goes to standard output.
    #[must_use]
    pub fn new(prints: bool) -> Self {
        Self { prints, ..Self::default() }
    }

    /// The next event of the schedule happens: its time and kind.
    pub fn event(&mut self, at_us: u64, kind: u8, number: u64) {
        self.events += 1;
        let mut bytes = [kind; 17];
        bytes[1..9].copy_from_slice(&at_us.to_le_bytes());
        bytes[9..].copy_from_slice(&number.to_le_bytes());
        self.gather(&bytes);
    }

    /// Something that is only counted.
    pub fn count(&mut self, what: &'static str) {
        self.tally.count(what);
    }

    /// Something happened.
    pub fn note(&mut self, note: Note) {
        let (kind, number) = match note.place.0 {
            Place::World => (0, 0),
            Place::Node(number) => (1, number),
            Place::Router(number) => (2, number),
            Place::Relay(number) => (3, number),
            Place::Client(number) => (4, number),
        };
        let mut bytes = [0; 29];
        bytes[..8].copy_from_slice(&note.at_us.to_le_bytes());
        bytes[8] = kind;
        bytes[9..11].copy_from_slice(&number.to_le_bytes());
        bytes[11..13].copy_from_slice(&note.place.1.to_le_bytes());
        bytes[13..21].copy_from_slice(&note.numbers[0].to_le_bytes());
        bytes[21..].copy_from_slice(&note.numbers[1].to_le_bytes());
        self.tally.count(note.what);
        self.gather(note.what.as_bytes());
        self.gather(&bytes);
        if self.prints {
            println!("{note}");
        }
        if self.last.len() == NOTES_KEPT {
            self.last.pop_front();
        }
        self.last.push_back(note);
    }

    /// The hash over all notes so far.
    #[must_use]
    pub fn digest(&self) -> String {
        self.hasher.clone().update(&self.gathered).finalize().to_hex().to_string()
    }

    /// How many events happened.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// What happened how often.
    #[must_use]
    pub const fn tally(&self) -> &Tally {
        &self.tally
    }

    /// The last notes, oldest first.
    pub fn last(&self) -> impl Iterator<Item = &Note> {
        self.last.iter()
    }

    fn gather(&mut self, bytes: &[u8]) {
        self.gathered.extend_from_slice(bytes);
        if self.gathered.len() >= GATHERED_BYTES {
            self.hasher.update(&self.gathered);
            self.gathered.clear();
        }
    }
}
