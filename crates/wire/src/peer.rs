//! Between the replicas of one chain: opaque frames of floor 3, per chain.

use bytes::Bytes;
use tributary_types::ChainId;
use tributary_types::codec::{Decode, DecodeError, Encode, Reader};

/// One message from a validator of a chain to another, in the canonical
/// encoding: chain, sender, and the message to the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFrame {
    /// The chain both replicas belong to.
    pub chain: ChainId,
    /// The sender's index in the validator set; the receiver checks it against
    /// the sender's certificate.
    pub from: u16,
    /// Canonical bytes of the replica's message.
    pub message: Bytes,
}

impl PeerFrame {
    /// A frame with this message.
    #[must_use]
    pub fn encode(chain: ChainId, from: u16, message: &impl Encode) -> Vec<u8> {
        let mut bytes = Vec::new();
        chain.encode(&mut bytes);
        from.encode(&mut bytes);
        message.encode(&mut bytes);
        bytes
    }

    /// Reads a frame; its message is a part of `bytes`.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if there is no head.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let mut reader = Reader::shared(bytes);
        let chain = ChainId::decode(&mut reader)?;
        let from = u16::decode(&mut reader)?;
        let message = reader.take_shared(reader.remaining(), "peer message")?;
        Ok(Self { chain, from, message })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_its_head_and_the_message_behind_it() {
        let bytes = Bytes::from(PeerFrame::encode(ChainId::new(0x0201), 3, &0x0504_u16));
        assert_eq!(&bytes[..], [1, 2, 3, 0, 4, 5]);
        let frame = PeerFrame::decode(&bytes).unwrap();
        assert_eq!(
            (frame.chain, frame.from, &frame.message[..]),
            (ChainId::new(0x0201), 3, &[4, 5][..])
        );
        assert!(PeerFrame::decode(&bytes.slice(..3)).is_err());
    }
}
