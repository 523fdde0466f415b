//! The development CA of a local cluster, and the certificates it issues: made
//! with the cluster, replaced by `cluster renew`.
//!
//! Files are replaced whole, each by a rename, while processes run: those look
//! at them every few seconds (`tributary_transport::Renewal`).

use std::fs;
use std::path::Path;

use anyhow::bail;
use tributary_client::load_genesis;
use tributary_service::Topology;
use tributary_transport::authority::CertificateAuthority;
use tributary_transport::{Identity, Role};

use super::create::INSTITUTION;
use super::files::{PRIVATE_MODE, PUBLIC_MODE, read, replace};
use super::layout::{Layout, Process, ProcessRole, processes};

/// How long development certificates hold unless told otherwise.
pub const VALIDITY_DAYS: u32 = 365;
/// Name of the front-end, whose certificate the command line shows.
pub const FRONT_END: &str = "front-end";

/// Writes a new CA, and a certificate for everybody in the topology.
///
/// # Errors
/// If anything cannot be written.
pub fn create(layout: &Layout, cluster: &str, topology: &Topology) -> anyhow::Result<()> {
    let authority = CertificateAuthority::create(cluster, VALIDITY_DAYS)?;
    replace(&layout.ca_key(), &authority.key_pem(), PRIVATE_MODE)?;
    replace(&layout.ca_certificate(), authority.certificate_pem(), PUBLIC_MODE)?;
    identities(topology)
        .iter()
        .try_for_each(|identity| issue(layout, &authority, identity, VALIDITY_DAYS))
}

/// Replaces the certificates and keys of some processes; if none is named, of
/// all of them and the front-end, and the CA's certificate, whose key stays.
///
/// # Errors
/// If there is no such process, or anything cannot be read or written.
pub fn renew(root: &Path, names: &[String], days: u32) -> anyhow::Result<()> {
    let layout = Layout::new(root);
    let topology = Topology::load(&layout.topology())?;
    let mut identities = identities(&topology);
    if let Some(unknown) = names.iter().find(|name| identities.iter().all(|one| one.name != **name))
    {
        bail!("{unknown} is no process of {}", root.display());
    }
    let authority = if names.is_empty() {
        let genesis = load_genesis(&layout.genesis())?;
        let key = read(&layout.ca_key())?;
        let authority = CertificateAuthority::renew(&genesis.cluster, &key, days)?;
        replace(&layout.ca_certificate(), authority.certificate_pem(), PUBLIC_MODE)?;
        authority
    } else {
        identities.retain(|one| names.contains(&one.name));
        CertificateAuthority::load(&read(&layout.ca_certificate())?, &read(&layout.ca_key())?)?
    };
    identities.iter().try_for_each(|identity| issue(&layout, &authority, identity, days))
}

/// Everybody who shows a certificate.
fn identities(topology: &Topology) -> Vec<Identity> {
    let of = |process: Process| {
        let role = match process.role {
            ProcessRole::ShardNode | ProcessRole::HfAggregator => Role::Node,
            ProcessRole::Router => Role::Router(INSTITUTION),
            ProcessRole::Relay => Role::Relay,
        };
        Identity { role, name: process.name }
    };
    let front_end = Identity { role: Role::Institution(INSTITUTION), name: FRONT_END.to_owned() };
    processes(topology).into_iter().map(of).chain([front_end]).collect()
}

fn issue(
    layout: &Layout,
    authority: &CertificateAuthority,
    identity: &Identity,
    days: u32,
) -> anyhow::Result<()> {
    let directory = layout.process(&identity.name);
    fs::create_dir_all(&directory)?;
    let issued = authority.issue(identity, days)?;
    replace(&directory.join("key.pem"), &issued.key_pem, PRIVATE_MODE)?;
    replace(&directory.join("certificate.pem"), &issued.certificate_pem, PUBLIC_MODE)
}
