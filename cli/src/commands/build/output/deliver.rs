//! Brings a built image, or those of all platforms, to all outputs, several at once.

use std::thread;

use dhow_layer_store::Store;
use dhow_layer_store::oci::{Descriptor, ImageId, Reference};
use dhow_registry_client::ClientOptions;

use super::kind::Kind;
use super::spec::{Output, Outputs};
use super::{archive, image, local, tree};
use crate::app::App;
use crate::interrupt::Interrupt;
use crate::output;
use crate::problem::Problem;
use crate::ui::Mode;
use crate::wiring::{client_options, fetch_layers};

/// What is delivered.
#[derive(Clone, Copy)]
pub(in crate::commands::build) struct Delivery<'a> {
    /// The image, or one for each platform.
    pub(in crate::commands::build) images: &'a [ImageId],
    /// The names of `--tag`.
    pub(in crate::commands::build) names: &'a [Reference],
    /// The date that files get which leave without an image (`SOURCE_DATE_EPOCH`), in seconds since 1970.
    pub(in crate::commands::build) epoch: Option<i64>,
    /// How progress is shown.
    pub(in crate::commands::build) mode: Mode,
    /// Ends it early.
    pub(in crate::commands::build) interrupt: &'a Interrupt,
}

/// What came of it.
#[derive(Debug, Default)]
pub(in crate::commands::build) struct Delivered {
    /// The first manifest, or index, that was made of the image.
    pub(in crate::commands::build) manifest: Option<Descriptor>,
    /// The names that it has now, here or elsewhere.
    pub(in crate::commands::build) names: Vec<Reference>,
}

/// What an output is made with; shared by the threads that make them.
pub(super) struct Means<'a> {
    pub(super) store: Store,
    pub(super) client: ClientOptions,
    pub(super) delivery: Delivery<'a>,
    /// Standard output belongs to an output.
    stdout_is_taken: bool,
}

impl Means<'_> {
    /// The names of an output.
    pub(super) fn names<'a>(&'a self, output: &'a Output) -> &'a [Reference] {
        output.names.as_deref().unwrap_or(self.delivery.names)
    }

    /// Tells a result.
    ///
    /// # Errors
    /// Standard output is closed.
    pub(super) fn tell(&self, text: &str) -> anyhow::Result<()> {
        if self.stdout_is_taken {
            output::say(text);
            return Ok(());
        }
        output::println(text)
    }
}

impl Outputs {
    /// Checks that what is to be pushed has a name.
    ///
    /// # Errors
    /// It has none.
    pub(in crate::commands::build) fn check_names(&self, names: &[Reference]) -> Result<(), Problem> {
        let nameless = |output: &Output| {
            let pushes = matches!(&output.kind, Kind::Image(image) if image.push);
            pushes && output.names.as_deref().unwrap_or(names).is_empty()
        };
        match self.list.iter().any(nameless) {
            true => {
                Err(Problem::usage("there is no name to push the image under").hint("add `--tag REGISTRY/NAME:TAG`"))
            }
            false => Ok(()),
        }
    }
}

/// Makes all outputs.
///
/// # Errors
/// One of them fails; the others are made all the same, as far as they get.
pub(in crate::commands::build) fn deliver(
    app: &App,
    outputs: &Outputs,
    delivery: Delivery<'_>,
) -> anyhow::Result<Delivered> {
    let (store, client) = (app.store()?, client_options(app)?);
    let means = &Means { store, client, delivery, stdout_is_taken: outputs.use_stdout() };
    if outputs.list.iter().any(Output::needs_layers) {
        for image in delivery.images {
            fetch_layers(app, &means.store.image(image)?, delivery.mode)?;
        }
    }
    let results: Vec<anyhow::Result<Option<Descriptor>>> = thread::scope(|scope| {
        let (first, others) = outputs.list.split_first().map_or((None, &[][..]), |(first, rest)| (Some(first), rest));
        let others: Vec<_> = others.iter().map(|output| scope.spawn(move || make(means, output))).collect();
        let first = first.map(|output| make(means, output));
        let rest =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        first.into_iter().chain(rest).collect()
    });
    let mut delivered = Delivered::default();
    for (output, result) in outputs.list.iter().zip(results) {
        let manifest = result?;
        delivered.manifest = delivered.manifest.or(manifest);
        if matches!(output.kind, Kind::Image(_) | Kind::Archive { .. } | Kind::Layout { .. }) {
            delivered.names.extend(means.names(output).iter().cloned());
        }
    }
    delivered.names.dedup();
    Ok(delivered)
}

fn make(means: &Means<'_>, output: &Output) -> anyhow::Result<Option<Descriptor>> {
    match &output.kind {
        Kind::Image(image) => image::make(means, output, image),
        Kind::Archive { tables, dest } => archive::make(means, output, (*tables, dest)).map(Some),
        Kind::Layout { tables, dest } => archive::make_layout(means, output, (*tables, dest)).map(Some),
        Kind::Tar(dest) => tree::make(means, output, dest).map(|()| None),
        Kind::Local { dest, others } => local::make(means, output, (dest, *others)).map(|()| None),
        Kind::CacheOnly => Ok(None),
    }
}
