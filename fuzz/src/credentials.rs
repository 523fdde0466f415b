//! Who a process is and what it signs with: certificates, keys and their files.
//! Files that were changed are refused, or mean the same: they never make
//! another process of this one, and no refusal quotes a key.

use rustls_pki_types::CertificateDer;
use tributary_service::keys::{read_signing_key, write_seed};
use tributary_transport::authority::{AuthorityError, CertificateAuthority};
use tributary_transport::{Credentials, Identity, IdentityError};
use tributary_types::SigningKey;

use crate::folder::{PROCESS, file, identity, place, told};

/// All that is said of a key file that is refused, whatever it holds.
const REFUSALS: [&str; 2] = [
    "key file PATH does not hold a seed of 64 hexadecimal digits",
    "key file PATH: stream did not contain valid UTF-8",
];
/// Digits of a seed.
const SEED_DIGITS: usize = 64;
/// Days that a certificate of the test is valid.
const VALIDITY_DAYS: u32 = 1;

/// The file that stands in place of one of a process's own.
#[derive(Clone, Copy)]
#[repr(u8)]
enum Kind {
    /// The CA's certificate, read by every process.
    Ca,
    /// The process's certificate.
    Certificate,
    /// The process's key.
    Key,
    /// The CA's certificate, read by who issues certificates.
    IssuingCa,
    /// The CA's key.
    IssuingKey,
    /// The encoded certificate of a peer.
    Peer,
    /// The CA's certificate, encoded; its text is around it.
    EncodedCa,
    /// The process's certificate, encoded; its text is around it.
    EncodedCertificate,
}

const KINDS: [Kind; 8] = [
    Kind::Ca,
    Kind::Certificate,
    Kind::Key,
    Kind::IssuingCa,
    Kind::IssuingKey,
    Kind::Peer,
    Kind::EncodedCa,
    Kind::EncodedCertificate,
];

/// One byte says which file the rest is.
pub(crate) fn check(bytes: &[u8]) {
    let Some((kind, content)) = bytes.split_first() else { return };
    let Some(kind) = KINDS.get(usize::from(*kind)) else { return };
    match kind {
        Kind::Ca => process(Kind::Ca, content),
        Kind::Certificate => process(Kind::Certificate, content),
        Kind::Key => process(Kind::Key, content),
        Kind::IssuingCa => authority(Some(content), None),
        Kind::IssuingKey => authority(None, Some(content)),
        Kind::Peer => peer(content),
        Kind::EncodedCa => process(Kind::Ca, text_around(content).as_bytes()),
        Kind::EncodedCertificate => process(Kind::Certificate, text_around(content).as_bytes()),
    }
}

/// Whatever the file holds, the process is who it was, or does not start.
fn process(kind: Kind, content: &[u8]) {
    let (authority, issued) = &*PROCESS;
    let own = [authority.certificate_pem(), &issued.certificate_pem, &issued.key_pem];
    let mut contents = own.map(str::as_bytes);
    contents[kind as usize] = content;
    let [ca, certificate, key] = contents;
    let loaded =
        Credentials::load(&file("ca", ca), &file("certificate", certificate), &file("key", key));
    match loaded {
        Ok(credentials) => assert_eq!(*credentials.identity(), identity()),
        Err(error) => told(&error),
    }
}

/// What an authority issues holds: else it is not to be had. Its certificate
/// may have been changed in what its signature alone says, which nobody needs.
fn authority(ca: Option<&[u8]>, key: Option<&[u8]>) {
    let (own, _) = &*PROCESS;
    let own_key = own.key_pem();
    let text = |bytes: &'_ [u8]| String::from_utf8_lossy(bytes).into_owned();
    let ca_text = ca.map_or_else(|| own.certificate_pem().to_owned(), text);
    let key_text = key.map_or(own_key, text);
    match CertificateAuthority::load(&ca_text, &key_text) {
        Ok(authority) => {
            let issued = authority.issue(&identity(), VALIDITY_DAYS).expect("a certificate");
            let held = Credentials::from_pem(&ca_text, &issued.certificate_pem, &issued.key_pem);
            if ca.is_none() {
                assert_eq!(*held.expect("of its own CA").identity(), identity());
            } else if let Err(error) = held {
                told(&error);
            }
        }
        Err(AuthorityError::NotKey | AuthorityError::OtherKey) => {}
        Err(AuthorityError::Unusable(error)) => {
            assert!(ca.is_some(), "the CA's own certificate is no reason, and a key is not quoted");
            told(&error);
        }
    }
}

