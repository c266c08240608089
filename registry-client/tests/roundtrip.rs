//! Images pushed and pulled again, with the built-in registry and with Debian's registry:2.

mod common;

use common::debian_registry::DebianRegistry;
use common::{TestServer, TestStore, client, noise, reference};
use dhow_layer_store::oci::Digest;
use dhow_registry_client::{Client, Event, Outcome, PullOptions, PullStatus, PushOptions, UploadMode};

const SIZES: [usize; 4] = [3 << 20, 1, 700_000, 0];

fn layers() -> Vec<Vec<u8>> {
    SIZES.iter().enumerate().map(|(seed, size)| noise(seed as u64, *size)).collect()
}

/// Pushes, pushes again, pulls into an empty store, pulls again; by tag and by digest.
async fn round_trip(client: &Client, address: &str, options: PushOptions) {
    let from = TestStore::new();
    let (image, manifest) = from.add_image(&layers());
    let name = reference(address, "team/app:1.0");
    let pushed = from.transfer(client).push_manifest(&name, &manifest, &options).await.expect("push");
    assert_eq!(pushed.manifest.digest, manifest.digest());
    assert_eq!(pushed.blobs.len(), SIZES.len() + 1);
    assert!(pushed.blobs.iter().all(|(_, outcome)| *outcome == Outcome::Transferred), "{:?}", pushed.blobs);

    let again = from.transfer(client).push_manifest(&name, &manifest, &options).await.expect("push again");
    assert!(again.blobs.is_empty(), "{:?}", again.blobs);

    let into = TestStore::new();
    let (transfer, events) = into.transfer_noting(client);
    let pulled = transfer.pull(&name, &PullOptions::default()).await.expect("pull");
    assert_eq!((pulled.image, pulled.manifest.digest), (image, manifest.digest()));
    assert_eq!(pulled.status, PullStatus::Updated);
    for blob in manifest.layers.iter().chain([&manifest.config]) {
        let bytes = into.store.read_blob(blob).expect("the blob");
        assert_eq!(Digest::of(&bytes), blob.digest);
    }
    let moved = events.lock().expect("no panic").iter().filter(|event| {
        matches!(event, Event::BlobDone { outcome: Outcome::Transferred, .. })
    }).count();
    assert_eq!(moved, SIZES.len() + 1);

    let again = transfer.pull(&name, &PullOptions::default()).await.expect("pull again");
    assert_eq!((again.image, again.status), (image, PullStatus::UpToDate));
    let pinned = name.with_digest(manifest.digest());
    let by_digest = transfer.pull(&pinned, &PullOptions::default()).await.expect("pull by digest");
    assert_eq!(by_digest.image, image);
    assert!(into.store.find(&pinned.to_string()).expect("find").is_some());
}

/// A second repository takes the blobs over.
async fn mounts(client: &Client, address: &str) {
    let from = TestStore::new();
    let (_, manifest) = from.add_image(&layers());
    let transfer = from.transfer(client);
    let push = PushOptions::default();
    transfer.push_manifest(&reference(address, "first/app"), &manifest, &push).await.expect("push");
    let second = transfer.push_manifest(&reference(address, "second/app"), &manifest, &push).await.expect("push");
    assert!(second.blobs.iter().all(|(_, outcome)| *outcome == Outcome::Mounted), "{:?}", second.blobs);
    let pulled = TestStore::new().transfer(client).pull(&reference(address, "second/app"), &PullOptions::default()).await;
    assert_eq!(pulled.expect("pull").manifest.digest, manifest.digest());
}

#[tokio::test(flavor = "multi_thread")]
async fn built_in_registry_whole() {
    let server = TestServer::start().await;
    round_trip(&client(), &server.address().to_string(), PushOptions::default()).await;
    mounts(&client(), &server.address().to_string()).await;
    server.handle.shutdown().await.expect("shutdown");
}

#[tokio::test(flavor = "multi_thread")]
async fn built_in_registry_parts() {
    let server = TestServer::start().await;
    let options = PushOptions { mode: UploadMode::Parts(300_000), ..PushOptions::default() };
    round_trip(&client(), &server.address().to_string(), options).await;
    assert!(server.count("PATCH", "/blobs/uploads/") > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn debian_registry_whole_and_parts() {
    let Some(registry) = DebianRegistry::start("") else { return };
    round_trip(&client(), &registry.address, PushOptions::default()).await;
    mounts(&client(), &registry.address).await;
    let Some(registry) = DebianRegistry::start("") else { return };
    let options = PushOptions { mode: UploadMode::Parts(300_000), ..PushOptions::default() };
    round_trip(&client(), &registry.address, options).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn data_directories_are_exchangeable() {
    let Some(registry) = DebianRegistry::start("") else { return };
    let from = TestStore::new();
    let (image, manifest) = from.add_image(&layers());
    let push = PushOptions::default();
    let name = reference(&registry.address, "team/app:1.0");
    from.transfer(&client()).push_manifest(&name, &manifest, &push).await.expect("push");
    let directory = registry.stop();

    let server = TestServer::start_in(directory).await;
    let name = reference(server.address(), "team/app:1.0");
    let pulled = TestStore::new().transfer(&client()).pull(&name, &PullOptions::default()).await.expect("pull");
    assert_eq!(pulled.image, image);
    let (other, manifest) = from.add_image(&[noise(99, 1000)]);
    let second = reference(server.address(), "team/other:2.0");
    from.transfer(&client()).push_manifest(&second, &manifest, &push).await.expect("push");
    let TestServer { handle, directory, .. } = server;
    handle.shutdown().await.expect("shutdown");

    let registry = DebianRegistry::start_in(directory, "").expect("it started before");
    let name = reference(&registry.address, "team/other:2.0");
    let pulled = TestStore::new().transfer(&client()).pull(&name, &PullOptions::default()).await.expect("pull");
    assert_eq!(pulled.image, other);
    let repositories = client().catalog(&registry.address).await.expect("catalog");
    assert_eq!(repositories, ["team/app", "team/other"]);
}
