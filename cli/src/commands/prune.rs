//! `dhow image prune`, `container prune`, `volume prune`, `system prune`: removes what nobody uses.

use dhow_layer_store::{CacheItem, CachePrune, Image, Removed, Store, SweepOptions, Swept};
use jiff::Timestamp;

use super::run::{self, Volumes};
use crate::app::App;
use crate::args::{ImagePruneArgs, PruneArgs, SystemPruneArgs};
use crate::containers::{image_uses, volume_names};
use crate::exit::Exit;
use crate::format::{Filters, human};
use crate::output::{self, confirm};
use crate::span;
use crate::wiring::sweep;

/// Whether the person is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// Yes.
    First,
    /// No (`--force`).
    Never,
}

impl Ask {
    fn unless(force: bool) -> Self {
        if force { Self::Never } else { Self::First }
    }

    fn consents(self, what: &str) -> anyhow::Result<bool> {
        match self {
            Self::Never => Ok(true),
            Self::First => confirm(&format!("WARNING! This will remove {what}.\nAre you sure you want to continue?")),
        }
    }
}

/// `dhow image prune`
pub(crate) fn images(app: &App, args: &ImagePruneArgs) -> anyhow::Result<Exit> {
    let filters = Filters::parse(&args.filters, &["label", "until"])?;
    let what = match args.all {
        true => "all images without at least one container associated to them",
        false => "all dangling images",
    };
    if Ask::unless(args.force).consents(what)? {
        let choice = if args.all { Choice::Unused } else { Choice::Nameless };
        let removed = prune_images(app, choice, &filters)?;
        print_list("Deleted Images", &removed)?;
        finish(app)?;
    }
    Ok(Exit::Success)
}

/// `dhow container prune`
pub(crate) fn containers(app: &App, args: &PruneArgs) -> anyhow::Result<Exit> {
    if Ask::unless(args.force).consents("all stopped containers")? {
        print_list("Deleted Containers", &prune_containers(app)?)?;
        finish(app)?;
    }
    Ok(Exit::Success)
}

/// `dhow volume prune`
pub(crate) fn volumes(app: &App, args: &PruneArgs) -> anyhow::Result<Exit> {
    if Ask::unless(args.force).consents("anonymous local volumes not used by at least one container")? {
        print_list("Deleted Volumes", &prune_volumes(app)?)?;
    }
    Ok(Exit::Success)
}

/// `dhow system prune`
pub(crate) fn system(app: &App, args: &SystemPruneArgs) -> anyhow::Result<Exit> {
    let mut what = "all stopped containers, ".to_owned();
    what += if args.all { "all images that no container uses" } else { "all dangling images" };
    what += if args.all { ", all build cache" } else { ", the build cache that no image shares" };
    what += if args.volumes { " and all anonymous volumes that no container uses" } else { "" };
    if !Ask::unless(args.force).consents(&what)? {
        return Ok(Exit::Success);
    }
    print_list("Deleted Containers", &prune_containers(app)?)?;
    let choice = if args.all { Choice::Unused } else { Choice::Nameless };
    print_list("Deleted Images", &prune_images(app, choice, &Filters::default())?)?;
    if args.volumes {
        print_list("Deleted Volumes", &prune_volumes(app)?)?;
    }
    report(prune_cache(&app.store()?, choice)?)?;
    Ok(Exit::Success)
}

fn finish(app: &App) -> anyhow::Result<()> {
    report(sweep(&app.store()?)?)
}

fn report(swept: Swept) -> anyhow::Result<()> {
    output::println(&format!("Total reclaimed space: {}", human::size(swept.bytes)))
}

fn print_list(title: &str, removed: &[String]) -> anyhow::Result<()> {
    match removed.is_empty() {
        true => Ok(()),
        false => output::print(&format!("{title}:\n{}\n\n", removed.join("\n"))),
    }
}

fn prune_containers(app: &App) -> anyhow::Result<Vec<String>> {
    let mut removed = Vec::new();
    for container in app.containers()?.list()? {
        if container.is_in_use() {
            continue;
        }
        match run::remove(app, &container) {
            Ok(()) => removed.push(container.config().id.clone()),
            // Somebody has just removed or started it.
            Err(_) if container.is_in_use() || !container.directory().exists() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(removed)
}

/// Which images go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// Those without a name.
    Nameless,
    /// All that no container uses.
    Unused,
}

fn prune_images(app: &App, choice: Choice, filters: &Filters) -> anyhow::Result<Vec<String>> {
    let store = app.store()?;
    let used: Vec<_> = image_uses(app)?.into_iter().map(|used| used.image).collect();
    let until = filters.value("until").map(|text| span::time(text, Timestamp::now())).transpose()?;
    let references = store.references()?;
    let mut removed = Vec::new();
    for image in store.images()? {
        let is_named = references.iter().any(|(_, target)| target.stands_for(&image.id));
        let goes = !used.contains(&image.id) && (choice == Choice::Unused || !is_named);
        if !goes || !takes(&image, filters, until) {
            continue;
        }
        let gone = match choice {
            Choice::Unused => store.remove_with_names(&image.id)?,
            Choice::Nameless => store.remove_nameless(&image.id)?,
        };
        removed.extend(gone.into_iter().map(|gone| match gone {
            Removed::Untagged(name) => format!("untagged: {}", name.familiar()),
            Removed::Deleted(id) => format!("deleted: {id}"),
        }));
    }
    Ok(removed)
}

fn takes(image: &Image, filters: &Filters, until: Option<Timestamp>) -> bool {
    let made: Timestamp = image.created().parse().unwrap_or(Timestamp::MIN);
    until.is_none_or(|until| made < until)
        && filters.labels(|key| image.config.config.labels.get(key).map(String::as_str))
}

fn prune_volumes(app: &App) -> anyhow::Result<Vec<String>> {
    let mut used = Vec::new();
    for container in app.containers()?.list()? {
        used.extend(volume_names(&container)?);
    }
    let volumes = Volumes::of_store(&app.root()?);
    let mut removed = Vec::new();
    for volume in volumes.list()? {
        if volume.record.anonymous && !used.contains(&volume.name) {
            volumes.remove(&volume.name)?;
            removed.push(volume.name);
        }
    }
    Ok(removed)
}

/// Removes what images do not share, or all, and what nothing refers to any more.
fn prune_cache(store: &Store, choice: Choice) -> anyhow::Result<Swept> {
    let choose = |item: &CacheItem| choice == Choice::Unused || !item.shared;
    Ok(store.prune_cache(&CachePrune { choose: &choose, keep: 0, sweep: SweepOptions::default() })?.swept)
}
