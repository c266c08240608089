//! Digests of selected files: content and extended attributes of each, and of a whole selection.
//!
//! Files are read by several threads; those that the memory knows are not read at all.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dhow_layer_store::{FileId, FileKind, Metadata};

use crate::cache::Listing;
use crate::context::memory::{FileDigest, Reading};
use crate::context::select::{Entry, Match, Presence};
use crate::context::tree::SourceTree;
use crate::error::{BuildError, Result};

/// How much of a file is in memory at a time.
const BUFFER: usize = 256 * 1024;
/// Below this number of files to read, more threads cost more than they bring.
const FILES_PER_THREAD: usize = 64;
/// How many bytes are gathered before they are hashed.
const GATHERED: usize = 16 * 1024;

/// The digest of everything about `matches` that reaches the image: names, types, modes, owners, content, link
/// targets, extended attributes and hard links; never times. And the digest of each file by itself.
pub(crate) fn digest(tree: &SourceTree<'_>, matches: &[Match], threads: usize) -> Result<(String, Vec<FileDigest>)> {
    let files: Vec<(&Match, &Entry)> =
        matches.iter().flat_map(|found| found.entries.iter().map(move |entry| (found, entry))).collect();
    let digests = digest_files(tree, &files, threads)?;
    let mut gathered = Gathered::default();
    let mut links = Links::default();
    for ((found, entry), digest) in files.iter().zip(&digests) {
        if entry.path.as_os_str().is_empty() {
            links = Links::default();
            gathered.frame(b"match");
            gathered.frame(found.name.as_encoded_bytes());
        }
        gathered.entry(entry, links.earlier(entry));
        gathered.add(digest);
    }
    Ok((gathered.finish(), digests))
}

/// The files of `matches` with their digests, to tell later what changed.
pub(crate) fn listing(matches: &[Match], digests: &[FileDigest]) -> Listing {
    let mut listing = Listing::default();
    let files = matches.iter().flat_map(|found| found.entries.iter().map(move |entry| (found, entry)));
    for ((found, entry), digest) in files.zip(digests) {
        add_to_listing(&mut listing, found, entry, digest);
    }
    listing
}

fn add_to_listing(listing: &mut Listing, found: &Match, entry: &Entry, digest: &FileDigest) {
    let metadata = &entry.metadata;
    let path = found.real_path(entry).to_string_lossy().into_owned();
    let content = blake3::Hasher::new()
        .update(digest)
        .update(entry.target.as_ref().map_or(&[], |target| target.as_os_str().as_encoded_bytes()))
        .finalize();
    let kind = match metadata.kind {
        FileKind::Regular => "file",
        FileKind::Directory => "directory",
        FileKind::Symlink => "link",
        _ => "special",
    };
    let attributes = format!("{:o} {}:{}", metadata.mode, metadata.uid, metadata.gid);
    listing.add(path, format!("{} {kind}", &content.to_hex()[..32]), attributes);
}

/// The first names of files that have several.
#[derive(Debug, Default)]
struct Links<'a>(std::collections::HashMap<FileId, &'a Path>);

impl<'a> Links<'a> {
    /// The entry of the same match that is the same file, if there was one before.
    fn earlier(&mut self, entry: &'a Entry) -> Option<&'a Path> {
        if entry.metadata.links < 2 || entry.metadata.kind != FileKind::Regular {
            return None;
        }
        let first = *self.0.entry(entry.metadata.id).or_insert(&entry.path);
        (first != entry.path).then_some(first)
    }
}

/// A hash of many small pieces. They are gathered first: BLAKE3 is several times faster over long ones.
#[derive(Default)]
struct Gathered {
    hash: blake3::Hasher,
    bytes: Vec<u8>,
}

impl Gathered {
    fn add(&mut self, bytes: &[u8]) {
        if self.bytes.len() >= GATHERED {
            self.hash.update(&self.bytes);
            self.bytes.clear();
        }
        self.bytes.extend_from_slice(bytes);
    }

    fn frame(&mut self, bytes: &[u8]) {
        self.add(&(bytes.len() as u64).to_le_bytes());
        self.add(bytes);
    }

