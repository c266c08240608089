//! `-v`, `--mount` and `--tmpfs` as values. Nothing is looked up on disk here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::args::FileOptions;
use crate::format::human;
use crate::problem::Problem;

/// What is to be mounted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// A path of the host.
    Bind {
        /// The path, absolute.
        path: PathBuf,
        /// What to do if there is nothing.
        missing: Missing,
    },
    /// A volume; without a name an anonymous one.
    Volume {
        /// Its name.
        name: Option<String>,
        /// Whether an empty volume gets what the image has there.
        copy: Copy,
    },
    /// Memory.
    Tmpfs {
        /// Limit in bytes.
        size: Option<u64>,
        /// Permission bits.
        mode: u32,
    },
}

/// What to do about a bind's source that does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Missing {
    /// Make a directory (`-v`).
    Create,
    /// Fail (`--mount`).
    Fail,
}

/// Whether an empty volume gets what the image has at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Copy {
    /// It does.
    Up,
    /// It does not (`nocopy`).
    No,
}

/// Whether the container may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Write {
    /// It may.
    Allowed,
    /// It may not.
    Denied,
}

/// One mount that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// What.
    pub(crate) source: Source,
    /// Where, absolute.
    pub(crate) target: String,
    /// Whether the container may write there.
    pub(crate) write: Write,
}

/// Mode of a tmpfs unless another is typed.
const TMPFS_MODE: u32 = 0o1777;

/// All mounts that were typed, in the order of their targets so that one inside another comes later.
///
/// # Errors
/// One of them cannot be read, or two have the same target.
pub(crate) fn requests(options: &FileOptions, cwd: &Path) -> Result<Vec<Request>, Problem> {
    let mut requests = Vec::new();
    for text in &options.volumes {
        requests.push(volume(text, cwd)?);
    }
    for text in &options.mounts {
        requests.push(mount(text, cwd)?);
    }
    for text in &options.tmpfs {
        requests.push(tmpfs(text)?);
    }
    requests.sort_by(|one, other| one.target.cmp(&other.target));
    match requests.windows(2).find(|pair| pair[0].target == pair[1].target) {
        Some(pair) => Err(Problem::usage(format!("two mounts have the target `{}`", pair[0].target))),
        None => Ok(requests),
    }
}

/// `[SOURCE:]TARGET[:OPTIONS]`
fn volume(text: &str, cwd: &Path) -> Result<Request, Problem> {
    let bad = |why: &str| Problem::usage(format!("`{text}` is not a volume: {why}")).hint("write [SOURCE:]TARGET[:ro]");
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => return Err(bad("it has too many colons")),
    };
    let mut request = Request {
        source: match source {
            None => Source::Volume { name: None, copy: Copy::Up },
            Some("") => return Err(bad("its source is empty")),
            Some(path) if path.starts_with(['/', '.', '~']) => {
                Source::Bind { path: absolute(path, cwd), missing: Missing::Create }
            }
            Some(name) => Source::Volume { name: Some(volume_name(name)?), copy: Copy::Up },
        },
        target: target_path(target)?,
        write: Write::Allowed,
    };
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "rw" => request.write = Write::Allowed,
            "ro" | "readonly" => request.write = Write::Denied,
            "nocopy" => match &mut request.source {
                Source::Volume { copy, .. } => *copy = Copy::No,
                _ => return Err(bad("`nocopy` goes with named volumes only")),
            },
            // Labels of SELinux and caching hints of Docker Desktop change nothing here; the rest is what dhow does.
            "z" | "Z" | "cached" | "delegated" | "consistent" | "rprivate" | "private" => {}
            other => return Err(bad(&format!("`{other}` is not an option that dhow has"))),
        }
    }
    Ok(request)
}

/// `type=bind|volume|tmpfs,source=…,target=…[,readonly]`
fn mount(text: &str, cwd: &Path) -> Result<Request, Problem> {
    let bad = |why: String| Problem::usage(format!("`{text}` is not a mount: {why}"));
    let (mut kind, mut source, mut target) = ("volume", None, None);
    let (mut write, mut copy, mut size, mut mode) = (Write::Allowed, Copy::Up, None, TMPFS_MODE);
    for field in text.split(',') {
        let (key, value) = field.split_once('=').map_or((field, None), |(key, value)| (key, Some(value)));
        let required = || value.ok_or_else(|| bad(format!("`{key}` needs a value")));
        match key.to_ascii_lowercase().as_str() {
            "type" => kind = required()?,
            "source" | "src" => source = Some(required()?),
            "target" | "dst" | "destination" => target = Some(required()?),
            "readonly" | "ro" => write = if is_true(value) { Write::Denied } else { Write::Allowed },
            "volume-nocopy" => copy = if is_true(value) { Copy::No } else { Copy::Up },
            "tmpfs-size" => {
                let bytes = human::parse_size(required()?).ok_or_else(|| bad("its size is no number".to_owned()))?;
                size = Some(bytes);
            }
            "tmpfs-mode" => mode = octal(required()?).ok_or_else(|| bad("its mode is not octal".to_owned()))?,
            "bind-propagation" if matches!(value, Some("rprivate" | "private")) => {}
            "consistency" => {}
            other => return Err(bad(format!("`{other}` is not a key that dhow has"))),
        }
    }
    let target = target_path(target.ok_or_else(|| bad("it has no target".to_owned()))?)?;
    let source = match (kind, source) {
        ("bind", Some(path)) => Source::Bind { path: absolute(path, cwd), missing: Missing::Fail },
        ("bind", None) => return Err(bad("a bind needs a source".to_owned())),
        ("volume", name) => Source::Volume { name: name.map(volume_name).transpose()?, copy },
        ("tmpfs", None) => Source::Tmpfs { size, mode },
        ("tmpfs", Some(_)) => return Err(bad("a tmpfs has no source".to_owned())),
        (other, _) => return Err(bad(format!("`{other}` is not a type that dhow has"))),
    };
    Ok(Request { source, target, write })
}

