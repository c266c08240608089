//! `dhow image from-host`: an image out of programs on this machine, the libraries they load and their loader.
//!
//! Follows what the kernel and the loader would open: `#!` lines, `PT_INTERP`, `DT_NEEDED`. Libraries that a
//! program opens by itself (`dlopen`) are unknown until it runs; they can be named as further paths.

mod elf;
mod libraries;
mod tree;
mod write;

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use elf::Elf;
use libraries::{Libraries, Loading};
pub(crate) use tree::{Entry, Tree};
pub(crate) use write::write;

/// Why an image cannot be made of the host's programs.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FromHostError {
    #[error("there is no program `{}` in PATH", .0.to_string_lossy())]
    NotInPath(OsString),
    #[error("`{}` cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("`{}` is neither a file nor a directory", path.display())]
    NotAFile { path: PathBuf },
    #[error("`{}` is damaged: its ELF headers do not fit together", path.display())]
    BadElf { path: PathBuf, source: object::Error },
    #[error("`{}` goes through more than 40 links", path.display())]
    TooManyLinks { path: PathBuf },
    #[error("`{}` needs the library `{}`, which is in none of the directories that the loader searches", program.display(), library.to_string_lossy())]
    MissingLibrary { library: OsString, program: PathBuf },
}

impl FromHostError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NotInPath(name) => Some(format!(
                "give the path of the program, or install the package that has `{}`",
                name.to_string_lossy()
            )),
            Self::MissingLibrary { .. } => {
                Some("add the library's directory to /etc/ld.so.conf, or install the package that has it".to_owned())
            }
            Self::Unreadable { .. } | Self::NotAFile { .. } | Self::BadElf { .. } | Self::TooManyLinks { .. } => None,
        }
    }
}

/// Collects the programs with all that they load; also returns the programs' own paths.
///
/// `programs` are paths or names to look up in `path_variable`; `further` are files and directories to add as they are.
pub(crate) fn collect(
    programs: &[OsString],
    further: &[PathBuf],
    path_variable: &OsStr,
) -> Result<(Tree, Vec<PathBuf>), FromHostError> {
    let mut closure = Closure { tree: Tree::minimal(), libraries: Libraries::of_host(), seen: BTreeSet::new() };
    let located: Vec<PathBuf> = programs.iter().map(|name| locate(name, path_variable)).collect::<Result<_, _>>()?;
    for program in &located {
        closure.add_program(program)?;
    }
    closure.add_merged_directories()?;
    for path in further {
        let real = closure.tree.add(&absolute(path)?)?;
        if real.is_dir() {
            closure.tree.add_below(&real)?;
        } else {
            closure.add_program(&real)?;
        }
    }
    closure.tree.add_short_names();
    Ok((closure.tree, located))
}

/// Looks a program up as a shell would.
fn locate(name: &OsStr, path_variable: &OsStr) -> Result<PathBuf, FromHostError> {
    if name.as_bytes().contains(&b'/') {
        return absolute(Path::new(name));
    }
    let executable =
        |file: &PathBuf| fs::metadata(file).is_ok_and(|kind| kind.is_file() && kind.permissions().mode() & 0o111 != 0);
    let found = std::env::split_paths(path_variable).map(|dir| dir.join(name)).find(executable);
    absolute(&found.ok_or_else(|| FromHostError::NotInPath(name.to_owned()))?)
}

fn absolute(path: &Path) -> Result<PathBuf, FromHostError> {
    std::path::absolute(path).map_err(|source| FromHostError::Unreadable { path: path.to_owned(), source })
}

/// The set of files that is closed under "loads".
struct Closure {
    tree: Tree,
    libraries: Libraries,
    seen: BTreeSet<PathBuf>,
}

/// Where programs and libraries are looked for by fixed paths, such as `/bin/sh`.
const WELL_KNOWN: [&str; 4] = ["/bin", "/sbin", "/lib", "/lib64"];

