//! A registry with one image, behind a proxy that misbehaves.

use dhow_layer_store::oci::{Descriptor, MediaType};
use dhow_registry_client::{Client, ClientOptions, Error, PullOptions, PushOptions, RetryPolicy};

use super::faulty::{Action, Faulty, Seen};
use super::{TestServer, TestStore, client, noise, options, reference};

/// Bytes of the image's layer.
pub const SIZE: usize = 2_000_000;

/// A registry with one image of one layer, a faulty proxy before it, and what was pushed.
pub struct Fixture {
    _server: TestServer,
    pub proxy: Faulty,
    pub layer: Descriptor,
}

impl Fixture {
    pub async fn new(rule: impl Fn(&Seen) -> Action + Send + Sync + 'static) -> Self {
        let server = TestServer::start().await;
        let store = TestStore::new();
        let (_, manifest) = store.add_image(&[noise(7, SIZE)]);
        let name = reference(server.address(), "app:1");
        store.transfer(&client()).push_manifest(&name, &manifest, &PushOptions::default()).await.expect("push");
        let proxy = Faulty::start(server.address(), rule).await;
        Self { _server: server, proxy, layer: manifest.layers[0].clone() }
    }

    pub async fn pull(&self, store: &TestStore, client: &Client) -> Result<(), Error> {
        let name = reference(self.proxy.address, "app:1");
        store.transfer(client).pull(&name, &PullOptions::default()).await.map(drop)
    }

    /// Ranges of the requests for the layer.
    pub fn ranges(&self) -> Vec<Option<String>> {
        let seen = self.proxy.seen("GET", &self.layer.digest.hex());
        seen.iter().map(|seen| seen.header("range").map(str::to_owned)).collect()
    }
}

/// A rule for requests for the layer, told by how often it was asked for.
pub fn layer(
    rule: impl Fn(usize) -> Action + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Action + Send + Sync + 'static {
    let digest = Descriptor::of(MediaType::OciLayer, &noise(7, SIZE)).digest.hex();
    move |seen| if seen.is("GET", &digest) { rule(seen.before) } else { Action::Pass }
}

pub fn impatient() -> Client {
    let retry = RetryPolicy { attempts: 1, ..options().retry };
    Client::new(ClientOptions { retry, ..options() }).expect("a client")
}
