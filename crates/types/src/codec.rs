//! The canonical encoding: little-endian integers, length-prefixed lists,
//! fields in declaration order. One value, one encoding.
//!
//! Decoding is bounded: a length prefix is checked against the bytes that are
//! left before anything is allocated, and [`decode_exact`] refuses trailing
//! bytes. The format is deliberately not self-describing; a change of layout
//! is a change of the [`crate::hash::Domain`] tag of what contains it.

mod reader;

use bytes::Bytes;

pub use self::reader::{DecodeError, Reader};

/// What most values take.
const BYTES_EXPECTED: usize = 256;
/// Memory that a list is given before its elements are read, for each byte of input:
/// what the largest of common elements, outcomes and receipts, take.
const MEMORY_PER_BYTE: usize = 2;

/// A value with a canonical encoding.
pub trait Encode {
    /// Appends the canonical bytes to `out`.
    fn encode(&self, out: &mut Vec<u8>);

    /// Appends the canonical bytes of some values, one behind the other.
    fn encode_each(values: &[Self], out: &mut Vec<u8>)
    where
        Self: Sized,
    {
        for value in values {
            value.encode(out);
        }
    }

    /// About how many canonical bytes there are, seldom fewer than that: whoever
    /// makes room for them does so once.
    fn bytes_estimate(&self) -> usize {
        BYTES_EXPECTED
    }

    /// The canonical bytes alone.
    fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.bytes_estimate());
        self.encode(&mut out);
        out
    }
}

/// A value that can be read back from its canonical encoding.
pub trait Decode: Sized {
    /// Fewest bytes that any value of this type takes; bounds allocations.
    const BYTES_MIN: usize;

    /// Reads one value.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes are not canonical.
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError>;

    /// Reads so many values.
    ///
    /// # Errors
    /// As [`Decode::decode`].
    fn decode_each(reader: &mut Reader<'_>, count: usize) -> Result<Vec<Self>, DecodeError> {
        // A value may be larger in memory than in bytes: allocate at first no
        // more than by the length of the input, whatever count it announces.
        let fitting = MEMORY_PER_BYTE * reader.remaining() / size_of::<Self>().max(1);
        let mut values = Vec::with_capacity(count.min(fitting));
        for _ in 0..count {
            values.push(Self::decode(reader)?);
        }
        Ok(values)
    }
}

/// Decodes a value that fills `bytes` completely.
///
/// # Errors
/// [`DecodeError`], also for trailing bytes.
pub fn decode_exact<T: Decode>(bytes: &[u8]) -> Result<T, DecodeError> {
    decode_all(Reader::new(bytes))
}

/// Decodes a value that fills `bytes` completely; long byte strings in it are
/// parts of `bytes` ([`Reader::shared`]).
///
/// # Errors
/// [`DecodeError`], also for trailing bytes.
pub fn decode_shared<T: Decode>(bytes: &Bytes) -> Result<T, DecodeError> {
    decode_all(Reader::shared(bytes))
}

fn decode_all<T: Decode>(mut reader: Reader<'_>) -> Result<T, DecodeError> {
    let value = T::decode(&mut reader)?;
    reader.finish()?;
    Ok(value)
}

macro_rules! integer {
    ($($type:ty),*) => {$(
        impl Encode for $type {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
        impl Decode for $type {
            const BYTES_MIN: usize = size_of::<$type>();
            #[inline]
            fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(<$type>::from_le_bytes(reader.array(stringify!($type))?))
            }
        }
    )*};
}
integer!(u8, u16, u32, u64, u128);

impl Encode for bool {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }
}

impl Decode for bool {
    const BYTES_MIN: usize = 1;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match u8::decode(reader)? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(DecodeError::Invalid { what: "flag", value: u64::from(other) }),
        }
    }
}

impl<const N: usize> Encode for [u8; N] {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

impl<const N: usize> Decode for [u8; N] {
    const BYTES_MIN: usize = N;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.array("byte array")
    }
}

impl<T: Encode> Encode for Option<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.is_some().encode(out);
        if let Some(value) = self {
            value.encode(out);
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    const BYTES_MIN: usize = 1;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(if bool::decode(reader)? { Some(T::decode(reader)?) } else { None })
    }
}

impl<T: Encode> Encode for Box<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        T::encode(self, out);
    }

    fn bytes_estimate(&self) -> usize {
        T::bytes_estimate(self)
    }
}

impl<T: Decode> Decode for Box<T> {
    const BYTES_MIN: usize = T::BYTES_MIN;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        T::decode(reader).map(Self::new)
    }
}

