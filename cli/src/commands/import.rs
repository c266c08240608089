//! `dhow import`: makes an image of a root file system.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use dhow_builder::diagnostic::{Diagnostic, Paint};
use dhow_builder::plan::{self, Bases, Op, Options};
use dhow_builder::source::SourceFile;
use dhow_layer_store::oci::{ContainerConfig, ImageId, Platform};
use dhow_layer_store::{ImportOptions, Store, import_dir, import_tar};

use super::tag::new_name;
use crate::app::App;
use crate::args::ImportArgs;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use crate::problem::Problem;

/// How long cleaning up may take after an interrupt.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command.
pub(crate) fn run(app: &App, args: &ImportArgs) -> anyhow::Result<Exit> {
    let name = args.name.as_deref().map(new_name).transpose()?;
    let options = options(args)?;
    let store = app.store()?;
    let interrupt = Interrupt::watch(GRACE, || ())?;
    let image = interrupt.or(import(&store, &args.source, &options, &interrupt));
    let image = image.with_context(|| format!("cannot import `{}`", args.source.display()))?;
    if let Some(name) = name {
        store.tag(&name, &image, None)?;
    }
    output::println(&image.to_string())?;
    Ok(Exit::Success)
}

fn import(store: &Store, source: &Path, options: &ImportOptions, interrupt: &Interrupt) -> anyhow::Result<ImageId> {
    if source == Path::new("-") {
        return Ok(import_tar(store, interrupt.stream(io::stdin().lock()), options)?);
    }
    if source.is_dir() {
        return Ok(import_dir(store, source, options)?);
    }
    let file = File::open(source).with_context(|| format!("cannot open `{}`", source.display()))?;
    Ok(import_tar(store, interrupt.stream(file), options)?)
}

fn options(args: &ImportArgs) -> anyhow::Result<ImportOptions> {
    let platform = match &args.platform {
        Some(text) => text.parse()?,
        None => Platform::host(),
    };
    let defaults = ImportOptions::default();
    let config = changed(&args.changes, &platform)?;
    Ok(ImportOptions { platform, config, comment: args.message.clone().unwrap_or(defaults.comment), ..defaults })
}

/// The config that the instructions `changes` give an image that has none.
fn changed(changes: &[String], platform: &Platform) -> anyhow::Result<ContainerConfig> {
    if changes.is_empty() {
        return Ok(ContainerConfig::default());
    }
    let source = SourceFile::new("--change", format!("FROM scratch\n{}\n", changes.join("\n")));
    let wrong = |found: Vec<Diagnostic>| {
        let texts: Vec<String> = found.iter().map(|diagnostic| diagnostic.render(&source, Paint::Plain)).collect();
        Problem::usage(format!("a `--change` is no instruction for an image's config\n{}", texts.join("\n")))
    };
    let (dockerfile, _) = dhow_builder::dockerfile::parse(&source).into_result().map_err(wrong)?;
    let plan = plan::lower(&dockerfile, &Options::new(platform.clone()), &Bases::default()).map_err(wrong)?;
    let allowed = |op: &Op| matches!(op, Op::Scratch | Op::Workdir(_));
    if !plan.nodes.iter().all(|node| allowed(&node.op)) {
        return Err(Problem::usage("a `--change` would run or copy something")
            .hint("give CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR or the like; for RUN and COPY use `dhow build`")
            .into());
    }
    Ok(plan.images.into_iter().next().map(|image| image.config.config).unwrap_or_default())
}
