//! Builds the image, and with `--verify` builds it again.

use std::path::PathBuf;

use dhow_builder::diagnostic::Diagnostic;
use dhow_builder::source::SourceFile;
use dhow_builder::{
    BuildEnv, BuildError, BuildRequest, Built, CacheUse, CancelToken, EventSink, Finish, NoEvents, Squash, build,
};
use dhow_layer_store::Store;
use dhow_layer_store::oci::ImageId;

use super::account::Account;
use super::context::Input;
use super::events::Sink;
use super::fetched::From;
use super::named::Contexts;
use super::request::Settings;
use super::verify::{Dates, Difference, compare};
use super::wishes::Wishes;
use super::{error, metadata, tell, tell_findings, weight};
use crate::app::App;
use crate::args::{BuildArgs, SquashKind};
use crate::exit::Exit;
use crate::findings::{self, Findings};
use crate::output;
use crate::ui::{BuildProgress, Mode, RawJson};
use crate::wiring::{BaseImages, Remote};

/// An image that was built, and the text that it was built from.
pub(super) struct Made {
    pub(super) built: Built,
    pub(super) dockerfile: SourceFile,
    /// Whether the store did not have it before.
    pub(super) is_new: bool,
}

/// What came of a build.
pub(super) enum Outcome {
    /// An image.
    Image(Box<Made>),
    /// Nothing, and why is told already.
    Nothing(Exit),
}

/// Builds the image; `account` hears what becomes of its steps.
///
/// # Errors
/// The build's, told with its place in the Dockerfile; or the image is another when it is built again.
pub(super) fn make(
    (app, args): (&App, &BuildArgs),
    wishes: &Wishes,
    (cancel, account): (&CancelToken, &Account),
) -> anyhow::Result<Outcome> {
    let store = app.store()?;
    let settings = Settings::new(app, args)?;
    let remote = Remote::new(app, settings.run.ssh.get("default").map(PathBuf::as_path))?;
    let from = From { store: &store, remote: &remote, secrets: &settings.run.secrets };
    let input = Input::open((args, &settings.options), &from)?;
    let contexts = Contexts::new(&settings.named, &from);
    let request = BuildRequest {
        dockerfile: &input.dockerfile,
        options: &settings.options,
        context: input.context.as_ref(),
        cache: settings.cache,
        pull: settings.pull,
        jobs: settings.jobs,
        run: &settings.run,
        finish: finish(args, wishes),
    };
    let images = BaseImages::new(app, wishes.mode)?;
    let known = store.image_ids()?;
    let build_with = |request: &BuildRequest<'_>, events: &dyn EventSink| {
        let (images, remote, contexts) = (&images, &remote, &contexts);
        build(request, BuildEnv { store: &store, images, remote, contexts, events, cancel })
    };
    let annotate = |found: &[Diagnostic]| {
        if wishes.mode == Mode::Lines {
            findings::annotate(&app.environment, &Findings { source: &input.dockerfile, found });
        }
    };
    let failed = |error: &BuildError| {
        metadata::write_failure(args, error, &input.dockerfile)?;
        annotate(&error::findings(error).unwrap_or_default());
        Ok(Outcome::Nothing(error::tell(error, &input.dockerfile, tell(app, args))?))
    };
    let documents = (wishes.mode == Mode::Documents).then(RawJson::default);
    let progress = BuildProgress::new(wishes.mode, &app.environment);
    let built =
        build_with(&request, &Sink { progress: &progress, documents, explains: args.explain.is_some(), account });
    progress.end();
    let built = match built {
        Ok(built) => built,
        Err(error) => return failed(&error),
    };
    annotate(&built.findings);
    tell_findings(args, &Findings { source: &input.dockerfile, found: &built.findings }, tell(app, args))?;
    if args.verify {
        say(wishes, "Building again to verify that the image is the same");
        match build_with(&BuildRequest { cache: CacheUse::Bypass, ..request }, &NoEvents) {
            Ok(again) => Verification { store: &store, known: &known, dates: dates(&built) }
                .run((&built, &again), &input.dockerfile)?,
            Err(error) => return failed(&error),
        }
        say(wishes, verdict(dates(&built)));
    }
    let is_new = !known.contains(&built.image);
    Ok(Outcome::Image(Box::new(Made { built, dockerfile: input.dockerfile, is_new })))
}

/// The second build against the first.
struct Verification<'a> {
    store: &'a Store,
    /// The images that there were before.
    known: &'a [ImageId],
    dates: Dates,
}

impl Verification<'_> {
    fn run(&self, (built, again): (&Built, &Built), dockerfile: &SourceFile) -> anyhow::Result<()> {
        let difference = difference(self.store, (built, again), self.dates);
        if again.image != built.image && !self.known.contains(&again.image) {
            self.store.remove_image(&again.image)?;
        }
        let Some(difference) = difference? else { return Ok(()) };
        let lines = weight::lines(self.store, built, dockerfile)?;
        let made_by = made_by(self.store.image(&built.image)?.layers.len(), &lines, &difference);
        if !self.known.contains(&built.image) {
            self.store.remove_image(&built.image)?;
        }
        Err(difference.problem(made_by.as_deref()).into())
    }
}

fn finish(args: &BuildArgs, wishes: &Wishes) -> Finish {
    let squash = match args.squash {
        None => Squash::None,
        Some(SquashKind::New) => Squash::New,
        Some(SquashKind::All) => Squash::All,
    };
    Finish { squash, times: wishes.outputs.times, compression: wishes.outputs.compression() }
}

fn say(wishes: &Wishes, text: &str) {
    if !matches!(wishes.mode, Mode::Quiet | Mode::Documents) {
        output::say(text);
    }
}

fn dates(built: &Built) -> Dates {
    match built.epoch {
        Some(_) => Dates::Compare,
        None => Dates::Ignore,
    }
}

fn verdict(dates: Dates) -> &'static str {
    match dates {
        Dates::Compare => "Verified: built again, it is the same image",
        Dates::Ignore => "Verified: built again, only dates differ; set SOURCE_DATE_EPOCH to pin them",
    }
}

fn difference(store: &Store, (one, other): (&Built, &Built), dates: Dates) -> anyhow::Result<Option<Difference>> {
    if one.image == other.image {
        return Ok(None);
    }
    compare(store, (&store.image(&one.image)?, &store.image(&other.image)?), dates)
}

/// The line that made the layer in which the difference is, of an image of `layers` layers.
fn made_by(layers: usize, lines: &[weight::Line], difference: &Difference) -> Option<String> {
    let Difference::File { layer, .. } = difference else { return None };
    // Where layers were squashed, no line made one of them.
    let place = (lines.len() <= layers).then(|| (layer + lines.len()).checked_sub(layers))??;
    lines.get(place).map(weight::Line::name)
}
