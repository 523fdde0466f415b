//! The UDP socket and QUIC parameters of listeners and links.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{EndpointConfig, IdleTimeout, MtuDiscoveryConfig, TransportConfig, VarInt};
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::time::timeout;

use crate::limits::{
    CLOSE_WAIT, CONNECTION_WINDOW_BYTES, IDLE_WAIT, KEEP_ALIVE_INTERVAL,
    LARGE_MESSAGES_IN_FLIGHT_MAX, SOCKET_BUFFER_BYTES, STREAM_WINDOW_BYTES,
};
use crate::stream::CloseCode;

/// Datagrams that quinn hands to the system in one call, at most.
const DATAGRAMS_PER_CALL_MAX: u16 = 10;
/// What the system takes in one call: the most that fits one packet of UDP over
/// IPv4. More is refused, which quinn takes for a lost probe of the path: every
/// burst would be lost, and again when it is repeated.
const BYTES_PER_CALL_MAX: u16 = 65_507;
/// Largest datagram that is received, and tried by path discovery: more than an
/// Ethernet frame, for loopback and networks with jumbo frames.
const MTU_BYTES_MAX: u16 = BYTES_PER_CALL_MAX / DATAGRAMS_PER_CALL_MAX;
/// Datagram that every network carries.
const MTU_BYTES_INITIAL: u16 = 1_200;
/// Bidirectional streams of a connection: its one request stream.
const REQUEST_STREAMS_MAX: u32 = 1;

/// A socket cannot be opened.
#[derive(Debug, Error)]
pub enum BindError {
    /// Another process has the port.
    #[error("address {0} is in use")]
    InUse(SocketAddr),
    /// Anything else.
    #[error("cannot listen on {address}: {reason}")]
    Other {
        /// Where.
        address: SocketAddr,
        /// What the system says.
        reason: String,
    },
}

/// Opens a UDP socket with large buffers.
pub(crate) fn bind(address: SocketAddr) -> Result<UdpSocket, BindError> {
    let open = || {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        // The system may grant less; then throughput suffers, nothing else.
        drop(socket.set_recv_buffer_size(SOCKET_BUFFER_BYTES));
        drop(socket.set_send_buffer_size(SOCKET_BUFFER_BYTES));
        socket.bind(&address.into())?;
        Ok(UdpSocket::from(socket))
    };
    open().map_err(|error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AddrInUse => BindError::InUse(address),
        _ => BindError::Other { address, reason: error.to_string() },
    })
}

/// Closes all connections of an endpoint and gives their peers a moment to
/// hear of it: a process that ends at once tells them nothing.
pub(crate) async fn close(endpoint: &quinn::Endpoint) {
    endpoint.close(CloseCode::Done.code(), b"stopping");
    // Later ones hear nothing and find out by silence.
    drop(timeout(CLOSE_WAIT, endpoint.wait_idle()).await);
}

/// Lets peers send datagrams as large as path discovery finds: QUIC's own limit
/// is that of an Ethernet frame.
pub(crate) fn take_large_datagrams(mut config: EndpointConfig) -> EndpointConfig {
    config.max_udp_payload_size(MTU_BYTES_MAX).expect("larger than QUIC's smallest datagram");
    config
}

/// QUIC parameters, the same on both sides.
pub(crate) fn transport_config() -> Arc<TransportConfig> {
    let mut config = TransportConfig::default();
    let idle = IdleTimeout::try_from(IDLE_WAIT).ok();
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(MTU_BYTES_MAX);
    config
        .max_idle_timeout(idle)
        .keep_alive_interval(Some(KEEP_ALIVE_INTERVAL))
        .max_concurrent_bidi_streams(VarInt::from_u32(REQUEST_STREAMS_MAX))
        .max_concurrent_uni_streams(VarInt::from_u32(1 + LARGE_MESSAGES_IN_FLIGHT_MAX))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW_BYTES))
        .receive_window(VarInt::from_u32(CONNECTION_WINDOW_BYTES))
        .send_window(u64::from(CONNECTION_WINDOW_BYTES))
        .initial_mtu(MTU_BYTES_INITIAL)
        .mtu_discovery_config(Some(discovery))
        .datagram_receive_buffer_size(None);
    Arc::new(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_takes_as_many_of_the_largest_datagrams_as_quinn_hands_it() {
        let receiver = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let sender = UdpSocket::bind(("127.0.0.1", 0)).unwrap();
        let burst = vec![0; usize::from(MTU_BYTES_MAX * DATAGRAMS_PER_CALL_MAX)];
        let sent = sender.send_to(&burst, receiver.local_addr().unwrap());
        assert_eq!(sent.unwrap(), burst.len());
    }
}
