//! Signed sums of money: balances that may be negative, and sums of many.
//!
//! One account's totals fill 128 bits, so sums over accounts and chains need
//! more: 192 bits hold the sum of 2^64 totals, more than all chains can have.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use tributary_types::Amount;

/// A signed number of minor units: sign and a magnitude of up to 192 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Balance {
    /// Never set for zero.
    negative: bool,
    /// Above 128 bits.
    high: u64,
    low: u128,
}

/// The text is no whole number, or far too large.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("balance {0:?} is not a whole number of minor units")]
pub struct BalanceError(String);

impl Balance {
    /// Nothing.
    pub const ZERO: Self = Self { negative: false, high: 0, low: 0 };

    /// What came in less what went out.
    #[must_use]
    pub fn of(credits: Amount, debits: Amount) -> Self {
        Self::from(credits).minus(Self::from(debits))
    }

    /// Whether it is nothing.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.high == 0 && self.low == 0
    }

    /// Whether it is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.negative
    }

    /// The sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        if self.negative == other.negative {
            let (low, carry) = self.low.overflowing_add(other.low);
            let high = self.high.saturating_add(other.high).saturating_add(u64::from(carry));
            return Self { negative: self.negative, high, low };
        }
        match self.cmp_magnitude(&other) {
            Ordering::Equal => Self::ZERO,
            Ordering::Greater => self.less_magnitude(other),
            Ordering::Less => other.less_magnitude(self),
        }
    }

    /// The difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        self.plus(other.negated())
    }

    /// The same with the other sign.
    #[must_use]
    pub const fn negated(self) -> Self {
        Self { negative: !self.negative && !self.is_zero(), ..self }
    }

    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        (self.high, self.low).cmp(&(other.high, other.low))
    }

    /// The difference of magnitudes under this sign; `other` is the smaller.
    fn less_magnitude(self, other: Self) -> Self {
        let (low, borrow) = self.low.overflowing_sub(other.low);
        let high = self.high - other.high - u64::from(borrow);
        Self { negative: self.negative, high, low }
    }

    /// Divides the magnitude by ten; returns the remainder.
    fn take_digit(&mut self) -> u8 {
        let mut remainder = 0_u128;
        let limbs = [u128::from(self.high), self.low >> 64, self.low & u128::from(u64::MAX)];
        let mut quotients = [0_u128; 3];
        for (limb, quotient) in limbs.into_iter().zip(&mut quotients) {
            let dividend = remainder << 64 | limb;
            *quotient = dividend / 10;
            remainder = dividend % 10;
        }
        self.high = u64::try_from(quotients[0]).unwrap_or(u64::MAX);
        self.low = quotients[1] << 64 | quotients[2];
        u8::try_from(remainder).unwrap_or_default()
    }
}

impl From<Amount> for Balance {
    fn from(amount: Amount) -> Self {
        Self { negative: false, high: 0, low: amount.get() }
    }
}

impl std::iter::Sum for Balance {
    fn sum<I: Iterator<Item = Self>>(balances: I) -> Self {
        balances.fold(Self::ZERO, Self::plus)
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = *self;
        let mut digits = vec![b'0' + rest.take_digit()];
        while !rest.is_zero() {
            digits.push(b'0' + rest.take_digit());
        }
        digits.reverse();
        f.pad_integral(!self.negative, "", std::str::from_utf8(&digits).unwrap_or_default())
    }
}

impl FromStr for Balance {
    type Err = BalanceError;
    fn from_str(text: &str) -> Result<Self, BalanceError> {
        let wrong = || BalanceError(text.to_owned());
        let (negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let canonical = digits == "0" && !negative || !digits.starts_with('0');
        if digits.is_empty() || !canonical || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong());
        }
        let mut limbs = [0_u128; 3];
        for digit in digits.bytes() {
            let mut carry = u128::from(digit - b'0');
            for limb in &mut limbs {
                let value = *limb * 10 + carry;
                (*limb, carry) = (value & u128::from(u64::MAX), value >> 64);
            }
            if carry > 0 {
                return Err(wrong());
            }
        }
        let high = u64::try_from(limbs[2]).map_err(|_| wrong())?;
        Ok(Self { negative, high, low: limbs[1] << 64 | limbs[0] })
    }
}

impl Serialize for Balance {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Balance {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(text: &str) -> Balance {
        text.parse().unwrap()
    }

    #[test]
    fn sums_go_beyond_128_bits_and_below_zero() {
        let max = Balance::from(Amount::new(u128::MAX));
        assert_eq!(max.plus(max).to_string(), "680564733841876926926749214863536422910");
        assert_eq!(max.plus(max).minus(max), max);
        assert_eq!(balance("5").minus(balance("7")), balance("-2"));
        assert_eq!(balance("-5").plus(balance("7")), balance("2"));
        assert_eq!(balance("-5").minus(balance("-5")), Balance::ZERO);
        assert!(!balance("-5").plus(balance("5")).is_negative());
        let borrowed = max.plus(balance("1")).minus(balance("1"));
        assert_eq!(borrowed, max);
    }

    #[test]
    fn text_round_trips_and_has_one_form() {
        for text in ["0", "-1", "10", "-680564733841876926926749214863536422910"] {
            assert_eq!(balance(text).to_string(), text);
        }
        for wrong in ["", "-", "-0", "00", "+1", "1.5", &"9".repeat(60)] {
            assert!(wrong.parse::<Balance>().is_err(), "{wrong}");
        }
    }
}
