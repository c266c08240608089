//! What a build reads: its Dockerfile and its context, a directory, a tar on standard input, a repository or a file
//! from the web.

use std::io::{self, Cursor, Read};
use std::path::Path;

use anyhow::Context;
use dhow_builder::BuildContext;
use dhow_builder::ignore::IgnoreRules;
use dhow_builder::plan::{GitSource, Options};
use dhow_builder::source::SourceFile;
use dhow_layer_store::Store;

use super::dockerfile::{self, STDIN};
use super::fetched::{BLOCK, Fetched, From, git_source, inside, is_archive};
use crate::args::BuildArgs;
use crate::exit::Exit;
use crate::problem::Problem;

/// A Dockerfile and the ignore file that goes with it, for those who build nothing.
pub(super) struct Text {
    /// The Dockerfile.
    pub(super) source: SourceFile,
    /// The ignore file's rules, where there is a context.
    pub(super) ignore: Option<IgnoreRules>,
}

impl Text {
    /// Reads what the command line names; of a context on standard input only a Dockerfile.
    ///
    /// # Errors
    /// There is no Dockerfile.
    pub(super) fn open(args: &BuildArgs) -> anyhow::Result<Self> {
        if args.context == "-" {
            let text = dockerfile::from_stdin(Vec::new())?;
            return match is_archive(&text) {
                true => {
                    Err(Problem::usage("only a Dockerfile can be checked on standard input, not an archive").into())
                }
                false => Ok(Self { source: SourceFile::new(STDIN, text), ignore: None }),
            };
        }
        let context = directory(&args.context)?;
        let found = dockerfile::read(args.file.as_deref(), Some(context))?;
        let ignore = dockerfile::ignore_rules(found.path.as_deref(), context)?;
        Ok(Self { source: found.source, ignore: Some(ignore) })
    }
}

/// The opened input of a build.
pub(super) struct Input {
    /// The Dockerfile.
    pub(super) dockerfile: SourceFile,
    /// The context; none with a Dockerfile alone.
    pub(super) context: Option<BuildContext>,
    /// Where a context from elsewhere is; it goes with the build.
    _fetched: Option<Fetched>,
}

impl Input {
    /// Opens what the command line names.
    ///
    /// # Errors
    /// There is no such context, or no Dockerfile.
    pub(super) fn open((args, options): (&BuildArgs, &Options), from: &From<'_>) -> anyhow::Result<Self> {
        let store = from.store;
        if args.context == "-" {
            return Self::from_stdin(args, store);
        }
        if is_remote(&args.context) {
            let opened = Self::from_elsewhere((args, options), from);
            return opened.with_context(|| format!("cannot get the context `{}`", args.context));
        }
        let path = directory(&args.context)?;
        let found = dockerfile::read(args.file.as_deref(), Some(path))?;
        let rules = dockerfile::ignore_rules(found.path.as_deref(), path)?;
        let context = BuildContext::open(path, rules, store)?;
        Ok(Self { dockerfile: found.source, context: Some(context), _fetched: None })
    }

    fn from_elsewhere((args, options): (&BuildArgs, &Options), from: &From<'_>) -> anyhow::Result<Self> {
        if let Some(mut source) = git_source(&args.context)? {
            source.keep_git_dir = source.keep_git_dir.or_else(|| keeps_git_dir(options));
            if options.build_args.get("SOURCE_DATE_EPOCH").is_some_and(|epoch| !epoch.is_empty()) {
                source.mtime.get_or_insert_with(|| "commit".to_owned());
            }
            return Self::of_fetched(args, Fetched::checkout(&source, from)?, from.store);
        }
        let mut fetched = Fetched::download(&args.context, from)?;
        match fetched.unpack_file(from.store)? {
            true => Self::of_fetched(args, fetched, from.store),
            false => Self::of_download(args, fetched, from.store),
        }
    }

    /// A tar is the context with the Dockerfile in it; any other text is a Dockerfile without context.
    fn from_stdin(args: &BuildArgs, store: &Store) -> anyhow::Result<Self> {
        if args.file.as_deref() == Some(Path::new("-")) {
            return Err(Problem::usage("Dockerfile and context cannot both come from standard input").into());
        }
        let begun = first_block()?;
        if !is_archive(&begun) {
            let source = SourceFile::new(STDIN, dockerfile::from_stdin(begun)?);
            return Ok(Self { dockerfile: source, context: None, _fetched: None });
        }
        let mut fetched = Fetched::new(store)?;
        fetched.unpack(Cursor::new(begun).chain(io::stdin()), store)?;
        Self::of_fetched(args, fetched, store)
    }

