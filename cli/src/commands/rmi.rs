//! `dhow rmi`: removes names, and images with their last name.

use dhow_layer_store::{Force, Removed};

use super::each::each;
use crate::app::App;
use crate::args::RmiArgs;
use crate::containers;
use crate::exit::Exit;
use crate::output;
use crate::wiring::sweep;

/// Runs the command.
pub(crate) fn run(app: &App, args: &RmiArgs) -> anyhow::Result<Exit> {
    let store = app.store()?;
    let force = if args.force { Force::Yes } else { Force::No };
    let used = containers::image_uses(app)?;
    let exit = each(&args.images, |name| {
        for removed in store.remove(name, force, &used)? {
            output::println(&line(&removed))?;
        }
        Ok(())
    });
    sweep(&store)?;
    Ok(exit)
}

fn line(removed: &Removed) -> String {
    match removed {
        Removed::Untagged(name) => format!("Untagged: {}", name.familiar()),
        Removed::Deleted(id) => format!("Deleted: {id}"),
    }
}
