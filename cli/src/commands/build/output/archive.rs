//! `type=oci` and `type=docker` with a destination: the image, or those of all platforms, in a file or a directory.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use dhow_layer_store::archive::{Export, Tables, export, export_dir};
use dhow_layer_store::oci::Descriptor;

use super::deliver::Means;
use super::kind::Dest;
use super::packed::Packed;
use super::spec::Output;
use super::writer;
use crate::ui;
use crate::wiring::archive_events;

/// Writes the image as one tar.
pub(super) fn make(means: &Means<'_>, output: &Output, (tables, dest): (Tables, &Dest)) -> anyhow::Result<Descriptor> {
    let packed = means.packed(output)?;
    let annotations = entry_annotations(means, output, &packed)?;
    let progress = ui::Transfer::new(means.delivery.mode, "Writing layer");
    let what = Export { content: packed.content(), names: means.names(output), annotations: &annotations, tables };
    writer::write(means, dest, |out: &mut dyn Write| {
        Ok(export(&means.store, &what, out, &archive_events(&progress))?)
    })?;
    Ok(Descriptor { annotations, ..packed.descriptor() })
}

/// Adds the image to a directory.
pub(super) fn make_layout(
    means: &Means<'_>,
    output: &Output,
    (tables, dest): (Tables, &Path),
) -> anyhow::Result<Descriptor> {
    let packed = means.packed(output)?;
    let annotations = entry_annotations(means, output, &packed)?;
    let progress = ui::Transfer::new(means.delivery.mode, "Writing layer");
    let what = Export { content: packed.content(), names: means.names(output), annotations: &annotations, tables };
    export_dir(&means.store, &what, dest, &archive_events(&progress))?;
    Ok(Descriptor { annotations, ..packed.descriptor() })
}

/// Annotations of what `index.json` lists.
fn entry_annotations(means: &Means<'_>, output: &Output, packed: &Packed) -> anyhow::Result<BTreeMap<String, String>> {
    match packed {
        Packed::Index(_) => Ok(output.annotations.index_entry.clone()),
        Packed::Image(image, _) => Ok(output.annotations.of_entry(&means.store.image(image)?.config.platform())),
    }
}
