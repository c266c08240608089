//! `.gitmodules`: where submodules come from (gitmodules(5)).

/// The submodules that a repository names.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Submodules(Vec<(String, String)>);

impl Submodules {
    /// Reads the file. What has no path and URL is left out, as git does.
    pub(super) fn parse(text: &str) -> Self {
        let mut modules: Vec<(Option<String>, Option<String>)> = Vec::new();
        for line in text.lines().map(str::trim) {
            if line.starts_with("[submodule") {
                modules.push((None, None));
            }
            let Some((key, value)) = line.split_once('=') else { continue };
            let Some((path, url)) = modules.last_mut() else { continue };
            match key.trim().to_ascii_lowercase().as_str() {
                "path" => *path = Some(unquoted(value)),
                "url" => *url = Some(unquoted(value)),
                _ => {}
            }
        }
        Self(modules.into_iter().filter_map(|(path, url)| Some((path?, url?))).collect())
    }

    /// The address of the submodule at `path`.
    pub(super) fn url_of(&self, path: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.trim_end_matches('/') == path).map(|(_, url)| url.as_str())
    }
}

/// The value without quotes and a comment after it.
fn unquoted(value: &str) -> String {
    let value = value.trim();
    if let Some(inner) = value.strip_prefix('"') {
        return inner.split('"').next().unwrap_or_default().to_owned();
    }
    value.split([';', '#']).next().unwrap_or_default().trim_end().to_owned()
}

/// An address that begins with `./` or `../` is relative to that of the repository it stands in.
pub(super) fn resolve(parent: &str, url: &str) -> String {
    if !url.starts_with("./") && !url.starts_with("../") {
        return url.to_owned();
    }
    let start = parent.find("://").map_or(0, |at| at + 3);
    let (mut base, mut rest) = (parent.trim_end_matches('/'), url);
    loop {
        if let Some(next) = rest.strip_prefix("./") {
            rest = next;
        } else if let Some(next) = rest.strip_prefix("../") {
            rest = next;
            // Of `host:path` the path ends at the colon.
            let is_short = start == 0 && base.contains(':') && !base.contains('/');
            let cut = base.rfind(if is_short { ':' } else { '/' }).filter(|at| *at > start).unwrap_or(base.len());
            base = &base[..cut + usize::from(is_short && !base.ends_with(':'))];
        } else {
            let slash = if base.ends_with(':') { "" } else { "/" };
            return format!("{base}{slash}{rest}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Submodules, resolve};

    #[test]
    fn modules_are_found_by_their_path() {
        let text = "# x\n[submodule \"a\"]\n\tpath = libs/a\n\turl = ../a.git\n[submodule \"b\"]\n\tpath=\"b c\"\n\
                    \tURL = https://e.com/b.git ; why\n[submodule \"half\"]\n\tpath = half\n[core]\n";
        let modules = Submodules::parse(text);
        assert_eq!(modules.url_of("libs/a"), Some("../a.git"));
        assert_eq!(modules.url_of("b c"), Some("https://e.com/b.git"));
        assert_eq!(modules.url_of("half"), None);
    }

    #[test]
    fn relative_addresses() {
        for (parent, url, expected) in [
            ("https://e.com/a/b.git", "../c.git", "https://e.com/a/c.git"),
            ("https://e.com/a/b.git/", "../../x/c", "https://e.com/x/c"),
            ("git://e.com/b", "./c", "git://e.com/b/c"),
            ("https://e.com/b", "../../../c", "https://e.com/c"),
            ("git@e.com:a/b.git", "../c.git", "git@e.com:a/c.git"),
            ("git@e.com:a/b.git", "../../x/c.git", "git@e.com:x/c.git"),
            ("git@e.com:b.git", "../c.git", "git@e.com:c.git"),
            ("https://e.com/b", "https://f.com/c", "https://f.com/c"),
        ] {
            assert_eq!(resolve(parent, url), expected);
        }
    }
}
