//! Git repositories as sources of `ADD` and as contexts: URLs with `#ref:subdir` or query keys.
//!
//! `https` and `http` URLs are repositories only if their path ends in `.git`; `git` and `ssh` ones always are, and so
//! is `user@host:path`.

use crate::dockerfile::parse_bool;

/// A repository, and what of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GitSource {
    /// The repository, without fragment and query.
    pub remote: String,
    /// Branch, tag or commit; the default branch if there is none.
    pub reference: Option<String>,
    /// A directory in it.
    pub subdirectory: Option<String>,
    /// What the commit's name must be or begin with.
    pub checksum: Option<String>,
    /// Whether `.git` is kept.
    pub keep_git_dir: Option<bool>,
    /// Whether submodules are fetched.
    pub submodules: Option<bool>,
    /// Where the dates of files come from: `checkout` or `commit`.
    pub mtime: Option<String>,
    /// Whether the commit is fetched by its name alone.
    pub fetch_by_commit: bool,
}

impl GitSource {
    /// Reads `text` if it names a repository.
    ///
    /// # Errors
    /// It does, and its query is wrong; the text says how.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let (main, fragment) = text.split_once('#').map_or((text, None), |(main, fragment)| (main, Some(fragment)));
        let (remote, query) = main.split_once('?').map_or((main, None), |(remote, query)| (remote, Some(query)));
        if !is_remote(remote) {
            return Ok(None);
        }
        let mut source = Self { remote: remote.to_owned(), ..Self::default() };
        if let Some(fragment) = fragment {
            let (reference, directory) = fragment.split_once(':').unwrap_or((fragment, ""));
            source.reference = Some(reference.to_owned()).filter(|text| !text.is_empty());
            source.subdirectory = Some(directory.to_owned()).filter(|text| !text.is_empty());
        }
        source.read_query(query.unwrap_or(""))?;
        Ok(Some(source))
    }

    fn read_query(&mut self, query: &str) -> Result<(), String> {
        let (mut tag, mut branch) = (None, None);
        let mut seen = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            if seen.contains(&key) {
                return Err(format!("the query gives `{key}` twice"));
            }
            seen.push(key);
            match key {
                "submodules" => self.submodules = Some(flag(key, value)?),
                "keep-git-dir" => self.keep_git_dir = Some(flag(key, value)?),
                "fetch-by-commit" => self.fetch_by_commit = flag(key, value)?,
                _ if value.is_empty() => return Err(format!("the query's `{key}` has no value")),
                "ref" => set(&mut self.reference, key, value.to_owned())?,
                "tag" => tag = Some(prefixed("refs/tags/", value)),
                "branch" => branch = Some(prefixed("refs/heads/", value)),
                "subdir" => set(&mut self.subdirectory, key, value.to_owned())?,
                "checksum" | "commit" => self.checksum = Some(value.to_owned()),
                "mtime" if matches!(value, "checkout" | "commit") => self.mtime = Some(value.to_owned()),
                "mtime" => return Err(format!("`mtime` is `checkout` or `commit`, not `{value}`")),
                _ => return Err(format!("the query has an unknown key `{key}`")),
            }
        }
        if tag.is_some() && branch.is_some() {
            return Err("the query gives both a tag and a branch".to_owned());
        }
        match tag.or(branch) {
            Some(name) => set(&mut self.reference, "ref", name),
            None => Ok(()),
        }
    }
}

fn set(place: &mut Option<String>, key: &str, value: String) -> Result<(), String> {
    match place.replace(value.clone()) {
        Some(old) if old != value => Err(format!("`{key}` is both `{old}` and `{value}`")),
        _ => Ok(()),
    }
}

fn prefixed(prefix: &str, name: &str) -> String {
    if name.starts_with(prefix) { name.to_owned() } else { format!("{prefix}{name}") }
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    if value.is_empty() {
        return Ok(true);
    }
    parse_bool(value).ok_or_else(|| format!("the query's `{key}` is either true or false, not `{value}`"))
}

fn is_remote(remote: &str) -> bool {
    if let Some((scheme, rest)) = remote.split_once("://") {
        return match scheme.to_ascii_lowercase().as_str() {
            "http" | "https" => rest.ends_with(".git"),
            "git" | "ssh" => !rest.is_empty(),
            _ => false,
        };
    }
    let word = |text: &str, extra: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
    };
    remote
        .split_once('@')
        .and_then(|(user, rest)| Some((user, rest.split_once(':')?.0)))
        .is_some_and(|(user, host)| word(user, "-_") && word(host, "-."))
}

#[cfg(test)]
mod tests {
    use super::GitSource;

    #[test]
    fn repositories() {
        for text in [
            "https://example.com/a/b.git",
            "http://example.com/b.git#main:dir",
            "git://example.com/b",
            "ssh://git@example.com/b",
            "git@example.com:a/b.git",
            "git@example.com:a/b?branch=x",
        ] {
            assert!(GitSource::parse(text).expect("valid source").is_some(), "{text}");
        }
        for text in ["https://example.com/a.tar.gz", "a/b.git", "./a@b:c", "ftp://x/b.git", "a b@c:d", "C:/x"] {
            assert_eq!(GitSource::parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_of_them() {
        let found = GitSource::parse("https://e.com/b.git#v1:sub/dir").expect("valid").expect("a source");
        assert_eq!((found.remote.as_str(), found.reference.as_deref()), ("https://e.com/b.git", Some("v1")));
        assert_eq!(found.subdirectory.as_deref(), Some("sub/dir"));
        let query = "https://e.com/b.git?tag=v1&commit=abc&keep-git-dir&submodules=false&mtime=commit";
        let found = GitSource::parse(query).expect("valid").expect("a source");
        assert_eq!(found.reference.as_deref(), Some("refs/tags/v1"));
        assert_eq!(
            (found.checksum.as_deref(), found.keep_git_dir, found.submodules),
            (Some("abc"), Some(true), Some(false))
        );
    }

    #[test]
    fn wrong_queries() {
        for query in ["ref=a&ref=b", "nope=1", "ref", "tag=a&branch=b", "submodules=maybe", "mtime=now", "tag=x&ref=y"]
        {
            assert!(GitSource::parse(&format!("https://e.com/b.git?{query}")).is_err(), "{query}");
        }
    }
}
