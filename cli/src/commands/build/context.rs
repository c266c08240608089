//! What a build reads: its Dockerfile and its context, a directory or a tar on standard input.

use std::io::{self, Chain, Cursor, Read};
use std::path::Path;

use anyhow::Context;
use dhow_builder::BuildContext;
use dhow_builder::ignore::IgnoreRules;
use dhow_builder::source::SourceFile;
use dhow_layer_store::{Decompressor, Root, StagingDir, Store, Whiteouts, unpack};

use super::dockerfile::{self, STDIN};
use crate::args::BuildArgs;
use crate::problem::Problem;

/// Bytes that tell a tar from a text: its first block.
const BLOCK: usize = 512;
/// Where a tar's first block says that it is one.
const MAGIC: std::ops::Range<usize> = 257..262;

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
    /// Where a tar was unpacked; it goes with the build.
    _staging: Option<StagingDir>,
}

impl Input {
    /// Opens what the command line names.
    ///
    /// # Errors
    /// There is no such directory, or no Dockerfile.
    pub(super) fn open(args: &BuildArgs, store: &Store) -> anyhow::Result<Self> {
        if args.context == "-" {
            return Self::from_stdin(args, store);
        }
        let path = directory(&args.context)?;
        let found = dockerfile::read(args.file.as_deref(), Some(path))?;
        let rules = dockerfile::ignore_rules(found.path.as_deref(), path)?;
        let context = BuildContext::open(path, rules, store)?;
        Ok(Self { dockerfile: found.source, context: Some(context), _staging: None })
    }

    /// A tar is the context with the Dockerfile in it; any other text is a Dockerfile without context.
    fn from_stdin(args: &BuildArgs, store: &Store) -> anyhow::Result<Self> {
        if args.file.as_deref() == Some(Path::new("-")) {
            return Err(Problem::usage("Dockerfile and context cannot both come from standard input").into());
        }
        let begun = first_block()?;
        if !is_archive(&begun) {
            let source = SourceFile::new(STDIN, dockerfile::from_stdin(begun)?);
            return Ok(Self { dockerfile: source, context: None, _staging: None });
        }
        let staging = store.staging()?;
        let tar: Chain<Cursor<Vec<u8>>, io::Stdin> = Cursor::new(begun).chain(io::stdin());
        let root = Root::open(staging.path())?.with_ownership(store.options().ownership)?;
        unpack(Decompressor::new(tar)?, &root, Whiteouts::Literal)?;
        let inside = args.file.as_deref().unwrap_or(Path::new(STDIN));
        let file = args.file.as_ref().map(|file| staging.path().join(file.strip_prefix("/").unwrap_or(file)));
        let found = dockerfile::read(file.as_deref(), Some(staging.path()))
            .with_context(|| format!("the archive on standard input has no usable `{}`", inside.display()))?;
        let name = found.path.as_deref().and_then(|path| path.strip_prefix(staging.path()).ok());
        let name = name.map_or(STDIN.to_owned(), |name| name.display().to_string());
        let dockerfile = SourceFile::new(name, found.source.text());
        // As for docker, what was packed into a tar was chosen; an ignore file has been heeded then.
        let context = BuildContext::open(staging.path(), IgnoreRules::default(), store)?;
        Ok(Self { dockerfile, context: Some(context), _staging: Some(staging) })
    }
}

/// The directory that a context names.
fn directory(context: &str) -> anyhow::Result<&Path> {
    if is_remote(context) {
        return Err(Problem::usage(format!("a context from `{context}` is not supported yet"))
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

/// Whether the bytes begin a tar or a compressed file.
fn is_archive(begun: &[u8]) -> bool {
    const COMPRESSED: [&[u8]; 4] = [&[0x1f, 0x8b], &[0x28, 0xb5, 0x2f, 0xfd], b"BZh", &[0xfd, b'7', b'z', b'X', b'Z']];
    begun.get(MAGIC) == Some(b"ustar") || COMPRESSED.iter().any(|magic| begun.starts_with(magic))
}

/// Contexts that docker would fetch.
fn is_remote(context: &str) -> bool {
    let schemes = ["http://", "https://", "git://", "ssh://", "git@", "github.com/"];
    schemes.iter().any(|scheme| context.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use super::{is_archive, is_remote};

    #[test]
    fn archives_are_told_from_texts() {
        let mut tar = vec![0; 512];
        tar[257..262].copy_from_slice(b"ustar");
        for (bytes, expected) in
            [(&tar[..], true), (&[0x1f, 0x8b, 8][..], true), (b"FROM scratch\n", false), (b"", false)]
        {
            assert_eq!(is_archive(bytes), expected);
        }
        assert!(is_remote("https://example.org/x.git#main"));
        assert!(!is_remote("./github.com"));
    }
}
