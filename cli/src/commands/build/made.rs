//! Builds the image, or those of all platforms, and with `--verify` builds them again.

use std::collections::BTreeSet;

use std::path::PathBuf;

use dhow_builder::diagnostic::Diagnostic;
use dhow_builder::source::SourceFile;
use dhow_builder::{
    BuildEnv, BuildError, BuildRequest, Built, CacheUse, CancelToken, EventSink, Finish, NoEvents, Squash, build,
    build_platforms,
};
use dhow_layer_store::Store;
use dhow_layer_store::oci::{ImageId, Platform};

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

/// What was built, and the text that it was built from.
pub(super) struct Made {
    /// The image, or one for each platform.
    pub(super) built: Vec<Built>,
    pub(super) dockerfile: SourceFile,
    /// The images that the store had before.
    known: Vec<ImageId>,
}

impl Made {
    /// The image, or one for each platform in their order.
    pub(super) fn images(&self) -> Vec<ImageId> {
        self.built.iter().map(|built| built.image).collect()
    }

    /// Removes the images that the store did not have before.
    ///
    /// # Errors
    /// The store refuses.
    pub(super) fn forget(&self, store: &Store) -> anyhow::Result<()> {
        let new: BTreeSet<ImageId> = self.images().into_iter().filter(|image| !self.known.contains(image)).collect();
        Ok(new.iter().try_for_each(|image| store.remove_image(image).map(drop))?)
    }

    /// What the rules found, once for all platforms.
    fn findings(&self) -> Vec<Diagnostic> {
        let mut findings: Vec<Diagnostic> = Vec::new();
        for finding in self.built.iter().flat_map(|built| &built.findings) {
            if !findings.contains(finding) {
                findings.push(finding.clone());
            }
        }
        findings
    }
}

/// What came of a build.
pub(super) enum Outcome {
    /// An image, or one for each platform.
    Images(Box<Made>),
    /// Nothing, and why is told already.
    Nothing(Exit),
}

/// Builds the image, or those of all platforms; `account` hears what becomes of its steps.
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
    let (images, remote, contexts) = (&images, &remote, &contexts);
    let env = BuildEnv { store: &store, images, remote, contexts, events: &NoEvents, cancel };
    Making { app, args, wishes, platforms: &settings.platforms, request, env }.run(account)
}

/// A build with all that it needs.
struct Making<'a> {
    app: &'a App,
    args: &'a BuildArgs,
    wishes: &'a Wishes,
    platforms: &'a [Platform],
    request: BuildRequest<'a>,
    env: BuildEnv<'a>,
}

impl Making<'_> {
    fn run(&self, account: &Account) -> anyhow::Result<Outcome> {
        let known = self.env.store.image_ids()?;
        let documents = (self.wishes.mode == Mode::Documents).then(RawJson::default);
        let progress = BuildProgress::new(self.wishes.mode, &self.app.environment);
        let sink = Sink { progress: &progress, documents, explains: self.args.explain.is_some(), account };
        let built = self.build(self.request.cache, &sink);
        progress.end();
        let built = match built {
            Ok(built) => built,
            Err(error) => return self.fail(&error),
        };
        let made = Made { built, dockerfile: self.request.dockerfile.clone(), known };
        let found = made.findings();
        self.annotate(&found);
        let findings = Findings { source: &made.dockerfile, found: &found };
        tell_findings(self.args, &findings, tell(self.app, self.args))?;
        if self.args.verify {
            say(self.wishes, "Building again to verify that the image is the same");
            match self.build(CacheUse::Bypass, &NoEvents) {
                Ok(again) => made.verify(&again, (self.env.store, dates(&made.built)))?,
                Err(error) => return self.fail(&error),
            }
            say(self.wishes, verdict(dates(&made.built)));
        }
        Ok(Outcome::Images(Box::new(made)))
    }

    fn build(&self, cache: CacheUse, events: &dyn EventSink) -> dhow_builder::Result<Vec<Built>> {
        let (request, env) = (BuildRequest { cache, ..self.request }, BuildEnv { events, ..self.env });
        match self.platforms {
            [] | [_] => Ok(vec![build(&request, env)?]),
            platforms => build_platforms(&request, platforms, env),
        }
    }

    /// Tells why there is no image.
    fn fail(&self, error: &BuildError) -> anyhow::Result<Outcome> {
        let dockerfile = self.request.dockerfile;
        metadata::write_failure(self.args, error, dockerfile)?;
        self.annotate(&error::findings(error).unwrap_or_default());
        Ok(Outcome::Nothing(error::tell(error, dockerfile, tell(self.app, self.args))?))
    }

    fn annotate(&self, found: &[Diagnostic]) {
        if self.wishes.mode == Mode::Lines {
            findings::annotate(&self.app.environment, &Findings { source: self.request.dockerfile, found });
        }
    }
}

impl Made {
    /// Compares with what was built `again`, which goes.
    fn verify(&self, again: &[Built], (store, dates): (&Store, Dates)) -> anyhow::Result<()> {
        let pairs = || self.built.iter().zip(again);
        let found = pairs().find_map(|pair| match difference(store, pair, dates) {
            Ok(difference) => difference.map(|difference| Ok((pair.0, difference))),
            Err(error) => Some(Err(error)),
        });
        for (built, again) in pairs() {
            if again.image != built.image && !self.known.contains(&again.image) {
                store.remove_image(&again.image)?;
            }
        }
        let Some((built, difference)) = found.transpose()? else { return Ok(()) };
        let lines = weight::lines(store, built, &self.dockerfile)?;
        let made_by = made_by(store.image(&built.image)?.layers.len(), &lines, &difference);
        self.forget(store)?;
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

fn dates(built: &[Built]) -> Dates {
    match built.first().and_then(|built| built.epoch) {
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
