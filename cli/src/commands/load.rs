//! `dhow load`: reads images from an archive.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::time::Duration;

use anyhow::Context;
use dhow_layer_store::archive::{self, Loaded};

use crate::app::App;
use crate::args::LoadArgs;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output;
use crate::problem::Problem;
use crate::ui::{self, Mode};
use crate::wiring::archive_events;

/// How long cleaning up may take after an interrupt.
const GRACE: Duration = Duration::from_secs(5);

/// Runs the command.
pub(crate) fn run(app: &App, args: &LoadArgs) -> anyhow::Result<Exit> {
    let input = open(args)?;
    let interrupt = Interrupt::watch(GRACE, || ())?;
    let store = app.store()?;
    let progress = ui::Transfer::new(Mode::unless_quiet(args.quiet), "Loading layer");
    let loaded = archive::load(&store, interrupt.stream(input), &archive_events(&progress));
    let from = args.input.as_ref().map_or("standard input".to_owned(), |path| format!("`{}`", path.display()));
    for image in interrupt.or(loaded).with_context(|| format!("cannot load images from {from}"))? {
        output::print(&lines(&image))?;
    }
    Ok(Exit::Success)
}

fn open(args: &LoadArgs) -> anyhow::Result<Box<dyn Read>> {
    match &args.input {
        Some(path) => {
            let file = File::open(path).with_context(|| format!("cannot open `{}`", path.display()))?;
            Ok(Box::new(file))
        }
        None if io::stdin().is_terminal() => Err(Problem::usage("standard input is a terminal, not an archive")
            .hint("name a file with `--input FILE`, or send one in with `<`")
            .into()),
        None => Ok(Box::new(io::stdin())),
    }
}

fn lines(image: &Loaded) -> String {
    match image.references.is_empty() {
        true => format!("Loaded image ID: {}\n", image.id),
        false => image.references.iter().map(|name| format!("Loaded image: {}\n", name.familiar())).collect(),
    }
}
