//! `type=oci` and `type=docker` with a destination: the image in a file or a directory.

use std::io::Write;
use std::path::Path;

use dhow_layer_store::archive::{Export, Tables, export, export_dir};
use dhow_layer_store::oci::{Descriptor, Manifest, Raw};

use super::deliver::{Means, descriptor};
use super::spec::{Dest, Output};
use super::writer;
use crate::ui;
use crate::wiring::archive_events;

/// Writes the image as one tar.
pub(super) fn make(means: &Means<'_>, output: &Output, (tables, dest): (Tables, &Dest)) -> anyhow::Result<Descriptor> {
    let manifest = means.manifest(output)?;
    let progress = ui::Transfer::new(means.delivery.mode, "Writing layer");
    let what = what(means, output, (tables, &manifest));
    writer::write(means, dest, |out: &mut dyn Write| {
        Ok(export(&means.store, &what, out, &archive_events(&progress))?)
    })?;
    Ok(descriptor(&manifest))
}

/// Adds the image to a directory.
pub(super) fn make_layout(
    means: &Means<'_>,
    output: &Output,
    (tables, dest): (Tables, &Path),
) -> anyhow::Result<Descriptor> {
    let manifest = means.manifest(output)?;
    let progress = ui::Transfer::new(means.delivery.mode, "Writing layer");
    export_dir(&means.store, &what(means, output, (tables, &manifest)), dest, &archive_events(&progress))?;
    Ok(descriptor(&manifest))
}

fn what<'a>(means: &'a Means<'_>, output: &'a Output, (tables, manifest): (Tables, &'a Raw<Manifest>)) -> Export<'a> {
    Export {
        image: *means.delivery.image,
        manifest,
        names: means.names(output),
        annotations: &output.entry_annotations,
        tables,
    }
}
