//! Shortcuts: who takes them, and who cannot get in.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio::time::{Instant, timeout};
use tributary_transport::{Endpoint, Expected, Listener, Role, RoleKind, Shortcuts, limits};

use crate::harness::{Authority, eventually, link, listen, listen_with};

/// Bytes of a question.
const QUESTION_BYTES: usize = 32;
/// Long enough for a busy machine, and for whoever is no peer to be sent away.
const PATIENCE: Duration = limits::HANDSHAKE_WAIT.saturating_mul(4);
/// Tells the own program that it is to be the stranger, and where to go.
const DOORWAY: &str = "TRIBUTARY_TEST_DOORWAY";
/// A user that nothing else here has.
const ANOTHER_USER: u32 = 54_321;
/// What the stranger says when it was sent away.
const SENT_AWAY: &str = "sent away";

fn taken(listener: &Listener) -> u64 {
    read(&listener.stats().shortcuts_taken)
}

fn read(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

fn doorway(name: &str, port: u16) -> String {
    format!("\0tributary:node/{name}@{port}")
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_on_one_machine_take_shortcuts_where_they_are_offered() {
    let authority = Authority::new();
    for (shortcuts, expected) in [(Shortcuts::Offered, 1), (Shortcuts::Withheld, 0)] {
        let (listener, recorder) = listen_with(&authority, shortcuts);
        let endpoint = Endpoint::client(&authority.credentials(Role::Relay, "r")).unwrap();
        let address = listener.local_addr().unwrap();
        let link = endpoint.connect(address, Expected::any(RoleKind::Node));
        assert_eq!(link.request("hello").await.unwrap(), "node/a says hello");
        link.send("a message").unwrap();
        eventually("it arrives", || recorder.messages() == ["a message"]).await;
        assert_eq!(
            (taken(&listener), read(&endpoint.stats().shortcuts_taken)),
            (expected, expected)
        );
        assert_eq!(read(&listener.stats().connections_open), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_is_closed_or_gone_loses_its_shortcut_too() {
    let authority = Authority::new();
    let (listener, recorder) = listen(&authority);
    let first = link(&authority, &listener);
    first.request("hello").await.unwrap();
    drop(first);
    let stats = listener.stats();
    eventually("the connection is closed", || read(&stats.connections_open) == 0).await;
    let refused = link(&authority, &listener);
    refused.request("hello").await.unwrap();
    refused.send(crate::harness::REFUSED_MESSAGE).unwrap();
    eventually("it is closed and takes another", || taken(&listener) == 3).await;
    assert_eq!(recorder.messages().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_holds_the_doorway_learns_nothing_and_peers_speak_quic() {
    let authority = Authority::new();
    // Only to learn a port that is free.
    let (before, _) = listen(&authority);
    let address = before.local_addr().unwrap();
    before.shutdown().await;
    let squatted = doorway("a", address.port());
    let squatter = loop {
        match UnixListener::bind(&squatted) {
            Ok(squatter) => break squatter,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        let (mut socket, _) = squatter.accept().await.unwrap();
        let mut question = [0; QUESTION_BYTES];
        socket.read_exact(&mut question).await.unwrap();
        socket.write_all(&question).await.unwrap();
        // Until whoever asked goes away.
        socket.read_to_end(&mut heard).await.unwrap();
        heard
    });
    let credentials = authority.credentials(Role::Node, "a");
    let recorder = crate::harness::Recorder::new("node/a");
    let listener = Listener::bind(address, &credentials, Shortcuts::Offered, recorder).unwrap();
    let link = link(&authority, &listener);
    assert_eq!(link.request("a secret").await.unwrap(), "node/a says a secret");
    assert_eq!(taken(&listener), 0);
    assert_eq!(timeout(PATIENCE, heard).await.unwrap().unwrap(), b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_doorway_that_never_answers_costs_a_moment() {
    let authority = Authority::new();
    let (listener, _) = listen_with(&authority, Shortcuts::Withheld);
    let port = listener.local_addr().unwrap().port();
    let _silent = UnixListener::bind(doorway("a", port)).unwrap();
    let (link, begin) = (link(&authority, &listener), Instant::now());
    while link.request("hello").await.is_err() {}
    assert!(begin.elapsed() >= limits::SHORTCUT_WAIT, "the doorway was not asked");
    assert_eq!(taken(&listener), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_what_was_not_exported_is_sent_away() {
    let authority = Authority::new();
    let (listener, recorder) = listen(&authority);
    let doorway = doorway("a", listener.local_addr().unwrap().port());
    let mut strangers = Vec::new();
    for number in 0..limits::HANDSHAKES_MAX / 2 {
        let mut stranger = UnixStream::connect(&doorway).await.unwrap();
        // Some say nothing, or not all.
        let said = number % (QUESTION_BYTES + 1);
        stranger.write_all(&vec![u8::try_from(number % 251).unwrap(); said]).await.unwrap();
        strangers.push(stranger);
    }
    let link = link(&authority, &listener);
    link.request("hello").await.unwrap();
    assert_eq!(taken(&listener), 1, "beside them");
    for mut stranger in strangers {
        let mut heard = Vec::new();
        let read = timeout(PATIENCE, stranger.read_to_end(&mut heard)).await.unwrap();
        assert!(heard.is_empty(), "{read:?} {heard:?}");
    }
    assert_eq!((taken(&listener), recorder.requests()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_of_another_user_are_sent_away_unheard() {
    if let Ok(doorway) = std::env::var(DOORWAY) {
        return be_the_stranger(&format!("\0{doorway}")).await;
    }
    if !rustix::process::geteuid().is_root() {
        return eprintln!("not run: only root can run a process of another user");
    }
    let authority = Authority::new();
    let (listener, _) = listen(&authority);
    let port = listener.local_addr().unwrap().port();
    // Where anybody may run it.
    let public = tempfile::tempdir().unwrap();
    let program = public.path().join("stranger");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [public.path(), &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let own_name = "shortcuts::processes_of_another_user_are_sent_away_unheard";
    let stranger = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(program);
        command.args(["--exact", own_name, "--nocapture"]).uid(ANOTHER_USER);
        command.env(DOORWAY, doorway("a", port).trim_start_matches('\0')).output()
    });
    let output = timeout(PATIENCE, stranger).await.unwrap().unwrap().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains(SENT_AWAY), "{output:?}");
    assert_eq!(taken(&listener), 0);
}

/// Goes to a doorway, says nothing, and is closed long before the wait is over
/// that those of the own user have.
async fn be_the_stranger(doorway: &str) {
    let mut socket = UnixStream::connect(doorway).await.unwrap();
    let mut heard = Vec::new();
    let read = socket.read_to_end(&mut heard);
    timeout(limits::HANDSHAKE_WAIT / 2, read).await.unwrap().unwrap();
    assert!(heard.is_empty());
    println!("{SENT_AWAY}");
}
