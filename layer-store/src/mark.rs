//! What somebody needs: everything that images, names, build records and containers lead to.
//!
//! What a running process has leased is no part of it; the sweep (`gc.rs`) asks for each thing when it would remove it.

use std::collections::HashSet;
use std::fs;

use crate::error::{Error, Result};
use crate::layer_id::LayerId;
use crate::oci::{Descriptor, Digest, Index, Manifest, ManifestKind};
use crate::refs::names_in;
use crate::store::Store;

/// All that somebody needs.
#[derive(Debug, Default)]
pub(crate) struct Marked {
    pub(crate) blobs: HashSet<Digest>,
    pub(crate) layers: HashSet<LayerId>,
}

impl Store {
    /// What images, names, records and containers need; the blobs of layers are not among it yet.
    pub(crate) fn mark(&self) -> Result<Marked> {
        let mut marked = Marked::default();
        for id in self.image_ids()? {
            let Some(record) = self.image_record(&id)? else { continue };
            marked.blobs.insert(record.config.digest);
            marked.layers.extend(record.layers);
            for manifest in &record.manifests {
                self.mark_document(manifest, &mut marked)?;
            }
        }
        for (_, target) in self.references()? {
            target.manifest.map_or(Ok(()), |manifest| self.mark_document(&manifest, &mut marked))?;
        }
        for listed in self.records()? {
            marked.layers.extend(listed.record.layer);
            marked.layers.extend(listed.record.stack.0);
        }
        marked.layers.extend(self.container_stacks()?.into_iter().flatten());
        self.add_layers_below(&mut marked.layers)?;
        Ok(marked)
    }

    /// Marks the blobs of all marked layers.
    pub(crate) fn mark_layer_blobs(&self, marked: &mut Marked) -> Result<()> {
        for id in &marked.layers {
            match self.unleased_layer(id).and_then(|layer| layer.entry()) {
                Ok(entry) => marked.blobs.extend(entry.blobs.iter().map(|blob| blob.digest)),
                Err(Error::LayerMissing(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Marks a manifest or an index, and what of its content is here.
    fn mark_document(&self, document: &Descriptor, marked: &mut Marked) -> Result<()> {
        if !marked.blobs.insert(document.digest) || !self.has_unleased_blob(&document.digest) {
            return Ok(());
        }
        let bytes = self.read_blob(document)?;
        let malformed = |source| Error::Malformed { what: "manifest", digest: document.digest, source };
        match ManifestKind::detect(&document.media_type, &bytes) {
            Some(ManifestKind::Index) => {
                let index: Index = serde_json::from_slice(&bytes).map_err(malformed)?;
                index.manifests.iter().try_for_each(|entry| self.mark_document(entry, marked))
            }
            Some(ManifestKind::Manifest) => {
                let manifest: Manifest = serde_json::from_slice(&bytes).map_err(malformed)?;
                marked.blobs.insert(manifest.config.digest);
                marked.blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
                Ok(())
            }
            Some(ManifestKind::Schema1) | None => Ok(()),
        }
    }

    /// The layers that each container stands on, by its file `layers`, which has one id a line.
    pub(crate) fn container_stacks(&self) -> Result<Vec<Vec<LayerId>>> {
        let mut stacks = Vec::new();
        let containers = self.path("containers");
        for name in names_in(&containers)? {
            let path = containers.join(name).join("layers");
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let ids = text.lines().map(str::parse).collect::<Result<_>>();
            stacks.push(ids.map_err(Error::damaged::<Error>(&path))?);
        }
        Ok(stacks)
    }
}
