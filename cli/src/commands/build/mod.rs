//! `dhow build`: a Dockerfile and a context become an image with names, or one for each platform.

mod account;
mod call;
mod context;
mod dockerfile;
mod error;
mod events;
mod fetched;
mod limits;
mod made;
mod metadata;
mod named;
mod output;
mod platforms;
mod request;
mod shadow;
mod ssh;
mod summary;
mod unset;
mod verify;
mod weight;
mod wishes;

use std::io::IsTerminal;
use std::time::Duration;

use dhow_builder::diagnostic::Paint;
use dhow_builder::{CancelToken, FileTimes};
use dhow_layer_store::Store;
use dhow_layer_store::oci::ImageId;
use serde_json::{Value, json};

use crate::app::App;
use crate::args::{BuildArgs, ExplainKind, FindingsFormat, ProgressKind};
use crate::environment::Environment;
use crate::exit::Exit;
use crate::findings::{self, Findings, Tell};
use crate::interrupt::Interrupt;
use crate::output as out;
use crate::ui::Mode;
use crate::wiring::BuildUse;

use account::Account;
use call::Call;
use context::Text;
use made::{Made, Outcome, make};
use output::{Delivered, Delivery, deliver};
use request::Settings;
use wishes::Wishes;

/// How long steps may take to end and clean up after an interrupt.
const GRACE: Duration = Duration::from_secs(15);

/// Runs the command.
pub(crate) fn run(app: &App, args: &BuildArgs) -> anyhow::Result<Exit> {
    let call = if args.check { "check" } else { &args.call };
    if let Some(call) = Call::parse(call)? {
        let options = Settings::new(app, args)?.options;
        return call.run(&Text::open(args)?, &options, tell(app, args));
    }
    build(app, args)
}

/// Builds, and does with the images what was asked for.
fn build(app: &App, args: &BuildArgs) -> anyhow::Result<Exit> {
    let wishes = Wishes::new(app, args)?;
    let cancel = CancelToken::new();
    let on_signal = cancel.clone();
    let interrupt = Interrupt::watch(GRACE, move || on_signal.cancel())?;
    let account = Account::default();
    let made = interrupt.or(make((app, args), &wishes, (&cancel, &account)));
    let exit = conclude((app, args), &wishes, (made, &account, &interrupt));
    // Last of all, when the images before these have lost their names and nothing is in use here any more.
    let used = if account.ran() { BuildUse::Wrote(account.written()) } else { BuildUse::Read };
    let kept = wishes.budget.enforce(&app.store()?, used);
    let exit = exit?;
    kept?;
    Ok(exit)
}

/// What is done when there are images, or none.
fn conclude(
    (app, args): (&App, &BuildArgs),
    wishes: &Wishes,
    (made, account, interrupt): (anyhow::Result<Outcome>, &Account, &Interrupt),
) -> anyhow::Result<Exit> {
    if args.explain == Some(ExplainKind::Json) {
        let images = match &made {
            Ok(Outcome::Images(made)) => made.images(),
            _ => Vec::new(),
        };
        tell_result(wishes, &format!("{:#}", explanation(&images, account)))?;
    }
    let made = match made? {
        Outcome::Images(made) => made,
        Outcome::Nothing(exit) => return Ok(exit),
    };
    finish((app, args), wishes, (&made, account, interrupt))?;
    Ok(Exit::Success)
}

/// `--explain=json`
fn explanation(images: &[ImageId], account: &Account) -> Value {
    let mut explanation = json!({ "image": images.first().map(ToString::to_string), "steps": account.steps() });
    if images.len() > 1 {
        explanation["images"] = images.iter().map(ToString::to_string).collect();
    }
    explanation
}

