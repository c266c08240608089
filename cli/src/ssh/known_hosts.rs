//! Lists of known hosts (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). Nothing is ever added to them.
//!
//! Certificates of hosts are not known: lines of authorities are passed over.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::error::SshError;
use super::host_key::HostKey;

const PORT: u16 = 22;

/// A host's key in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Known {
    key: HostKey,
    is_revoked: bool,
    list: PathBuf,
    line: usize,
}

/// The keys that lists have for one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KnownHost {
    name: String,
    keys: Vec<Known>,
    /// The user's own list.
    own_list: PathBuf,
}

impl KnownHost {
    /// Reads the lists at `paths`, the user's own first, as far as they exist.
    ///
    /// # Errors
    /// A list cannot be read.
    pub(super) fn load(paths: &[PathBuf], (host, port): (&str, u16)) -> Result<Self, SshError> {
        let host = host.to_ascii_lowercase();
        let name = if port == PORT { host } else { format!("[{host}]:{port}") };
        let mut keys = Vec::new();
        for path in paths {
            let text = match fs::read(path) {
                Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(source) => return Err(SshError::List { path: path.clone(), source }),
            };
            let known = text.lines().enumerate().filter_map(|(index, text)| {
                let (key, is_revoked) = parse(text, &name)?;
                Some(Known { key, is_revoked, list: path.clone(), line: index + 1 })
            });
            keys.extend(known);
        }
        Ok(Self { name, keys, own_list: paths.first().cloned().unwrap_or_default() })
    }

    /// Whether a key of this type is known: it is the one to ask for.
    pub(super) fn has_kind(&self, kind: &str) -> bool {
        self.keys.iter().any(|known| !known.is_revoked && known.key.kind() == kind)
    }

    /// Whether the host is the one that it says it is.
    ///
    /// # Errors
    /// It is not known, has another key, or one that is revoked.
    pub(super) fn check(&self, key: &HostKey) -> Result<(), SshError> {
        let (host, fingerprint) = (self.name.clone(), key.fingerprint());
        if let Some(revoked) = self.keys.iter().find(|known| known.is_revoked && known.key == *key) {
            return Err(SshError::RevokedHost { host, list: revoked.list.clone(), line: revoked.line });
        }
        let mut keys = self.keys.iter().filter(|known| !known.is_revoked);
        if keys.clone().any(|known| known.key == *key) {
            return Ok(());
        }
        match keys.find(|known| known.key.kind() == key.kind()) {
            Some(other) => Err(SshError::ChangedHost { host, fingerprint, list: other.list.clone(), line: other.line }),
            None => {
                let line = format!("{host} {}", key.line());
                Err(SshError::UnknownHost { host, fingerprint, line, list: self.own_list.clone() })
            }
        }
    }
}

/// The key of a line that is about `host`, and whether the line revokes it.
fn parse(line: &str, host: &str) -> Option<(HostKey, bool)> {
    let mut words = line.split_ascii_whitespace();
    let mut hosts = words.next().filter(|word| !word.starts_with('#'))?;
    let is_revoked = hosts == "@revoked";
    if is_revoked {
        hosts = words.next()?;
    }
    if hosts.starts_with('@') || !names(hosts, host) {
        return None;
    }
    let (kind, key) = (words.next()?, HostKey(STANDARD.decode(words.next()?).ok()?));
    (key.kind() == kind).then_some((key, is_revoked))
}

/// Whether the first field of a line stands for `host`.
fn names(field: &str, host: &str) -> bool {
    if let Some(hashed) = field.strip_prefix("|1|") {
        return is_hash_of(hashed, host).unwrap_or(false);
    }
    let mut found = false;
    for pattern in field.split(',') {
        match pattern.strip_prefix('!') {
            Some(pattern) if fits(pattern.to_ascii_lowercase().as_bytes(), host.as_bytes()) => return false,
            Some(_) => {}
            None => found |= fits(pattern.to_ascii_lowercase().as_bytes(), host.as_bytes()),
        }
    }
    found
}

/// `SALT|HASH`, both in Base64.
fn is_hash_of(text: &str, host: &str) -> Option<bool> {
    let (salt, hash) = text.split_once('|')?;
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &STANDARD.decode(salt).ok()?);
    Some(hmac::verify(&key, host.as_bytes(), &STANDARD.decode(hash).ok()?).is_ok())
}

/// `*` and `?` as in a shell.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut next) = (0, 0);
    // Where to go on when what follows the last star does not fit.
    let mut again = None;
    while next < text.len() {
        match pattern.get(at) {
            Some(b'*') => {
                again = Some((at, next));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[next] => (at, next) = (at + 1, next + 1),
            _ => {
                let Some((star, from)) = again else { return false };
                again = Some((star, from + 1));
                (at, next) = (star + 1, from + 1);
            }
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{KnownHost, SshError, fits, names};
    use crate::ssh::host_key::HostKey;
    use crate::ssh_agent::wire::Writer;

    fn key(kind: &str, bytes: &[u8]) -> HostKey {
        HostKey(Writer::default().string(kind.as_bytes()).string(bytes).finish())
    }

    #[test]
    fn names_and_patterns() {
        for (field, host, expected) in [
            ("e.com,10.0.0.1", "e.com", true),
            ("E.com", "e.com", true),
            ("*.e.com", "a.e.com", true),
            ("*.e.com", "e.com", false),
            ("*.e.com,!bad.e.com", "bad.e.com", false),
            ("h?st", "host", true),
            ("[e.com]:2222", "[e.com]:2222", true),
            ("e.com", "[e.com]:2222", false),
            ("|1|broken", "e.com", false),
        ] {
            assert_eq!(names(field, host), expected, "{field} {host}");
        }
        assert!(fits(b"a*b*c", b"aXbbYc") && !fits(b"a*b", b"aXc") && fits(b"*", b"") && !fits(b"", b"a"));
    }

    #[test]
    fn hosts_are_known_unknown_changed_or_revoked() {
        let folder = tempfile::tempdir().unwrap();
        let (own, other) = (folder.path().join("own"), folder.path().join("other"));
        let (good, bad, rsa) = (key("ssh-ed25519", b"good"), key("ssh-ed25519", b"bad"), key("ssh-rsa", b"rsa"));
        fs::write(&own, format!("# a comment\n\nbroken line\nhost {}\n", good.line())).unwrap();
        fs::write(&other, format!("@revoked * {}\n@cert-authority * {}\n", rsa.line(), bad.line())).unwrap();
        let lists = [own.clone(), folder.path().join("none"), other];
        let known = KnownHost::load(&lists, ("HOST", 22)).unwrap();
        assert!(known.has_kind("ssh-ed25519") && !known.has_kind("ssh-rsa"));
        known.check(&good).unwrap();
        assert!(matches!(known.check(&bad), Err(SshError::ChangedHost { line: 4, .. })));
        assert!(matches!(known.check(&rsa), Err(SshError::RevokedHost { line: 1, .. })));
        let elsewhere = KnownHost::load(&lists, ("host", 2222)).unwrap();
        let Err(SshError::UnknownHost { line, list, .. }) = elsewhere.check(&good) else { panic!() };
        assert_eq!((line, list), (format!("[host]:2222 {}", good.line()), own));
        let directory = KnownHost::load(&[folder.path().to_owned()], ("host", 22));
        assert!(matches!(directory, Err(SshError::List { .. })));
    }
}
