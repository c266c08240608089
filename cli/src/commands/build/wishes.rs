//! What a build is asked for besides an image, checked before it begins.

use std::io::IsTerminal;

use dhow_layer_store::oci::Reference;

use super::output::Outputs;
use super::platforms;
use crate::app::App;
use crate::args::{BuildArgs, OnErrorKind};
use crate::commands::tag::new_name;
use crate::format::human;
use crate::output;
use crate::problem::Problem;
use crate::ui::Mode;
use crate::wiring::Budget;

/// What was typed, as values.
pub(super) struct Wishes {
    /// `--tag`.
    pub(super) names: Vec<Reference>,
    /// `--output` and its kin.
    pub(super) outputs: Outputs,
    /// How progress is shown.
    pub(super) mode: Mode,
    /// `--keep-storage`.
    pub(super) budget: Budget,
    /// `--size-limit` in bytes.
    pub(super) size_limit: Option<u64>,
}

impl Wishes {
    /// What the command line asks for.
    ///
    /// # Errors
    /// Something that cannot be had.
    pub(super) fn new(app: &App, args: &BuildArgs) -> anyhow::Result<Self> {
        let names = args.tags.iter().map(|name| new_name(name)).collect::<Result<Vec<_>, _>>()?;
        let platforms = platforms::typed(args)?;
        let outputs = Outputs::new(args, &platforms)?;
        outputs.check_names(&names)?;
        let mode = Mode::of_build(args.quiet, args.progress, &app.environment)?;
        if args.load && mode != Mode::Quiet {
            output::say("`--load` has nothing to do: what dhow builds is in its store already");
        }
        if args.on_error == OnErrorKind::Shell && !std::io::stdin().is_terminal() {
            return Err(no_terminal().into());
        }
        let size = |text: &String| {
            human::parse_shown_size(text)
                .ok_or_else(|| Problem::usage(format!("`{text}` is not a size")).hint("write 300m or 1.5g"))
        };
        Ok(Self {
            names,
            outputs,
            mode,
            budget: args.keep_storage.as_deref().map_or(Ok(Budget::default()), Budget::parse)?,
            size_limit: args.size_limit.as_ref().map(size).transpose()?,
        })
    }
}

/// A shell that nobody types into would end at once, or wait for ever.
fn no_terminal() -> Problem {
    Problem::usage("`--on-error=shell` needs a terminal on standard input")
        .hint("`--on-error=keep` keeps the files of the step that failed as an image")
}
