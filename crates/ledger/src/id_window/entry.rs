//! What is remembered of one id, and its canonical encoding: 32 bytes.

use tributary_types::codec::{Decode, DecodeError, Encode, Reader};
use tributary_types::{Domain, Hash, OutcomeCode, PaymentId, Position};

use crate::leaves::Leaves;
use crate::outcome::Subject;
use crate::view::Remembered;

/// What is asked under an id: 56 bits of its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Fingerprint {
    fn of_hash(hash: Hash) -> Self {
        let [a, b, c, d, e, f, g, ..] = *hash.as_bytes();
        Self(u64::from_le_bytes([0, a, b, c, d, e, f, g]))
    }
}

/// Computes fingerprints. Its memory serves one run of payments after the other.
pub(crate) struct Fingerprints(Leaves);

impl Fingerprints {
    /// For about so many at a time.
    pub(crate) fn new(count: usize) -> Self {
        Self(Leaves::new(Domain::Content, count))
    }

    /// The fingerprint of each payment or operation, in order.
    pub(crate) fn of_all<'a>(
        &mut self,
        subjects: impl Iterator<Item = Subject<'a>>,
    ) -> impl Iterator<Item = Fingerprint> {
        subjects.for_each(|subject| self.0.push(|out| subject.encode(out)));
        self.0.drain().map(Fingerprint::of_hash)
    }
}

/// One outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: PaymentId,
    /// 56 bits of the content's hash, and the outcome code in the low 8 bits.
    pub(super) content_and_code: u64,
    pub(super) position: Position,
}

impl Entry {
    pub(super) fn new(
        id: PaymentId,
        content: Fingerprint,
        code: OutcomeCode,
        position: Position,
    ) -> Self {
        Self { id, content_and_code: content.0 | u64::from(code as u8), position }
    }

    pub(super) const fn content(&self) -> Fingerprint {
        Fingerprint(self.content_and_code & !0xff)
    }

    pub(super) fn remembered(&self) -> Remembered {
        let byte = self.content_and_code & 0xff;
        let code = OutcomeCode::ALL.iter().find(|code| **code as u64 == byte);
        let code = code.copied().expect("entries are made from codes, or decoded as such");
        Remembered { code, position: self.position }
    }
}

impl Encode for Entry {
    fn encode(&self, out: &mut Vec<u8>) {
        self.id.encode(out);
        self.content_and_code.encode(out);
        self.position.encode(out);
    }
}

impl Decode for Entry {
    const BYTES_MIN: usize = 32;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let id = PaymentId::decode(reader)?;
        let content_and_code = u64::decode(reader)?;
        let byte = content_and_code & 0xff;
        if !OutcomeCode::ALL.iter().any(|code| *code as u64 == byte) {
            return Err(DecodeError::Invalid { what: "remembered outcome code", value: byte });
        }
        Ok(Self { id, content_and_code, position: Position::decode(reader)? })
    }
}

/// Every code fits the byte that an entry has for it.
const _: () = {
    let mut index = 0;
    while index < OutcomeCode::ALL.len() {
        assert!((OutcomeCode::ALL[index] as u16) < 256);
        index += 1;
    }
};
