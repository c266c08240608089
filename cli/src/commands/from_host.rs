//! `dhow image from-host`: makes an image of programs of this machine.

use std::ffi::OsStr;

use anyhow::Context;
use dhow_layer_store::Stack;
use dhow_layer_store::oci::{History, ImageConfig, MediaType, Platform, Raw};

use super::tag::new_name;
use crate::app::App;
use crate::args::FromHostArgs;
use crate::exit::Exit;
use crate::from_host;
use crate::output;

/// Where an image looks for programs.
const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs the command.
pub(crate) fn run(app: &App, args: &FromHostArgs) -> anyhow::Result<Exit> {
    let name = new_name(&args.tag)?;
    let path = app.environment.raw("PATH").unwrap_or(OsStr::new("/usr/bin:/bin"));
    let (tree, programs) = from_host::collect(&args.programs, &args.includes, path)?;
    let store = app.store()?;
    let snapshot = store.prepare(&Stack::default())?;
    let newest = from_host::write(&tree, snapshot.root())?;
    let layer = snapshot.commit()?;

    let mut config = ImageConfig::new(&Platform::host());
    // The newest program's time, so that the same programs give the same image.
    let created = jiff::Timestamp::from_second(newest).context("a program's time is out of range")?.to_string();
    config.created = Some(created.clone());
    config.config.env = vec![PATH.to_owned()];
    config.config.cmd = programs.first().map(|program| vec![program.to_string_lossy().into_owned()]);
    config.rootfs.diff_ids = vec![layer.diff_id()?];
    let words: Vec<_> = args.programs.iter().map(|program| program.to_string_lossy()).collect();
    let created_by = format!("dhow image from-host {}", words.join(" "));
    config.history = vec![History { created: Some(created), created_by: Some(created_by), ..History::default() }];

    let image = store.add_image(&Raw::create(config)?, MediaType::OciConfig, &[layer.id().clone()], None)?;
    store.tag(&name, &image, None)?;
    output::print(&format!("{image}\n"))?;
    Ok(Exit::Success)
}
