//! Every size and wait of the transport, by name.

use std::time::Duration;

/// Most bytes of one frame's payload.
pub const FRAME_BYTES_MAX: usize = 8 << 20;
/// Most bytes of one large message.
pub const LARGE_MESSAGE_BYTES_MAX: usize = 1 << 30;
/// Large messages that one peer may have under way at once.
pub const LARGE_MESSAGES_IN_FLIGHT_MAX: u32 = 2;
/// Requests of one connection that are worked on at once; beyond it the
/// connection is not read.
pub const REQUESTS_IN_FLIGHT_MAX: usize = 4_096;
/// Requests of a link that have no reply yet.
pub const LINK_REQUESTS_MAX: usize = 8_192;
/// One-way messages that a link holds for its connection.
pub const LINK_MESSAGES_MAX: usize = 4_096;
/// Bytes of one-way messages, and as many of requests, that a link holds for
/// its connection; the last one may go beyond.
pub const LINK_BYTES_MAX: usize = 64 << 20;
/// Connections that a listener serves at once.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Handshakes that a listener has under way at once.
pub const HANDSHAKES_MAX: usize = 512;
/// Handshakes under way beyond which a peer must first prove its address, so
/// that invented addresses hold no place.
pub const HANDSHAKES_UNPROVEN_MAX: usize = 64;
/// Bytes that are gathered into one write.
pub const WRITE_BYTES_MAX: usize = 256 << 10;
/// Payloads from so many bytes on are written from where they are, not gathered.
pub const WHOLE_BYTES_MIN: usize = 32 << 10;
/// How long a handshake may take.
pub const HANDSHAKE_WAIT: Duration = Duration::from_secs(5);
/// How long the listener of a connection may take to answer a shortcut.
pub const SHORTCUT_WAIT: Duration = Duration::from_millis(500);
/// How long no shortcut is taken after the system refused to give one.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// A connection that is silent this long is lost.
pub const IDLE_WAIT: Duration = Duration::from_secs(10);
/// How often an idle connection is kept alive.
pub const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// How often a peer that is silent is asked whether its port is open.
pub const PROBE_INTERVAL: Duration = Duration::from_millis(50);
/// First wait before a link connects again.
pub const RECONNECT_DELAY_MIN: Duration = Duration::from_millis(20);
/// Longest wait before a link connects again.
pub const RECONNECT_DELAY_MAX: Duration = Duration::from_millis(1_000);
/// How long a request waits for a connection before it is refused as not sent.
pub const CONNECT_WAIT: Duration = Duration::from_millis(1_000);
/// How long running requests may take when a listener stops.
pub const DRAIN_WAIT: Duration = Duration::from_secs(5);
/// How long a peer may take to acknowledge the last bytes of a stream; one that
/// is dead never does.
pub const ACKNOWLEDGE_WAIT: Duration = Duration::from_millis(500);
/// How long an endpoint that closes waits for its peers to know.
pub const CLOSE_WAIT: Duration = Duration::from_millis(200);
/// How often the own certificate is looked at: its files, and its period.
pub const CREDENTIALS_INTERVAL: Duration = Duration::from_secs(2);
/// How long before its end it is told that a certificate must be replaced; for
/// short ones it is the last third of their period.
pub const EXPIRY_NOTICE: Duration = Duration::from_secs(30 * 24 * 3_600);
/// How often it is told that a certificate will end.
pub const EXPIRY_NOTICE_INTERVAL: Duration = Duration::from_secs(3_600);
/// How often it is told that a certificate has ended.
pub const EXPIRY_INTERVAL: Duration = Duration::from_secs(60);
/// Socket buffers asked of the system, in bytes; it may grant less.
pub const SOCKET_BUFFER_BYTES: usize = 8 << 20;
/// Flow control window of a stream, in bytes.
pub const STREAM_WINDOW_BYTES: u32 = 16 << 20;
/// Flow control window of a connection, in bytes.
pub const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;

const _: () = assert!(HANDSHAKES_UNPROVEN_MAX < HANDSHAKES_MAX);
const _: () = assert!(WRITE_BYTES_MAX < FRAME_BYTES_MAX);
const _: () = assert!(FRAME_BYTES_MAX < STREAM_WINDOW_BYTES as usize);
const _: () = assert!(FRAME_BYTES_MAX < LINK_BYTES_MAX);
const _: () = assert!(ACKNOWLEDGE_WAIT.as_millis() < DRAIN_WAIT.as_millis());