    /// A context of many files, with the Dockerfile among them unless it comes from standard input.
    fn of_fetched(args: &BuildArgs, fetched: Fetched, store: &Store) -> anyhow::Result<Self> {
        let top = fetched.path();
        let found = match args.file.as_deref() {
            Some(file) if file == Path::new("-") => dockerfile::read(Some(file), None)?,
            file => {
                let names = file.map_or(dockerfile::NAMES.map(Path::new).to_vec(), |file| vec![file]);
                // A link in it leads to nothing outside of it.
                let path = names.iter().filter_map(|name| inside(&top, name).ok()).find(|path| path.is_file());
                let missing =
                    || Problem::new(format!("the context has no `{}`", names[0].display())).exit(Exit::Dockerfile);
                dockerfile::read(Some(&path.ok_or_else(missing)?), None)?
            }
        };
        let name = found.path.as_deref().and_then(|path| path.strip_prefix(&top).ok());
        let name = name.map_or(STDIN.to_owned(), |name| name.display().to_string());
        let dockerfile = SourceFile::new(name, found.source.text());
        // As for docker, what was packed or committed was chosen: no ignore file hides anything of it.
        let context = BuildContext::open(&top, IgnoreRules::default(), store)?.dated(fetched.date());
        Ok(Self { dockerfile, context: Some(context), _fetched: Some(fetched) })
    }

    /// A Dockerfile that is its own context, under the reference's name for it.
    fn of_download(args: &BuildArgs, fetched: Fetched, store: &Store) -> anyhow::Result<Self> {
        let file = match args.file.as_deref() {
            Some(file) if file == Path::new("-") => file.to_owned(),
            Some(file) => {
                let text = format!("`{}` is a single file: there is no `{}` in it", args.context, file.display());
                return Err(Problem::usage(text).into());
            }
            None => fetched.file(),
        };
        let text = dockerfile::read(Some(&file), None)?.source;
        let context = BuildContext::open(&fetched.path(), IgnoreRules::default(), store)?;
        let context = context.dated(fetched.date());
        Ok(Self { dockerfile: SourceFile::new(STDIN, text.text()), context: Some(context), _fetched: Some(fetched) })
    }
}

/// The directory that a context names.
fn directory(context: &str) -> anyhow::Result<&Path> {
    if is_remote(context) {
        return Err(Problem::usage(format!("`{context}` is not on this machine: only files that are can be checked"))
            .hint("fetch it into a directory first")
            .into());
    }
    let path = Path::new(context);
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(path),
        Ok(_) => Err(Problem::usage(format!("the context `{context}` is not a directory"))
            .hint("name a directory, and the Dockerfile with `--file`")
            .into()),
        Err(error) => Err(error).with_context(|| format!("cannot open the context `{context}`")),
    }
}

fn first_block() -> anyhow::Result<Vec<u8>> {
    let mut begun = Vec::with_capacity(BLOCK);
    let stdin = io::stdin().lock();
    stdin.take(BLOCK as u64).read_to_end(&mut begun).context("cannot read the context from standard input")?;
    Ok(begun)
}

/// Contexts that are fetched.
fn is_remote(context: &str) -> bool {
    let schemes = ["http://", "https://", "git://", "ssh://", "git@"];
    let is_here = || Path::new(context).exists();
    let is_repository = || GitSource::parse(context).is_ok_and(|source| source.is_some()) && !is_here();
    schemes.iter().any(|scheme| context.starts_with(scheme))
        || context.starts_with("github.com/") && !is_here()
        || is_repository()
}

/// The build argument `BUILDKIT_CONTEXT_KEEP_GIT_DIR`.
fn keeps_git_dir(options: &Options) -> Option<bool> {
    let value = options.build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR")?;
    Some(matches!(value.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"))
}

#[cfg(test)]
mod tests {
    use super::is_remote;

    #[test]
    fn what_is_fetched_is_told_from_directories() {
        assert!(is_remote("https://example.org/x.git#main"));
        assert!(is_remote("me@example.org:app") && !is_remote("./github.com") && !is_remote("/tmp"));
    }
}
