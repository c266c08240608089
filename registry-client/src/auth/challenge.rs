//! The header `WWW-Authenticate` (RFC 9110, 11.6.1; RFC 6750, 3).

use http_auth::parse_challenges;
use reqwest::header::{HeaderMap, WWW_AUTHENTICATE};

/// How a registry wants to be convinced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Challenge {
    /// User name and password with every request.
    Basic,
    /// A token of a token server.
    Bearer {
        /// The token server's URL.
        realm: String,
        /// The registry's name for itself there.
        service: Option<String>,
        /// The scopes that the refused request needs, separated by spaces.
        scope: Option<String>,
    },
}

impl Challenge {
    /// The challenge in `headers`, Bearer before Basic; an unknown one as the text that was received.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, String> {
        let texts: Vec<&str> = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok()).collect();
        if texts.is_empty() {
            return Ok(None);
        }
        let parsed: Vec<_> = texts.iter().filter_map(|text| parse_challenges(text).ok()).flatten().collect();
        let bearer = parsed.iter().find(|c| c.scheme.eq_ignore_ascii_case("bearer")).and_then(bearer);
        let basic = || parsed.iter().any(|c| c.scheme.eq_ignore_ascii_case("basic")).then_some(Self::Basic);
        bearer.or_else(basic).map(Some).ok_or_else(|| texts.join(", "))
    }

    /// The scopes that the refused request needs.
    pub(crate) fn scope(&self) -> Option<&str> {
        match self {
            Self::Basic => None,
            Self::Bearer { scope, .. } => scope.as_deref(),
        }
    }
}

fn bearer(challenge: &http_auth::ChallengeRef<'_>) -> Option<Challenge> {
    let parameter = |name: &str| {
        let (_, value) = challenge.params.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        Some(value.to_unescaped()).filter(|value| !value.is_empty())
    };
    Some(Challenge::Bearer { realm: parameter("realm")?, service: parameter("service"), scope: parameter("scope") })
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

    use super::Challenge;

    fn bearer(realm: &str, service: Option<&str>, scope: Option<&str>) -> Challenge {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Challenge::Bearer { realm: realm.to_owned(), service: owned(service), scope: owned(scope) }
    }

    #[test]
    fn headers_of_real_registries_are_understood() {
        let check = |headers: &[&'static str], expected: Result<Option<Challenge>, String>| {
            let mut map = HeaderMap::new();
            for header in headers {
                map.append(WWW_AUTHENTICATE, HeaderValue::from_static(header));
            }
            assert_eq!(Challenge::from_headers(&map), expected, "{headers:?}");
        };
        check(&[], Ok(None));
        check(&["Basic realm=\"Registry Realm\""], Ok(Some(Challenge::Basic)));
        check(&["basic"], Ok(Some(Challenge::Basic)));
        let text = r#"Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull,push""#;
        let full = bearer("https://auth.example/token", Some("r"), Some("repository:a/b:pull,push"));
        check(&[text], Ok(Some(full)));
        check(&["Bearer realm=\"x\",service=\"\""], Ok(Some(bearer("x", None, None))));
        check(&["Basic realm=\"a\"", "Bearer realm=\"x\""], Ok(Some(bearer("x", None, None))));
        check(&["Negotiate"], Err("Negotiate".to_owned()));
    }
}
