//! The built-in registry as any client sees it.

use crate::common::{TestServer, client, noise, plain_http, reference};
use bytes::Bytes;
use dhow_layer_store::oci::{Descriptor, Digest, Index, Manifest, MediaType, Raw};
use dhow_registry_client::{Error, Mount, Repository, SubjectHandling};

async fn repository(server: &TestServer, name: &str) -> Repository {
    client().repository(&reference(server.address(), name)).await.expect("a repository")
}

async fn put_blob(repository: &Repository, bytes: &[u8]) -> Descriptor {
    let blob = Descriptor::of(MediaType::OciLayer, bytes);
    let upload = repository.upload_start().await.expect("start");
    repository.upload_put(&upload, &blob.digest, Bytes::copy_from_slice(bytes)).await.expect("put");
    blob
}

/// A manifest of an empty config, which is pushed too.
async fn manifest(repository: &Repository, author: &str, subject: Option<Descriptor>) -> Raw<Manifest> {
    let mut config = put_blob(repository, b"{}").await;
    config.media_type = MediaType::OciEmpty;
    let mut manifest = Manifest::oci(config, Vec::new());
    manifest.annotations.insert("author".to_owned(), author.to_owned());
    (manifest.subject, manifest.artifact_type) = (subject, Some(format!("application/x-{author}")));
    Raw::create(manifest).expect("a manifest")
}

async fn put(repository: &Repository, name: &str, manifest: &Raw<Manifest>) -> SubjectHandling {
    let bytes = Bytes::copy_from_slice(manifest.bytes());
    repository.manifest_put(name, &MediaType::OciManifest, bytes).await.expect("put")
}

