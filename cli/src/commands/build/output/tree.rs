//! `type=tar`: the image's files, without anything that makes them an image.

use std::io::{BufWriter, Write};

use anyhow::Context;
use dhow_layer_store::write_tree;

use super::deliver::Means;
use super::spec::Dest;
use super::writer;

const BUFFER: usize = 256 << 10;

/// Writes the tar.
pub(super) fn make(means: &Means<'_>, dest: &Dest) -> anyhow::Result<()> {
    let stack = means.store.image(means.delivery.image)?.stack();
    let view = means.store.view(&stack)?;
    writer::write(means, dest, |out: &mut dyn Write| {
        let mut out = write_tree(view.root(), BufWriter::with_capacity(BUFFER, out), None)?;
        out.flush().context("cannot write the tar")
    })
}
