//! Pushes to registries and over networks that misbehave.

use std::sync::atomic::{AtomicUsize, Ordering};

use dhow_layer_store::oci::{Descriptor, Manifest, MediaType, Raw};
use dhow_registry_client::{Error, Outcome, PullOptions, PushOptions, UploadMode};

use crate::common::faulty::{Action, Faulty, Seen};
use crate::common::fixture::SIZE;
use crate::common::{TestServer, TestStore, client, noise, reference};

#[tokio::test(flavor = "multi_thread")]
async fn odd_but_known_answers_to_uploads_are_taken() {
    // 201 and 204 instead of 202 for a part.
    for status in [201, 204] {
        let rule = move |seen: &Seen| if seen.is("PATCH", "/") { Action::Status(status) } else { Action::Pass };
        push(rule, UploadMode::Parts(300_000)).await.expect("push");
    }
    // A proxy that takes no more than a megabyte.
    let small = |seen: &Seen| {
        let length: u64 = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if length > 1 << 20 { Action::Answer(413, Vec::new(), String::new()) } else { Action::Pass }
    };
    push(small, UploadMode::Whole).await.expect("push in parts");
    let error = push(
        |seen| match seen.method.as_str() {
            "PUT" | "PATCH" => Action::Answer(413, Vec::new(), String::new()),
            _ => Action::Pass,
        },
        UploadMode::Whole,
    )
    .await
    .expect_err("nothing is small enough");
    assert_eq!(error.status(), Some(413));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_goes_on_where_it_was() {
    let (server, proxy) = push_through(
        |seen| if seen.method == "PUT" && seen.before == 0 { Action::CutRequest(600_000) } else { Action::Pass },
        UploadMode::Whole,
    )
    .await
    .expect("push");
    let patches = proxy.seen("PATCH", "/blobs/uploads/");
    assert_eq!(patches.len(), 1, "{:?}", proxy.seen("PUT", "/"));
    let range = patches[0].header("content-range").expect("a range");
    let start: u64 = range.split('-').next().and_then(|text| text.parse().ok()).expect("a number");
    assert!(start > 0 && start <= 600_000, "{range}");
    drop(server);

    let lost_answer = |seen: &Seen| match (seen.is("PUT", "/blobs/"), seen.before) {
        (true, 0) => Action::CutAnswer(0),
        _ => Action::Pass,
    };
    push(lost_answer, UploadMode::Whole).await.expect("the blob is found there");
    let count = AtomicUsize::new(0);
    let forgotten = move |seen: &Seen| match seen.is("PUT", "/blobs/") && count.fetch_add(1, Ordering::SeqCst) == 0 {
        true => Action::Answer(404, Vec::new(), r#"{"errors":[{"code":"BLOB_UPLOAD_UNKNOWN"}]}"#.to_owned()),
        false => Action::Pass,
    };
    push(forgotten, UploadMode::Whole).await.expect("in a new session");
}

async fn push(rule: impl Fn(&Seen) -> Action + Send + Sync + 'static, mode: UploadMode) -> Result<(), Error> {
    push_through(rule, mode).await.map(drop)
}

/// Pushes an image through a faulty proxy and checks that the registry has it whole.
async fn push_through(
    rule: impl Fn(&Seen) -> Action + Send + Sync + 'static,
    mode: UploadMode,
) -> Result<(TestServer, Faulty), Error> {
    let server = TestServer::start().await;
    let proxy = Faulty::start(server.address(), rule).await;
    let store = TestStore::new();
    let (image, manifest) = store.add_image(&[noise(7, SIZE)]);
    let options = PushOptions { mode, ..PushOptions::default() };
    store.transfer(&client()).push_manifest(&reference(proxy.address, "app:1"), &manifest, &options).await?;
    let into = TestStore::new();
    let name = reference(server.address(), "app:1");
    let pulled = into.transfer(&client()).pull(&name, &PullOptions::default()).await.expect("pull");
    assert_eq!(pulled.image, image);
    Ok((server, proxy))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_blob_is_told_before_anything_is_sent() {
    let server = TestServer::start().await;
    let store = TestStore::new();
    let missing = Descriptor::of(MediaType::OciLayer, b"never stored");
    let (_, good) = store.add_image(&[]);
    let manifest = Raw::create(Manifest::oci(good.config.clone(), vec![missing])).expect("a manifest");
    let name = reference(server.address(), "app");
    let transfer = store.transfer(&client());
    let error = transfer.push_manifest(&name, &manifest, &PushOptions::default()).await.expect_err("missing");
    assert!(matches!(error, Error::Store(_)), "{error:?}");
    assert_eq!(server.count("PUT", "/manifests/"), 0);
    let outcomes = transfer.push_manifest(&name, &good, &PushOptions::default()).await.expect("push").blobs;
    assert!(matches!(outcomes[..], [(_, Outcome::Transferred)]));
}