fn code(error: &Error) -> (u16, String) {
    match error {
        Error::Status(status) => (status.status, status.errors[0].code.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_in_order() {
    let server = TestServer::start().await;
    let app = repository(&server, "a/app").await;
    let image = manifest(&app, "me", None).await;
    for tag in ["v2", "v10", "Z", "latest", "1"] {
        put(&app, tag, &image).await;
    }
    assert_eq!(app.tags().await.expect("tags"), ["1", "Z", "latest", "v10", "v2"]);
    let other = repository(&server, "a").await;
    put(&other, "x", &manifest(&other, "me", None).await).await;
    let all = client().catalog(&server.address().to_string()).await.expect("catalog");
    assert_eq!(all, ["a", "a/app"]);

    let get = async |path: &str| {
        let answer = get(&server, path).await;
        let link = answer.headers().get("link").map(|link| link.to_str().expect("text").to_owned());
        (answer.text().await.expect("text"), link)
    };
    let (text, link) = get("a/app/tags/list?n=2").await;
    assert_eq!(text, r#"{"name":"a/app","tags":["1","Z"]}"#);
    assert_eq!(link.as_deref(), Some("</v2/a/app/tags/list?n=2&last=Z>; rel=\"next\""));
    assert_eq!(get("a/app/tags/list?n=2&last=v10").await, (r#"{"name":"a/app","tags":["v2"]}"#.to_owned(), None));
    assert_eq!(get("a/app/tags/list?n=0").await, (r#"{"name":"a/app","tags":[]}"#.to_owned(), None));
    let error = repository(&server, "nobody").await.tags().await.expect_err("no such repository");
    assert_eq!(code(&error), (404, "NAME_UNKNOWN".to_owned()));
}

async fn get(server: &TestServer, path: &str) -> reqwest::Response {
    plain_http().get(format!("http://{}/v2/{path}", server.address())).send().await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_manifests_are_deleted_each_for_itself() {
    let server = TestServer::start().await;
    let app = repository(&server, "app").await;
    let (one, two) = (manifest(&app, "one", None).await, manifest(&app, "two", None).await);
    put(&app, "a", &one).await;
    put(&app, "b", &one).await;
    put(&app, "c", &two).await;
    app.manifest_delete("a").await.expect("delete a tag");
    let digest = one.digest().to_string();
    assert!(app.manifest_head("a").await.expect("head").is_none());
    assert!(app.manifest_head(&digest).await.expect("head").is_some());
    app.manifest_delete(&digest).await.expect("delete a manifest");
    assert!(app.manifest_head(&digest).await.expect("head").is_none());
    assert_eq!(app.tags().await.expect("tags"), ["c"]);
    assert_eq!(code(&app.manifest_delete("a").await.expect_err("gone")), (404, "MANIFEST_UNKNOWN".to_owned()));
    let blob = put_blob(&app, b"blob").await;
    app.blob_delete(&blob.digest).await.expect("delete");
    assert_eq!(app.blob_head(&blob.digest).await.expect("head"), None);
    assert_eq!(code(&app.blob_delete(&blob.digest).await.expect_err("gone")), (404, "BLOB_UNKNOWN".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn referrers_are_listed_and_filtered() {
    let server = TestServer::start().await;
    let app = repository(&server, "app").await;
    let image = manifest(&app, "image", None).await;
    let subject = Descriptor::of(MediaType::OciManifest, image.bytes());
    // The subject may come later than what refers to it.
    for author in ["sbom", "signature"] {
        let referrer = manifest(&app, author, Some(subject.clone())).await;
        assert_eq!(put(&app, &referrer.digest().to_string(), &referrer).await, SubjectHandling::ByRegistry);
    }
    assert_eq!(put(&app, "latest", &image).await, SubjectHandling::ByClient);
    let all = app.referrers(&subject.digest, None).await.expect("referrers");
    assert_eq!(all.manifests.len(), 2);
    let sbom = app.referrers(&subject.digest, Some("application/x-sbom")).await.expect("referrers");
    assert_eq!(sbom.manifests.len(), 1);
    assert_eq!(sbom.manifests[0].annotations["author"], "sbom");
    app.manifest_delete(&sbom.manifests[0].digest.to_string()).await.expect("delete");
    assert_eq!(app.referrers(&subject.digest, None).await.expect("referrers").manifests.len(), 1);
    let none = app.referrers(&Digest::of(b"nothing"), None).await.expect("referrers");
    assert_eq!(none, Index::oci(Vec::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_survive_the_server() {
    let server = TestServer::start().await;
    let app = repository(&server, "app").await;
    let (first, second) = (noise(1, 300_000), noise(2, 200_000));
    let blob = Descriptor::of(MediaType::OciLayer, &[first.clone(), second.clone()].concat());
    let mut upload = app.upload_start().await.expect("start");
    app.upload_patch(&mut upload, first.into()).await.expect("patch");
    assert_eq!(app.upload_status(&upload).await.expect("status").offset(), 300_000);
    let TestServer { handle, directory, .. } = server;
    let path = directory.path().join("docker/registry/v2/repositories/app/_uploads");
    assert_eq!(std::fs::read_dir(&path).expect("uploads").count(), 1);
    handle.shutdown().await.expect("shutdown");

    let server = TestServer::start_in(directory).await;
    let app = repository(&server, "app").await;
    // The session's place without the old port.
    let id = std::fs::read_dir(&path).expect("uploads").next().expect("one").expect("entry").file_name();
    let url = format!("http://{}/v2/app/blobs/uploads/{}", server.address(), id.to_str().expect("text"));
    let http = plain_http();
    let status = http.get(&url).send().await.expect("status");
    assert_eq!(status.headers()["range"], "0-299999");
    let done = http.put(format!("{url}?digest={}", blob.digest)).body(second).send().await.expect("put");
    assert_eq!(done.status(), 201);
    assert_eq!(app.blob_head(&blob.digest).await.expect("head"), Some(500_000));
    assert_eq!(std::fs::read_dir(&path).expect("uploads").count(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn forgotten_uploads_are_removed_at_the_start() {
    let server = TestServer::start().await;
    let app = repository(&server, "team/app").await;
    for _ in 0..2 {
        app.upload_start().await.expect("start");
    }
    let TestServer { handle, directory, .. } = server;
    handle.shutdown().await.expect("shutdown");
    let uploads = directory.path().join("docker/registry/v2/repositories/team/app/_uploads");
    let old = std::fs::read_dir(&uploads).expect("uploads").next().expect("one").expect("entry").path();
    let data = std::fs::File::options().write(true).open(old.join("data")).expect("data");
    data.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(8 * 24 * 3600)).expect("time");
    let _server = TestServer::start_in(directory).await;
    assert!(!old.exists());
    assert_eq!(std::fs::read_dir(&uploads).expect("uploads").count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_uploads_are_refused() {
    let server = TestServer::start().await;
    let app = repository(&server, "app").await;
    let upload = app.upload_start().await.expect("start");
    let error = app.upload_put(&upload, &Digest::of(b"other"), "bytes".into()).await.expect_err("wrong digest");
    assert_eq!(code(&error), (400, "DIGEST_INVALID".to_owned()));
    assert_eq!(app.blob_head(&Digest::of(b"bytes")).await.expect("head"), None);
    let error = app.upload_status(&upload).await.expect_err("the session is gone");
    assert_eq!(code(&error), (404, "BLOB_UPLOAD_UNKNOWN".to_owned()));

    let mut upload = app.upload_start().await.expect("start");
    let mut stale = upload.clone();
    app.upload_patch(&mut upload, "12345".into()).await.expect("patch");
    let error = app.upload_patch(&mut stale, "12345".into()).await.expect_err("out of order");
    assert_eq!(error.status(), Some(416));
    assert_eq!(app.upload_status(&upload).await.expect("status").offset(), 5);
    app.upload_cancel(&upload).await.expect("cancel");
    assert_eq!(app.upload_status(&upload).await.expect_err("cancelled").status(), Some(404));

    let missing = Descriptor::of(MediaType::OciLayer, b"missing");
    assert!(matches!(app.upload_mount(&missing.digest, "else/where").await.expect("mount"), Mount::Refused(_)));
    let config = put_blob(&app, b"{}").await;
    for (media_type, text, expected) in [
        (MediaType::OciManifest, "{", (400, "MANIFEST_INVALID")),
        (MediaType::OciManifest, "{}", (400, "MANIFEST_INVALID")),
        (
            MediaType::OciIndex,
            &serde_json::to_string(&Manifest::oci(config.clone(), vec![])).expect("JSON"),
            (400, "MANIFEST_INVALID"),
        ),
        (
            MediaType::OciManifest,
            &serde_json::to_string(&Manifest::oci(config, vec![missing])).expect("JSON"),
            (404, "MANIFEST_BLOB_UNKNOWN"),
        ),
    ] {
        let error = app.manifest_put("x", &media_type, text.to_owned().into()).await.expect_err(text);
        assert_eq!(code(&error), (expected.0, expected.1.to_owned()), "{text}");
    }
    assert!(app.manifest_head("x").await.expect("head").is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_clients_push_the_same_blob_at_once() {
    let server = TestServer::start().await;
    let bytes = noise(5, 1_000_000);
    let digest = Digest::of(&bytes);
    let pushes = (0..8).map(|index| {
        let (bytes, address) = (Bytes::from(bytes.clone()), server.address());
        tokio::spawn(async move {
            let app = client().repository(&reference(address, &format!("app{}", index % 2))).await.expect("repository");
            let upload = app.upload_start().await.expect("start");
            app.upload_put(&upload, &digest, bytes).await.expect("put");
            let mut stream = app.blob_get(&digest, 0).await.expect("get");
            let mut received = Vec::new();
            while let Some(chunk) = stream.chunk().await.expect("bytes") {
                received.extend_from_slice(&chunk);
            }
            assert_eq!(Digest::of(&received), digest);
        })
    });
    for push in pushes.collect::<Vec<_>>() {
        push.await.expect("no panic");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_blobs_are_served() {
    let server = TestServer::start().await;
    let app = repository(&server, "app").await;
    let blob = put_blob(&app, b"0123456789").await;
    let mut stream = app.blob_get(&blob.digest, 7).await.expect("get");
    assert_eq!(stream.start(), 7);
    assert_eq!(stream.chunk().await.expect("bytes").as_deref(), Some(&b"789"[..]));
    // Behind the end there is nothing: the client begins anew.
    assert_eq!(app.blob_get(&blob.digest, 10).await.expect("get").start(), 0);
    let error = app.blob_get(&Digest::of(b"nothing"), 0).await.expect_err("no such blob");
    assert!(matches!(error, Error::BlobMissing { .. }), "{error:?}");
}
