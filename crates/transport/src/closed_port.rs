//! Noticing that the process of a peer has ended, though it said nothing.
//!
//! A process that is killed leaves its connections silent, like one that is only
//! slow: by silence they are told apart after [`IDLE_WAIT`]. But nobody listens at
//! its port any more, and its system says so to whoever sends a datagram there
//! (port unreachable: RFC 1122, section 4.1.3.1). A connected UDP socket is told
//! (section 4.1.3.3); those of QUIC, which have many peers, are not.
//!
//! So as long as nothing arrives from a peer it is sent empty datagrams, which
//! QUIC ignores, from a socket of the link's own. An answer may be forged by who
//! guesses that socket's port (RFC 8085, section 5.2): it counts only while the
//! connection is silent, so that none that is in use is ended by it. Where the
//! network swallows the answers, silence remains.
//!
//! [`IDLE_WAIT`]: crate::limits::IDLE_WAIT

use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use tokio::time::sleep;

use crate::limits::PROBE_INTERVAL;

/// Sends probes to one address.
#[derive(Debug)]
pub(crate) struct Probe {
    socket: UdpSocket,
}

impl Probe {
    /// A socket that hears what becomes of datagrams to `address`.
    ///
    /// # Errors
    /// What the system says.
    pub fn new(address: SocketAddr) -> io::Result<Self> {
        let any: IpAddr = match address {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0))?;
        socket.set_nonblocking(true)?;
        socket.connect(address)?;
        Ok(Self { socket })
    }

    /// Returns once the port is closed and nothing arrives from there:
    /// `received` counts what does.
    pub async fn port_closes(&self, received: impl Fn() -> u64) {
        let mut before = received();
        // What was said before, or while something arrived, is void.
        self.was_refused();
        loop {
            sleep(PROBE_INTERVAL).await;
            let now = received();
            let is_silent = now == before;
            before = now;
            let was_refused = self.was_refused();
            if is_silent && (was_refused || self.is_refused()) {
                return;
            }
        }
    }

    /// Returns once a probe is not refused.
    pub async fn port_opens(&self) {
        loop {
            let is_refused = self.is_refused();
            sleep(PROBE_INTERVAL).await;
            if !is_refused && !self.was_refused() {
                return;
            }
        }
    }

    /// Whether one of the probes before was refused.
    fn was_refused(&self) -> bool {
        // A socket that cannot be asked has heard nothing.
        is_refusal(self.socket.take_error().ok().flatten())
    }

    /// Sends another one. On the same machine it is refused at once.
    pub fn is_refused(&self) -> bool {
        is_refusal(self.socket.send(&[]).err()) || self.was_refused()
    }
}

fn is_refusal(error: Option<io::Error>) -> bool {
    error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// Long enough for several probes.
    const SEVERAL_PROBES: Duration = PROBE_INTERVAL.saturating_mul(8);
    /// Long enough for a busy machine.
    const PATIENCE: Duration = Duration::from_secs(30);

    fn peer() -> (UdpSocket, SocketAddr) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        (socket, address)
    }

    #[tokio::test]
    async fn an_open_port_is_not_closed_and_a_closed_one_is() {
        let (socket, address) = peer();
        let probe = Probe::new(address).unwrap();
        timeout(SEVERAL_PROBES, probe.port_closes(|| 0)).await.unwrap_err();
        drop(socket);
        timeout(PATIENCE, probe.port_closes(|| 0)).await.unwrap();
        timeout(SEVERAL_PROBES, probe.port_opens()).await.unwrap_err();
        let _reopened = UdpSocket::bind(address).unwrap();
        timeout(PATIENCE, probe.port_opens()).await.unwrap();
        timeout(SEVERAL_PROBES, probe.port_closes(|| 0)).await.unwrap_err();
    }

    #[tokio::test]
    async fn a_refusal_counts_only_while_nothing_arrives() {
        let (socket, address) = peer();
        drop(socket);
        let probe = Probe::new(address).unwrap();
        let received = Cell::new(0);
        let arriving = || {
            received.set(received.get() + 1);
            received.get()
        };
        timeout(SEVERAL_PROBES, probe.port_closes(arriving)).await.unwrap_err();
    }

    #[tokio::test]
    async fn what_was_refused_before_something_arrived_is_void() {
        let (socket, address) = peer();
        let probe = Probe::new(address).unwrap();
        drop(socket);
        assert!(probe.is_refused());
        probe.socket.send(&[]).unwrap();
        let _reopened = UdpSocket::bind(address).unwrap();
        let calls = Cell::new(0);
        // The first interval brings something, all others nothing.
        let received = || {
            calls.set(calls.get() + 1);
            u64::from(calls.get() > 1)
        };
        timeout(SEVERAL_PROBES, probe.port_closes(received)).await.unwrap_err();
    }

    #[test]
    fn an_address_of_the_other_family_is_probed_too() {
        let Ok(socket) = UdpSocket::bind("[::1]:0") else {
            return eprintln!("not run: this machine has no IPv6");
        };
        let address = socket.local_addr().unwrap();
        drop(socket);
        assert!(Probe::new(address).unwrap().is_refused());
    }
}
