//! The bundled sample: a few thousand payments with refunds, made from a seed.
//!
//! Merchants are chosen by Zipf's law (the k-th most popular gets a share
//! proportional to 1/k^s), as shops' sales are; customers uniformly. A refund
//! gives part of an earlier payment back to the same customer. The same seed
//! gives the same bytes on every machine: the generator is SplitMix64 (Steele,
//! Lea, Flood 2014, OOPSLA, figure 15).

use std::io::Write;

/// What to generate.
#[derive(Debug, Clone, Copy)]
pub struct SampleParameters {
    /// Rows.
    pub payments: u64,
    /// Customers, named `c1`, `c2`, …
    pub customers: u64,
    /// Merchants, named `m1` (the most popular), `m2`, …
    pub merchants: u64,
    /// Exponent of Zipf's law, in thousandths.
    pub zipf_exponent_permille: u32,
    /// How many rows of a thousand are refunds.
    pub refunds_permille: u64,
    /// Seed of the generator.
    pub seed: u64,
}

impl Default for SampleParameters {
    fn default() -> Self {
        Self {
            payments: 5_000,
            customers: 400,
            merchants: 60,
            zipf_exponent_permille: 1_000,
            refunds_permille: 25,
            seed: 1,
        }
    }
}

/// Deterministic pseudo-random numbers; not for secrets.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..bound` (Lemire's multiply-shift; its bias is below 2^-32
    /// for the bounds used here).
    fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }
}

/// Cumulative weights of Zipf's law over `count` ranks, in 2^-32 units.
fn zipf_cumulative(count: u64, exponent_permille: u32) -> Vec<u64> {
    let exponent = f64::from(exponent_permille) / 1_000.0;
    let mut sum = 0;
    (1..=count)
        .map(|rank| {
            let rank = f64::from(u32::try_from(rank).unwrap_or(u32::MAX));
            let weight = (4_294_967_296.0 / rank.powf(exponent)).max(1.0);
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a weight lies between 1 and 2^32"
            )]
            let weight = weight as u64;
            sum += weight;
            sum
        })
        .collect()
}

/// Writes the sample as CSV in the columns of an import.
///
/// # Errors
/// If `out` cannot be written.
pub fn write_csv(parameters: &SampleParameters, out: &mut impl Write) -> std::io::Result<()> {
    let mut random = SplitMix64(parameters.seed);
    let cumulative = zipf_cumulative(parameters.merchants, parameters.zipf_exponent_permille);
    let total = cumulative.last().copied().unwrap_or(1);
    let mut refundable: Vec<(u64, u64, u64)> = Vec::new();
    writeln!(out, "reference,time,payer,payee,amount_minor,currency,kind")?;
    for number in 1..=parameters.payments {
        let (hour, minute, second) = (number / 3_600 % 24, number / 60 % 60, number % 60);
        let time = format!("2026-01-01T{hour:02}:{minute:02}:{second:02}Z");
        let refund = random.below(1_000) < parameters.refunds_permille && !refundable.is_empty();
        if refund {
            let chosen = usize::try_from(random.below(refundable.len() as u64)).unwrap_or(0);
            let (customer, merchant, paid) = refundable.swap_remove(chosen);
            let amount = 1 + random.below(paid);
            writeln!(out, "s-{number},{time},m{merchant},c{customer},{amount},GBP,refund")?;
        } else {
            let customer = 1 + random.below(parameters.customers);
            let point = random.below(total);
            let merchant = 1 + cumulative.partition_point(|bound| *bound <= point);
            let amount = 50 + random.below(9_950);
            refundable.push((customer, merchant as u64, amount));
            writeln!(out, "s-{number},{time},c{customer},m{merchant},{amount},GBP,payment")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::rows::{RowKind, parse};

    fn sample(seed: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write_csv(&SampleParameters { seed, ..SampleParameters::default() }, &mut out).unwrap();
        out
    }

    #[test]
    fn the_sample_is_a_valid_import_with_refunds_and_popular_merchants() {
        let rows = parse(sample(1).as_slice()).unwrap();
        assert!(rows.bad.is_empty());
        assert_eq!(rows.rows.len(), 5_000);
        assert!(rows.rows.iter().filter(|row| row.kind == RowKind::Refund).count() > 50);
        let of =
            |name: &str| rows.rows.iter().filter(|row| row.merchant().as_str() == name).count();
        assert!(of("m1") > 3 * of("m10"), "{} {}", of("m1"), of("m10"));
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        assert_eq!(sample(7), sample(7));
        assert_ne!(sample(7), sample(8));
    }
}
