//! Addresses of repositories that are reached by SSH: `ssh://[USER@]HOST[:PORT]/PATH` and `USER@HOST:PATH`.

const PORT: u16 = 22;
/// The user on all hosts of repositories, where none is named.
const USER: &str = "git";

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SshAddress {
    /// Who logs in.
    pub(crate) user: String,
    /// Name or number, without brackets.
    pub(crate) host: String,
    /// The port of its server.
    pub(crate) port: u16,
    /// The path there; one without a slash in front begins at the user's home.
    pub(crate) path: String,
}

impl SshAddress {
    /// Reads `text` if it is such an address.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (authority, path, port) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ssh") => {
                let (authority, path) = rest.split_at(rest.find('/')?);
                let path = path.strip_prefix('/').filter(|rest| rest.starts_with('~')).unwrap_or(path);
                let has_port = authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
                match has_port {
                    Some((authority, port)) => (authority, path, port.parse().ok()?),
                    None => (authority, path, PORT),
                }
            }
            Some(_) => return None,
            None => {
                let (authority, path) = text.split_once(':').filter(|(authority, _)| authority.contains('@'))?;
                (authority, path, PORT)
            }
        };
        let (user, host) = authority.rsplit_once('@').unwrap_or((USER, authority));
        // A password has no place here: it is not sent.
        let user = user.split(':').next().unwrap_or_default();
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let is_whole = !user.is_empty() && !host.is_empty() && !path.trim_matches('/').is_empty();
        is_whole.then(|| Self { user: user.to_owned(), host: host.to_owned(), port, path: path.to_owned() })
    }

    /// The command that serves the repository, for a shell there.
    pub(crate) fn command(&self) -> String {
        format!("git-upload-pack '{}'", self.path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::SshAddress;

    #[test]
    fn parts_of_addresses() {
        for (text, expected) in [
            ("ssh://me@e.com:2222/a/b.git", Some(("me", "e.com", 2222, "/a/b.git"))),
            ("ssh://e.com/a", Some(("git", "e.com", 22, "/a"))),
            ("SSH://me:secret@[::1]:3/~you/a", Some(("me", "::1", 3, "~you/a"))),
            ("ssh://me@[::1]/a", Some(("me", "::1", 22, "/a"))),
            ("git@e.com:a/b.git", Some(("git", "e.com", 22, "a/b.git"))),
            ("git@e.com:/a:b", Some(("git", "e.com", 22, "/a:b"))),
            ("ssh://e.com", None),
            ("ssh://e.com/", None),
            ("ssh://e.com:port/a", None),
            ("ssh://@e.com/a", None),
            ("git://e.com/a", None),
            ("e.com:a", None),
        ] {
            let found = SshAddress::parse(text);
            let found = found.as_ref().map(|a| (a.user.as_str(), a.host.as_str(), a.port, a.path.as_str()));
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn a_path_is_one_word_of_the_shell() {
        let address = SshAddress::parse("git@e.com:a'; rm -rf b").unwrap();
        assert_eq!(address.command(), "git-upload-pack 'a'\\''; rm -rf b'");
    }
}
