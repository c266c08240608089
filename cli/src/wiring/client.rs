//! The settings of a registry client, from the environment and the files that docker and podman keep.

use std::path::PathBuf;

use dhow_registry_client::{ClientOptions, Credentials, ProxyOptions, TlsOptions};

use crate::app::App;
use crate::environment::Environment;
use crate::problem::Problem;

/// All settings of a client.
///
/// # Errors
/// A proxy's address is no URL.
pub(crate) fn client_options(app: &App) -> anyhow::Result<ClientOptions> {
    Ok(ClientOptions {
        credentials: credentials(app),
        tls: tls(app),
        insecure: app.global.insecure_registries.clone(),
        proxies: proxies(&app.environment)?,
        ..ClientOptions::default()
    })
}

/// Docker's file first, then podman's (containers-auth.json(5)).
fn credentials(app: &App) -> Credentials {
    let environment = &app.environment;
    let config_home =
        environment.path("XDG_CONFIG_HOME").or_else(|| environment.home().map(|home| home.join(".config")));
    let places = [
        app.config_dir().map(|dir| dir.join("config.json")),
        environment.path("REGISTRY_AUTH_FILE"),
        environment.path("XDG_RUNTIME_DIR").map(|dir| dir.join("containers/auth.json")),
        config_home.map(|dir| dir.join("containers/auth.json")),
    ];
    Credentials {
        explicit: None,
        inline: environment.get("DOCKER_AUTH_CONFIG").map(str::to_owned),
        files: places.into_iter().flatten().collect(),
    }
}

/// The user's own directories go before the machine's.
fn tls(app: &App) -> TlsOptions {
    let environment = &app.environment;
    let mut tls = TlsOptions::default();
    if let Some(bundle) = environment.path("SSL_CERT_FILE") {
        tls.bundles.insert(0, bundle);
    }
    let own: [Option<PathBuf>; 2] = [
        app.config_dir().map(|dir| dir.join("certs.d")),
        environment.home().map(|home| home.join(".config/containers/certs.d")),
    ];
    tls.certs_dirs.splice(0..0, own.into_iter().flatten());
    tls
}

fn proxies(environment: &Environment) -> anyhow::Result<ProxyOptions> {
    let proxy = |names: &[&str]| {
        let Some(text) = environment.first(names) else { return Ok(None) };
        // `host:port` without a scheme is what many people write.
        let url = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let unusable = || Problem::usage(format!("the proxy `{text}` in `{}` is not a URL", names[0]));
        url.parse().map(Some).map_err(|_| unusable())
    };
    Ok(ProxyOptions {
        http: proxy(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?,
        https: proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?,
        no_proxy: environment.first(&["no_proxy", "NO_PROXY"]).unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::proxies;
    use crate::environment::Environment;

    #[test]
    fn proxies_come_from_either_spelling() {
        let found = proxies(&Environment::from([("HTTPS_PROXY", "proxy.example:3128"), ("no_proxy", "a,b")])).unwrap();
        assert_eq!(found.https.unwrap().as_str(), "http://proxy.example:3128/");
        assert_eq!((found.http, found.no_proxy.as_str()), (None, "a,b"));
        let all = proxies(&Environment::from([("ALL_PROXY", "socks5://p:1")])).unwrap();
        assert!(all.http.is_some() && all.https.is_some());
        assert!(proxies(&Environment::from([("http_proxy", "http://")])).is_err());
    }
}
