//! Ports of a local cluster: found when it is created, and exchanged when it is
//! started again and somebody else has them. So a cluster's directory may be
//! moved, copied or kept for years.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use toml::{Table, Value};
use tributary_service::Topology;

use super::POLL;
use super::files::{PUBLIC_MODE, read, replace};
use super::layout::Layout;

/// Where ports are looked for: below those that systems give to whoever asks for
/// any, so that no connection of a process that starts takes the port of the next.
const PORTS: Range<u16> = 16_384..32_768;
/// How many ports are tried before giving up.
const PORT_TRIES_MAX: usize = 1_000;
/// How long a process that was killed may take to let go of its ports.
const RELEASE_WAIT: Duration = Duration::from_secs(1);

/// Loopback ports that are free for UDP and TCP, one behind the other from any
/// one on. All are held until the last one is found, so that none is found twice.
#[derive(Default)]
pub struct FreePorts {
    held: Vec<(TcpListener, UdpSocket)>,
    last: Option<u16>,
}

impl FreePorts {
    /// Another free port.
    ///
    /// # Errors
    /// If there is none.
    pub fn next(&mut self) -> anyhow::Result<SocketAddr> {
        for _ in 0..PORT_TRIES_MAX {
            let behind = self.last.map(|last| last + 1).filter(|port| PORTS.contains(port));
            let port = behind.unwrap_or_else(|| rand::random_range(PORTS));
            self.last = Some(port);
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
            if self.hold(address) {
                return Ok(address);
            }
        }
        bail!("no port is free for both TCP and UDP on the loopback interface")
    }

    /// Whether this one is free.
    fn hold(&mut self, address: SocketAddr) -> bool {
        let free = TcpListener::bind(address).and_then(|tcp| Ok((tcp, UdpSocket::bind(address)?)));
        free.is_ok_and(|pair| {
            self.held.push(pair);
            true
        })
    }
}

/// Gives other ports to the processes of a stopped cluster whose own are taken,
/// in the topology and in all that follows from it.
///
/// # Errors
/// If no port is free, or a file cannot be read or written.
pub async fn replace_taken(layout: &Layout) -> anyhow::Result<()> {
    let mut topology = Topology::load(&layout.topology())?;
    let deadline = Instant::now() + RELEASE_WAIT;
    let (mut ports, taken) = loop {
        let mut ports = FreePorts::default();
        let all = addresses(&mut topology).into_iter();
        let taken: Vec<_> = all.map(|one| *one).filter(|one| !ports.hold(*one)).collect();
        if taken.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            break (ports, taken);
        }
        tokio::time::sleep(POLL).await;
    };
    for address in addresses(&mut topology).into_iter().filter(|one| taken.contains(one)) {
        let other = ports.next()?;
        tracing::info!(%address, %other, "the port is taken: another one instead");
        *address = other;
    }
    topology.validate()?;
    write_followers(layout, &topology)?;
    replace(&layout.topology(), &toml::to_string_pretty(&topology)?, PUBLIC_MODE)
}

fn addresses(topology: &mut Topology) -> Vec<&mut SocketAddr> {
    let Topology { nodes, routers, relays } = topology;
    let nodes = nodes.iter_mut().flat_map(|node| [&mut node.address, &mut node.http]);
    let routers = routers.iter_mut().flat_map(|router| [&mut router.address, &mut router.http]);
    nodes.chain(routers).chain(relays.iter_mut().map(|relay| &mut relay.http)).collect()
}

/// The files that name addresses of the topology. They come first: if this is
/// interrupted, the ports are still taken, and it is done again.
fn write_followers(layout: &Layout, topology: &Topology) -> anyhow::Result<()> {
    for router in &topology.routers {
        let (address, http) = (router.address.to_string(), router.http.to_string());
        edit(&layout.config(&router.name), |config| {
            config.insert("listen".to_owned(), address.into());
            config.insert("http".to_owned(), http.into());
        })?;
    }
    let routers = topology.routers.iter().map(|router| Value::from(router.address.to_string()));
    let routers: Vec<_> = routers.collect();
    edit(&layout.client(), |config| {
        config.insert("routers".to_owned(), routers.into());
    })
}

fn edit(path: &Path, change: impl FnOnce(&mut Table)) -> anyhow::Result<()> {
    let mut table: Table =
        read(path)?.parse().with_context(|| format!("{} is not TOML", path.display()))?;
    change(&mut table);
    replace(path, &toml::to_string_pretty(&table)?, PUBLIC_MODE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_found_once_each_and_not_where_others_hold_them() {
        let (mut ours, mut theirs) = (FreePorts::default(), FreePorts::default());
        let first = ours.next().unwrap();
        // The end of the range is behind the one before it.
        (ours.last, theirs.last) = (Some(PORTS.end - 2), Some(first.port() - 1));
        let mut found: Vec<_> = (0..20).map(|_| ours.next().unwrap().port()).collect();
        found.extend((0..20).map(|_| theirs.next().unwrap().port()));
        found.push(first.port());
        assert!(found.iter().all(|port| PORTS.contains(port)), "{found:?}");
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 41);
    }
}
