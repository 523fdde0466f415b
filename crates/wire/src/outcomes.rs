//! Results of a request as they travel: the outcomes as their canonical bytes, and
//! beside them, since they are few, the errors with the places where they stand.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tributary_types::codec::{Decode, DecodeError, Encode, Reader, encode_count};

use crate::canonical::Canonical;
use crate::router::{Outcome, RouterError};

type Results = Vec<Result<Outcome, RouterError>>;

#[derive(Serialize)]
struct Sent<'a> {
    outcomes: Canonical<Outcomes<'a>>,
    errors: Vec<(u32, &'a RouterError)>,
}

/// The outcomes among so many results; encoded as their list.
struct Outcomes<'a> {
    count: usize,
    results: &'a [Result<Outcome, RouterError>],
}

impl Encode for Outcomes<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        encode_count(self.count, out);
        self.results.iter().flatten().for_each(|outcome| outcome.encode(out));
    }

    fn bytes_estimate(&self) -> usize {
        size_of::<u32>() + self.count * Outcome::BYTES_MIN
    }
}

/// An outcome, read to where it stays.
struct Arrived(Result<Outcome, RouterError>);

impl Decode for Arrived {
    const BYTES_MIN: usize = Outcome::BYTES_MIN;

    fn decode(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Outcome::decode(reader).map(|outcome| Self(Ok(outcome)))
    }
}

#[derive(Deserialize)]
struct Received {
    outcomes: Canonical<Vec<Arrived>>,
    /// Ascending by place.
    errors: Vec<(u32, RouterError)>,
}

/// Puts results apart.
///
/// # Errors
/// The serializer's.
pub(crate) fn serialize<'a, S: Serializer>(
    results: &'a Results,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let failed = |(place, result): (u32, &'a Result<_, _>)| Some((place, result.as_ref().err()?));
    let errors: Vec<_> = (0..).zip(results).filter_map(failed).collect();
    let outcomes = Outcomes { count: results.len() - errors.len(), results };
    Sent { outcomes: Canonical(outcomes), errors }.serialize(serializer)
}

/// Joins them again.
///
/// # Errors
/// The deserializer's, also for places that are none or not ascending.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Results, D::Error> {
    let Received { outcomes: Canonical(outcomes), errors } = Received::deserialize(deserializer)?;
    let count = outcomes.len() + errors.len();
    let mut outcomes = outcomes.into_iter().map(|Arrived(result)| result);
    if errors.is_empty() {
        return Ok(outcomes.collect());
    }
    let mut results = Vec::with_capacity(count);
    for (place, error) in errors {
        let place = usize::try_from(place).unwrap_or(usize::MAX);
        let between = place.checked_sub(results.len()).filter(|_| place < count);
        let between = between.ok_or_else(|| D::Error::custom("an error at no place of its own"))?;
        results.extend(outcomes.by_ref().take(between));
        results.push(Err(error));
    }
    results.extend(outcomes);
    Ok(results)
}

#[cfg(test)]
mod tests {
    use tributary_types::{Amount, BlockHeight, ChainId, OutcomeCode, Position, Receipt};

    use super::*;
    use crate::router::RouterReply;
    use crate::{decode, encode};

    fn outcome(index: u32) -> Outcome {
        let position = Position::new(BlockHeight::new(700), index).unwrap();
        let receipt = Receipt::refused(OutcomeCode::AmountZero, Amount::new(3));
        Outcome { chain: ChainId::new(5), position, receipt }
    }

    #[test]
    fn results_arrive_in_the_order_in_which_they_left() {
        let error = |retry_after_ms| RouterError::Overloaded { retry_after_ms };
        for pattern in 0_u32..64 {
            let result = |place| match pattern >> place & 1 {
                0 => Ok(outcome(place)),
                _ => Err(error(u64::from(place))),
            };
            for count in 0..=6 {
                let reply = RouterReply::Outcomes((0..count).map(result).collect());
                assert_eq!(decode(&encode(&reply)), Ok(reply));
            }
        }
    }

    #[test]
    fn an_error_beside_every_place_is_refused() {
        let results = [Ok(outcome(0)), Ok(outcome(1))];
        let reply = |places: &[u32]| {
            let error = RouterError::Refused("no".to_owned());
            let outcomes = Canonical(Outcomes { count: 2, results: &results });
            let errors = places.iter().map(|place| (*place, &error)).collect();
            // As the variant of the reply has it.
            let mut bytes = encode(&RouterReply::Outcomes(Vec::new()));
            bytes.truncate(1);
            bytes.extend(encode(&Sent { outcomes, errors }));
            decode::<RouterReply>(&bytes)
        };
        for places in [&[][..], &[0], &[2], &[0, 1], &[1, 3], &[2, 3]] {
            assert!(reply(places).is_ok(), "{places:?}");
        }
        for places in [&[3][..], &[1, 1], &[1, 0], &[0, 4], &[u32::MAX]] {
            assert!(reply(places).is_err(), "{places:?}");
        }
    }
}
