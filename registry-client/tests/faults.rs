//! Registries and networks that misbehave.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::faulty::{Action, Faulty, Seen};
use common::{TestServer, TestStore, client, noise, options, reference};
use dhow_layer_store::oci::{Descriptor, Manifest, MediaType, Platform, Raw};
use dhow_registry_client::{
    Client, ClientOptions, Error, Outcome, PullOptions, PushOptions, RetryPolicy, UploadMode, login,
};

const SIZE: usize = 2_000_000;

/// A registry with one image of one layer, a faulty proxy before it, and what was pushed.
struct Fixture {
    _server: TestServer,
    proxy: Faulty,
    layer: Descriptor,
}

impl Fixture {
    async fn new(rule: impl Fn(&Seen) -> Action + Send + Sync + 'static) -> Self {
        let server = TestServer::start().await;
        let store = TestStore::new();
        let (_, manifest) = store.add_image(&[noise(7, SIZE)]);
        let name = reference(server.address(), "app:1");
        store.transfer(&client()).push_manifest(&name, &manifest, &PushOptions::default()).await.expect("push");
        let proxy = Faulty::start(server.address(), rule).await;
        Self { _server: server, proxy, layer: manifest.layers[0].clone() }
    }

    async fn pull(&self, store: &TestStore, client: &Client) -> Result<(), Error> {
        let name = reference(self.proxy.address, "app:1");
        store.transfer(client).pull(&name, &PullOptions::default()).await.map(drop)
    }

    /// Ranges of the requests for the layer.
    fn ranges(&self) -> Vec<Option<String>> {
        let seen = self.proxy.seen("GET", &self.layer.digest.hex());
        seen.iter().map(|seen| seen.header("range").map(str::to_owned)).collect()
    }
}

