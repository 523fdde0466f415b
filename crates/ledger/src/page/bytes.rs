//! The bytes of a page: encoded already, or where what is to be encoded stands.

use std::borrow::Cow;

use bytes::Bytes;
use tributary_types::codec::{encode_count, encode_list};

use crate::id_window::IdPage;

/// Canonical bytes of one page. Those of a full page of remembered ids are encoded
/// each time that they are read; until then it shares the ids with the ledger.
#[derive(Debug, Clone)]
pub struct PageBytes(Form);

#[derive(Debug, Clone)]
enum Form {
    Encoded(Bytes),
    Ids(IdPage),
}

impl PageBytes {
    pub(crate) const fn of_ids(page: IdPage) -> Self {
        Self(Form::Ids(page))
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        match &self.0 {
            Form::Encoded(bytes) => bytes.len(),
            Form::Ids(_) => IdPage::BYTES,
        }
    }

    /// Whether the slice is gone.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The bytes. If they have to be encoded first they are in `room`, whose
    /// memory serves one page after the other.
    #[must_use]
    pub fn read<'a>(&'a self, room: &'a mut Vec<u8>) -> &'a [u8] {
        match &self.0 {
            Form::Encoded(bytes) => bytes,
            Form::Ids(page) => {
                room.clear();
                page.encode(room);
                room
            }
        }
    }

    /// The bytes, in memory of their own if they have to be encoded first.
    #[must_use]
    pub fn to_bytes(&self) -> Cow<'_, [u8]> {
        match &self.0 {
            Form::Encoded(bytes) => Cow::Borrowed(bytes),
            Form::Ids(page) => {
                let mut bytes = Vec::new();
                page.encode(&mut bytes);
                Cow::Owned(bytes)
            }
        }
    }

    /// Appends them as a list.
    pub(crate) fn encode_list(&self, out: &mut Vec<u8>) {
        match &self.0 {
            Form::Encoded(bytes) => encode_list(bytes, out),
            Form::Ids(page) => {
                encode_count(IdPage::BYTES, out);
                page.encode(out);
            }
        }
    }
}

impl From<Bytes> for PageBytes {
    fn from(bytes: Bytes) -> Self {
        Self(Form::Encoded(bytes))
    }
}

impl From<Vec<u8>> for PageBytes {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl PartialEq for PageBytes {
    fn eq(&self, other: &Self) -> bool {
        self.to_bytes() == other.to_bytes()
    }
}

impl Eq for PageBytes {}
