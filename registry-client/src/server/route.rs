//! What a request's method and path ask for (distribution-spec, "Endpoints"). Pure.
//!
//! A repository's name has slashes, so that the parts after it are found from the end.

use dhow_layer_store::oci::{Digest, Reference};

use super::answer::{Code, Refusal};

/// What is asked for. Names are valid; whether they exist is not known yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    /// `/v2/`
    Root,
    /// `/v2/_catalog`
    Catalog,
    /// `/v2/<name>/tags/list`
    Tags(String),
    /// `/v2/<name>/manifests/<reference>`
    Manifest(String, ManifestName),
    /// `/v2/<name>/blobs/<digest>`
    Blob(String, Digest),
    /// `/v2/<name>/blobs/uploads/`
    Uploads(String),
    /// `/v2/<name>/blobs/uploads/<id>`
    Upload(String, String),
    /// `/v2/<name>/referrers/<digest>`
    Referrers(String, Digest),
}

/// How a manifest is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ManifestName {
    Tag(String),
    Digest(Digest),
}

impl Route {
    /// The route of a path.
    pub(crate) fn parse(path: &str) -> Result<Self, Refusal> {
        let path = path.strip_prefix("/v2").ok_or_else(Refusal::not_found)?;
        match path {
            "" | "/" => return Ok(Self::Root),
            "/_catalog" => return Ok(Self::Catalog),
            _ => (),
        }
        let path = path.strip_prefix('/').ok_or_else(Refusal::not_found)?;
        let parts: Vec<&str> = path.split('/').collect();
        match parts[..] {
            [ref name @ .., "tags", "list"] => Ok(Self::Tags(repository(name)?)),
            [ref name @ .., "blobs", "uploads", ""] | [ref name @ .., "blobs", "uploads"] => {
                Ok(Self::Uploads(repository(name)?))
            }
            [ref name @ .., "blobs", "uploads", id] => Ok(Self::Upload(repository(name)?, upload_id(id)?)),
            [ref name @ .., "manifests", reference] => Ok(Self::Manifest(repository(name)?, manifest(reference)?)),
            [ref name @ .., "blobs", text] => Ok(Self::Blob(repository(name)?, digest(text)?)),
            [ref name @ .., "referrers", text] => Ok(Self::Referrers(repository(name)?, digest(text)?)),
            _ => Err(Refusal::not_found()),
        }
    }
}

/// The name, if it is one that a repository may have.
pub(crate) fn repository(parts: &[&str]) -> Result<String, Refusal> {
    let name = parts.join("/");
    let reference = format!("registry.invalid/{name}").parse::<Reference>();
    match reference {
        Ok(reference) if reference.repository() == name => Ok(name),
        _ => Err(Refusal::new(Code::NameInvalid, format!("`{name}` is not a repository's name"))),
    }
}

/// A digest that this server can check.
pub(crate) fn digest(text: &str) -> Result<Digest, Refusal> {
    text.parse().map_err(|error| Refusal::new(Code::DigestInvalid, format!("{error}")))
}

/// A tag, if it is one.
pub(crate) fn tag(text: &str) -> Result<String, Refusal> {
    let any: Result<Reference, _> = format!("registry.invalid/a:{text}").parse();
    match any {
        Ok(reference) if reference.tag() == Some(text) && reference.digest().is_none() => Ok(text.to_owned()),
        _ => Err(Refusal::new(Code::ManifestInvalid, format!("`{text}` is neither a tag nor a digest"))),
    }
}

fn manifest(text: &str) -> Result<ManifestName, Refusal> {
    if text.contains(':') {
        return digest(text).map(ManifestName::Digest);
    }
    tag(text).map(ManifestName::Tag)
}

/// Ids are made by this server: anything else is none, and never becomes part of a path.
fn upload_id(text: &str) -> Result<String, Refusal> {
    let valid = text.len() == 36 && text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if valid { Ok(text.to_owned()) } else { Err(Refusal::new(Code::BlobUploadUnknown, "no such upload".to_owned())) }
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::oci::Digest;
    use proptest::{prop_assert, proptest};

    use super::{ManifestName, Route};

    #[test]
    fn paths_are_told_apart_from_their_ends() {
        let (digest, a) = (Digest::of(b""), || "a".to_owned());
        let id = "01234567-89ab-cdef-0123-456789abcdef";
        for (path, expected) in [
            ("/v2", Route::Root),
            ("/v2/", Route::Root),
            ("/v2/_catalog", Route::Catalog),
            ("/v2/a/tags/list", Route::Tags(a())),
            ("/v2/blobs/uploads/tags/list", Route::Tags("blobs/uploads".to_owned())),
            ("/v2/a/b/manifests/v1", Route::Manifest("a/b".to_owned(), ManifestName::Tag("v1".to_owned()))),
            (&format!("/v2/a/manifests/{digest}"), Route::Manifest(a(), ManifestName::Digest(digest))),
            (&format!("/v2/a/blobs/{digest}"), Route::Blob(a(), digest)),
            ("/v2/a/blobs/uploads/", Route::Uploads(a())),
            ("/v2/a/blobs/uploads", Route::Uploads(a())),
            (&format!("/v2/a/blobs/uploads/{id}"), Route::Upload(a(), id.to_owned())),
            (&format!("/v2/a/referrers/{digest}"), Route::Referrers(a(), digest)),
        ] {
            assert_eq!(Route::parse(path).ok(), Some(expected), "{path}");
        }
        for wrong in [
            "/",
            "/v1/",
            "/v2x",
            "/v2/a",
            "/v2/A/tags/list",
            "/v2/../tags/list",
            "/v2//tags/list",
            "/v2/a/blobs/sha256:12",
            "/v2/a/blobs/uploads/../../x",
            "/v2/a/manifests/.x",
            "/v2/a/manifests/",
        ] {
            assert!(Route::parse(wrong).is_err(), "{wrong}");
        }
    }
    proptest! {
        #[test]
        fn no_route_leads_out_of_the_directory(path in "/v2(/([a-z.]{0,3}|blobs|uploads|manifests|tags|list|_x)){0,7}/?") {
            let name = match Route::parse(&path) {
                Ok(Route::Tags(name) | Route::Uploads(name) | Route::Manifest(name, _) | Route::Upload(name, _)) => name,
                _ => return Ok(()),
            };
            let safe = |part: &str| !part.is_empty() && !part.starts_with(['.', '_']);
            prop_assert!(name.split('/').all(safe), "{}", name);
        }
    }
}
