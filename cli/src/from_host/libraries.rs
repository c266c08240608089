//! Where the dynamic loader finds libraries (ld.so(8), "Dynamic linking"; musl: `/etc/ld-musl-ARCH.path`).
//!
//! The search reads configuration and headers; it does not run the loader.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use super::FromHostError;
use super::elf::{Abi, Elf};

/// The directories that the host's loader searches for every program.
#[derive(Debug)]
pub(crate) struct Libraries {
    system: Vec<PathBuf>,
}

/// How deep `include` lines of `ld.so.conf` may nest.
const MAX_INCLUDES: usize = 8;

impl Libraries {
    /// Reads the host's configuration.
    pub(crate) fn of_host() -> Self {
        let mut system = Vec::new();
        read_conf(Path::new("/etc/ld.so.conf"), &mut system, MAX_INCLUDES);
        if let Ok(text) = fs::read_to_string(format!("/etc/ld-musl-{}.path", std::env::consts::ARCH)) {
            system.extend(text.split([':', '\n']).filter(|dir| !dir.is_empty()).map(PathBuf::from));
        }
        system.extend(["/lib64", "/usr/lib64", "/lib", "/usr/local/lib", "/usr/lib"].map(PathBuf::from));
        Self { system }
    }

    /// Finds the library `name` that `path`, whose headers are `elf`, needs. `inherited` are the `DT_RPATH`
    /// directories of the files that caused `path` to be loaded.
    pub(crate) fn find(&self, name: &OsStr, loader: &Loading<'_>) -> Result<PathBuf, FromHostError> {
        if name.as_bytes().contains(&b'/') {
            return Ok(loader.path.parent().unwrap_or(Path::new("/")).join(name));
        }
        let own = loader.search();
        let found = own.iter().chain(&self.system).map(|dir| dir.join(name)).find(|file| loads(file, loader.elf.abi));
        found.ok_or_else(|| FromHostError::MissingLibrary { library: name.to_owned(), program: loader.path.to_owned() })
    }
}

/// The file whose libraries are being looked for.
#[derive(Debug)]
pub(crate) struct Loading<'a> {
    /// Where it is, links resolved.
    pub(crate) path: &'a Path,
    /// Its headers.
    pub(crate) elf: &'a Elf,
    /// `DT_RPATH` directories of the files that caused it to be loaded.
    pub(crate) inherited: &'a [PathBuf],
}

impl Loading<'_> {
    /// `DT_RPATH` directories that the libraries of this file inherit: none once a `DT_RUNPATH` is there.
    pub(crate) fn rpath(&self) -> Vec<PathBuf> {
        if !self.elf.runpath.is_empty() {
            return Vec::new();
        }
        let own = directories(&self.elf.rpath, self.path);
        own.into_iter().chain(self.inherited.iter().cloned()).collect()
    }

    fn search(&self) -> Vec<PathBuf> {
        let runpath = directories(&self.elf.runpath, self.path);
        if runpath.is_empty() { self.rpath() } else { runpath }
    }
}

/// Splits search paths at colons and puts the directory of `path` for `$ORIGIN`.
fn directories(lists: &[OsString], path: &Path) -> Vec<PathBuf> {
    let origin = path.parent().unwrap_or(Path::new("/")).as_os_str().as_bytes();
    let parts = lists.iter().flat_map(|list| list.as_bytes().split(|&byte| byte == b':'));
    let expand = |part: &[u8]| {
        let bytes = replace(&replace(part, b"${ORIGIN}", origin), b"$ORIGIN", origin);
        PathBuf::from(OsString::from_vec(bytes))
    };
    parts.filter(|part| !part.is_empty()).map(expand).collect()
}

fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    out.extend_from_slice(rest);
    out
}

fn loads(file: &Path, abi: Abi) -> bool {
    matches!(Elf::read(file), Ok(Some(elf)) if elf.abi == abi)
}

/// Adds the directories of one `ld.so.conf`; a file that cannot be read adds none, as with the loader.
fn read_conf(conf: &Path, into: &mut Vec<PathBuf>, depth: usize) {
    let Ok(text) = fs::read_to_string(conf) else { return };
    for line in text.lines().map(|line| line.split('#').next().unwrap_or("").trim()) {
        match line.split_once(char::is_whitespace) {
            Some(("include", patterns)) if depth > 0 => {
                for pattern in patterns.split_whitespace() {
                    included(conf, pattern).iter().for_each(|file| read_conf(file, into, depth - 1));
                }
            }
            _ if line.starts_with('/') => into.push(PathBuf::from(line)),
            _ => {}
        }
    }
}

/// The files of an `include` line, sorted. Its only wildcard in use is `*` in the file's name.
fn included(conf: &Path, pattern: &str) -> Vec<PathBuf> {
    let pattern = conf.parent().unwrap_or(Path::new("/")).join(pattern);
    let (Some(dir), Some(name)) = (pattern.parent(), pattern.file_name().and_then(OsStr::to_str)) else {
        return Vec::new();
    };
    let Some((prefix, suffix)) = name.split_once('*') else { return vec![pattern] };
    let fits =
        |file: &str| file.len() >= prefix.len() + suffix.len() && file.starts_with(prefix) && file.ends_with(suffix);
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> =
        entries.filter(|entry| entry.file_name().to_str().is_some_and(fits)).map(|entry| entry.path()).collect();
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;
    use std::path::{Path, PathBuf};

    use super::directories;

    #[test]
    fn origin_and_colons_are_expanded() {
        let lists = [OsString::from("$ORIGIN/../lib:/opt/x::${ORIGIN}")];
        let expected = ["/a/b/../lib", "/opt/x", "/a/b"].map(PathBuf::from);
        assert_eq!(directories(&lists, Path::new("/a/b/prog")), expected);
    }
}
