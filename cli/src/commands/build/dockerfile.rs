//! Finds and reads the Dockerfile and the ignore file that goes with it.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::Context;
use dhow_builder::diagnostic::Paint;
use dhow_builder::ignore::IgnoreRules;
use dhow_builder::source::SourceFile;

use crate::exit::Exit;
use crate::problem::Problem;

/// Names that are taken for a Dockerfile when none is given, in order.
pub(super) const NAMES: [&str; 3] = ["Dockerfile", "dockerfile", "Containerfile"];
/// What messages call a Dockerfile that has no name.
pub(super) const STDIN: &str = "Dockerfile";

/// A Dockerfile that was read.
pub(super) struct Found {
    /// Its text.
    pub(super) source: SourceFile,
    /// Where it is, if it is a file.
    pub(super) path: Option<PathBuf>,
}

/// Reads the Dockerfile: `file` if it was given (`-` is standard input), else the one in the directory `context`.
///
/// # Errors
/// There is none, or it cannot be read.
pub(super) fn read(file: Option<&Path>, context: Option<&Path>) -> anyhow::Result<Found> {
    if file == Some(Path::new("-")) {
        return Ok(Found { source: SourceFile::new(STDIN, from_stdin(Vec::new())?), path: None });
    }
    let path = match (file, context) {
        (Some(file), _) => file.to_owned(),
        (None, Some(context)) => default_in(context)?,
        (None, None) => return Err(missing(Path::new(NAMES[0])).into()),
    };
    match fs::read(&path) {
        Ok(bytes) => {
            let shown = path.strip_prefix("./").unwrap_or(&path).display().to_string();
            Ok(Found { source: SourceFile::new(shown, bytes), path: Some(path) })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(missing(&path).into()),
        Err(error) => Err(error).with_context(|| format!("cannot read the Dockerfile `{}`", path.display())),
    }
}

/// What is left on standard input after `begun`.
///
/// # Errors
/// It cannot be read.
pub(super) fn from_stdin(begun: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    let mut text = begun;
    io::stdin().read_to_end(&mut text).context("cannot read the Dockerfile from standard input")?;
    Ok(text)
}

fn default_in(context: &Path) -> anyhow::Result<PathBuf> {
    let found = NAMES.iter().map(|name| context.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| missing(&context.join(NAMES[0])).into())
}

fn missing(path: &Path) -> Problem {
    Problem::new(format!("there is no Dockerfile at `{}`", path.display()))
        .hint("name it with `--file FILE`, or `--file -` for standard input")
        .exit(Exit::Dockerfile)
}

/// The rules of `<Dockerfile>.dockerignore`, else of the context's `.dockerignore`; none if there is neither.
///
/// # Errors
/// The file cannot be read, or has a malformed pattern.
pub(super) fn ignore_rules(dockerfile: Option<&Path>, context: &Path) -> anyhow::Result<IgnoreRules> {
    let beside = dockerfile.map(|path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    for path in beside.into_iter().chain([context.join(".dockerignore")]) {
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        };
        let source = SourceFile::new(path.display().to_string(), bytes);
        return IgnoreRules::parse(&source).map_err(|finding| {
            Problem::new(finding.render(&source, Paint::Plain) + "\n").exit(Exit::Dockerfile).into()
        });
    }
    Ok(IgnoreRules::default())
}

#[cfg(test)]
mod tests {
    use super::{ignore_rules, read};
    use crate::problem::Problem;
    use std::fs;
    use std::path::Path;

    #[test]
    fn the_dockerfile_is_found_or_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = read(None, Some(dir.path())).err().unwrap();
        assert!(error.to_string().ends_with("/Dockerfile`"), "{error}");
        assert!(error.downcast_ref::<Problem>().unwrap().remedy().unwrap().contains("--file"));
        fs::write(dir.path().join("Containerfile"), "FROM scratch\n").unwrap();
        assert_eq!(read(None, Some(dir.path())).unwrap().source.text(), "FROM scratch\n");
        fs::write(dir.path().join("Dockerfile"), "FROM a\n").unwrap();
        assert_eq!(read(None, Some(dir.path())).unwrap().source.text(), "FROM a\n");
        assert!(read(Some(Path::new("/no/such")), Some(dir.path())).is_err());
    }

    #[test]
    fn the_ignore_file_of_the_dockerfile_goes_first() {
        let dir = tempfile::tempdir().unwrap();
        let dockerfile = dir.path().join("web.Dockerfile");
        assert!(ignore_rules(Some(&dockerfile), dir.path()).unwrap().is_empty());
        fs::write(dir.path().join(".dockerignore"), "a\n").unwrap();
        assert!(ignore_rules(Some(&dockerfile), dir.path()).unwrap().is_ignored("a"));
        fs::write(dir.path().join("web.Dockerfile.dockerignore"), "b\n").unwrap();
        let rules = ignore_rules(Some(&dockerfile), dir.path()).unwrap();
        assert!(rules.is_ignored("b") && !rules.is_ignored("a"));
        fs::write(dir.path().join(".dockerignore"), "[\n").unwrap();
        assert!(ignore_rules(None, dir.path()).is_err());
    }
}
