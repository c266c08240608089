//! Secrets of a build that open what is on other machines, under the names that the reference gives them.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// `Authorization` for a file at `url`: `HTTP_AUTH_TOKEN_<host>` is a token, `HTTP_AUTH_HEADER_<host>` the whole value.
pub fn web_authorization(secrets: &BTreeMap<String, Vec<u8>>, url: &str) -> Option<String> {
    let host = host(url)?;
    let token = secret(secrets, &format!("HTTP_AUTH_TOKEN_{host}")).map(|token| format!("Bearer {token}"));
    token.or_else(|| secret(secrets, &format!("HTTP_AUTH_HEADER_{host}")))
}

/// `Authorization` for the repository at `url`: `GIT_AUTH_HEADER` is the whole value, `GIT_AUTH_TOKEN` a token, which git
/// hosts take as a password; with `.<host>` at its end a name goes first.
pub fn git_authorization(secrets: &BTreeMap<String, Vec<u8>>, url: &str) -> Option<String> {
    let host = host(url)?;
    let either = |name: &str| secret(secrets, &format!("{name}.{host}")).or_else(|| secret(secrets, name));
    let basic = |token: String| format!("Basic {}", STANDARD.encode(format!("x-access-token:{token}")));
    either("GIT_AUTH_HEADER").or_else(|| either("GIT_AUTH_TOKEN").map(basic))
}

fn secret(secrets: &BTreeMap<String, Vec<u8>>, name: &str) -> Option<String> {
    Some(String::from_utf8_lossy(secrets.get(name)?).trim_end().to_owned())
}

/// The URL without `user:password@`, for keys and messages.
pub(crate) fn without_secret(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    format!("{scheme}://{}{path}", authority.rsplit_once('@').map_or(authority, |(_, host)| host))
}

/// The URL's host without port.
fn host(url: &str) -> Option<String> {
    let url = without_secret(url);
    let authority = url.split_once("://")?.1.split(['/', '?', '#']).next()?;
    let host = match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next()?,
        None => authority.split(':').next()?,
    };
    Some(host.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{git_authorization, host, web_authorization, without_secret};

    #[test]
    fn parts_of_urls() {
        for (url, shown, name) in [
            ("https://e.com/a?b=@c", "https://e.com/a?b=@c", "e.com"),
            ("https://me:pass@e.com:8443/a", "https://e.com:8443/a", "e.com"),
            ("http://me:p@ss@[::1]:80", "http://[::1]:80", "::1"),
        ] {
            assert_eq!(without_secret(url), shown);
            assert_eq!(host(url).as_deref(), Some(name), "{url}");
        }
    }

    #[test]
    fn secrets_are_found_by_host() {
        let secrets: BTreeMap<String, Vec<u8>> = [
            ("HTTP_AUTH_TOKEN_a", "t\n"),
            ("HTTP_AUTH_HEADER_b", "Basic x"),
            ("GIT_AUTH_TOKEN", "all"),
            ("GIT_AUTH_HEADER.c", "Bearer y"),
        ]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()))
        .into();
        for (url, web, git) in [
            ("https://a/x", Some("Bearer t"), Some("Basic eC1hY2Nlc3MtdG9rZW46YWxs")),
            ("https://b:1/x", Some("Basic x"), Some("Basic eC1hY2Nlc3MtdG9rZW46YWxs")),
            ("https://c/x", None, Some("Bearer y")),
        ] {
            assert_eq!(web_authorization(&secrets, url).as_deref(), web, "{url}");
            assert_eq!(git_authorization(&secrets, url).as_deref(), git, "{url}");
        }
    }
}
