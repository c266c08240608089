//! The files in which Docker and podman keep credentials: `config.json`, `auth.json`. Unknown fields are kept.

use std::fs::{self, File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Credential;
use crate::error::{Error, Result};

/// The key under which Docker keeps Docker Hub's entry.
const HUB_KEY: &str = "https://index.docker.io/v1/";

/// One such file, or the value of a variable of the same form.
#[derive(Debug, Clone, Default)]
pub(crate) struct DockerConfig {
    origin: String,
    document: Map<String, Value>,
}

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    auth: String,
    #[serde(default)]
    username: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    identitytoken: String,
    #[serde(default)]
    registrytoken: String,
}

impl DockerConfig {
    /// Reads a file; one that does not exist is empty.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let origin = path.display().to_string();
        match fs::read_to_string(path) {
            Ok(text) => Self::parse(origin, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self { origin, document: Map::new() }),
            Err(error) => Err(Error::Credentials { origin, reason: error.to_string() }),
        }
    }

    /// Reads a text of the file's form that came from `origin`.
    pub(crate) fn parse(origin: String, text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Ok(Self { origin, document: Map::new() });
        }
        match serde_json::from_str(text) {
            Ok(document) => Ok(Self { origin, document }),
            Err(error) => Err(Error::Credentials { origin, reason: error.to_string() }),
        }
    }

    /// The credential for a repository: the entry of the longest matching path, then of the registry.
    pub(crate) fn find(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
        let Some(auths) = self.document.get("auths").and_then(Value::as_object) else { return Ok(None) };
        let wanted = format!("{registry}/{repository}");
        let matching = auths.iter().filter_map(|(key, value)| {
            let name = normalized(key);
            let rest = wanted.strip_prefix(&name)?;
            (rest.is_empty() || rest.starts_with('/')).then_some((name.len(), key, value))
        });
        match matching.max_by_key(|(length, ..)| *length) {
            Some((_, key, value)) => self.credential(key, value),
            None => Ok(None),
        }
    }

    fn credential(&self, key: &str, value: &Value) -> Result<Option<Credential>> {
        let wrong = |reason: String| Error::Credentials { origin: self.origin.clone(), reason };
        let entry = Entry::deserialize(value).map_err(|error| wrong(format!("the entry of `{key}`: {error}")))?;
        if !entry.identitytoken.is_empty() {
            return Ok(Some(Credential::IdentityToken(entry.identitytoken)));
        }
        if !entry.registrytoken.is_empty() {
            return Ok(Some(Credential::RegistryToken(entry.registrytoken)));
        }
        if !entry.username.is_empty() {
            return Ok(Some(Credential::Basic { username: entry.username, password: entry.password }));
        }
        // An empty entry marks a log-in that is kept by a helper.
        if entry.auth.is_empty() {
            return Ok(None);
        }
        let decoded = Credential::from_basic(&entry.auth);
        decoded.map(Some).ok_or_else(|| wrong(format!("the `auth` of `{key}` is not Base64 of `user:password`")))
    }

    /// The helper that is set for this very registry.
    pub(crate) fn helper_for(&self, registry: &str) -> Option<&str> {
        let helpers = self.document.get("credHelpers")?.as_object()?;
        let (_, helper) = helpers.iter().find(|(key, _)| normalized(key) == registry)?;
        helper.as_str().filter(|name| !name.is_empty())
    }

    /// The helper for all registries.
    pub(crate) fn default_helper(&self) -> Option<&str> {
        self.document.get("credsStore")?.as_str().filter(|name| !name.is_empty())
    }

    /// Sets the entry of a registry; `None` as credential marks one that a helper keeps.
    pub(crate) fn set(&mut self, registry: &str, credential: Option<&Credential>) -> Result<()> {
        self.remove(registry)?;
        let entry = match credential {
            Some(Credential::IdentityToken(token)) => json!({ "identitytoken": token }),
            Some(Credential::RegistryToken(token)) => json!({ "registrytoken": token }),
            Some(basic) => json!({ "auth": basic.to_basic() }),
            None => json!({}),
        };
        self.auths()?.insert(key_of(registry).to_owned(), entry);
        Ok(())
    }

    /// Removes all entries of a registry itself; returns whether there was one.
    pub(crate) fn remove(&mut self, registry: &str) -> Result<Removed> {
        let auths = self.auths()?;
        let before = auths.len();
        auths.retain(|key, _| normalized(key) != registry);
        Ok(if auths.len() < before { Removed::Yes } else { Removed::No })
    }

    fn auths(&mut self) -> Result<&mut Map<String, Value>> {
        let origin = self.origin.clone();
        let auths = self.document.entry("auths").or_insert_with(|| json!({}));
        auths.as_object_mut().ok_or(Error::Credentials { origin, reason: "`auths` is no object".to_owned() })
    }

    /// Replaces the file in one step; only the owner may read it.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let failed = |error: io::Error| Error::Credentials { origin: self.origin.clone(), reason: error.to_string() };
        self.try_write(path).map_err(failed)
    }

    fn try_write(&self, path: &Path) -> io::Result<()> {
        // A file that is linked from elsewhere, as dotfile managers do, stays linked.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(dir)?;
        let temporary = dir.join(format!(".config.json.{}", std::process::id()));
        let mut text = serde_json::to_vec_pretty(&self.document)?;
        text.push(b'\n');
        let written = write_private(&temporary, &text).and_then(|()| fs::rename(&temporary, &path));
        if written.is_err() {
            // The first error is the one to tell.
            let _ = fs::remove_file(&temporary);
        }
        written
    }
}

