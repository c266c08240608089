//! Certificates: `certs.d`, our own, ones that are wrong, and registries without any.

use std::fs;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;

use crate::common::tls_front::{Authority, Oddity};
use crate::common::{TestServer, TestStore, noise, options, reference};
use dhow_registry_client::{
    Client, ClientOptions, ConnectFailure, Error, PushOptions, Server, ServerOptions, TlsOptions,
};

/// A client that looks for certificates in `directory` only.
fn client(directory: &Path, insecure: &[String]) -> Client {
    let tls = TlsOptions { bundles: Vec::new(), certs_dirs: vec![directory.to_owned()] };
    Client::new(ClientOptions { tls, insecure: insecure.to_vec(), ..options() }).expect("a client")
}

/// A directory that trusts the authority for `address`.
fn certs_dir(authority: &Authority, address: SocketAddr) -> tempfile::TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let host = directory.path().join(address.to_string());
    fs::create_dir(&host).expect("a directory");
    fs::write(host.join("ca.crt"), authority.pem()).expect("a file");
    directory
}

fn failure(error: &Error) -> Option<ConnectFailure> {
    match error {
        Error::Connect { failure, .. } => Some(*failure),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_own_authority_is_trusted_for_its_host_only() {
    let (server, authority) = (TestServer::start().await, Authority::new());
    let address = authority.front(server.address(), Oddity::None).await;
    let nobody = tempfile::tempdir().expect("a directory");
    let error = client(nobody.path(), &[]).ping(&address.to_string()).await.expect_err("unknown authority");
    assert_eq!(failure(&error), Some(ConnectFailure::UnknownIssuer), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains(&format!("/etc/docker/certs.d/{address}/ca.crt"))));

    let trusting = certs_dir(&authority, address);
    let client_of = client(trusting.path(), &[]);
    let store = TestStore::new();
    let (_, manifest) = store.add_image(&[noise(1, 1_000_000)]);
    let name = reference(address, "app:1");
    store.transfer(&client_of).push_manifest(&name, &manifest, &PushOptions::default()).await.expect("push");

    let other = authority.front(server.address(), Oddity::None).await;
    let error = client_of.ping(&other.to_string()).await.expect_err("trusted for another port");
    assert_eq!(failure(&error), Some(ConnectFailure::UnknownIssuer), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_certificates_are_told_apart() {
    let (server, authority) = (TestServer::start().await, Authority::new());
    for (oddity, expected) in
        [(Oddity::Expired, ConnectFailure::OutsideValidity), (Oddity::OtherName, ConnectFailure::WrongName)]
    {
        let address = authority.front(server.address(), oddity).await;
        let trusting = certs_dir(&authority, address);
        let error = client(trusting.path(), &[]).ping(&address.to_string()).await.expect_err("wrong");
        assert_eq!(failure(&error), Some(expected), "{error:?}");
        assert!(error.hint().is_some());
        client(trusting.path(), &[address.to_string()]).ping(&address.to_string()).await.expect("named as insecure");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_certificate_is_shown() {
    let (server, authority) = (TestServer::start().await, Authority::new());
    let address = authority.front(server.address(), Oddity::WantsClientCertificate).await;
    let directory = certs_dir(&authority, address);
    client(directory.path(), &[]).ping(&address.to_string()).await.expect_err("no certificate");
    let host = directory.path().join(address.to_string());
    let (certificate, key) = authority.client();
    fs::write(host.join("client.cert"), certificate).expect("a file");
    let error = client(directory.path(), &[]).ping(&address.to_string()).await.expect_err("no key");
    assert!(matches!(&error, Error::Certificate { path, .. } if path.ends_with("client.key")), "{error:?}");
    fs::write(host.join("client.key"), key).expect("a file");
    client(directory.path(), &[]).ping(&address.to_string()).await.expect("our certificate");
    fs::write(host.join("more.crt"), "no certificate").expect("a file");
    let error = client(directory.path(), &[]).ping(&address.to_string()).await.expect_err("no certificate in it");
    assert!(error.to_string().contains("more.crt"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_elsewhere_needs_to_be_named() {
    // The address that packets to other networks would leave from; none are sent.
    let probe = UdpSocket::bind("0.0.0.0:0").expect("a socket");
    let own = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr()).map(|address| address.ip());
    let Some(own) = own.ok().filter(|own| !own.is_loopback() && !own.is_unspecified()) else {
        eprintln!("SKIP: this machine has no address but loopback");
        return;
    };
    let directory = tempfile::tempdir().expect("a directory");
    let bound = ServerOptions { address: (own, 0).into(), root: directory.path().to_owned(), on_request: None };
    let server = Server::bind(bound).await.expect("a server").start();
    let address = server.address().to_string();
    let error = client(directory.path(), &[]).ping(&address).await.expect_err("plain HTTP");
    assert_eq!(failure(&error), Some(ConnectFailure::NotTls), "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--insecure-registry")));
    client(directory.path(), std::slice::from_ref(&address)).ping(&address).await.expect("named as insecure");
}
