//! Who is let in, and how much of it.
//!
//! A large request is weighed before it is read: one that finds no room costs
//! the router its bytes on the wire and one short reply, so that it stays fast
//! for what it has let in, however much more is asked of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tributary_transport::{Identity, RefusalLog, Role};
use tributary_types::{InstitutionId, PaymentRecord};
use tributary_wire::router::RouterError;

use crate::metric;
use crate::quota::Quota;
use crate::settings::Limits;
use crate::strand::OVERLOADED_RETRY_MS;

/// Front-ends whose quota is remembered; beyond it all quotas begin anew.
const FRONT_ENDS_MAX: usize = 4_096;

/// Requests of at most so many bytes need no room by size: reads, and payments
/// one by one.
const SMALL_REQUEST_BYTES: usize = 4_096;

/// The router's door.
#[derive(Debug)]
pub struct Admission {
    institution: InstitutionId,
    in_flight: Arc<Semaphore>,
    in_flight_max: u32,
    /// For the bytes of large requests.
    room: Arc<Semaphore>,
    room_bytes: u32,
    payments_per_second_max: Option<u32>,
    quotas: Mutex<BTreeMap<String, Quota>>,
    refusals: RefusalLog,
}

impl Admission {
    /// A door for the front-ends of one institution, to so many strands.
    #[must_use]
    pub fn new(institution: InstitutionId, limits: &Limits, strands: usize) -> Self {
        let room_bytes = room_bytes(limits.queue_payments_max, strands);
        Self {
            institution,
            in_flight: Arc::new(Semaphore::new(limits.requests_in_flight_max as usize)),
            in_flight_max: limits.requests_in_flight_max,
            room: Arc::new(Semaphore::new(room_bytes as usize)),
            room_bytes,
            payments_per_second_max: limits.payments_per_second_max,
            quotas: Mutex::default(),
            refusals: RefusalLog::default(),
        }
    }

    /// Lets a request of so many bytes in, until what is returned is dropped.
    ///
    /// # Errors
    /// [`RouterError::Refused`] unless `peer` is a front-end of the router's
    /// institution; [`RouterError::Overloaded`] if the door is closed, too many
    /// requests are in, or a large one finds no room.
    pub fn enter(&self, peer: &Identity, bytes: usize) -> Result<Entered, RouterError> {
        if peer.role != Role::Institution(self.institution) {
            metric::refusal("wrong_institution", 1);
            let reason = format!(
                "{peer} is no front-end of institution {}, which this router serves",
                self.institution
            );
            self.refusals.warn(&peer.to_string(), &reason);
            return Err(RouterError::Refused(reason));
        }
        let weight = if bytes > SMALL_REQUEST_BYTES { bytes } else { 0 };
        // One that is larger than the whole room takes all of it.
        let weight = u32::try_from(weight).unwrap_or(u32::MAX).min(self.room_bytes);
        let request = Arc::clone(&self.in_flight).try_acquire_owned();
        let room = Arc::clone(&self.room).try_acquire_many_owned(weight);
        match (request, room) {
            (Ok(request), Ok(room)) => Ok(Entered { _request: request, _room: room }),
            _ => Err(RouterError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS }),
        }
    }

    /// Takes payments from a front-end's quota.
    ///
    /// # Errors
    /// [`RouterError::Overloaded`] until the quota has recovered.
    pub fn take_quota(&self, peer: &Identity, payments: usize) -> Result<(), RouterError> {
        let Some(payments_per_second) = self.payments_per_second_max else {
            return Ok(());
        };
        let now = Instant::now();
        let mut quotas = self.quotas.lock().unwrap_or_else(PoisonError::into_inner);
        if quotas.len() >= FRONT_ENDS_MAX && !quotas.contains_key(&peer.name) {
            quotas.clear();
        }
        let quota =
            quotas.entry(peer.name.clone()).or_insert_with(|| Quota::new(payments_per_second, now));
        quota.take(payments, now).map_err(|wait| {
            let retry_after_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX).max(1);
            RouterError::Overloaded { retry_after_ms }
        })
    }

    /// Requests that are in.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        (self.in_flight_max as usize).saturating_sub(self.in_flight.available_permits())
    }

    /// Lets nobody in any more, and waits until all are out.
    pub async fn close(&self) {
        let all = self.in_flight.acquire_many(self.in_flight_max).await;
        // Nobody else closes the semaphore.
        if all.is_ok() {
            self.in_flight.close();
        }
    }
}

/// A request's stay; the door counts it until this is dropped.
#[derive(Debug)]
pub struct Entered {
    _request: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
}

/// Bytes of large requests that may be in at once: as much as fills five eighths
/// of all strands with payments. So a load that is spread over the chains is
/// refused at the door, whole, before any strand has to refuse its part of it.
fn room_bytes(queue_payments_max: u32, strands: usize) -> u32 {
    let payments = (queue_payments_max as usize).saturating_mul(strands) / 8 * 5;
    let bytes = payments.saturating_mul(size_of::<PaymentRecord>());
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZero;

    const INSTITUTION: InstitutionId = InstitutionId::new(1);

    fn overloaded(result: Result<Entered, RouterError>) -> bool {
        matches!(result, Err(RouterError::Overloaded { .. }))
    }

    #[test]
    fn large_requests_share_room_and_small_ones_need_none() {
        let limits = Limits { queue_payments_max: 8_192, ..Limits::default() };
        assert_eq!(limits.strands_per_chain, NonZero::<u8>::MIN);
        let admission = Admission::new(INSTITUTION, &limits, 4);
        let peer = Identity { role: Role::Institution(INSTITUTION), name: "a".to_owned() };
        let enter = |bytes| admission.enter(&peer, bytes);
        // Room for 20,480 payments: two full requests and a half.
        let full = 8_192 * size_of::<PaymentRecord>();
        let (first, second) = (enter(full).unwrap(), enter(full).unwrap());
        assert!(overloaded(enter(full)));
        let half = enter(full / 2).unwrap();
        assert!(overloaded(enter(SMALL_REQUEST_BYTES + 1)));
        assert_eq!(admission.in_flight(), 3);
        let small = enter(SMALL_REQUEST_BYTES).unwrap();
        drop((first, half));
        drop((enter(full).unwrap(), second, small));
        assert_eq!(admission.in_flight(), 0);
    }

    #[test]
    fn a_request_larger_than_the_room_is_let_in_alone() {
        let limits = Limits { queue_payments_max: 8_192, ..Limits::default() };
        let admission = Admission::new(INSTITUTION, &limits, 1);
        let peer = Identity { role: Role::Institution(INSTITUTION), name: "a".to_owned() };
        let large = admission.enter(&peer, 8 << 20).unwrap();
        assert!(overloaded(admission.enter(&peer, 8 << 20)));
        drop(large);
        assert!(admission.enter(&peer, 8 << 20).is_ok());
    }
}