/// Whether an entry was there to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Removed {
    Yes,
    No,
}

fn write_private(path: &Path, text: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text)?;
    file.sync_all()
}

/// The key under which a registry's entry is written.
pub(crate) fn key_of(registry: &str) -> &str {
    if registry == crate::endpoint::DOCKER_HUB { HUB_KEY } else { registry }
}

/// A key of `auths` as references name it: `https://host/v1/` is `host`, but `host/team` keeps its path.
fn normalized(key: &str) -> String {
    let stripped = key.strip_prefix("https://").or_else(|| key.strip_prefix("http://"));
    let name = match stripped {
        Some(rest) => rest.split('/').next().unwrap_or_default(),
        None => key.trim_end_matches('/'),
    };
    let name = name.strip_suffix("/v1").or_else(|| name.strip_suffix("/v2")).unwrap_or(name);
    match name {
        "index.docker.io" | "registry-1.docker.io" | "registry.hub.docker.com" => "docker.io".to_owned(),
        other => other.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Credential, DockerConfig};

    const TEXT: &str = r#"{"auths": {
        "https://index.docker.io/v1/": {"auth": "bWU6c2VjcmV0"},
        "registry.example:5000": {"username": "u", "password": "p:q"},
        "registry.example:5000/team": {"identitytoken": "it"},
        "https://plain.example": {"auth": "bWU6YTpi"},
        "helped.example": {}, "broken.example": {"auth": "%%"}},
        "credsStore": "pass", "credHelpers": {"gcr.example": "gcloud"}, "psFormat": "x"}"#;

    fn basic(username: &str, password: &str) -> Option<Credential> {
        Some(Credential::Basic { username: username.to_owned(), password: password.to_owned() })
    }

    #[test]
    fn the_longest_matching_entry_counts() {
        let config = DockerConfig::parse("test".to_owned(), TEXT).expect("valid");
        let check = |registry: &str, repository: &str, expected: Option<Credential>| {
            assert_eq!(config.find(registry, repository).expect(registry), expected, "{registry}/{repository}");
        };
        check("docker.io", "library/debian", basic("me", "secret"));
        check("registry.example:5000", "other/app", basic("u", "p:q"));
        check("registry.example:5000", "team/app", Some(Credential::IdentityToken("it".to_owned())));
        check("registry.example:5000", "teamwork/app", basic("u", "p:q"));
        check("plain.example", "a", basic("me", "a:b"));
        check("helped.example", "a", None);
        check("registry.example", "a", None);
        assert!(config.find("broken.example", "a").is_err());
        assert_eq!((config.helper_for("gcr.example"), config.default_helper()), (Some("gcloud"), Some("pass")));
        assert!(DockerConfig::parse("test".to_owned(), "[]").is_err());
    }

    #[test]
    fn writing_keeps_what_is_unknown_and_is_private() {
        use std::os::unix::fs::PermissionsExt as _;
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("sub/config.json");
        let mut config = DockerConfig::parse("test".to_owned(), TEXT).expect("valid");
        config.set("docker.io", basic("you", "new").as_ref()).expect("set");
        config.write(&path).expect("written");
        let mode = std::fs::metadata(&path).expect("metadata").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let again = DockerConfig::read(&path).expect("read");
        assert_eq!(again.find("docker.io", "x").expect("found"), basic("you", "new"));
        assert_eq!(again.document["psFormat"], "x");
        assert_eq!(std::fs::read_dir(path.parent().expect("parent")).expect("list").count(), 1);
    }
}
