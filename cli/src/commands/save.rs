//! `dhow save`: writes images to one archive, which is a docker-archive and an OCI layout.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use dhow_layer_store::archive::{self, Selected};
use dhow_layer_store::oci::{ImageId, Platform};
use dhow_layer_store::{Found, Store};
use tempfile::NamedTempFile;

use crate::app::App;
use crate::args::SaveArgs;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::problem::Problem;
use crate::ui::{self, Mode};
use crate::wiring::{archive_events, fetch_layers, missing_platform};

/// How long cleaning up may take after an interrupt.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command.
pub(crate) fn run(app: &App, args: &SaveArgs) -> anyhow::Result<Exit> {
    let store = app.store()?;
    let platform = args.platform.as_deref().map(str::parse::<Platform>).transpose()?;
    let images = chosen(&store, &args.images, platform.as_ref())?;
    for image in images.iter().flat_map(|selected| &selected.images) {
        fetch_layers(app, &store.image(image)?, Mode::automatic())?;
    }
    let interrupt = Interrupt::watch(GRACE, || ())?;
    let progress = ui::Transfer::new(Mode::automatic(), "Saving layer");
    let write = |out: &mut dyn Write| {
        interrupt.or(archive::save(&store, &images, &mut interrupt.stream(out), &archive_events(&progress)))
    };
    match &args.output {
        Some(path) => into_file(path, write)?,
        None if io::stdout().is_terminal() => {
            return Err(Problem::usage("standard output is a terminal, which shows no archives")
                .hint("name a file with `--output FILE`, or send it on with `>` or `|`")
                .into());
        }
        None => write(&mut io::stdout())?,
    }
    Ok(Exit::Success)
}

/// The images with the names to save them under, in the order in which they were first named: a name stands for
/// itself and for its images for all platforms, or for `platform`; an id for the image without names.
fn chosen(store: &Store, names: &[String], platform: Option<&Platform>) -> anyhow::Result<Vec<Selected>> {
    let mut chosen: Vec<Selected> = Vec::new();
    for name in names {
        let found = store.require(name)?;
        let (images, index) = match (platform, &found.reference) {
            (Some(platform), _) => (vec![for_platform(store, (name, &found), platform)?], None),
            (None, Some((_, target))) => (target.in_order(), target.manifest.clone()),
            (None, None) => (vec![found.image], None),
        };
        let index = index.filter(|_| images.len() > 1);
        let tagged = found.reference.map(|(name, _)| name).filter(|name| name.tag().is_some());
        match chosen.iter_mut().find(|selected| selected.images == images) {
            Some(known) => known.names.extend(tagged),
            None => chosen.push(Selected { names: tagged.into_iter().collect(), images, index }),
        }
    }
    Ok(chosen)
}

fn for_platform(store: &Store, (name, found): (&str, &Found), platform: &Platform) -> anyhow::Result<ImageId> {
    match store.image_for(found, platform)? {
        Some(image) => Ok(image.id),
        None => Err(missing_platform(store, (name, found), platform)?.into()),
    }
}

/// Writes beside `path` first, so that an archive which broke off never stands there. What is no regular file, such
/// as `/dev/stdout` or a pipe, is written to directly.
///
/// # Errors
/// The file system refuses, or what `write` says.
pub(crate) fn into_file(path: &Path, write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let cannot = || format!("cannot write `{}`", path.display());
    if path.symlink_metadata().is_ok_and(|kind| !kind.is_file()) {
        return write(&mut File::options().write(true).open(path).with_context(cannot)?);
    }
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = NamedTempFile::with_prefix_in(".dhow-save-", directory).with_context(cannot)?;
    write(&mut file)?;
    file.persist(path).with_context(cannot)?;
    Ok(())
}