/// What is done with images that were built.
fn finish(
    (app, args): (&App, &BuildArgs),
    wishes: &Wishes,
    (made, account, interrupt): (&Made, &Account, &Interrupt),
) -> anyhow::Result<()> {
    let store = app.store()?;
    let is_told = !matches!(wishes.mode, Mode::Quiet | Mode::Documents)
        && args.explain != Some(ExplainKind::Json)
        && args.format == FindingsFormat::Text;
    if is_told && account.ran() {
        summary::tell(&store, made, account, args.squash)?;
    }
    let done = hand_out((app, args), wishes, (made, account, interrupt));
    if !wishes.outputs.keep_image() {
        made.forget(&store)?;
    }
    done
}

/// Checks the sizes, makes the outputs, and tells what there is.
fn hand_out(
    (app, args): (&App, &BuildArgs),
    wishes: &Wishes,
    (made, account, interrupt): (&Made, &Account, &Interrupt),
) -> anyhow::Result<()> {
    let (store, images) = (app.store()?, &made.images());
    if let Some(limit) = wishes.size_limit {
        for built in &made.built {
            let lines = weight::lines(&store, built, &made.dockerfile)?;
            weight::check(store.image(&built.image)?.size()?, limit, &lines)?;
        }
    }
    let epoch = made.built.first().and_then(|built| built.epoch).filter(|_| wishes.outputs.times == FileTimes::Clamp);
    let delivery = Delivery { images, names: &wishes.names, epoch, mode: wishes.mode, interrupt };
    let mut delivered = deliver(app, &wishes.outputs, delivery)?;
    let is_asked_for = args.quiet || args.iidfile.is_some() || args.metadata_file.is_some();
    if images.len() > 1 && is_asked_for && delivered.manifest.is_none() {
        delivered.manifest = Some(platforms::plain_index(&store, images)?);
    }
    metadata::write(args, images, (&store, &delivered, account.steps()))?;
    report(args, wishes, (&store, images, &delivered))
}

/// What the rules found, after the build.
fn tell_findings(args: &BuildArgs, findings: &Findings<'_>, tell: Tell<'_>) -> anyhow::Result<()> {
    if let Some(document) = findings::document(tell, std::slice::from_ref(findings)) {
        return out::print(&document);
    }
    match findings.found.len() {
        _ if args.quiet || args.progress == Some(ProgressKind::RawJson) => {}
        0 => {}
        1 => out::say(&format!("{}1 warning found", findings.draw(tell.paint))),
        count => out::say(&format!("{}{count} warnings found", findings.draw(tell.paint))),
    }
    Ok(())
}

fn tell<'a>(app: &'a App, args: &BuildArgs) -> Tell<'a> {
    Tell { format: args.format, paint: paint(&app.environment), environment: &app.environment }
}

/// Colours for a person at a terminal who did not ask for none.
fn paint(environment: &Environment) -> Paint {
    match std::io::stderr().is_terminal() && !environment.no_color() {
        true => Paint::Coloured,
        false => Paint::Plain,
    }
}

/// Says a result on standard output, unless that belongs to an output.
fn tell_result(wishes: &Wishes, text: &str) -> anyhow::Result<()> {
    if wishes.outputs.use_stdout() {
        out::say(text);
        return Ok(());
    }
    out::println(text)
}

fn report(
    args: &BuildArgs,
    wishes: &Wishes,
    (store, images, delivered): (&Store, &[ImageId], &Delivered),
) -> anyhow::Result<()> {
    if args.explain == Some(ExplainKind::Json) || args.format != FindingsFormat::Text {
        return Ok(());
    }
    if wishes.mode == Mode::Quiet && args.quiet {
        return tell_result(wishes, &metadata::id(images, delivered));
    }
    let mut lines = Vec::new();
    for image in images {
        let platform = match images.len() {
            1 => String::new(),
            _ => format!(" for {}", store.image(image)?.config.platform()),
        };
        lines.push(format!("Successfully built {}{platform}", image.digest().short()));
    }
    if wishes.outputs.keep_image() {
        lines.extend(delivered.names.iter().map(|name| format!("Successfully tagged {}", name.familiar())));
    }
    tell_result(wishes, &lines.join("\n"))
}
