//! The date that `SOURCE_DATE_EPOCH` stands for where it is not a number: that of a commit, of a file on a web server or
//! of the newest file in an archive (build-repro of the reference). Found out before the plan, as `ARG SOURCE_DATE_EPOCH`
//! gives it to the steps.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;
use std::time::UNIX_EPOCH;

use dhow_layer_store::oci::DigestWriter;
use dhow_layer_store::{EntryKind, FileKind, TarReader};

use crate::authorization::{git_authorization, web_authorization, without_secret};
use crate::context::{BuildContext, ContextDate, Filter, select};
use crate::diagnostic::{Diagnostic, Paint};
use crate::dockerfile::Dockerfile;
use crate::error::{BuildError, Result};
use crate::event::Event;
use crate::exec::decompressed;
use crate::plan::{ContextKind, Epoch, GitSource, epoch};
use crate::remote_source::{DownloadRequest, GitRequest};
use crate::request::{BuildEnv, BuildRequest};
use crate::source::Span;

/// What is known once the date is.
pub(crate) struct Settled {
    /// The date in seconds since 1970.
    pub(crate) seconds: Option<i64>,
    /// The named context that was opened for it.
    pub(crate) contexts: BTreeMap<String, BuildContext>,
}

/// Finds out the date. Where there is none, the dates are those of the build, and a warning says so.
pub(crate) fn settle(dockerfile: &Dockerfile, (request, env): (&BuildRequest<'_>, BuildEnv<'_>)) -> Result<Settled> {
    let mut contexts = BTreeMap::new();
    let found = epoch(dockerfile, request.options).map_err(BuildError::Dockerfile)?;
    let Some((epoch, span)) = found else { return Ok(Settled { seconds: None, contexts }) };
    let (seconds, what) = match &epoch {
        Epoch::Seconds(seconds) => (Some(*seconds), String::new()),
        Epoch::Context => (request.context.map_or(Ok(None), of_context)?, "the context".to_owned()),
        Epoch::NamedContext(name) => (named(name, (request, env), &mut contexts)?, format!("the context `{name}`")),
        Epoch::Download { url, checksum } => {
            (download((url, checksum.as_deref()), (request, env))?, format!("`{}`", without_secret(url)))
        }
        Epoch::Repository(source) => (Some(repository(source, (request, env))?), String::new()),
    };
    if seconds.is_none() {
        warn_undated(&what, span, (request, env));
    }
    Ok(Settled { seconds, contexts })
}

fn warn_undated(what: &str, span: Span, (request, env): (&BuildRequest<'_>, BuildEnv<'_>)) {
    let message = format!("`SOURCE_DATE_EPOCH` has no effect: {what} has no date of its own");
    let hint = "repositories and files from the web have one; for a directory give seconds, such as \
                `--build-arg SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)`";
    let warning = Diagnostic::warning("undated-epoch", span, message).hint(hint);
    env.events.event(Event::Warning { text: warning.render(request.dockerfile, Paint::Plain) });
}

fn named(
    name: &str,
    (request, env): (&BuildRequest<'_>, BuildEnv<'_>),
    contexts: &mut BTreeMap<String, BuildContext>,
) -> Result<Option<i64>> {
    if request.options.named_contexts.get(name) != Some(&ContextKind::Files) {
        return Ok(None);
    }
    let opened = env.contexts.files(name);
    let opened = opened.map_err(|source| BuildError::Context { name: name.to_owned(), source })?;
    let date = of_context(&opened)?;
    contexts.insert(name.to_owned(), opened);
    Ok(date)
}

fn of_context(context: &BuildContext) -> Result<Option<i64>> {
    match context.date() {
        ContextDate::None => Ok(None),
        ContextDate::Seconds(seconds) => Ok(Some(*seconds)),
        ContextDate::NewestFile => newest_file(context),
        ContextDate::NewestEntry(path) => Ok(newest_entry(context.open_file(path)?)),
    }
}

/// The time of the newest file in a context.
fn newest_file(context: &BuildContext) -> Result<Option<i64>> {
    let found = select(&context.tree(), Path::new("/"), &Filter { exclude: None, include: None })?;
    let files = found.iter().flat_map(|found| &found.entries).filter(|entry| entry.metadata.kind == FileKind::Regular);
    Ok(files.map(|entry| entry.metadata.mtime.seconds).max())
}

/// The time of the newest file in an archive; none if it is no archive.
fn newest_entry(file: File) -> Option<i64> {
    let mut archive = TarReader::new(decompressed(file).ok()?);
    let mut newest = None;
    while let Some(entry) = archive.next_entry().ok()? {
        if matches!(entry.kind, EntryKind::Regular | EntryKind::HardLink(_)) {
            newest = newest.max(Some(entry.mtime.seconds));
        }
    }
    newest
}

/// `Last-Modified`; of an archive without it, the time of the newest file in it.
fn download(
    (url, checksum): (&str, Option<&str>),
    (request, env): (&BuildRequest<'_>, BuildEnv<'_>),
) -> Result<Option<i64>> {
    let authorization = web_authorization(&request.run.secrets, url);
    let wanted = DownloadRequest { url, etag: None, authorization: authorization.as_deref() };
    let failed = |source| BuildError::Remote { url: without_secret(url), source };
    if let Some(modified) = env.remote.modified(&wanted).map_err(failed)? {
        return Ok(modified.duration_since(UNIX_EPOCH).ok().and_then(|since| i64::try_from(since.as_secs()).ok()));
    }
    let staging = env.store.staging()?;
    let path = staging.path().join("download");
    let file = File::create_new(&path).map_err(BuildError::io("create", &path))?;
    let mut writer = DigestWriter::new(file);
    env.remote.download(&wanted, &mut writer).map_err(failed)?;
    let (_, digest, _) = writer.finish();
    if let Some(expected) = checksum.filter(|expected| **expected != digest.to_string()) {
        let (expected, actual) = (expected.to_owned(), digest.to_string());
        return Err(BuildError::Checksum { url: without_secret(url), expected, actual });
    }
    Ok(newest_entry(File::open(&path).map_err(BuildError::io("open", &path))?))
}

/// The date of the commit.
fn repository(source: &GitSource, (request, env): (&BuildRequest<'_>, BuildEnv<'_>)) -> Result<i64> {
    let authorization = git_authorization(&request.run.secrets, &source.remote);
    let wanted = GitRequest { source, authorization: authorization.as_deref() };
    let url = without_secret(&source.remote);
    let failed = |error| BuildError::Remote { url: url.clone(), source: error };
    let commit = env.remote.git_commit(&wanted).map_err(failed)?;
    if let Some(expected) = source.checksum.as_ref().filter(|expected| !commit.has_checksum(expected)) {
        let (expected, actual) = (expected.clone(), commit.commit);
        return Err(BuildError::Checksum { url, expected, actual });
    }
    env.remote.git_date(&wanted, &commit).map_err(failed)
}
