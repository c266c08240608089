//! Lists that come in pages (distribution-spec, "Listing Tags": the header `Link`).

use std::collections::HashSet;

use reqwest::Method;
use reqwest::header::{HeaderMap, LINK};
use serde_json::Value;
use url::Url;

use crate::client::{Client, Need, Registry};
use crate::error::{Error, Result};
use crate::transport::Call;

const MAX_PAGE: usize = 32 << 20;

/// All entries of the list that begins at `first.0` and whose documents hold it under the name `first.1`.
pub(crate) async fn all(
    client: &Client,
    registry: &Registry,
    need: Need<'_>,
    first: (Url, &str),
) -> Result<Vec<String>> {
    let (mut next, field) = (Some(first.0), first.1);
    let (mut entries, mut seen) = (Vec::new(), HashSet::new());
    while let Some(url) = next {
        let call = Call::new(Method::GET, url.clone());
        let line = call.line();
        let answer = client.send_expecting(registry, need, call).await?;
        next = next_page(answer.headers(), &url);
        let document = client.transport().document(&line, answer, MAX_PAGE).await?;
        let protocol = |reason: String| Error::Protocol { request: line.clone(), reason };
        let document: Value =
            serde_json::from_slice(&document).map_err(|error| protocol(format!("no JSON document: {error}")))?;
        let page = document.get(field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        entries.extend(page.iter().filter_map(Value::as_str).map(str::to_owned));
        if !seen.insert(url) {
            return Err(protocol("the pages of the list form a circle".to_owned()));
        }
    }
    Ok(entries)
}

/// The target of `Link: <url>; rel="next"`.
fn next_page(headers: &HeaderMap, current: &Url) -> Option<Url> {
    let link = headers.get(LINK)?.to_str().ok()?;
    let (target, parameters) = link.trim().strip_prefix('<')?.split_once('>')?;
    parameters.contains("next").then(|| current.join(target).ok())?
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderValue, LINK};

    use super::next_page;

    #[test]
    fn links_are_resolved_against_the_page() {
        let current = "https://r.example/v2/a/tags/list?n=1".parse().expect("URL");
        let check = |link: &'static str, expected: Option<&str>| {
            let headers = HeaderMap::from_iter([(LINK, HeaderValue::from_static(link))]);
            assert_eq!(next_page(&headers, &current).as_ref().map(url::Url::as_str), expected, "{link}");
        };
        check("</v2/a/tags/list?n=1&last=x>; rel=\"next\"", Some("https://r.example/v2/a/tags/list?n=1&last=x"));
        check("<https://o.example/next>; rel=next", Some("https://o.example/next"));
        check("</v2/a>; rel=\"prev\"", None);
        check("nonsense", None);
    }
}