    fn entry(&mut self, entry: &Entry, link: Option<&Path>) {
        let metadata = &entry.metadata;
        self.frame(entry.path.as_os_str().as_encoded_bytes());
        let (kind, device) = match metadata.kind {
            FileKind::Regular => (b'f', None),
            FileKind::Directory => (b'd', None),
            FileKind::Symlink => (b'l', None),
            FileKind::CharDevice(device) => (b'c', Some(device)),
            FileKind::BlockDevice(device) => (b'b', Some(device)),
            FileKind::Fifo => (b'p', None),
            FileKind::Socket => (b's', None),
        };
        let device = device.map_or([0, 0], |device| [device.major, device.minor]);
        self.add(&[kind, u8::from(entry.presence == Presence::Selected)]);
        for number in [metadata.mode, metadata.uid, metadata.gid, device[0], device[1]] {
            self.add(&number.to_le_bytes());
        }
        self.frame(entry.target.as_ref().map_or(&[], |target| target.as_os_str().as_encoded_bytes()));
        self.frame(link.map_or(&[], |link| link.as_os_str().as_encoded_bytes()));
    }

    fn finish(mut self) -> String {
        self.hash.update(&self.bytes);
        self.hash.finalize().to_hex().to_string()
    }
}

fn frame(hash: &mut blake3::Hasher, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn digest_files(tree: &SourceTree<'_>, files: &[(&Match, &Entry)], threads: usize) -> Result<Vec<FileDigest>> {
    let known = |(_, entry): &(&Match, &Entry)| tree.memory.and_then(|memory| memory.recall(&entry.metadata));
    let mut digests: Vec<Option<FileDigest>> = files.iter().map(known).collect();
    let unknown: Vec<usize> = (0..files.len()).filter(|at| digests[*at].is_none()).collect();
    let threads = threads.min(unknown.len() / FILES_PER_THREAD + 1);
    let (next, found) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(unknown.len())));
    let work = || -> Result<()> {
        let mut buffer = vec![0; BUFFER];
        while let Some(at) = unknown.get(next.fetch_add(1, Ordering::Relaxed)) {
            let digest = digest_file(tree, files[*at], &mut buffer)?;
            found.lock().unwrap_or_else(PoisonError::into_inner).push((*at, digest));
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let first = work();
        let rest =
            others.into_iter().map(|other| other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        rest.fold(first, |result, next| result.and(next))
    })?;
    for (at, digest) in found.into_inner().unwrap_or_else(PoisonError::into_inner) {
        digests[at] = Some(digest);
    }
    Ok(digests.into_iter().map(Option::unwrap_or_default).collect())
}

/// The digest of one file's content and attributes; of other kinds than regular files, of the attributes alone.
fn digest_file(tree: &SourceTree<'_>, (found, entry): (&Match, &Entry), buffer: &mut [u8]) -> Result<FileDigest> {
    let path = found.real_path(entry);
    let mut hash = blake3::Hasher::new();
    let reading = Reading::begin();
    let mut size = entry.metadata.size;
    if entry.metadata.kind == FileKind::Regular {
        let mut file = tree.root.open_file(&path)?;
        size = read_all(&mut file, &mut hash, buffer).map_err(BuildError::io("read", &path))?;
    }
    add_xattrs(&mut hash, tree, &path)?;
    let digest = hash.finalize().into();
    let after = tree.root.stat(&path)?.map(|metadata| tree.owned(metadata));
    if size == entry.metadata.size && after.is_some_and(|after| is_same(&after, &entry.metadata)) {
        tree.memory.inspect(|memory| memory.learn(&entry.metadata, digest, reading));
    }
    Ok(digest)
}

fn is_same(a: &Metadata, b: &Metadata) -> bool {
    (a.id, a.size, a.mtime, a.ctime) == (b.id, b.size, b.mtime, b.ctime)
}

fn read_all(file: &mut File, hash: &mut blake3::Hasher, buffer: &mut [u8]) -> std::io::Result<u64> {
    let mut size = 0;
    loop {
        match file.read(buffer)? {
            0 => return Ok(size),
            count => {
                hash.update(&buffer[..count]);
                size += count as u64;
            }
        }
    }
}

fn add_xattrs(hash: &mut blake3::Hasher, tree: &SourceTree<'_>, path: &Path) -> Result<()> {
    for (name, value) in tree.root.xattrs(path)? {
        frame(hash, &name);
        frame(hash, &value);
    }
    Ok(())
}
