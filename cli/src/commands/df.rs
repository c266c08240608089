//! `dhow system df`: how much disk is in use, and how much could be had back.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::run::Volumes;
use crate::app::App;
use crate::args::DfArgs;
use crate::containers::{image_uses, volume_names};
use crate::exit::Exit;
use crate::format::{Listing, Style, human};
use crate::output;

/// Headers that are not just the field's name.
const HEADERS: &[(&str, &str)] = &[("TotalCount", "TOTAL")];
/// Docker's columns.
const COLUMNS: &str = "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}";

/// How many there are, how many are in use, and their sizes in bytes.
#[derive(Default)]
struct Sum {
    total: usize,
    active: usize,
    size: u64,
    reclaimable: u64,
}

/// Runs the command.
pub(crate) fn run(app: &App, args: &DfArgs) -> anyhow::Result<Exit> {
    let style = Style::parse(args.format.as_deref(), COLUMNS)?;
    let rows = vec![
        images(app)?.row("Images"),
        containers(app)?.row("Containers"),
        volumes(app)?.row("Local Volumes"),
        cache(app)?.row("Build Cache"),
    ];
    output::print(&Listing { headers: HEADERS, rows }.render(&style)?)?;
    Ok(Exit::Success)
}

impl Sum {
    fn add(&mut self, size: u64, active: bool) {
        self.total += 1;
        self.size += size;
        match active {
            true => self.active += 1,
            false => self.reclaimable += size,
        }
    }

    fn row(&self, kind: &str) -> Value {
        let percent = (self.reclaimable * 100).checked_div(self.size).unwrap_or(0);
        json!({
            "Active": self.active.to_string(),
            "Reclaimable": format!("{} ({percent}%)", human::size(self.reclaimable)),
            "Size": human::size(self.size),
            "TotalCount": self.total.to_string(),
            "Type": kind,
        })
    }
}

/// A layer that several images share counts once, for the first of those in use.
fn images(app: &App) -> anyhow::Result<Sum> {
    let store = app.store()?;
    let used: BTreeSet<_> = image_uses(app)?.into_iter().map(|used| used.image).collect();
    let mut images = store.images()?;
    images.sort_by_key(|image| !used.contains(&image.id));
    let (mut sum, mut seen) = (Sum::default(), BTreeSet::new());
    for image in images {
        let mut size = 0;
        for layer in image.layers.iter().filter(|layer| seen.insert((*layer).clone())) {
            size += store.layer_size(layer)?;
        }
        sum.add(size, used.contains(&image.id));
    }
    Ok(sum)
}

fn containers(app: &App) -> anyhow::Result<Sum> {
    let mut sum = Sum::default();
    for container in app.containers()?.list()? {
        sum.add(size_of(&container.directory().join("fs")), container.is_running());
    }
    Ok(sum)
}

fn volumes(app: &App) -> anyhow::Result<Sum> {
    let mut used = BTreeSet::new();
    for container in app.containers()?.list()? {
        used.extend(volume_names(&container)?);
    }
    let mut sum = Sum::default();
    for volume in Volumes::of_store(&app.root()?).list()? {
        sum.add(size_of(&volume.data()), used.contains(&volume.name));
    }
    Ok(sum)
}

/// A step is in use as long as an image has its layer; the layer is counted there.
fn cache(app: &App) -> anyhow::Result<Sum> {
    let usage = app.store()?.cache_usage()?;
    let mut sum = Sum::default();
    for item in &usage.items {
        let active = item.shared || item.in_use;
        sum.add(if item.shared { 0 } else { item.size }, active);
    }
    Ok(sum)
}

/// Bytes of the files below `path`; what cannot be read counts as nothing.
fn size_of(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_of(&entry.path()),
        Ok(metadata) if metadata.is_file() => metadata.len(),
        _ => 0,
    };
    entries.flatten().map(size).sum()
}
