//! The content of a layer of the store in all its forms: files, tar, compressed blob, diff id.
//!
//! Each is made from another when it is first needed, and remembered. What a layer is called and which blobs it has is
//! in `layer_entry.rs`.

use std::fs;
use std::io::{self, Read, Write};
use std::ops::Deref;
use std::path::{Path, PathBuf};

use super::pipe::{self, PipeReader};
use super::unsynced::{self, State};
use super::{Compressor, Decompressor, HashSink, Whiteouts, pack, unpack};
use crate::blob::BlobReader;
use crate::durable;
use crate::oci::{Compression, Descriptor, DiffId, Digest, DigestWriter, MediaType};
use crate::root::Root;
use crate::snapshot::is_empty_dir;
use crate::{Error, Layer, Result, SnapshotView, Stack};

/// Annotation of a layer's blob that was compressed with a level that somebody asked for; never leaves the store.
const LEVEL: &str = "dhow.compression-level";

/// The level that was asked for when the blob was made.
pub(crate) fn level_of(blob: &Descriptor) -> Option<u32> {
    blob.annotations.get(LEVEL)?.parse().ok()
}

impl Layer {
    /// The directory with the layer's files, as an overlay's lower directory. It is unpacked if need be, once however
    /// many ask for it.
    ///
    /// # Errors
    /// There is no blob of the layer, it is damaged, or its tar is not the one of the diff id.
    pub fn fs(&self) -> Result<PathBuf> {
        let path = self.path().join("fs");
        if self.store().seen().parts.contains_key(self.id()) {
            return Ok(path);
        }
        let state = if path.is_dir() { Some(unsynced::state(&self.path())?) } else { None };
        if !matches!(state, Some(State::Synced | State::SinceThisBoot)) {
            let _lock = durable::lock_directory(&self.path())?;
            self.make_fs(&path)?;
        }
        Ok(path)
    }

    /// The directories that together are the layer, the lowest first: its own, over those of the layer that it lies on.
    ///
    /// # Errors
    /// As of [`fs`](Self::fs).
    pub fn parts(&self) -> Result<Vec<PathBuf>> {
        if let Some(known) = self.store().seen().parts.get(self.id()) {
            return Ok(known.clone());
        }
        let mut parts = match self.entry()?.onto {
            Some(onto) => self.store().layer(&onto)?.parts()?,
            None => Vec::new(),
        };
        parts.push(self.fs()?);
        self.store().seen().parts.insert(self.id().clone(), parts.clone());
        Ok(parts)
    }

