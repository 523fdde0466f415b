//! A listener that is killed, and one that takes its place.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::time::timeout;
use tributary_transport::{BindError, Listener, RequestError, Role, Shortcuts, limits};

use crate::harness::{
    Authority, NEVER_ANSWERED, Recorder, WAYS, link, listen_with, request_under_way,
};

/// Without being told a peer would notice after [`limits::IDLE_WAIT`].
const TOLD_WITHIN: Duration = Duration::from_secs(5);
const _: () = assert!(TOLD_WITHIN.as_secs() < limits::IDLE_WAIT.as_secs());

#[test]
fn peers_of_a_killed_listener_are_told_by_the_one_that_takes_its_place() {
    for shortcuts in WAYS {
        told_by_the_one_that_takes_its_place(shortcuts);
    }
}

fn told_by_the_one_that_takes_its_place(shortcuts: Shortcuts) {
    let (authority, peers, killed) =
        (Authority::new(), Runtime::new().unwrap(), Runtime::new().unwrap());
    let credentials = authority.credentials(Role::Node, "a");
    let recorder = Recorder::new("node/a");
    let bind = |address| Listener::bind(address, &credentials, shortcuts, recorder.clone());
    let first = {
        let _on = killed.enter();
        bind("127.0.0.1:0".parse().unwrap()).unwrap()
    };
    let address = first.local_addr().unwrap();
    peers.block_on(async {
        let link = link(&authority, &first);
        let waiting = request_under_way(&link, &recorder, NEVER_ANSWERED).await;
        // No task is left that could say farewell.
        killed.shutdown_background();
        drop(first);
        // The port is free once the last killed task is gone.
        let mut second = bind(address);
        while matches!(second, Err(BindError::InUse(_))) {
            tokio::time::sleep(Duration::from_millis(5)).await;
            second = bind(address);
        }
        let _second = second.unwrap();
        let answer = timeout(TOLD_WITHIN, waiting).await.unwrap().unwrap();
        assert_eq!(answer, Err(RequestError::Lost(address)));
        assert_eq!(link.request("hello").await.unwrap(), "node/a says hello");
    });
}

#[test]
fn peers_of_a_killed_listener_notice_though_nobody_tells_them() {
    for shortcuts in WAYS {
        notice_though_nobody_tells_them(shortcuts);
    }
}

fn notice_though_nobody_tells_them(shortcuts: Shortcuts) {
    let (authority, peers, killed) =
        (Authority::new(), Runtime::new().unwrap(), Runtime::new().unwrap());
    let (listener, recorder) = {
        let _on = killed.enter();
        listen_with(&authority, shortcuts)
    };
    let address = listener.local_addr().unwrap();
    peers.block_on(async {
        let link = link(&authority, &listener);
        let waiting = request_under_way(&link, &recorder, NEVER_ANSWERED).await;
        assert_eq!(*link.ends().borrow(), 0);
        killed.shutdown_background();
        drop(listener);
        let answer = timeout(TOLD_WITHIN, waiting).await.unwrap().unwrap();
        assert_eq!(answer, Err(RequestError::Lost(address)));
        let mut ends = link.ends();
        timeout(TOLD_WITHIN, ends.wait_for(|count| *count > 1)).await.unwrap().unwrap();
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_silent_for_long_has_not_ended() {
    let authority = Authority::new();
    let (listener, _) = listen_with(&authority, Shortcuts::Withheld);
    let link = link(&authority, &listener);
    link.request("hello").await.unwrap();
    tokio::time::sleep(20 * limits::PROBE_INTERVAL).await;
    assert!(link.is_connected());
    assert_eq!(*link.ends().borrow(), 0);
    assert_eq!(link.request("still there").await.unwrap(), "node/a says still there");
}