/// The identity in a certificate, which a listener reads after it was verified.
fn peer(content: &[u8]) {
    match Identity::of_certificate(&CertificateDer::from(content)) {
        Ok(identity) => assert_eq!(identity.to_string().parse(), Ok(identity)),
        Err(IdentityError::Count(count)) => assert_ne!(count, 1),
        Err(error) => told(&error),
    }
}

fn text_around(encoded: &[u8]) -> String {
    pem::encode(&pem::Pem::new("CERTIFICATE", encoded))
}

pub(crate) fn samples() -> Vec<Vec<u8>> {
    let (authority, issued) = &*PROCESS;
    let other = CertificateAuthority::create("others", VALIDITY_DAYS).expect("a development CA");
    let both = [authority.certificate_pem(), other.certificate_pem()].concat();
    let ca = authority.certificate_pem();
    let own = [
        (Kind::Ca, ca),
        (Kind::Ca, &both),
        (Kind::Ca, other.certificate_pem()),
        (Kind::Certificate, &issued.certificate_pem),
        (Kind::Key, &issued.key_pem),
        (Kind::IssuingCa, ca),
        (Kind::IssuingCa, other.certificate_pem()),
        (Kind::IssuingKey, &authority.key_pem()),
        (Kind::IssuingKey, &other.key_pem()),
    ];
    let own = own.map(|(kind, text)| (kind, text.as_bytes().to_vec()));
    let encoded = |text: &str| pem::parse(text).expect("a text just made").into_contents();
    let encoded = [
        (Kind::Peer, encoded(&issued.certificate_pem)),
        (Kind::EncodedCa, encoded(ca)),
        (Kind::EncodedCertificate, encoded(&issued.certificate_pem)),
    ];
    let all = own.into_iter().chain(encoded);
    all.map(|(kind, content)| [&[kind as u8][..], &content].concat()).collect()
}

/// The file of a signing key: its digits are the seed, nothing else is taken,
/// and what was found is not shown.
pub(crate) fn key_file(bytes: &[u8]) {
    let path = file("seed", bytes);
    let read = read_signing_key(&path);
    let text = std::str::from_utf8(bytes).unwrap_or_default().trim_end();
    let is_seed = text.len() == SEED_DIGITS && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    match read {
        Ok(key) => {
            assert!(is_seed, "a key out of something else");
            let mut seed = [0; SEED_DIGITS / 2];
            for (byte, digits) in seed.iter_mut().zip(text.as_bytes().chunks(2)) {
                let digits = std::str::from_utf8(digits).expect("digits");
                *byte = u8::from_str_radix(digits, 16).expect("digits");
            }
            assert_eq!(key.public(), SigningKey::from_seed(seed).public());
            assert!(write_seed(&path, &seed).is_err(), "a key is overwritten");
            let other = place("seed-written");
            write_seed(&other, &seed).expect("a small file can be written");
            let again = read_signing_key(&other).expect("what was written");
            std::fs::remove_file(&other).expect("the file is there");
            assert_eq!(again.public(), key.public());
        }
        Err(error) => {
            assert!(!is_seed, "{error}");
            let said = error.to_string().replace(&path.display().to_string(), "PATH");
            assert!(REFUSALS.contains(&said.as_str()), "a secret may be shown: {said}");
        }
    }
}

pub(crate) fn key_files() -> Vec<Vec<u8>> {
    let digits = "00112233445566778899aabbccddeeffFFEEDDCCBBAA99887766554433221100";
    [format!("{digits}\n"), digits.to_owned(), format!(" {digits}"), format!("{digits}0")]
        .map(String::into_bytes)
        .into()
}
