//! Certificates that are replaced on disk while a process runs.

use std::path::Path;

use tributary_transport::authority::Issued;
use tributary_transport::{
    Credentials, Endpoint, Expected, Listener, Renewal, RequestError, Role, RoleKind, Shortcuts,
};

use crate::harness::{Authority, Recorder, eventually, link};

fn write(directory: &Path, ca: &str, issued: &Issued) {
    std::fs::write(directory.join("ca.pem"), ca).unwrap();
    std::fs::write(directory.join("key.pem"), &issued.key_pem).unwrap();
    std::fs::write(directory.join("certificate.pem"), &issued.certificate_pem).unwrap();
}

fn load(directory: &Path) -> Credentials {
    let [ca, certificate, key] = ["ca.pem", "certificate.pem", "key.pem"];
    let path = |name| directory.join(name);
    Credentials::load(&path(ca), &path(certificate), &path(key)).unwrap()
}

/// A listener whose credentials are those of the files in a directory.
fn renewed_listener(directory: &Path) -> (Listener, Endpoint) {
    let credentials = load(directory);
    let address = "127.0.0.1:0".parse().unwrap();
    let listener =
        Listener::bind(address, &credentials, Shortcuts::Offered, Recorder::new("a")).unwrap();
    let endpoint = Endpoint::client(&credentials).unwrap();
    tokio::spawn(Renewal::new(&endpoint, Some(&listener)).run());
    (listener, endpoint)
}

#[tokio::test(flavor = "multi_thread")]
async fn replaced_files_are_used_for_new_connections_while_old_ones_go_on() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    write(directory.path(), old.ca(), &old.issued(Role::Node, "a"));
    let (listener, endpoint) = renewed_listener(directory.path());
    let of_old = link(&old, &listener);
    of_old.request("hello").await.unwrap();

    // Every file changes: certificate, key and CA.
    write(directory.path(), new.ca(), &new.issued(Role::Node, "a"));
    let of_new = link(&new, &listener);
    eventually("the new certificate is shown", || of_new.is_connected()).await;
    of_new.request("hello").await.unwrap();
    of_old.request("still there").await.unwrap();
    let late = link(&old, &listener);
    assert!(matches!(late.request("hello").await, Err(RequestError::NotConnected(_))));
    // What is dialled from here is shown the new one as well.
    let credentials = new.credentials(Role::Node, "b");
    let address = "127.0.0.1:0".parse().unwrap();
    let other =
        Listener::bind(address, &credentials, Shortcuts::Offered, Recorder::new("b")).unwrap();
    let there = endpoint.connect(other.local_addr().unwrap(), Expected::any(RoleKind::Node));
    there.request("hello").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_used_change_nothing_until_they_can() {
    let directory = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    write(directory.path(), old.ca(), &old.issued(Role::Node, "a"));
    let (listener, _endpoint) = renewed_listener(directory.path());
    let of_new = link(&new, &listener);

    let other_process = new.issued(Role::Node, "b");
    let broken =
        Issued { certificate_pem: "half a certi".to_owned(), ..new.issued(Role::Node, "a") };
    for unusable in [other_process, broken] {
        write(directory.path(), new.ca(), &unusable);
        // Long enough for two looks, of which the second one would count.
        tokio::time::sleep(2 * tributary_transport::limits::CREDENTIALS_INTERVAL).await;
        assert!(!of_new.is_connected());
        link(&old, &listener).request("hello").await.unwrap();
    }
    write(directory.path(), new.ca(), &new.issued(Role::Node, "a"));
    eventually("the new certificate is shown", || of_new.is_connected()).await;
}