/// A rule for requests for the layer, told by how often it was asked for.
fn layer(rule: impl Fn(usize) -> Action + Send + Sync + 'static) -> impl Fn(&Seen) -> Action + Send + Sync + 'static {
    let digest = Descriptor::of(MediaType::OciLayer, &noise(7, SIZE)).digest.hex();
    move |seen| if seen.is("GET", &digest) { rule(seen.before) } else { Action::Pass }
}

fn impatient() -> Client {
    let retry = RetryPolicy { attempts: 1, ..options().retry };
    Client::new(ClientOptions { retry, ..options() }).expect("a client")
}

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

/// A registry that wants tokens: each is good for `uses` requests.
fn bearer(proxy_address: Arc<std::sync::OnceLock<String>>, uses: usize) -> impl Fn(&Seen) -> Action + Send + Sync {
    let (issued, used) = (AtomicUsize::new(0), AtomicUsize::new(0));
    move |seen| {
        let own = proxy_address.get().map_or("", String::as_str);
        if seen.path == "/token" {
            used.store(0, Ordering::SeqCst);
            let token = issued.fetch_add(1, Ordering::SeqCst) + 1;
            return Action::Answer(200, Vec::new(), format!(r#"{{"token":"t{token}","expires_in":300}}"#));
        }
        let current = format!("Bearer t{}", issued.load(Ordering::SeqCst));
        let accepted = seen.header("authorization") == Some(&current) && used.fetch_add(1, Ordering::SeqCst) < uses;
        if accepted {
            return Action::Pass;
        }
        let challenge = format!(r#"Bearer realm="http://{own}/token",service="test""#);
        Action::Answer(401, vec![("www-authenticate", challenge)], String::new())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_fetched_shared_and_renewed() {
    let address = Arc::new(std::sync::OnceLock::new());
    let fixture = Fixture::new(bearer(Arc::clone(&address), usize::MAX)).await;
    address.set(fixture.proxy.address.to_string()).expect("once");
    let client = client();
    fixture.pull(&TestStore::new(), &client).await.expect("pull");
    fixture.pull(&TestStore::new(), &client).await.expect("pull again");
    let asked = fixture.proxy.seen("GET", "/token");
    assert_eq!(asked.len(), 1, "one token serves all requests of a client");
    assert!(asked[0].query.contains("scope=repository%3Aapp%3Apull"), "{}", asked[0].query);
    assert!(asked[0].query.contains("service=test"), "{}", asked[0].query);

    let address = Arc::new(std::sync::OnceLock::new());
    let fixture = Fixture::new(bearer(Arc::clone(&address), 1)).await;
    address.set(fixture.proxy.address.to_string()).expect("once");
    fixture.pull(&TestStore::new(), &common::client()).await.expect("pull with a token for each request");
    assert!(fixture.proxy.seen("GET", "/token").len() >= 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_another_host_takes_no_secret_along() {
    let server = TestServer::start().await;
    let store = TestStore::new();
    let (_, manifest) = store.add_image(&[noise(7, SIZE)]);
    let direct = reference(server.address(), "app:1");
    store.transfer(&client()).push_manifest(&direct, &manifest, &PushOptions::default()).await.expect("push");
    let storage = Faulty::start(server.address(), |_| Action::Pass).await;
    let (address, elsewhere) = (Arc::new(std::sync::OnceLock::new()), storage.address);
    let auth = bearer(Arc::clone(&address), usize::MAX);
    let proxy = Faulty::start(server.address(), move |seen| match auth(seen) {
        Action::Pass if seen.is("GET", "/blobs/") => {
            let target = format!("http://{elsewhere}{}?X-Signature=secret", seen.path);
            Action::Answer(307, vec![("location", target)], String::new())
        }
        action => action,
    })
    .await;
    address.set(proxy.address.to_string()).expect("once");
    let name = reference(proxy.address, "app:1");
    TestStore::new().transfer(&client()).pull(&name, &PullOptions::default()).await.expect("pull");
    let redirected = storage.seen("GET", "/blobs/");
    assert_eq!(redirected.len(), 2);
    assert!(redirected.iter().all(|seen| seen.header("authorization").is_none()));
    assert!(proxy.seen("GET", "/blobs/").iter().all(|seen| seen.header("authorization").is_some()));
}

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
    let index = Raw::create(dhow_layer_store::oci::Index::oci(vec![child])).expect("an index");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_login_is_checked_before_it_is_kept() {
    let Some((registry, credential)) = common::htpasswd::registry() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.json");
    let wrong = dhow_registry_client::Credential::Basic { username: "me".to_owned(), password: "no".to_owned() };
    let error = login(&options(), &registry.address, wrong, &path).await.expect_err("wrong");
    assert!(matches!(error, Error::LoginRefused { .. }), "{error:?}");
    assert!(!path.exists());
    login(&options(), &registry.address, credential, &path).await.expect("right");

    let store = TestStore::new();
    let (image, manifest) = store.add_image(&[noise(3, 100_000)]);
    let name = reference(&registry.address, "private/app");
    let push = PushOptions::default();
    let error = store.transfer(&client()).push_manifest(&name, &manifest, &push).await.expect_err("anonymous");
    assert_eq!(error.status(), Some(401));
    assert!(error.hint().is_some_and(|hint| hint.contains(&format!("dhow login {}", registry.address))));

    let mut known = options();
    known.credentials.files = vec![path.clone()];
    let known = Client::new(known).expect("a client");
    store.transfer(&known).push_manifest(&name, &manifest, &push).await.expect("push");
    let pulled = TestStore::new().transfer(&known).pull(&name, &PullOptions::default()).await.expect("pull");
    assert_eq!(pulled.image, image);

    use dhow_registry_client::{LoggedOut, logout};
    assert_eq!(logout(&registry.address, &path).await.expect("logout"), LoggedOut::Removed);
    assert_eq!(logout(&registry.address, &path).await.expect("logout"), LoggedOut::WasNotLoggedIn);
}
