//! What cannot be pulled, and what is said of it.

use std::time::{Duration, Instant};

use dhow_layer_store::oci::{Descriptor, Index, Manifest, MediaType, Platform, Raw};
use dhow_registry_client::{Client, ClientOptions, Error, PullOptions, PushOptions};

use crate::common::faulty::{Action, Faulty};
use crate::common::{TestServer, TestStore, client, noise, reference};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_image_for_us_is_named() {
    let server = TestServer::start().await;
    let repository = client().repository(&reference(server.address(), "odd")).await.expect("a repository");
    let put = async |tag: &str, media_type: MediaType, text: String| {
        repository.manifest_put(tag, &media_type, text.into()).await.expect("put");
    };
    let pull = async |tag: &str, platform: Option<&str>| {
        let platform = platform.map(|text| text.parse::<Platform>().expect("a platform"));
        let options = PullOptions { platform, ..PullOptions::default() };
        let name = reference(server.address(), &format!("odd:{tag}"));
        TestStore::new().transfer(&client()).pull(&name, &options).await.expect_err(tag)
    };
    // A blob that artifacts may refer to.
    let empty = Descriptor::of(MediaType::OciEmpty, b"{}");
    let upload = repository.upload_start().await.expect("start");
    repository.upload_put(&upload, &empty.digest, "{}".into()).await.expect("put");
    let artifact = Raw::create(Manifest::oci(empty, Vec::new())).expect("a manifest");
    put("artifact", MediaType::OciManifest, String::from_utf8(artifact.bytes().to_vec()).expect("text")).await;
    let error = pull("artifact", None).await;
    assert!(matches!(&error, Error::NotAnImage { reason, .. } if reason.contains("empty")), "{error}");

    let mut child = Descriptor::of(MediaType::OciManifest, artifact.bytes());
    child.platform = Some("windows/arm64".parse().expect("a platform"));
    let index = Raw::create(Index::oci(vec![child])).expect("an index");
    put("foreign", MediaType::OciIndex, String::from_utf8(index.bytes().to_vec()).expect("text")).await;
    let error = pull("foreign", None).await;
    assert!(error.to_string().contains("it has `windows/arm64`"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("--platform windows/arm64")));

    let error = pull("missing", None).await;
    assert!(error.to_string().contains("MANIFEST_UNKNOWN"), "{error}");
    let nowhere = reference(server.address(), "nowhere");
    let error = TestStore::new().transfer(&client()).pull(&nowhere, &PullOptions::default()).await.expect_err("none");
    assert!(error.to_string().contains("NAME_UNKNOWN"), "{error}");

    let store = TestStore::new();
    let (_, manifest) = store.add_image_for(&[noise(1, 10)], &"linux/s390x".parse().expect("a platform"));
    let name = reference(server.address(), "odd:s390x");
    store.transfer(&client()).push_manifest(&name, &manifest, &PushOptions::default()).await.expect("push");
    let error = pull("s390x", Some("linux/arm64")).await;
    assert!(matches!(error, Error::NoPlatform { .. }), "{error}");
    let pulled = TestStore::new().transfer(&client()).pull(&name, &PullOptions::default()).await.expect("any platform");
    assert_eq!(pulled.platform.to_string(), "linux/s390x");

    let schema1 = Faulty::start(server.address(), |seen| match seen.path.contains("/manifests/") {
        true => {
            let kind = vec![("content-type", "application/vnd.docker.distribution.manifest.v1+prettyjws".to_owned())];
            Action::Answer(200, kind, r#"{"schemaVersion":1,"name":"x"}"#.to_owned())
        }
        false => Action::Pass,
    })
    .await;
    let name = reference(schema1.address, "old");
    let error = TestStore::new().transfer(&client()).pull(&name, &PullOptions::default()).await.expect_err("schema 1");
    assert!(matches!(error, Error::Schema1(_)), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_not_there_is_told_at_once() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let client = Client::new(ClientOptions::default()).expect("a client");
    let began = Instant::now();
    let error = client.ping(&address.to_string()).await.expect_err("nobody is there");
    assert!(error.to_string().contains("the connection was refused"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("is the registry") && hint.contains("running?")));
    assert!(began.elapsed() < Duration::from_secs(1));
    let error = client.ping("no-such-host.invalid").await.expect_err("no such host");
    assert!(error.to_string().contains("no address"), "{error}");
}
