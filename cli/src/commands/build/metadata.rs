//! `--iidfile` and `--metadata-file`, with BuildKit's keys; dhow's own begin with `dhow.`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use dhow_builder::BuildError;
use dhow_builder::source::SourceFile;
use dhow_layer_store::Store;
use dhow_layer_store::oci::ImageId;
use serde_json::{Value, json};

use super::error;
use super::output::Delivered;
use crate::args::BuildArgs;
use crate::random;

/// Writes what was built. Without a manifest the image's digest is that of its config, as it is for docker; images for
/// several platforms always have an index.
///
/// # Errors
/// A file cannot be written.
pub(super) fn write(
    args: &BuildArgs,
    images: &[ImageId],
    (store, delivered, steps): (&Store, &Delivered, Value),
) -> anyhow::Result<()> {
    if let Some(path) = &args.iidfile {
        write_file(path, &id(images, delivered))?;
    }
    let Some(path) = &args.metadata_file else { return Ok(()) };
    let names: Vec<String> = delivered.names.iter().map(ToString::to_string).collect();
    let mut metadata = json!({
        "buildx.build.ref": format!("dhow/dhow/{}", random::hex(13)?),
        "dhow.build.steps": steps,
        "image.name": names.join(","),
    });
    let descriptor = match (&delivered.manifest, images) {
        (Some(manifest), _) => Some(manifest.clone()),
        (None, [image]) => Some(store.image(image)?.config_descriptor),
        (None, _) => None,
    };
    if let [image] = images {
        metadata["containerimage.config.digest"] = json!(image.to_string());
    }
    if let Some(descriptor) = descriptor {
        metadata["containerimage.digest"] = json!(descriptor.digest.to_string());
        metadata["containerimage.descriptor"] = json!(descriptor);
    }
    write_file(path, &format!("{metadata:#}\n"))
}

/// What is told of the image alone: its id; of several, the digest of their index.
pub(super) fn id(images: &[ImageId], delivered: &Delivered) -> String {
    match (images, &delivered.manifest) {
        ([_, _, ..], Some(index)) => index.digest.to_string(),
        _ => images.first().map(ToString::to_string).unwrap_or_default(),
    }
}

/// Writes why there is no image.
///
/// # Errors
/// The file cannot be written.
pub(super) fn write_failure(args: &BuildArgs, error: &BuildError, dockerfile: &SourceFile) -> anyhow::Result<()> {
    let Some(path) = &args.metadata_file else { return Ok(()) };
    let failure = json!({ "dhow.build.error": error::facts(error, dockerfile) });
    write_file(path, &format!("{failure:#}\n"))
}

fn write_file(path: &Path, text: &str) -> anyhow::Result<()> {
    fs::write(path, text).with_context(|| format!("cannot write `{}`", path.display()))
}
