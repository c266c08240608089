//! `type=tar`: the image's files, without anything that makes them an image; of several platforms each in a directory.

use std::io::{BufWriter, Write};

use anyhow::Context;
use dhow_layer_store::write_trees;

use super::deliver::Means;
use super::kind::Dest;
use super::spec::Output;
use super::writer;

const BUFFER: usize = 256 << 10;

/// Writes the tar.
pub(super) fn make(means: &Means<'_>, output: &Output, dest: &Dest) -> anyhow::Result<()> {
    let views = means.views(output)?;
    let trees: Vec<_> = views.iter().map(|(directory, view)| (directory.clone(), view.root())).collect();
    writer::write(means, dest, |out: &mut dyn Write| {
        let mut out = write_trees(&trees, means.delivery.epoch, BufWriter::with_capacity(BUFFER, out))?;
        out.flush().context("cannot write the tar")
    })
}