impl Closure {
    /// Where these are links into `/usr`, the image has the same links: PATH may have named the other spelling.
    fn add_merged_directories(&mut self) -> Result<(), FromHostError> {
        for path in WELL_KNOWN.map(Path::new) {
            if path.is_symlink() && path.is_dir() {
                self.tree.add(path)?;
            }
        }
        Ok(())
    }

    fn add_program(&mut self, path: &Path) -> Result<(), FromHostError> {
        let real = self.tree.add(path)?;
        match Elf::read(&real)? {
            Some(elf) => {
                if let Some(loader) = &elf.interpreter {
                    self.tree.add(loader)?;
                }
                self.add_libraries(&real, &elf, &[])
            }
            None => match interpreter(&real)? {
                Some(interpreter) if self.seen.insert(real) => self.add_program(&interpreter),
                _ => Ok(()),
            },
        }
    }

    fn add_libraries(&mut self, path: &Path, elf: &Elf, inherited: &[PathBuf]) -> Result<(), FromHostError> {
        if !self.seen.insert(path.to_owned()) {
            return Ok(());
        }
        let loading = Loading { path, elf, inherited };
        let rpath = loading.rpath();
        for name in &elf.needed {
            let found = self.libraries.find(name, &loading)?;
            let real = self.tree.add(&found)?;
            if let Some(library) = Elf::read(&real)? {
                self.add_libraries(&real, &library, &rpath)?;
            }
        }
        Ok(())
    }
}

/// The interpreter that a script's `#!` line names (execve(2)).
fn interpreter(script: &Path) -> Result<Option<PathBuf>, FromHostError> {
    let unreadable = |source| FromHostError::Unreadable { path: script.to_owned(), source };
    let mut line = Vec::new();
    BufReader::new(File::open(script).map_err(unreadable)?)
        .take(256)
        .read_until(b'\n', &mut line)
        .map_err(unreadable)?;
    let Some(text) = line.strip_prefix(b"#!") else { return Ok(None) };
    let mut words = text.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
    Ok(words.next().map(|word| PathBuf::from(OsStr::from_bytes(word))))
}

/// Whether the file is a program that needs no loader.
pub(crate) fn is_static(path: &Path) -> bool {
    matches!(Elf::read(path), Ok(Some(elf)) if elf.interpreter.is_none() && elf.needed.is_empty())
}

#[cfg(test)]
mod tests {
    use std::ffi::{OsStr, OsString};
    use std::path::Path;

    use super::{Entry, FromHostError, collect};

    #[test]
    fn a_program_brings_its_loader_libraries_and_links() {
        let (tree, programs) =
            collect(&[OsString::from("sh")], &[], OsStr::new("/usr/bin:/bin")).expect("sh is everywhere");
        assert_eq!(programs.len(), 1);
        let files: Vec<&Path> =
            tree.entries().filter(|(_, entry)| matches!(entry, Entry::File(_))).map(|(path, _)| path).collect();
        let has = |part: &str| files.iter().any(|file| file.to_string_lossy().contains(part));
        assert!(has("libc.so") || has("ld-musl"), "{files:?}");
        assert!(has("/ld-"), "{files:?}");
        let entries: Vec<&Path> = tree.entries().map(|(path, _)| path).collect();
        for path in &entries {
            assert!(
                path.parent().is_none_or(|parent| parent == Path::new("/") || entries.contains(&parent)),
                "{}",
                path.display()
            );
        }
    }

    #[test]
    fn a_script_brings_its_interpreter() {
        let (tree, _) = collect(&[OsString::from("ldd")], &[], OsStr::new("/usr/bin")).expect("ldd is a shell script");
        assert!(tree.entries().any(|(path, _)| path.ends_with("bash") || path.ends_with("dash")));
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = collect(&[OsString::from("no-such-program")], &[], OsStr::new("/usr/bin")).expect_err("missing");
        assert!(matches!(&error, FromHostError::NotInPath(name) if name == "no-such-program"));
        assert!(error.hint().is_some());
    }
}
