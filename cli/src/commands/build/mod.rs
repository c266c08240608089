//! `dhow build`: a Dockerfile and a context become an image with names.

mod account;
mod call;
mod context;
mod dockerfile;
mod error;
mod events;
mod fetched;
mod limits;
mod named;
mod platforms;
mod request;
mod ssh;

use std::fs;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use dhow_builder::diagnostic::Paint;
use dhow_builder::{BuildEnv, BuildRequest, CancelToken, build};
use dhow_layer_store::Store;
use dhow_layer_store::oci::{ImageId, Reference};
use serde_json::json;

use super::push::push;
use super::tag::new_name;
use crate::app::App;
use crate::args::{BuildArgs, ExplainKind, FindingsFormat};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::findings::{self, Findings, Tell};
use crate::interrupt::Interrupt;
use crate::output;
use crate::ui::{BuildProgress, Mode};
use crate::wiring::{BaseImages, Budget, Remote};

use account::Account;
use call::Call;
use context::{Input, Text};
use events::Sink;
use fetched::From;
use named::Contexts;
use request::Settings;

/// How long steps may take to end and clean up after an interrupt.
const GRACE: Duration = Duration::from_secs(15);

/// Runs the command.
pub(crate) fn run(app: &App, args: &BuildArgs) -> anyhow::Result<Exit> {
    let call = if args.check { "check" } else { &args.call };
    if let Some(call) = Call::parse(call)? {
        let options = Settings::new(app, args)?.options;
        return call.run(&Text::open(args)?, &options, tell(app, args));
    }
    if let Some(platforms) = platforms::several(args)? {
        return platforms::run(app, args, &platforms);
    }
    let names = args.tags.iter().map(|name| new_name(name)).collect::<Result<Vec<_>, _>>()?;
    let mode = Mode::of_build(args.quiet, args.progress, &app.environment)?;
    let cancel = CancelToken::new();
    let on_signal = cancel.clone();
    let interrupt = Interrupt::watch(GRACE, move || on_signal.cancel())?;
    let budget = args.keep_storage.as_deref().map_or(Ok(Budget::default()), Budget::parse)?;
    let account = Account::default();
    let made = interrupt.or(make(app, args, mode, (&cancel, &account)));
    let store = app.store()?;
    let image = match &made {
        Ok(Made::Image(image)) => Some(image),
        _ => None,
    };
    if let Some(image) = image {
        names.iter().try_for_each(|name| store.tag(name, image, None))?;
    }
    // What was found in the cache has not made it larger.
    let kept = if account.ran() { budget.enforce(&store, account.written()) } else { Ok(()) };
    if args.explain == Some(ExplainKind::Json) {
        let image = image.map(ToString::to_string);
        output::print(&format!("{:#}\n", json!({ "image": image, "steps": account.steps() })))?;
    }
    let image = match made? {
        Made::Image(image) => image,
        Made::Nothing(exit) => return Ok(exit),
    };
    kept?;
    write_files(args, &image, &names, &store)?;
    report(args, &image, &names)?;
    if args.push {
        push(app, &names, Mode::unless_quiet(args.quiet))?;
    }
    Ok(Exit::Success)
}

/// What came of a build.
enum Made {
    /// An image.
    Image(ImageId),
    /// Nothing, and why is told already.
    Nothing(Exit),
}

/// Builds the image; `account` hears what becomes of its steps.
fn make(app: &App, args: &BuildArgs, mode: Mode, (cancel, account): (&CancelToken, &Account)) -> anyhow::Result<Made> {
    let store = app.store()?;
    let settings = Settings::new(app, args)?;
    let remote = Remote::new(app)?;
    let from = From { store: &store, remote: &remote, secrets: &settings.run.secrets };
    let input = Input::open(args, &from)?;
    let contexts = Contexts::new(&settings.named, &from);
    let request = BuildRequest {
        dockerfile: &input.dockerfile,
        options: &settings.options,
        context: input.context.as_ref(),
        cache: settings.cache,
        pull: settings.pull,
        jobs: settings.jobs,
        run: &settings.run,
    };
    let images = BaseImages::new(app, mode)?;
    let progress = BuildProgress::new(mode);
    let sink = Sink { progress: &progress, explains: args.explain.is_some(), account };
    let (images, remote, contexts) = (&images, &remote, &contexts);
    let env = BuildEnv { store: &store, images, remote, contexts, events: &sink, cancel };
    let built = build(&request, env);
    progress.end();
    match built {
        Ok(built) => {
            tell_findings(args, &Findings { source: &input.dockerfile, found: &built.findings }, tell(app, args))?;
            Ok(Made::Image(built.image))
        }
        Err(error) => Ok(Made::Nothing(error::tell(&error, &input.dockerfile, tell(app, args))?)),
    }
}

/// What the rules found, after the build.
fn tell_findings(args: &BuildArgs, findings: &Findings<'_>, tell: Tell) -> anyhow::Result<()> {
    if let Some(document) = findings::document(tell.format, std::slice::from_ref(findings)) {
        return output::print(&document);
    }
    match findings.found.len() {
        _ if args.quiet => {}
        0 => {}
        1 => output::say(&format!("{}1 warning found", findings.draw(tell.paint))),
        count => output::say(&format!("{}{count} warnings found", findings.draw(tell.paint))),
    }
    Ok(())
}

fn tell(app: &App, args: &BuildArgs) -> Tell {
    Tell { format: args.format, paint: paint(&app.environment) }
}

/// Colours for a person at a terminal who did not ask for none.
fn paint(environment: &Environment) -> Paint {
    match std::io::stderr().is_terminal() && !environment.no_color() {
        true => Paint::Coloured,
        false => Paint::Plain,
    }
}

/// `--iidfile` and `--metadata-file`.
fn write_files(args: &BuildArgs, image: &ImageId, names: &[Reference], store: &Store) -> anyhow::Result<()> {
    if let Some(path) = &args.iidfile {
        write(path, &image.to_string())?;
    }
    let Some(path) = &args.metadata_file else { return Ok(()) };
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    let image = store.image(image)?;
    let metadata = json!({
        "containerimage.config.digest": image.id.to_string(),
        "containerimage.descriptor": image.config_descriptor,
        "image.name": names.join(","),
    });
    write(path, &format!("{metadata:#}\n"))
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}

fn report(args: &BuildArgs, image: &ImageId, names: &[Reference]) -> anyhow::Result<()> {
    if args.explain == Some(ExplainKind::Json) || args.format != FindingsFormat::Text {
        return Ok(());
    }
    if args.quiet {
        return output::println(&image.to_string());
    }
    let mut lines = format!("Successfully built {}\n", image.digest().short());
    lines.extend(names.iter().map(|name| format!("Successfully tagged {}\n", name.familiar())));
    output::print(&lines)
}
