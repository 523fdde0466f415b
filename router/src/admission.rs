//! Who is let in, and how much of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tributary_transport::{Identity, RefusalLog, Role};
use tributary_types::InstitutionId;
use tributary_wire::router::RouterError;

use crate::metric;
use crate::quota::Quota;
use crate::settings::Limits;
use crate::strand::OVERLOADED_RETRY_MS;

/// Front-ends whose quota is remembered; beyond it all quotas begin anew.
const FRONT_ENDS_MAX: usize = 4_096;

/// The router's door.
#[derive(Debug)]
pub struct Admission {
    institution: InstitutionId,
    in_flight: Arc<Semaphore>,
    in_flight_max: u32,
    payments_per_second_max: Option<u32>,
    quotas: Mutex<BTreeMap<String, Quota>>,
    refusals: RefusalLog,
}

impl Admission {
    /// A door for the front-ends of one institution.
    #[must_use]
    pub fn new(institution: InstitutionId, limits: &Limits) -> Self {
        Self {
            institution,
            in_flight: Arc::new(Semaphore::new(limits.requests_in_flight_max as usize)),
            in_flight_max: limits.requests_in_flight_max,
            payments_per_second_max: limits.payments_per_second_max,
            quotas: Mutex::default(),
            refusals: RefusalLog::default(),
        }
    }

    /// Lets a request in, until what is returned is dropped.
    ///
    /// # Errors
    /// [`RouterError::Refused`] unless `peer` is a front-end of the router's
    /// institution; [`RouterError::Overloaded`] if the door is closed or too
    /// many requests are in.
    pub fn enter(&self, peer: &Identity) -> Result<OwnedSemaphorePermit, RouterError> {
        if peer.role != Role::Institution(self.institution) {
            metric::refusal("wrong_institution");
            let reason = format!(
                "{peer} is no front-end of institution {}, which this router serves",
                self.institution
            );
            self.refusals.warn(&peer.to_string(), &reason);
            return Err(RouterError::Refused(reason));
        }
        let permit = Arc::clone(&self.in_flight).try_acquire_owned();
        permit.map_err(|_| RouterError::Overloaded { retry_after_ms: OVERLOADED_RETRY_MS })
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
