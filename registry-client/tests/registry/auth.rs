//! Tokens, passwords, and where they must not go.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use dhow_registry_client::{Client, Credential, Error, LoggedOut, PullOptions, PushOptions, login, logout};

use crate::common::faulty::{Action, Faulty, Seen};
use crate::common::fixture::{Fixture, SIZE};
use crate::common::{TestServer, TestStore, client, htpasswd, noise, options, reference};

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
    fixture.pull(&TestStore::new(), &crate::common::client()).await.expect("pull with a token for each request");
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
async fn a_login_is_checked_before_it_is_kept() {
    let Some((registry, credential)) = htpasswd::registry() else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("config.json");
    let wrong = Credential::Basic { username: "me".to_owned(), password: "no".to_owned() };
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

    assert_eq!(logout(&registry.address, &path).await.expect("logout"), LoggedOut::Removed);
    assert_eq!(logout(&registry.address, &path).await.expect("logout"), LoggedOut::WasNotLoggedIn);
}

/// A token server that wants a form of its own.
#[tokio::test(flavor = "multi_thread")]
async fn identity_tokens_and_password_grants_are_posted() {
    let refresh = Credential::IdentityToken("long-lived".to_owned());
    let basic = Credential::Basic { username: "me".to_owned(), password: "p w".to_owned() };
    for (credential, methods) in [(refresh, vec!["POST"]), (basic, vec!["GET", "POST"])] {
        let address = Arc::new(std::sync::OnceLock::new());
        let tokens = bearer(Arc::clone(&address), usize::MAX);
        let fixture = Fixture::new(move |seen| match (seen.path.as_str(), seen.method.as_str()) {
            ("/token", "GET") => Action::Answer(405, Vec::new(), String::new()),
            _ => tokens(seen),
        })
        .await;
        address.set(fixture.proxy.address.to_string()).expect("once");
        let mut options = options();
        options.credentials.explicit = Some((fixture.proxy.address.to_string(), credential));
        let client = Client::new(options).expect("a client");
        fixture.pull(&TestStore::new(), &client).await.expect("pull");
        let asked: Vec<_> = ["GET", "POST"].iter().flat_map(|method| fixture.proxy.seen(method, "/token")).collect();
        assert_eq!(asked.iter().map(|seen| seen.method.as_str()).collect::<Vec<_>>(), methods);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_are_used_except_for_what_they_are_not_for() {
    let server = TestServer::start().await;
    let proxy = Faulty::start(server.address(), |_| Action::Pass).await;
    let mut options = options();
    options.insecure = vec!["registry.invalid:5000".to_owned()];
    options.proxies.http = Some(format!("http://{}", proxy.address).parse().expect("a URL"));
    let through = Client::new(options.clone()).expect("a client");
    through.ping("registry.invalid:5000").await.expect("the proxy knows the registry");
    assert_eq!(proxy.seen("GET", "/v2/")[0].header("host"), Some("registry.invalid:5000"));
    let before = proxy.seen("GET", "/").len();
    through.ping(&server.address().to_string()).await.expect("directly");
    assert_eq!(proxy.seen("GET", "/").len(), before);
    options.proxies.no_proxy = "example.com,.invalid".to_owned();
    let error = Client::new(options).expect("a client").ping("registry.invalid:5000").await.expect_err("directly");
    assert!(error.to_string().contains("no address"), "{error}");
}
