//! Lists of tags and of repositories, in pages (distribution-spec, end-8; `_catalog` is distribution's own).

use axum::body::Body;
use axum::http::Response;
use serde_json::json;
use url::form_urlencoded;

use super::answer::{Answer, Code, Refusal};
use super::handler::{Asked, Registry, json, on_disk, set_headers};

/// The tags of a repository.
pub(crate) async fn tags(registry: &Registry, asked: &Asked, name: String) -> Answer {
    let (storage, repository) = (registry.storage.clone(), name.clone());
    let tags = on_disk(move || {
        if !storage.has_repository(&repository) {
            return Err(Refusal::new(Code::NameUnknown, format!("there is no repository `{repository}`")));
        }
        Ok(storage.tags(&repository)?)
    })
    .await?;
    let page = Page::of(tags, asked)?;
    Ok(page.response(&json!({ "name": name, "tags": page.entries }), &format!("/v2/{name}/tags/list")))
}

/// All repositories.
pub(crate) async fn repositories(registry: &Registry, asked: &Asked) -> Answer {
    let storage = registry.storage.clone();
    let page = Page::of(on_disk(move || Ok(storage.repositories()?)).await?, asked)?;
    Ok(page.response(&json!({ "repositories": page.entries }), "/v2/_catalog"))
}

/// A part of a sorted list.
struct Page {
    entries: Vec<String>,
    /// How many were asked for, if there are more.
    more: Option<usize>,
}

impl Page {
    fn of(mut entries: Vec<String>, asked: &Asked) -> Result<Self, Refusal> {
        if let Some(last) = asked.query("last") {
            entries.retain(|entry| entry.as_str() > last);
        }
        let Some(text) = asked.query("n") else { return Ok(Self { entries, more: None }) };
        let invalid = |_| Refusal::new(Code::SizeInvalid, format!("`{text}` is no number of entries"));
        let count: usize = text.parse().map_err(invalid)?;
        let more = (entries.len() > count && count > 0).then_some(count);
        entries.truncate(count);
        Ok(Self { entries, more })
    }

    fn response(&self, document: &serde_json::Value, path: &str) -> Response<Body> {
        let mut response = json(document.to_string().into_bytes(), "application/json");
        if let (Some(count), Some(last)) = (self.more, self.entries.last()) {
            let last: String = form_urlencoded::byte_serialize(last.as_bytes()).collect();
            set_headers(&mut response, &[("link", format!("<{path}?n={count}&last={last}>; rel=\"next\""))]);
        }
        response
    }
}
