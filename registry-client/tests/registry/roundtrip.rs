//! Images pushed and pulled again, with the built-in registry and with Debian's registry:2.

use crate::common::debian_registry::DebianRegistry;
use crate::common::{TestServer, TestStore, client, noise, reference};
use dhow_layer_store::oci::{Compression, Digest, Platform};
use dhow_layer_store::{ImportOptions, Packing, RefTarget, import_dir};
use dhow_registry_client::{Client, Error, Event, Fetch, Outcome, PullOptions, PullStatus, PushOptions, UploadMode};

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
    let moved = events
        .lock()
        .expect("no panic")
        .iter()
        .filter(|event| matches!(event, Event::BlobDone { outcome: Outcome::Transferred, .. }))
        .count();
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
    let pulled =
        TestStore::new().transfer(client).pull(&reference(address, "second/app"), &PullOptions::default()).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn layers_can_stay_in_the_registry_until_they_are_needed() {
    let server = TestServer::start().await;
    let from = TestStore::new();
    let (image, manifest) = from.add_image(&layers());
    let name = reference(server.address(), "team/app:1.0");
    let push = PushOptions::default();
    from.transfer(&client()).push_manifest(&name, &manifest, &push).await.expect("push");
    server.forget_requests();

    let into = TestStore::new();
    let (transfer, events) = into.transfer_noting(&client());
    let lazy = PullOptions { layers: Fetch::None, ..PullOptions::default() };
    assert_eq!(transfer.pull(&name, &lazy).await.expect("pull").image, image);
    assert_eq!(server.count("GET", "/blobs/"), 1, "the config only");
    let deferred = Event::BlobDone { digest: manifest.layers[0].digest, outcome: Outcome::Deferred };
    assert!(events.lock().expect("no panic").contains(&deferred));

    // An image with the same layers is pushed without ever having had them.
    let second = reference(server.address(), "team/copy:1.0");
    let pushed = transfer.push_manifest(&second, &manifest, &push).await.expect("push");
    assert!(pushed.blobs.iter().all(|(_, outcome)| *outcome == Outcome::Mounted), "{:?}", pushed.blobs);

    let layers = into.store.image(&image).expect("image").layers;
    transfer.fetch_layers(&layers).await.expect("fetch");
    for blob in &manifest.layers {
        into.store.read_blob(blob).expect("the layer");
    }
    server.forget_requests();
    transfer.fetch_layers(&layers).await.expect("nothing to fetch");
    assert_eq!(server.count("GET", "/"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn layers_left_in_one_registry_are_fetched_for_another() {
    let (server, other) = (TestServer::start().await, TestServer::start().await);
    let from = TestStore::new();
    let (image, manifest) = from.add_image(&layers());
    let name = reference(server.address(), "team/app:1.0");
    let push = PushOptions::default();
    from.transfer(&client()).push_manifest(&name, &manifest, &push).await.expect("push");
    let into = TestStore::new();
    let transfer = into.transfer(&client());
    let lazy = PullOptions { layers: Fetch::None, ..PullOptions::default() };
    transfer.pull(&name, &lazy).await.expect("pull");

    // In the same registry they are taken over; the manifest is the one that the image came with.
    let second = reference(server.address(), "team/copy:1.0");
    into.store.tag(&second, &image, None).expect("tag");
    server.forget_requests();
    let pushed = transfer.push(&second, &push).await.expect("push");
    assert_eq!(pushed.manifest.digest, manifest.digest());
    assert_eq!(server.count("GET", "/blobs/"), 0);
    assert!(into.store.validate(&image).expect("validate").is_empty(), "what is not here makes no claim");

    let third = reference(other.address(), "team/app:1.0");
    into.store.tag(&third, &image, None).expect("tag");
    let pushed = transfer.push(&third, &push).await.expect("push");
    assert_eq!(pushed.manifest.digest, manifest.digest());
    assert!(pushed.blobs.iter().all(|(_, outcome)| *outcome == Outcome::Transferred), "{:?}", pushed.blobs);
    let pulled = TestStore::new().transfer(&client()).pull(&third, &PullOptions::default()).await.expect("pull");
    assert_eq!(pulled.image, image);
}

#[tokio::test(flavor = "multi_thread")]
async fn skopeo_copies_both_ways() {
    let server = TestServer::start().await;
    let from = TestStore::new();
    let (image, manifest) = from.add_image(&layers());
    let name = reference(server.address(), "team/app:1.0");
    let push = PushOptions::default();
    from.transfer(&client()).push_manifest(&name, &manifest, &push).await.expect("push");

    let directory = tempfile::tempdir().expect("a directory");
    let layout = format!("oci:{}:app", directory.path().join("layout").display());
    let here = |rest: &str| format!("docker://{}/{rest}", server.address());
    if !skopeo(&["copy", "--src-tls-verify=false", &here("team/app:1.0"), &layout]) {
        return;
    }
    assert!(skopeo(&["copy", "--dest-tls-verify=false", &layout, &here("other/app:2.0")]));
    assert!(skopeo(&[
        "copy",
        "--src-tls-verify=false",
        "--dest-tls-verify=false",
        &here("team/app:1.0"),
        &here("x:3")
    ]));
    for copied in ["other/app:2.0", "x:3"] {
        let (into, copy) = (TestStore::new(), reference(server.address(), copied));
        let pulled = into.transfer(&client()).pull(&copy, &PullOptions::default()).await.expect("pull");
        assert_eq!((pulled.image, pulled.manifest.digest), (image, manifest.digest()), "{copied}");
    }
    assert!(skopeo(&["delete", "--tls-verify=false", &here("x:3")]));
    let gone = reference(server.address(), "x:3");
    assert!(TestStore::new().transfer(&client()).pull(&gone, &PullOptions::default()).await.is_err());
}

/// False, aloud, where it is not installed.
fn skopeo(arguments: &[&str]) -> bool {
    let output = match std::process::Command::new("skopeo").arg("--insecure-policy").args(arguments).output() {
        Ok(output) => output,
        Err(error) => {
            eprintln!("SKIP: no `skopeo`: {error}");
            return false;
        }
    };
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    true
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_made_here_is_compressed_and_sent() {
    let Some(registry) = DebianRegistry::start("") else { return };
    let from = TestStore::new();
    let tree = tempfile::tempdir().expect("a directory");
    std::fs::write(tree.path().join("text"), vec![b'x'; 5_000_000]).expect("a file");
    let image = import_dir(&from.store, tree.path(), &ImportOptions::default()).expect("import");
    let name = reference(&registry.address, "made/here:1");
    from.store.tag(&name, &image, None).expect("tag");
    let (transfer, events) = from.transfer_noting(&client());
    for compression in [Compression::Gzip, Compression::Zstd] {
        let options = PushOptions { packing: Packing::in_form(compression), ..PushOptions::default() };
        let pushed = transfer.push(&name, &options).await.expect("push");
        let target = from.store.resolve(&name).expect("resolve").expect("the name");
        assert_eq!(target.manifest, Some(pushed.manifest.clone()));
        let into = TestStore::new();
        let pulled = into.transfer(&client()).pull(&name, &PullOptions::default()).await.expect("pull");
        assert_eq!((pulled.image, pulled.manifest.digest), (image, pushed.manifest.digest));
        assert!(into.store.validate(&image).expect("image").is_empty());
        assert!(into.store.image(&image).expect("image").size().expect("size") < 100_000, "not compressed");
    }
    let done = events.lock().expect("no panic").iter().filter(|event| matches!(event, Event::BlobDone { .. })).count();
    assert_eq!(done, 2, "each blob is told of once, and the second push had nothing to send");
    let error = transfer.push(&reference(&registry.address, "made/nowhere:1"), &PushOptions::default()).await;
    let Err(Error::Store(error)) = error else { panic!("{error:?}") };
    assert!(error.to_string().contains("made/nowhere:1"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_of_one_name_go_below_an_index() {
    let Some(registry) = DebianRegistry::start("") else { return };
    let from = TestStore::new();
    let platforms = ["linux/amd64", "linux/arm64"].map(|text| text.parse::<Platform>().expect("a platform"));
    let images =
        platforms.clone().map(|platform| from.add_image_for(&[platform.to_string().into_bytes()], &platform).0);
    let name = reference(&registry.address, "multi/app:1");
    let target = RefTarget { image: images[0], manifest: None, platforms: images.to_vec() };
    from.store.tag_as(&name, target).expect("tag");
    let pushed = from.transfer(&client()).push(&name, &PushOptions::default()).await.expect("push");
    let target = from.store.resolve(&name).expect("resolve").expect("the name");
    assert_eq!((target.manifest, target.platforms), (Some(pushed.manifest.clone()), images.to_vec()));
    let both = TestStore::new();
    for platform in platforms.iter().rev() {
        let options = PullOptions { platform: Some(platform.clone()), ..PullOptions::default() };
        both.transfer(&client()).pull(&name, &options).await.expect("pull");
    }
    let target = both.store.resolve(&name).expect("resolve").expect("the name");
    let own = platforms.iter().position(|platform| platform.serves(&Platform::host())).unwrap_or(0);
    assert_eq!((target.image, target.platforms), (images[own], images.to_vec()), "what is pulled later joins");
    for (platform, image) in platforms.into_iter().zip(images) {
        let options = PullOptions { platform: Some(platform), ..PullOptions::default() };
        let pulled = TestStore::new().transfer(&client()).pull(&name, &options).await.expect("pull");
        assert_eq!((pulled.image, pulled.top.digest), (image, pushed.manifest.digest));
    }
    let again = from.transfer(&client()).push(&name, &PushOptions::default()).await.expect("push again");
    assert_eq!((again.manifest, again.blobs.len()), (pushed.manifest, 0));
}
