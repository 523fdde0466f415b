//! When a certificate holds, said with dates a person can read.

use std::fmt;

use rustls::CertificateError;
use rustls_pki_types::{CertificateDer, UnixTime};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::limits::EXPIRY_NOTICE;

/// How dates are shown; all are UTC.
const FORMAT: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");

/// A date as it is shown.
pub(crate) struct Shown(pub(crate) OffsetDateTime);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.format(FORMAT).map_err(|_| fmt::Error)?)
    }
}

/// The period in which a certificate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) not_before: OffsetDateTime,
    pub(crate) not_after: OffsetDateTime,
}

/// Why a certificate does not hold at some moment. Reads on after the name of
/// the certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// The period is over.
    Expired(OffsetDateTime),
    /// The period has not begun.
    NotYetValid(OffsetDateTime),
}

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, date) = match self {
            Self::Expired(date) => ("expired on", date),
            Self::NotYetValid(date) => ("is not valid before", date),
        };
        write!(f, "{what} {}", Shown(*date))
    }
}

impl Outside {
    /// What a check found, if it is about the period.
    pub(crate) fn of(error: &CertificateError) -> Option<Self> {
        match error {
            CertificateError::ExpiredContext { not_after, .. } => {
                date(*not_after).map(Self::Expired)
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                date(*not_before).map(Self::NotYetValid)
            }
            _ => None,
        }
    }
}

impl Validity {
    /// Whether `now` is within the period; the last second counts whole, as it
    /// does for peers.
    pub(crate) fn check(&self, now: OffsetDateTime) -> Result<(), Outside> {
        if now < self.not_before {
            Err(Outside::NotYetValid(self.not_before))
        } else if now.unix_timestamp() > self.not_after.unix_timestamp() {
            Err(Outside::Expired(self.not_after))
        } else {
            Ok(())
        }
    }

    /// Whether it is time to replace the certificate: less than
    /// [`EXPIRY_NOTICE`] is left, or a third of the period where that is less.
    pub(crate) fn ends_soon(&self, now: OffsetDateTime) -> bool {
        let (left, period) = (self.not_after - now, self.not_after - self.not_before);
        left < period / 3 && left < EXPIRY_NOTICE
    }
}

/// What this module reads in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) validity: Validity,
    /// Whose it is, as encoded.
    pub(crate) subject: Vec<u8>,
    /// Who signed it, as encoded.
    pub(crate) issuer: Vec<u8>,
}

impl Names {
    /// Reads a certificate; `None` if it cannot be read.
    pub(crate) fn of(certificate: &CertificateDer<'_>) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        let validity = certificate.validity();
        Some(Self {
            validity: Validity {
                not_before: validity.not_before.to_datetime(),
                not_after: validity.not_after.to_datetime(),
            },
            subject: certificate.subject().as_raw().to_vec(),
            issuer: certificate.issuer().as_raw().to_vec(),
        })
    }
}

fn date(time: UnixTime) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(i64::try_from(time.as_secs()).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn dates_are_utc_to_the_second() {
        let validity = Validity {
            not_before: datetime!(2026-01-02 03:04:05 UTC),
            not_after: datetime!(2027-11-12 13:14:15 UTC),
        };
        let said = |now| validity.check(now).map_err(|outside| outside.to_string());
        assert_eq!(said(datetime!(2026-06-01 0:00 UTC)), Ok(()));
        assert_eq!(
            said(datetime!(2026-01-02 03:04:04 UTC)),
            Err("is not valid before 2026-01-02 03:04:05 UTC".to_owned())
        );
        assert_eq!(said(datetime!(2027-11-12 13:14:15.9 UTC)), Ok(()));
        assert_eq!(
            said(datetime!(2027-11-12 13:14:16 UTC)),
            Err("expired on 2027-11-12 13:14:15 UTC".to_owned())
        );
    }

    #[test]
    fn a_certificate_ends_soon_a_month_before_or_in_its_last_third() {
        let not_before = datetime!(2026-01-01 0:00 UTC);
        let year = Validity { not_before, not_after: datetime!(2027-01-01 0:00 UTC) };
        assert!(!year.ends_soon(datetime!(2026-12-01 23:59 UTC)));
        assert!(year.ends_soon(datetime!(2026-12-02 0:01 UTC)));
        let day = Validity { not_before, not_after: datetime!(2026-01-02 0:00 UTC) };
        assert!(!day.ends_soon(datetime!(2026-01-01 15:59 UTC)));
        assert!(day.ends_soon(datetime!(2026-01-01 16:01 UTC)));
    }
}
