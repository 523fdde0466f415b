//! Says in time that a certificate must be replaced, and that it should have
//! been: whose, and the date.
//!
//! Connections outlast a certificate, so nothing else would show it until a
//! process or a network fails.

use std::sync::{PoisonError, RwLock, Weak};
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Instant;

use crate::credentials::Credentials;
use crate::limits::{CREDENTIALS_INTERVAL, EXPIRY_INTERVAL, EXPIRY_NOTICE_INTERVAL};

/// Looks at credentials as long as an endpoint uses them.
pub(crate) async fn watch(credentials: Weak<RwLock<Credentials>>) {
    let mut told: Option<(String, Instant)> = None;
    loop {
        let Some(current) = credentials.upgrade() else { return };
        let current = current.read().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(Notice { text, is_late, again_after }) = notice(&current) {
            let is_known =
                |(known, at): &(String, Instant)| *known == text && at.elapsed() < again_after;
            if !told.as_ref().is_some_and(is_known) {
                if is_late {
                    tracing::error!("{text}");
                } else {
                    tracing::warn!("{text}");
                }
                told = Some((text, Instant::now()));
            }
        }
        tokio::time::sleep(CREDENTIALS_INTERVAL).await;
    }
}

/// Something to say.
struct Notice {
    text: String,
    is_late: bool,
    again_after: Duration,
}

fn notice(credentials: &Credentials) -> Option<Notice> {
    let now = OffsetDateTime::now_utc();
    if let Err(error) = credentials.check_at(now) {
        let text = format!("{error}: peers refuse new connections");
        return Some(Notice { text, is_late: true, again_after: EXPIRY_INTERVAL });
    }
    let text = credentials.ends_soon(now)?;
    Some(Notice { text, is_late: false, again_after: EXPIRY_NOTICE_INTERVAL })
}
