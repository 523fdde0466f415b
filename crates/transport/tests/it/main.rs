//! Two ends over real sockets on loopback.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;
mod renewal;
mod restart;
mod shortcuts;

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use harness::{
    Authority, Recorder, WAYS, eventually, link, listen, listen_with, request_under_way,
};
use time::OffsetDateTime;
use time::macros::datetime;
use tributary_transport::limits::{WHOLE_BYTES_MIN, WRITE_BYTES_MAX};
use tributary_transport::{
    BindError, Credentials, CredentialsError, Endpoint, Expected, Listener, RequestError, Role,
    RoleKind, SendError, Shortcuts,
};

const NODE: Expected = Expected::any(RoleKind::Node);

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_and_messages_arrive_in_order() {
    for shortcuts in WAYS {
        let authority = Authority::new();
        let (listener, recorder) = listen_with(&authority, shortcuts);
        let link = link(&authority, &listener);
        assert_eq!(link.request("hello").await.unwrap(), "node/a says hello");
        for number in 0..1_000_u32 {
            link.send(number.to_string()).unwrap();
        }
        eventually("all messages arrive", || recorder.messages().len() == 1_000).await;
        let expected: Vec<_> = (0..1_000_u32).map(|number| number.to_string()).collect();
        assert_eq!(recorder.messages(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_all_sizes_arrive_whole_and_in_order() {
    for shortcuts in WAYS {
        let authority = Authority::new();
        let (listener, recorder) = listen_with(&authority, shortcuts);
        let link = link(&authority, &listener);
        link.request("hello").await.unwrap();
        let sizes = [0, 3, WHOLE_BYTES_MIN - 1, WHOLE_BYTES_MIN, 1, 3 << 20, WRITE_BYTES_MAX, 7];
        let texts = sizes.iter().cycle().take(40).enumerate().map(|(number, size)| {
            let digit = char::from_digit(u32::try_from(number % 10).unwrap(), 10).unwrap();
            String::from(digit).repeat(*size)
        });
        let expected: Vec<_> = texts.collect();
        for text in &expected {
            while link.send(text.clone()) == Err(SendError::QueueFull(link.address())) {
                tokio::task::yield_now().await;
            }
        }
        eventually("all messages arrive", || recorder.messages().len() == expected.len()).await;
        assert!(recorder.messages() == expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_at_once_each_get_their_own_reply() {
    for shortcuts in WAYS {
        let authority = Authority::new();
        let (listener, _) = listen_with(&authority, shortcuts);
        let link = link(&authority, &listener);
        let requests = (0..1_000_u32).map(|number| {
            let link = link.clone();
            tokio::spawn(async move {
                let reply = link.request(number.to_string()).await.unwrap();
                assert_eq!(reply, format!("node/a says {number}"));
            })
        });
        for request in requests.collect::<Vec<_>>() {
            request.await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_authority_is_refused_on_both_sides() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (listener, _) = listen(&ours);
    let stranger = link(&theirs, &listener);
    assert!(matches!(stranger.request("hello").await, Err(RequestError::NotConnected(_))));
    let stats = Arc::clone(listener.stats());
    eventually("the refusal is counted", || stats.handshakes_refused.load(Ordering::Relaxed) > 0)
        .await;
    assert_eq!(stats.requests_received.load(Ordering::Relaxed), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_another_role_or_name_is_not_spoken_to() {
    let authority = Authority::new();
    let (listener, recorder) = listen(&authority);
    let endpoint = Endpoint::client(&authority.credentials(Role::Relay, "r")).unwrap();
    let address = listener.local_addr().unwrap();
    for wrong in [Expected::any(RoleKind::Router), Expected::named(RoleKind::Node, "b")] {
        let link = endpoint.connect(address, wrong);
        assert!(matches!(link.request("hello").await, Err(RequestError::NotConnected(_))));
    }
    let right = endpoint.connect(address, Expected::named(RoleKind::Node, "a"));
    right.request("hello").await.unwrap();
    assert_eq!(recorder.requests(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_the_handler_does_not_admit_is_closed() {
    let authority = Authority::new();
    let (listener, recorder) = listen(&authority);
    let credentials = authority.credentials(Role::Relay, harness::UNWELCOME);
    let endpoint = Endpoint::client(&credentials).unwrap();
    let link = endpoint.connect(listener.local_addr().unwrap(), NODE);
    assert!(link.request("hello").await.is_err());
    assert_eq!(recorder.requests(), 0);
    assert!(listener.stats().identities_refused.load(Ordering::Relaxed) > 0);
}

#[test]
fn credentials_that_peers_would_refuse_are_refused_at_the_start() {
    let (authority, other) = (Authority::new(), Authority::new());
    let foreign = other.issued(Role::Node, "a");
    let mixed = Credentials::from_pem(authority.ca(), &foreign.certificate_pem, &foreign.key_pem);
    assert!(matches!(mixed, Err(CredentialsError::OtherAuthority { .. })), "{mixed:?}");
    let (one, two) = (authority.issued(Role::Node, "a"), authority.issued(Role::Node, "a"));
    let crossed = Credentials::from_pem(authority.ca(), &one.certificate_pem, &two.key_pem);
    assert!(matches!(crossed, Err(CredentialsError::Key(_))), "{crossed:?}");
    let garbage = Credentials::from_pem("garbage", &one.certificate_pem, &one.key_pem);
    assert!(matches!(garbage, Err(CredentialsError::NotPem { .. })), "{garbage:?}");
}

const PAST: [OffsetDateTime; 2] =
    [datetime!(2019-03-01 0:00 UTC), datetime!(2020-01-02 3:04:05 UTC)];
const FUTURE: [OffsetDateTime; 2] =
    [datetime!(2090-01-02 3:04:05 UTC), datetime!(2091-01-01 0:00 UTC)];

#[test]
fn credentials_that_do_not_hold_now_are_refused_with_the_date() {
    let day = time::Duration::days(1);
    let now = [OffsetDateTime::now_utc() - day, OffsetDateTime::now_utc() + day];
    for (of_ca, own, expected) in [
        (now, PAST, "the certificate of tributary:node/a expired on 2020-01-02 03:04:05 UTC"),
        (
            now,
            FUTURE,
            "the certificate of tributary:node/a is not valid before 2090-01-02 03:04:05 UTC",
        ),
        (PAST, now, "the certificate of the CA in CA expired on 2020-01-02 03:04:05 UTC"),
        (
            FUTURE,
            now,
            "the certificate of the CA in CA is not valid before 2090-01-02 03:04:05 UTC",
        ),
    ] {
        let [ca_from, ca_until] = of_ca;
        let authority = Authority::for_period(ca_from, ca_until);
        let refused = authority.issue_for(own[0], own[1]).unwrap_err();
        assert!(matches!(refused, CredentialsError::OutOfDate { .. }), "{refused:?}");
        assert_eq!(refused.to_string(), expected);
    }
}

#[test]
fn credentials_know_until_when_they_hold() {
    let now = OffsetDateTime::now_utc();
    let credentials = Authority::new().credentials(Role::Node, "a");
    credentials.check_at(now).unwrap();
    let later = credentials.check_at(now + time::Duration::days(2)).unwrap_err().to_string();
    assert!(later.starts_with("the certificate of tributary:node/a expired on 20"), "{later}");
    assert!(later.ends_with(" UTC"), "{later}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_oversized_message_closes_its_connection_and_no_other() {
    for shortcuts in WAYS {
        let authority = Authority::new();
        let (listener, recorder) = listen_with(&authority, shortcuts);
        let (bad, good) = (link(&authority, &listener), link(&authority, &listener));
        good.request("hello").await.unwrap();
        bad.request("hello").await.unwrap();
        bad.send(vec![0; tributary_transport::limits::FRAME_BYTES_MAX + 1]).unwrap();
        let stats = Arc::clone(listener.stats());
        eventually("the frame is counted", || stats.frames_malformed.load(Ordering::Relaxed) == 1)
            .await;
        good.request("still here").await.unwrap();
        // A link that is connected still may not have noticed the loss yet.
        eventually("the link is restored", || {
            stats.connections_accepted.load(Ordering::Relaxed) == 3
        })
        .await;
        bad.request("back again").await.unwrap();
        assert_eq!(recorder.messages().len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_the_handler_refuses_closes_the_connection() {
    for shortcuts in WAYS {
        let authority = Authority::new();
        let (listener, _) = listen_with(&authority, shortcuts);
        let link = link(&authority, &listener);
        link.request("hello").await.unwrap();
        link.send(harness::REFUSED_MESSAGE).unwrap();
        eventually("the connection is closed and restored", || {
            listener.stats().connections_accepted.load(Ordering::Relaxed) == 2
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_datagrams_harm_nothing() {
    let authority = Authority::new();
    let (listener, _) = listen(&authority);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for seed in 0..2_000_u32 {
        let length = 1 + seed as usize * 7 % 1_400;
        let bytes: Vec<u8> = (0..length)
            .map(|at| u8::try_from(((at * seed as usize) >> 8) % 256).unwrap())
            .collect();
        socket.send_to(&bytes, address).unwrap();
    }
    link(&authority, &listener).request("hello").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_restored_when_its_server_comes_back() {
    for shortcuts in WAYS {
        let authority = Authority::new();
        let (listener, _) = listen_with(&authority, shortcuts);
        let address = listener.local_addr().unwrap();
        let link = link(&authority, &listener);
        link.request("hello").await.unwrap();
        listener.shutdown().await;
        eventually("the loss is noticed", || !link.is_connected()).await;
        assert!(matches!(link.request("x").await, Err(RequestError::NotConnected(_))));
        assert!(matches!(link.send("x"), Err(SendError::NotConnected(_))));

        let credentials = authority.credentials(Role::Node, "a");
        let again =
            Listener::bind(address, &credentials, shortcuts, Recorder::new("node/a")).unwrap();
        eventually("the link is restored", || link.is_connected()).await;
        assert_eq!(link.request("hello").await.unwrap(), "node/a says hello");
        drop(again);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_way_when_the_connection_breaks_is_lost_not_refused() {
    for shortcuts in WAYS {
        let authority = Authority::new();
        let (listener, recorder) = listen_with(&authority, shortcuts);
        let link = link(&authority, &listener);
        let waiting = request_under_way(&link, &recorder, harness::NEVER_ANSWERED).await;
        drop(listener);
        let error = waiting.await.unwrap().unwrap_err();
        assert!(matches!(error, RequestError::Lost(_)) && error.was_sent(), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_running_requests_end() {
    for shortcuts in WAYS {
        let authority = Authority::new();
        let (listener, recorder) = listen_with(&authority, shortcuts);
        let link = link(&authority, &listener);
        let waiting = request_under_way(&link, &recorder, harness::ANSWERED_LATER).await;
        let stop = tokio::spawn(listener.shutdown());
        recorder.release();
        assert_eq!(waiting.await.unwrap().unwrap(), "node/a says later");
        stop.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_without_a_connection_are_refused_at_once() {
    let authority = Authority::new();
    let endpoint = Endpoint::client(&authority.credentials(Role::Relay, "r")).unwrap();
    let nobody: SocketAddr = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let link = endpoint.connect(nobody, NODE);
    assert_eq!(link.send("x"), Err(SendError::NotConnected(nobody)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_message_arrives_whole_beside_small_ones() {
    let authority = Authority::new();
    let (listener, recorder) = listen(&authority);
    let link = link(&authority, &listener);
    link.request("hello").await.unwrap();
    let large: Vec<u8> = (0..32_u32 << 20).map(|at| at.to_le_bytes()[1]).collect();
    link.send_large(Bytes::from(large.clone())).await.unwrap();
    eventually("it arrives", || recorder.large_messages() == 1).await;
    assert_eq!(recorder.last_large_message(), large);
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_credentials_count_for_new_connections() {
    let (old, new) = (Authority::new(), Authority::new());
    let (listener, _) = listen(&old);
    let link_of_old = link(&old, &listener);
    link_of_old.request("hello").await.unwrap();
    listener.replace_credentials(&new.credentials(Role::Node, "a"));
    assert!(link_of_old.request("still connected").await.is_ok());
    link(&new, &listener).request("hello").await.unwrap();
    let late = link(&old, &listener);
    assert!(matches!(late.request("hello").await, Err(RequestError::NotConnected(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let authority = Authority::new();
    let (listener, recorder) = listen(&authority);
    let address = listener.local_addr().unwrap();
    let second = Listener::bind(
        address,
        &authority.credentials(Role::Node, "a"),
        Shortcuts::Offered,
        recorder,
    );
    assert!(matches!(second, Err(BindError::InUse(taken)) if taken == address));
    tokio::time::timeout(Duration::from_secs(5), link(&authority, &listener).request("x"))
        .await
        .unwrap()
        .unwrap();
}