    /// Whether the files were not lost when the machine failed, as far as they are not in a blob as well. Looks at them
    /// if there is doubt, once.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn survived(&self) -> Result<bool> {
        if let Some(onto) = self.entry()?.onto
            && !self.store().layer(&onto)?.survived()?
        {
            return Ok(false);
        }
        let state = unsynced::state(&self.path())?;
        if matches!(state, State::Synced | State::SinceThisBoot) || self.best_blob()?.is_some() {
            return Ok(true);
        }
        match self.fs() {
            Err(Error::LayerLost(_)) => Ok(false),
            other => other.map(|_| true),
        }
    }

    /// Makes sure that `path` holds the layer's files. The layer is locked.
    fn make_fs(&self, path: &Path) -> Result<()> {
        if !path.is_dir() {
            return self.unpack_blob();
        }
        match unsynced::state(&self.path())? {
            State::Synced | State::SinceThisBoot => Ok(()),
            State::Settled => unsynced::sync(&self.path()),
            State::Doubtful if self.best_blob()?.is_some() => {
                let staging = self.store().staging()?;
                fs::rename(path, staging.path().join("doubtful")).map_err(Error::io("remove", path))?;
                self.unpack_blob()
            }
            // Whether the files of two layers were lost, the diff id of both cannot tell.
            State::Doubtful if self.entry()?.onto.is_some() => Err(Error::LayerLost(self.id().to_string())),
            State::Doubtful => {
                let root = self.open_root(path)?;
                let (digest, _) = pack(&root, HashSink::new())?.finish();
                if self.known_diff_id()? != Some(DiffId(digest)) {
                    return Err(Error::LayerLost(self.id().to_string()));
                }
                unsynced::clear(&self.path())
            }
        }
    }

    /// Whether the files are there without unpacking.
    pub fn is_unpacked(&self) -> bool {
        self.store().seen().parts.contains_key(self.id()) || self.path().join("fs").is_dir()
    }

    /// Whether the layer changes nothing. Unpacks it.
    ///
    /// # Errors
    /// As of [`fs`](Self::fs).
    pub fn is_empty(&self) -> Result<bool> {
        self.parts()?.iter().try_fold(true, |empty, part| Ok(empty && is_empty_dir(part)?))
    }

    /// The digest of the uncompressed tar, computed if nobody needed it before.
    ///
    /// # Errors
    /// A file of the layer cannot be read, or cannot be part of a tar.
    pub fn diff_id(&self) -> Result<DiffId> {
        if let Some(known) = self.known_diff_id()? {
            return Ok(known);
        }
        let files = self.open_files()?;
        let (digest, size) = pack(&files, HashSink::new())?.finish();
        self.note_diff_id(DiffId(digest), size)?;
        Ok(DiffId(digest))
    }

    /// The uncompressed tar as a stream: that of a blob where there is one, as it was received.
    ///
    /// # Errors
    /// The blob cannot be opened. What is found wrong later is an error of the stream.
    pub fn tar(&self) -> Result<TarStream> {
        match self.best_blob()? {
            Some(blob) => {
                let blob = self.store().open_blob(&blob)?;
                let decompressor = Decompressor::new(blob).map_err(Error::stream("read the layer's blob"))?;
                Ok(TarStream::Blob(Box::new(decompressor)))
            }
            None => {
                let root = self.open_files()?;
                let produce = move |out: pipe::PipeWriter| {
                    pack(&root, out)?.flush().map_err(Error::stream("write the layer's tar"))
                };
                pipe::spawn("pack", produce).map(TarStream::Packed)
            }
        }
    }

    /// A blob of the layer in the given form. It is made if there is none, and remembered.
    ///
    /// # Errors
    /// As of [`tar`](Self::tar), and where the blob cannot be written.
    pub fn compressed(&self, compression: Compression) -> Result<Descriptor> {
        self.compressed_at(compression, None)
    }

    /// The same with a level of the format's own; blobs of other levels do not count then.
    ///
    /// # Errors
    /// As of [`compressed`](Self::compressed).
    pub fn compressed_at(&self, compression: Compression, level: Option<u32>) -> Result<Descriptor> {
        let has_form =
            |blob: &&Descriptor| blob.media_type.layer_compression() == Some(compression) && level_of(blob) == level;
        if let Some(blob) = self.blobs()?.iter().find(has_form) {
            return Ok(blob.clone());
        }
        let mut tar = self.tar()?;
        let failed = || Error::stream("compress the layer");
        let compressor = Compressor::with_level(self.store().blob_writer()?, compression, level).map_err(failed())?;
        let mut writer = DigestWriter::new(compressor);
        copy(&mut tar, &mut writer).map_err(failed())?;
        let (compressor, digest, size) = writer.finish();
        let writer = compressor.finish().map_err(failed())?;
        self.expect_diff_id(digest, size)?;
        let mut blob = writer.commit(MediaType::oci_layer(compression))?;
        if let Some(level) = level {
            blob.annotations.insert(LEVEL.to_owned(), level.to_string());
        }
        self.update(|entry| {
            if !entry.blobs.iter().any(|known| known.digest == blob.digest) {
                entry.blobs.push(blob.clone());
            }
        })?;
        Ok(blob)
    }

    /// The blob that is read with the least effort.
    fn best_blob(&self) -> Result<Option<Descriptor>> {
        let effort = |blob: &Descriptor| match blob.media_type.layer_compression() {
            Some(Compression::None) => 0,
            Some(Compression::Zstd) => 1,
            _ => 2,
        };
        Ok(self.blobs()?.into_iter().min_by_key(effort))
    }

    /// Unpacks into a staging directory; decompressing and hashing run in a thread of their own.
    fn unpack_blob(&self) -> Result<()> {
        let missing = || {
            let known = self.entry().ok().and_then(|entry| entry.blobs.first().map(|blob| blob.digest));
            known.map_or_else(|| Error::LayerMissing(self.id().to_string()), Error::BlobMissing)
        };
        let blob = self.best_blob()?.ok_or_else(missing)?;
        let staging = self.store().staging()?;
        let fs = staging.path().join("fs");
        crate::snapshot::make_dir(&fs)?;
        let root = self.open_root(&fs)?;
        let source = self.store().open_blob(&blob)?;
        let (tar, hash) = pipe::spawn_hashed(source)?;
        unpack(tar, &root, Whiteouts::Overlay)?;
        let (digest, size) = hash.join()?;
        self.expect_diff_id(digest, size)?;
        self.store().mark_unsynced(&self.path())?;
        let target = self.path().join("fs");
        fs::rename(&fs, &target).map_err(Error::io("rename", &target))
    }

    /// Notes what the tar turned out to be, or refuses it.
    fn expect_diff_id(&self, digest: Digest, size: u64) -> Result<()> {
        match self.known_diff_id()? {
            Some(expected) if *expected.digest() != digest => {
                Err(Error::DigestMismatch { expected: *expected.digest(), actual: digest })
            }
            _ => self.note_diff_id(DiffId(digest), size),
        }
    }

    fn note_diff_id(&self, diff_id: DiffId, size: u64) -> Result<()> {
        self.update(|entry| {
            entry.diff_id = Some(diff_id);
            entry.size = Some(size);
        })
    }

    /// All files of the layer as one tree.
    pub(super) fn open_files(&self) -> Result<Files> {
        if let [only] = self.parts()?.as_slice() {
            return Ok(Files::One(self.open_root(only)?));
        }
        Ok(Files::Merged(self.store().view(&Stack(vec![self.id().clone()]))?))
    }

    fn open_root(&self, fs: &Path) -> Result<Root> {
        Root::open(fs)?.with_ownership(self.store().options().ownership).map_err(Error::io("open", fs))
    }
}

/// The files of a layer.
pub(super) enum Files {
    /// In one directory.
    One(Root),
    /// Of a layer that lies on another: kept as long as somebody reads.
    Merged(SnapshotView),
}

impl Deref for Files {
    type Target = Root;

    fn deref(&self) -> &Root {
        match self {
            Self::One(root) => root,
            Self::Merged(view) => view.root(),
        }
    }
}

/// The uncompressed tar of a layer.
#[derive(Debug)]
pub enum TarStream {
    /// Out of a blob, which is verified while it is read.
    Blob(Box<Decompressor<BlobReader>>),
    /// Packed from the layer's files by a thread.
    Packed(PipeReader),
}

impl Read for TarStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Blob(decompressor) => decompressor.read(buffer),
            Self::Packed(pipe) => pipe.read(buffer),
        }
    }
}

fn copy(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut buffer = vec![0; 256 * 1024];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => to.write_all(&buffer[..count])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
