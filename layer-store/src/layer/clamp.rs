//! A layer whose files are not later than a given moment, as reproducible builds want it (`SOURCE_DATE_EPOCH`).
//!
//! The layer itself stays as it is: steps and caches go on with the real times.

use std::io::{self, Write};

use super::{pack_until, pipe};
use crate::layer_entry::LayerEntry;
use crate::layer_id::LayerId;
use crate::oci::{Compression, DiffId, DigestWriter, MediaType};
use crate::root::{Dir, FileKind};
use crate::{Compressor, Error, Layer, PipeReader, Result};

impl Layer {
    /// The layer with no time later than `latest`, in seconds since 1970: this one if it has none, else another one
    /// that is only there as a blob in the form `compression`.
    ///
    /// # Errors
    /// A file of the layer cannot be read or packed, or the blob cannot be written.
    pub fn clamped(&self, latest: i64, compression: Compression) -> Result<Layer> {
        let root = self.open_files()?;
        if !is_later(root.dir(), latest).map_err(Error::io("read the times in", &self.path()))? {
            return Ok(self.clone());
        }
        let failed = || Error::stream("compress the layer");
        let compressor = Compressor::new(self.store().blob_writer()?, compression).map_err(failed())?;
        let packed = pack_until(&root, DigestWriter::new(compressor), Some(latest))?;
        let (compressor, digest, size) = packed.finish();
        let blob = compressor.finish().map_err(failed())?.commit(MediaType::oci_layer(compression))?;
        let diff_id = DiffId(digest);
        if let Some(known) = self.store().layer_by_diff_id(&diff_id)? {
            return Ok(known);
        }
        let entry = LayerEntry { diff_id: Some(diff_id), size: Some(size), blobs: vec![blob], ..LayerEntry::default() };
        self.store().publish_layer(&LayerId::random()?, &self.store().staging()?, &entry)
    }

    /// The canonical tar of the layer's files, with no time later than `latest`.
    pub(crate) fn tar_until(&self, latest: Option<i64>) -> Result<PipeReader> {
        let root = self.open_files()?;
        let produce = move |out: pipe::PipeWriter| {
            pack_until(&root, out, latest)?.flush().map_err(Error::stream("write the layer's tar"))
        };
        pipe::spawn("pack", produce)
    }
}

/// Whether anything below `dir` has a time later than `latest`.
fn is_later(dir: &Dir, latest: i64) -> io::Result<bool> {
    for name in dir.names()? {
        let metadata = dir.stat(&name)?;
        if metadata.kind.is_whiteout() {
            continue;
        }
        let is_directory = metadata.kind == FileKind::Directory;
        if metadata.mtime.seconds > latest || (is_directory && is_later(&dir.open_dir(&name)?, latest)?) {
            return Ok(true);
        }
    }
    Ok(false)
}
