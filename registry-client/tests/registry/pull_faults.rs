//! Pulls from registries and over networks that misbehave.

use std::time::{Duration, Instant};

use dhow_layer_store::{Store, StoreOptions};
use dhow_registry_client::{
    Client, ClientOptions, Error, PullOptions, PushOptions, RetryPolicy, Server, ServerOptions, Transfer, no_events,
};

use crate::common::faulty::{Action, Seen};
use crate::common::fixture::{Fixture, impatient, layer};
use crate::common::{TestServer, TestStore, client, noise, options, reference};

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_breaks_off_goes_on_where_it_was() {
    let fixture =
        Fixture::new(layer(|before| if before < 2 { Action::CutAnswer(500_000) } else { Action::Pass })).await;
    let store = TestStore::new();
    fixture.pull(&store, &client()).await.expect("pull");
    let ranges = fixture.ranges();
    let range = |offset: usize| Some(format!("bytes={offset}-"));
    assert_eq!(ranges, [None, range(500_000), range(1_000_000)]);
    store.store.read_blob(&fixture.layer).expect("whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_later_process_goes_on_too() {
    let fixture =
        Fixture::new(layer(|before| if before == 0 { Action::CutAnswer(500_000) } else { Action::Pass })).await;
    let store = TestStore::new();
    let error = fixture.pull(&store, &impatient()).await.expect_err("broken off");
    assert!(matches!(error, Error::Broken { .. }), "{error:?}");
    assert!(error.hint().is_some());
    assert_eq!(store.store.images().expect("images").len(), 0);
    fixture.pull(&store, &impatient()).await.expect("pull");
    assert_eq!(fixture.ranges(), [None, Some("bytes=500000-".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_without_ranges_is_asked_for_everything() {
    let cut_then_whole = |before| if before == 0 { Action::CutAnswer(500_000) } else { Action::IgnoreRange };
    let fixture = Fixture::new(layer(cut_then_whole)).await;
    let store = TestStore::new();
    fixture.pull(&store, &client()).await.expect("pull");
    store.store.read_blob(&fixture.layer).expect("whole");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_blob_that_never_comes_is_given_up() {
    let fixture = Fixture::new(layer(|_| Action::CutAnswer(0))).await;
    let error = fixture.pull(&TestStore::new(), &client()).await.expect_err("nothing comes");
    assert!(matches!(error, Error::Broken { .. }), "{error:?}");
    assert_eq!(fixture.ranges().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_and_short_blobs_are_refused() {
    for action in [Action::CorruptAnswer, Action::ShortAnswer(0)] {
        let bent = action.clone();
        let fixture = Fixture::new(layer(move |_| bent.clone())).await;
        let store = TestStore::new();
        let error = fixture.pull(&store, &client()).await.expect_err("corrupt");
        assert!(matches!(error, Error::Corrupt { .. }), "{action:?}: {error:?}");
        assert!(error.to_string().contains(&fixture.layer.digest.to_string()), "{error}");
        assert!(!store.store.has_blob(&fixture.layer.digest));
        assert!(store.store.images().expect("images").is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_rest_of_an_earlier_process_is_thrown_away() {
    let fixture = Fixture::new(|_| Action::Pass).await;
    let store = TestStore::new();
    let partial = store.store.root().join("partial").join(fixture.layer.digest.hex());
    std::fs::write(&partial, vec![0; 1000]).expect("write");
    fixture.pull(&store, &client()).await.expect("pull");
    assert_eq!(fixture.ranges(), [Some("bytes=1000-".to_owned()), None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_of_the_server_are_waited_out() {
    let fixture = Fixture::new(|seen| match seen.before {
        0 if seen.method != "PUT" => Action::Answer(503, Vec::new(), String::new()),
        1 if seen.is("GET", "/manifests/") => Action::Answer(500, Vec::new(), String::new()),
        _ => Action::Pass,
    })
    .await;
    fixture.pull(&TestStore::new(), &client()).await.expect("pull");
    let store = TestStore::new();
    let (_, manifest) = store.add_image(&[noise(8, 10_000)]);
    let name = reference(fixture.proxy.address, "other:1");
    store.transfer(&client()).push_manifest(&name, &manifest, &PushOptions::default()).await.expect("push");
    let broken = Fixture::new(|seen| match seen.path.contains("/manifests/") {
        true => Action::Answer(502, Vec::new(), "<html>".to_owned()),
        false => Action::Pass,
    })
    .await;
    let error = broken.pull(&TestStore::new(), &client()).await.expect_err("always fails");
    assert_eq!(error.status(), Some(502));
    assert_eq!(broken.proxy.seen("GET", "/manifests/").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rate_limits_are_honoured_or_told() {
    let limited = |seconds: &'static str| {
        move |seen: &Seen| match (seen.path.contains("/manifests/"), seen.before) {
            (true, 0) => {
                let body = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}"#.to_owned();
                Action::Answer(429, vec![("retry-after", seconds.to_owned())], body)
            }
            _ => Action::Pass,
        }
    };
    let fixture = Fixture::new(limited("1")).await;
    let patient = RetryPolicy { longest_wait: Duration::from_millis(200), ..options().retry };
    let patient = Client::new(ClientOptions { retry: patient, ..options() }).expect("a client");
    let began = Instant::now();
    fixture.pull(&TestStore::new(), &patient).await.expect("pull");
    assert!(began.elapsed() >= Duration::from_secs(1));

    let fixture = Fixture::new(limited("3600")).await;
    let error = fixture.pull(&TestStore::new(), &patient).await.expect_err("too long to wait");
    assert_eq!(error.status(), Some(429));
    assert!(error.to_string().contains("TOOMANYREQUESTS: slow down"), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("3600 seconds")), "{:?}", error.hint());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_with_another_digest_is_refused() {
    let fixture = Fixture::new(|seen| match seen.path.contains("/manifests/") {
        true => Action::CorruptAnswer,
        false => Action::Pass,
    })
    .await;
    let error = fixture.pull(&TestStore::new(), &client()).await.expect_err("corrupt");
    assert!(matches!(error, Error::Corrupt { .. }), "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_not_waited_for_forever() {
    // Accepts connections and never says anything.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let mut options = options();
    options.timeouts.idle = Duration::from_millis(100);
    options.retry.attempts = 1;
    let error = Client::new(options).expect("a client").ping(&address.to_string()).await.expect_err("silence");
    assert!(matches!(error, Error::Stalled { .. }), "{error:?}");
    drop(listener);
}

/// A file system of three megabytes, which goes with the value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=3m", "none"]).arg(directory.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(directory)),
            _ => {
                eprintln!("SKIP: no right to mount a small file system");
                None
            }
        }
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let unmounted = std::process::Command::new("umount").arg(self.0.path()).status();
        assert!(unmounted.is_ok_and(|status| status.success()), "cannot unmount {}", self.0.path().display());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_is_named_and_the_store_stays_as_it_was() {
    let Some(disk) = SmallDisk::mount() else { return };
    let server = TestServer::start().await;
    let from = TestStore::new();
    let (_, manifest) = from.add_image(&[noise(1, 1_000_000), noise(2, 6_000_000)]);
    let name = reference(server.address(), "app:1");
    from.transfer(&client()).push_manifest(&name, &manifest, &PushOptions::default()).await.expect("push");
    let store = Store::open(&disk.0.path().join("store"), StoreOptions::default()).expect("a store");
    let transfer = Transfer::new(client(), store.clone(), no_events());
    let error = transfer.pull(&name, &PullOptions::default()).await.expect_err("no room");
    assert!(error.hint().is_some_and(|hint| hint.contains("disk is full")), "{error:?}");
    assert!(store.images().expect("images").is_empty());
    assert!(store.references().expect("references").is_empty());
    drop((transfer, store));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_taken_is_named() {
    let first = TestServer::start().await;
    let directory = tempfile::tempdir().expect("a directory");
    let options = ServerOptions { address: first.address(), root: directory.path().to_owned(), on_request: None };
    let error = Server::bind(options).await.expect_err("taken");
    assert!(error.hint().is_some_and(|hint| hint.contains("another program listens")), "{error:?}");
}
