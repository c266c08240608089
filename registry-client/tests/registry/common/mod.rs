//! What the tests share: stores with made-up images, and registries to talk to.

pub mod debian_registry;
pub mod faulty;
pub mod fixture;
pub mod htpasswd;
pub mod tls_front;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use dhow_layer_store::oci::{Descriptor, DiffId, ImageConfig, ImageId, Manifest, MediaType, Platform, Raw, Reference};
use dhow_layer_store::{Store, StoreOptions};
use dhow_registry_client::{
    Client, ClientOptions, Event, Events, RetryPolicy, Served, Server, ServerHandle, ServerOptions, Transfer, no_events,
};
use tempfile::TempDir;

/// A store that goes with its directory.
pub struct TestStore {
    pub store: Store,
    _directory: TempDir,
}

impl TestStore {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = Store::open(directory.path(), StoreOptions::default()).expect("a store");
        Self { store, _directory: directory }
    }

    /// Adds an image whose layers are just these bytes.
    pub fn add_image(&self, layers: &[Vec<u8>]) -> (ImageId, Raw<Manifest>) {
        self.add_image_for(layers, &Platform::host())
    }

    pub fn add_image_for(&self, layers: &[Vec<u8>], platform: &Platform) -> (ImageId, Raw<Manifest>) {
        let blobs: Vec<Descriptor> =
            layers.iter().map(|bytes| self.store.put_blob(MediaType::OciLayer, bytes).expect("a blob")).collect();
        let mut config = ImageConfig::new(platform);
        config.rootfs.diff_ids = blobs.iter().map(|blob| DiffId(blob.digest)).collect();
        let config = Raw::create(config).expect("a config");
        let add = |blob: &Descriptor| self.store.add_blob_layer(DiffId(blob.digest), blob.clone()).expect("a layer");
        let ids: Vec<_> = blobs.iter().map(|blob| add(blob).id().clone()).collect();
        let config_blob = Descriptor::of(MediaType::OciConfig, config.bytes());
        let manifest = Raw::create(Manifest::oci(config_blob, blobs)).expect("a manifest");
        let descriptor = self.store.put_blob(MediaType::OciManifest, manifest.bytes()).expect("a blob");
        let image = self.store.add_image(&config, MediaType::OciConfig, &ids, Some(descriptor)).expect("an image");
        (image, manifest)
    }

    pub fn transfer(&self, client: &Client) -> Transfer {
        Transfer::new(client.clone(), self.store.clone(), no_events())
    }

    pub fn transfer_noting(&self, client: &Client) -> (Transfer, Arc<Mutex<Vec<Event>>>) {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let events: Events = Arc::new(move |event| into.lock().expect("no panic").push(event));
        (Transfer::new(client.clone(), self.store.clone(), events), seen)
    }
}

/// Bytes that look random but are the same on every run.
pub fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(next).collect()
}

/// Options that try again quickly, and look into no file of this machine.
pub fn options() -> ClientOptions {
    let retry =
        RetryPolicy { attempts: 4, first_wait: Duration::from_millis(5), longest_wait: Duration::from_millis(50) };
    ClientOptions { retry, ..ClientOptions::default() }
}

pub fn client() -> Client {
    Client::new(options()).expect("a client")
}

pub fn reference(address: impl ToString, rest: &str) -> Reference {
    format!("{}/{rest}", address.to_string()).parse().expect("a reference")
}

/// A built-in registry that notes its requests.
pub struct TestServer {
    pub handle: ServerHandle,
    pub directory: TempDir,
    pub log: Arc<Mutex<Vec<Served>>>,
}

impl TestServer {
    pub async fn start() -> Self {
        Self::start_in(tempfile::tempdir().expect("a directory")).await
    }

    pub async fn start_in(directory: TempDir) -> Self {
        let log: Arc<Mutex<Vec<Served>>> = Arc::default();
        let into = Arc::clone(&log);
        let options = ServerOptions {
            address: SocketAddr::from(([127, 0, 0, 1], 0)),
            root: directory.path().to_owned(),
            on_request: Some(Arc::new(move |served| into.lock().expect("no panic").push(served))),
        };
        let handle = Server::bind(options).await.expect("a server").start();
        Self { handle, directory, log }
    }

    pub fn address(&self) -> SocketAddr {
        self.handle.address()
    }

    /// How many requests there were with this method and a path that contains `part`.
    pub fn count(&self, method: &str, part: &str) -> usize {
        let log = self.log.lock().expect("no panic");
        log.iter().filter(|served| served.method == method && served.path.contains(part)).count()
    }

    pub fn forget_requests(&self) {
        self.log.lock().expect("no panic").clear();
    }
}

/// A client of HTTP without TLS, for requests that no client of ours would make.
pub fn plain_http() -> reqwest::Client {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy().build().expect("a client")
}
