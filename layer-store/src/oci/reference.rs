//! Image references: `[registry/]repository[:tag][@digest]` (the grammar of distribution's `reference` package).

use std::fmt;
use std::str::FromStr;

use super::Digest;

/// The text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {reason}")]
pub struct InvalidReference {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

/// A reference with Docker Hub's defaults filled in. Without tag and digest it stands for the tag `latest`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Where names without a registry come from.
const DOCKER_HUB: &str = "docker.io";
const LATEST: &str = "latest";
const MAX_NAME: usize = 255;

impl Reference {
    /// The registry's host name and port, such as `docker.io` or `127.0.0.1:5000`.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry, such as `library/debian`.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag; `latest` if neither tag nor digest was written.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, if one was written.
    pub fn digest(&self) -> Option<&Digest> {
        self.digest.as_ref()
    }

    /// `registry/repository`, without tag and digest.
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The repository's short form as lists show it: `debian`, `me/app`, `127.0.0.1:5000/app`.
    pub fn familiar_name(&self) -> String {
        if self.registry != DOCKER_HUB {
            return self.name();
        }
        self.repository.strip_prefix("library/").unwrap_or(&self.repository).to_owned()
    }

    /// The whole reference in the short form.
    pub fn familiar(&self) -> String {
        format!("{}{}", self.familiar_name(), self.suffix())
    }

    /// The same repository with another tag and no digest.
    ///
    /// # Errors
    /// `tag` is no valid tag.
    pub fn with_tag(&self, tag: &str) -> Result<Self, InvalidReference> {
        check_tag(tag).map_err(|reason| InvalidReference { text: tag.to_owned(), reason })?;
        Ok(Self { tag: Some(tag.to_owned()), digest: None, ..self.clone() })
    }

    /// The same repository pinned to `digest`, without tag.
    pub fn with_digest(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    fn suffix(&self) -> String {
        let tag = self.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = self.digest.map(|digest| format!("@{digest}")).unwrap_or_default();
        tag + &digest
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name(), self.suffix())
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse(text).map_err(|reason| InvalidReference { text: text.to_owned(), reason })
    }
}

fn parse(text: &str) -> Result<Reference, &'static str> {
    if text.len() == 64 && Digest::from_hex(text).is_ok() {
        return Err("64 hexadecimal digits are an image id, not a name");
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => {
            (rest, Some(digest.parse().map_err(|_| "the digest must be `sha256:` and 64 hexadecimal digits")?))
        }
        None => (text, None),
    };
    let (name, tag) = match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    };
    tag.map_or(Ok(()), check_tag)?;
    let (registry, repository) = split_registry(name);
    check_registry(registry)?;
    let repository = match (registry, repository.contains('/')) {
        (DOCKER_HUB, false) => format!("library/{repository}"),
        _ => repository.to_owned(),
    };
    check_repository(&repository)?;
    let tag = tag.or(if digest.is_none() { Some(LATEST) } else { None }).map(str::to_owned);
    Ok(Reference { registry: registry.to_owned(), repository, tag, digest })
}

/// The first component is a registry if it could be a host name and no repository component.
fn split_registry(name: &str) -> (&str, &str) {
    match name.split_once('/') {
        Some(("index.docker.io" | "registry.hub.docker.com" | "registry-1.docker.io", rest)) => (DOCKER_HUB, rest),
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" || has_upper(first) => (first, rest),
        _ => (DOCKER_HUB, name),
    }
}

fn has_upper(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_uppercase())
}

fn check_tag(tag: &str) -> Result<(), &'static str> {
    let first = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let rest = |c: char| first(c) || c == '.' || c == '-';
    let valid = tag.len() <= 128 && tag.starts_with(first) && tag.chars().all(rest);
    if valid {
        Ok(())
    } else {
        Err("a tag is 1 to 128 of letters, digits, `_`, `.` and `-`, and starts with none of the last two")
    }
}

fn check_registry(registry: &str) -> Result<(), &'static str> {
    const WRONG: &str = "the registry is not a host name with an optional port";
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (host, after) = rest.split_once(']').ok_or(WRONG)?;
            if host.is_empty() || !host.chars().all(|c| c.is_ascii_hexdigit() || c == ':') {
                return Err(WRONG);
            }
            return port_of(after).ok_or(WRONG);
        }
        None => registry.split_once(':').map_or((registry, None), |(host, port)| (host, Some(port))),
    };
    let label = |label: &str| {
        let edge = |c: char| c.is_ascii_alphanumeric();
        label.starts_with(edge) && label.ends_with(edge) && label.chars().all(|c| edge(c) || c == '-')
    };
    let port_ok = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if host.split('.').all(label) && port_ok { Ok(()) } else { Err(WRONG) }
}

fn port_of(after_bracket: &str) -> Option<()> {
    match after_bracket.strip_prefix(':') {
        Some(port) => (!port.is_empty() && port.bytes().all(|b| b.is_ascii_digit())).then_some(()),
        None => after_bracket.is_empty().then_some(()),
    }
}

fn check_repository(repository: &str) -> Result<(), &'static str> {
    if repository.len() > MAX_NAME {
        return Err("the name is longer than 255 characters");
    }
    if has_upper(repository) {
        return Err("the repository's name must be lower case");
    }
    if repository.split('/').all(is_component) {
        Ok(())
    } else {
        Err("parts of a name are lower-case letters and digits, joined by `.`, `_`, `__` or dashes")
    }
}

fn is_component(component: &str) -> bool {
    let alnum = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let joints = component.split(alnum).filter(|joint| !joint.is_empty());
    let joint_ok = |joint: &str| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-');
    component.starts_with(alnum) && component.ends_with(alnum) && joints.into_iter().all(joint_ok)
}

#[cfg(test)]
mod tests {
    use super::Reference;

    const D: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn names_are_completed_and_shortened() {
        for (text, full, familiar) in [
            ("debian", "docker.io/library/debian:latest", "debian:latest"),
            ("me/app:1.0", "docker.io/me/app:1.0", "me/app:1.0"),
            ("index.docker.io/library/x", "docker.io/library/x:latest", "x:latest"),
            ("localhost/app", "localhost/app:latest", "localhost/app:latest"),
            (
                "127.0.0.1:5000/library/debian",
                "127.0.0.1:5000/library/debian:latest",
                "127.0.0.1:5000/library/debian:latest",
            ),
            ("[::1]:5000/a", "[::1]:5000/a:latest", "[::1]:5000/a:latest"),
            ("a.b/c__d/e-f.g:T_1", "a.b/c__d/e-f.g:T_1", "a.b/c__d/e-f.g:T_1"),
        ] {
            let reference: Reference = text.parse().expect(text);
            assert_eq!((reference.to_string().as_str(), reference.familiar().as_str()), (full, familiar));
            assert_eq!(full.parse(), Ok(reference));
        }
        let pinned: Reference = format!("debian:13@{D}").parse().expect("tag and digest");
        assert_eq!(pinned.to_string(), format!("docker.io/library/debian:13@{D}"));
        let digest_only: Reference = format!("debian@{D}").parse().expect("digest");
        assert_eq!((digest_only.tag(), digest_only.digest().is_some()), (None, true));
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for text in [
            "",
            ":",
            "a:",
            "Debian",
            "a/B",
            "a//b",
            "-a",
            "a..b",
            "a:b:c",
            "a@sha256:12",
            "a:-x",
            "https://x/y",
            "a b",
            "a/",
            &D[7..],
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text}");
        }
    }
}