impl<T: Encode> Encode for Vec<T> {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        encode_list(self, out);
    }

    fn bytes_estimate(&self) -> usize {
        size_of::<u32>() + size_of_val(self.as_slice())
    }
}

impl<T: Decode> Decode for Vec<T> {
    const BYTES_MIN: usize = 4;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        decode_list(reader, "list", LIST_LENGTH_MAX)
    }
}

impl<A: Encode, B: Encode> Encode for (A, B) {
    #[inline]
    fn encode(&self, out: &mut Vec<u8>) {
        self.0.encode(out);
        self.1.encode(out);
    }
}

impl<A: Decode, B: Decode> Decode for (A, B) {
    const BYTES_MIN: usize = A::BYTES_MIN + B::BYTES_MIN;
    #[inline]
    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok((A::decode(reader)?, B::decode(reader)?))
    }
}

/// Elements in a list that names no smaller limit of its own.
pub const LIST_LENGTH_MAX: usize = 1 << 24;

/// Appends the `u32` count of a list.
///
/// # Panics
/// If it is larger than `u32::MAX`: no list in memory is so long.
pub fn encode_count(count: usize, out: &mut Vec<u8>) {
    let count = u32::try_from(count).expect("lists are bounded far below 2^32 elements");
    count.encode(out);
}

/// Appends a `u32` count and the elements.
///
/// # Panics
/// If the list is longer than `u32::MAX`: no list in memory is.
pub fn encode_list<T: Encode>(list: &[T], out: &mut Vec<u8>) {
    encode_count(list.len(), out);
    // About what most elements take; saves growing step by step.
    out.reserve(size_of_val(list));
    T::encode_each(list, out);
}

/// Reads a list of at most `limit` elements.
///
/// # Errors
/// [`DecodeError::TooMany`] beyond `limit`; whatever an element's decoding gives.
pub fn decode_list<T: Decode>(
    reader: &mut Reader<'_>,
    what: &'static str,
    limit: usize,
) -> Result<Vec<T>, DecodeError> {
    let count = reader.count(what, limit, T::BYTES_MIN)?;
    T::decode_each(reader, count)
}

/// Implements [`Encode`] and [`Decode`] for a struct, field by field.
///
/// ```
/// use tributary_types::canonical;
/// #[derive(Debug, PartialEq)]
/// struct Pair { left: u16, right: u64 }
/// canonical!(Pair { left: u16, right: u64 });
/// ```
#[macro_export]
macro_rules! canonical {
    ($name:ident { $($field:ident : $type:ty),+ $(,)? }) => {
        impl $crate::codec::Encode for $name {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                $( $crate::codec::Encode::encode(&self.$field, out); )+
            }
        }
        impl $crate::codec::Decode for $name {
            const BYTES_MIN: usize = 0 $( + <$type as $crate::codec::Decode>::BYTES_MIN )+;
            #[inline]
            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::DecodeError> {
                Ok(Self { $( $field: <$type as $crate::codec::Decode>::decode(reader)?, )+ })
            }
        }
    };
}

/// Implements [`Encode`] and [`Decode`] for an enum of one-field variants,
/// each with its stable tag byte.
///
/// ```
/// use tributary_types::canonical_enum;
/// #[derive(Debug, PartialEq)]
/// enum Either { Left(u16), Right(u64) }
/// canonical_enum!(Either, "either", { 1 => Left(u16), 2 => Right(u64) });
/// ```
#[macro_export]
macro_rules! canonical_enum {
    ($name:ident, $what:literal, { $($tag:literal => $variant:ident($type:ty)),+ $(,)? }) => {
        impl $crate::codec::Encode for $name {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $( Self::$variant(value) => {
                        out.push($tag);
                        $crate::codec::Encode::encode(value, out);
                    } )+
                }
            }
            fn bytes_estimate(&self) -> usize {
                match self {
                    $( Self::$variant(value) => {
                        1 + $crate::codec::Encode::bytes_estimate(value)
                    } )+
                }
            }
        }
        impl $crate::codec::Decode for $name {
            const BYTES_MIN: usize = 1;
            #[inline]
            fn decode(
                reader: &mut $crate::codec::Reader<'_>,
            ) -> Result<Self, $crate::codec::DecodeError> {
                match <u8 as $crate::codec::Decode>::decode(reader)? {
                    $( $tag => Ok(Self::$variant(<$type as $crate::codec::Decode>::decode(reader)?)), )+
                    other => Err($crate::codec::DecodeError::Invalid {
                        what: $what,
                        value: u64::from(other),
                    }),
                }
            }
        }
    };
}
