//! History entries with the texts that Docker's builder gives them.

use dhow_layer_store::oci::{History, ImageConfig};

/// The note that the reference leaves in each entry.
const COMMENT: &str = "buildkit.dockerfile.v0";

/// Adds an entry for an instruction that made no layer.
pub(super) fn note(config: &mut ImageConfig, created_by: String) {
    push(config, created_by, true);
}

/// Adds an entry for an instruction that made a layer.
pub(super) fn layer(config: &mut ImageConfig, created_by: String) {
    push(config, created_by, false);
}

/// The mark of entries whose layer a command or copy made.
pub(super) fn marked(created_by: &str) -> String {
    format!("{created_by} # buildkit")
}

fn push(config: &mut ImageConfig, created_by: String, empty_layer: bool) {
    config.history.push(History {
        created: None,
        created_by: Some(created_by),
        author: None,
        comment: Some(COMMENT.to_owned()),
        empty_layer,
    });
}
