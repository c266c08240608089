//! Looks up the credential for a repository in all places that the caller names, the first that has one wins.

use std::path::PathBuf;

use super::Credential;
use super::docker_config::DockerConfig;
use super::helper::Helper;
use crate::error::Result;

/// The places where credentials are kept. Nothing is read before it is needed.
///
/// Order: `explicit`, `inline`, then each of `files`; within a file the helper for the registry, the entry, and the
/// helper for all (as Docker does).
#[derive(Debug, Clone, Default)]
pub struct Credentials {
    /// A credential given on the command line for one registry (`host[:port]`).
    pub explicit: Option<(String, Credential)>,
    /// The value of `DOCKER_AUTH_CONFIG`: the text of a config.json.
    pub inline: Option<String>,
    /// Paths of `config.json` and `auth.json` files; ones that do not exist are skipped.
    pub files: Vec<PathBuf>,
}

impl Credentials {
    /// The credential for a repository. Blocks on files, and on helpers that the files name.
    pub(crate) fn find(&self, registry: &str, repository: &str) -> Result<Option<Credential>> {
        if let Some((host, credential)) = &self.explicit
            && host == registry
        {
            return Ok(Some(credential.clone()));
        }
        if let Some(text) = &self.inline {
            let config = DockerConfig::parse("DOCKER_AUTH_CONFIG".to_owned(), text)?;
            if let Some(found) = find_in(&config, registry, repository)? {
                return Ok(Some(found));
            }
        }
        for path in &self.files {
            if let Some(found) = find_in(&DockerConfig::read(path)?, registry, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

fn find_in(config: &DockerConfig, registry: &str, repository: &str) -> Result<Option<Credential>> {
    if let Some(name) = config.helper_for(registry) {
        return Helper::new(name).get(registry);
    }
    if let Some(found) = config.find(registry, repository)? {
        return Ok(Some(found));
    }
    match config.default_helper() {
        Some(name) => Helper::new(name).get(registry),
        None => Ok(None),
    }
}