/// `TARGET[:size=…,mode=…]`
fn tmpfs(text: &str) -> Result<Request, Problem> {
    let bad = |why: String| Problem::usage(format!("`{text}` is not a tmpfs: {why}"));
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let (mut size, mut mode, mut write) = (None, TMPFS_MODE, Write::Allowed);
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", value)) => {
                size = Some(human::parse_size(value).ok_or_else(|| bad("its size is no number".to_owned()))?);
            }
            Some(("mode", value)) => mode = octal(value).ok_or_else(|| bad("its mode is not octal".to_owned()))?,
            None if option == "ro" => write = Write::Denied,
            // What dhow does anyway.
            None if matches!(option, "rw" | "nosuid" | "nodev" | "noexec") => {}
            _ => return Err(bad(format!("`{option}` is not an option that dhow has"))),
        }
    }
    Ok(Request { source: Source::Tmpfs { size, mode }, target: target_path(target)?, write })
}

fn is_true(value: Option<&str>) -> bool {
    !matches!(value, Some("false" | "0"))
}

fn octal(text: &str) -> Option<u32> {
    u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o7777)
}

fn absolute(path: &str, cwd: &Path) -> PathBuf {
    let path = Path::new(path);
    if path.is_absolute() { path.to_owned() } else { cwd.join(path) }
}

/// An absolute path other than `/`, without a slash at its end.
fn target_path(text: &str) -> Result<String, Problem> {
    let trimmed = text.trim_end_matches('/');
    match text.starts_with('/') && !trimmed.is_empty() {
        true => Ok(trimmed.to_owned()),
        false => Err(Problem::usage(format!("the mount's target `{text}` is not an absolute path below `/`"))),
    }
}

/// A volume's name by docker's grammar.
///
/// # Errors
/// `text` is none.
pub(crate) fn volume_name(text: &str) -> Result<String, Problem> {
    let mut chars = text.chars();
    let good = chars.next().is_some_and(|c| c.is_ascii_alphanumeric())
        && chars.clone().count() > 0
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'));
    match good {
        true => Ok(text.to_owned()),
        false => Err(Problem::usage(format!("`{text}` is not the name of a volume"))
            .hint("names begin with a letter or digit and go on with letters, digits, `_`, `.` and `-`; a directory needs a full path")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Copy, Missing, Request, Source, Write, mount, tmpfs, volume};
    use std::path::{Path, PathBuf};

    fn bind(path: &str, target: &str, missing: Missing, write: Write) -> Request {
        Request { source: Source::Bind { path: PathBuf::from(path), missing }, target: target.to_owned(), write }
    }

    fn named(name: Option<&str>, target: &str, copy: Copy, write: Write) -> Request {
        Request { source: Source::Volume { name: name.map(str::to_owned), copy }, target: target.to_owned(), write }
    }

    #[test]
    fn volumes() {
        let cwd = Path::new("/work");
        for (text, expected) in [
            ("/a:/b", Some(bind("/a", "/b", Missing::Create, Write::Allowed))),
            ("/a:/b/:ro", Some(bind("/a", "/b", Missing::Create, Write::Denied))),
            ("./a:/b:z", Some(bind("/work/./a", "/b", Missing::Create, Write::Allowed))),
            ("data:/b", Some(named(Some("data"), "/b", Copy::Up, Write::Allowed))),
            ("data:/b:ro,nocopy", Some(named(Some("data"), "/b", Copy::No, Write::Denied))),
            ("/b", Some(named(None, "/b", Copy::Up, Write::Allowed))),
            ("a:b", None),
            ("/a:/b:weird", None),
            ("/a:/b:ro:x", None),
            ("/a:/", None),
            (":/b", None),
            ("-bad:/b", None),
        ] {
            assert_eq!(volume(text, cwd).ok(), expected, "{text}");
        }
    }

    #[test]
    fn mounts() {
        let cwd = Path::new("/");
        for (text, expected) in [
            ("type=bind,source=/a,target=/b", Some(bind("/a", "/b", Missing::Fail, Write::Allowed))),
            ("type=bind,src=/a,dst=/b,readonly", Some(bind("/a", "/b", Missing::Fail, Write::Denied))),
            ("source=data,target=/b", Some(named(Some("data"), "/b", Copy::Up, Write::Allowed))),
            ("type=volume,target=/b,volume-nocopy", Some(named(None, "/b", Copy::No, Write::Allowed))),
            ("type=bind,target=/b", None),
            ("type=npipe,source=a,target=/b", None),
            ("type=bind,source=/a", None),
            ("type=bind,source=/a,target=/b,frob=1", None),
        ] {
            assert_eq!(mount(text, cwd).ok(), expected, "{text}");
        }
        let expected = Source::Tmpfs { size: Some(1 << 20), mode: 0o700 };
        assert_eq!(mount("type=tmpfs,target=/t,tmpfs-size=1m,tmpfs-mode=700", cwd).unwrap().source, expected);
        assert_eq!(tmpfs("/t:size=1m,mode=700,rw").unwrap().source, expected);
        assert!(tmpfs("/t:huge=always").is_err());
    }
}
