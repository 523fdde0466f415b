//! The body of a block: what consensus orders.

use serde::{Deserialize, Serialize};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, decode_list, encode_list};
use tributary_types::{Domain, Hash, TimeMs, canonical};

use crate::batch::Batch;
use crate::certificate::VALIDATORS_MAX;
use crate::channel::Delivery;

/// Most payments that one block gathers.
pub const BODY_PAYMENTS_MAX: usize = 8_192;
/// Bytes at which a block stops gathering.
pub const BODY_BYTES_MAX: usize = 1 << 20;
/// Most batches in one block.
pub const BODY_BATCHES_MAX: usize = 8_192;
/// Most deliveries in one block.
pub const BODY_DELIVERIES_MAX: usize = 1_024;

/// What a validator's clock said, as known to the leader that proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockReport {
    /// Index in the validator set.
    pub validator: u16,
    /// Its wall clock.
    pub time: TimeMs,
}
canonical!(ClockReport { validator: u16, time: TimeMs });

/// An ordered body. Execution: time, then deliveries, then batches, each in
/// the order given.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Body {
    /// Strictly ascending by validator.
    pub clocks: Vec<ClockReport>,
    /// Messages of other chains.
    pub deliveries: Vec<Delivery>,
    /// Signed batches.
    pub batches: Vec<Batch>,
}

impl Body {
    /// Hash of the canonical bytes, as the header names it.
    #[must_use]
    pub fn root_of_bytes(bytes: &[u8]) -> Hash {
        Domain::Body.hash(bytes)
    }

    /// Whether the body carries nothing but clock reports.
    #[must_use]
    pub fn is_time_only(&self) -> bool {
        self.deliveries.is_empty() && self.batches.is_empty()
    }
}

impl Encode for Body {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(&self.clocks, out);
        encode_list(&self.deliveries, out);
        encode_list(&self.batches, out);
    }
}

impl Decode for Body {
    const BYTES_MIN: usize = 12;
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let clocks: Vec<ClockReport> = decode_list(reader, "clock reports", VALIDATORS_MAX)?;
        if !clocks.windows(2).all(|pair| pair[0].validator < pair[1].validator) {
            return Err(DecodeError::Invalid { what: "clock report order", value: 0 });
        }
        Ok(Self {
            clocks,
            deliveries: decode_list(reader, "deliveries", BODY_DELIVERIES_MAX)?,
            batches: decode_list(reader, "batches", BODY_BATCHES_MAX)?,
        })
    }
}
