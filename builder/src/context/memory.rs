//! What the store remembers of a context's files, so that a build that changes nothing reads no file.
//!
//! One file a context, `contexts/<device>-<inode>`: the line `dhow-digests 2`, then records of 96 bytes (device, inode,
//! size, seconds and nanoseconds of mtime and ctime, the digest, all little endian) in the order of device and inode,
//! then the BLAKE3 of what precedes. A file that is damaged, or of another version, is as good as none. It is searched
//! as it was read: to fill a table takes longer than to look up each file of the context once.
//!
//! A file is known by device, inode, size, mtime and ctime. The kernel stamps files by a clock that stands still for
//! up to 10 ms, so a file that was changed twice within one tick looks alike both times. Hence the rule that version
//! control has for its index: what was changed shortly before it was read is not remembered.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use dhow_layer_store::{FileId, Metadata, Store, Timestamp};

use crate::error::{BuildError, Result};

const HEADER: &[u8] = b"dhow-digests 2\n";
const RECORD: usize = 96;
const DIGEST: usize = 32;
/// Twice the longest tick of the kernel's clock.
const TICK_NANOSECONDS: i128 = 20_000_000;
/// For file systems that keep whole seconds, or pairs of them.
const COARSE_NANOSECONDS: i128 = 2_000_000_000;
/// Beyond this many files the ones that a build did not meet are forgotten.
const CAPACITY: usize = 1 << 20;

/// The digest of a file's content and extended attributes.
pub(crate) type FileDigest = [u8; DIGEST];

/// What must be the same for a file to be taken for unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    size: u64,
    mtime: Timestamp,
    ctime: Timestamp,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { size: metadata.size, mtime: metadata.mtime, ctime: metadata.ctime }
    }
}

/// The digests of one context's files.
#[derive(Debug, Default)]
pub(crate) struct DigestMemory {
    known: Known,
    fresh: Mutex<HashMap<FileId, (Stamp, FileDigest)>>,
}

/// When a file was about to be read: the moment that decides whether its digest may be remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading(i128);

impl Reading {
    /// Now; to be taken before the file's metadata are read for the last time.
    pub(crate) fn begin() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(now.as_nanos() as i128)
    }

    fn is_settled(self, metadata: &Metadata) -> bool {
        let coarse = metadata.mtime.nanoseconds == 0 && metadata.ctime.nanoseconds == 0;
        let margin = if coarse { COARSE_NANOSECONDS } else { TICK_NANOSECONDS };
        nanoseconds(metadata.mtime.max(metadata.ctime)) + margin < self.0
    }
}

fn nanoseconds(time: Timestamp) -> i128 {
    i128::from(time.seconds) * 1_000_000_000 + i128::from(time.nanoseconds)
}

impl DigestMemory {
    /// What the store remembers of the context whose directory is `id`.
    pub(crate) fn load(store: &Store, id: FileId) -> Self {
        let path = file_of(store, id);
        let known = fs::read(&path).ok().and_then(Known::new).unwrap_or_default();
        if known.len() > 0 {
            // By its time the store knows which memory was not used for long. Another time does no harm.
            let _ = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        }
        Self { known, fresh: Mutex::default() }
    }

    /// The digest of the file with these metadata, if it is known and has not changed.
    pub(crate) fn recall(&self, metadata: &Metadata) -> Option<FileDigest> {
        let (stamp, digest) = self.known.get(metadata.id)?;
        (stamp == Stamp::of(metadata)).then_some(digest)
    }

    /// Remembers the digest of a file that was read after `reading` and had `metadata` before and after it.
    pub(crate) fn learn(&self, metadata: &Metadata, digest: FileDigest, reading: Reading) {
        if reading.is_settled(metadata) {
            let mut fresh = self.fresh.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            fresh.insert(metadata.id, (Stamp::of(metadata), digest));
        }
    }

    /// Writes what was learnt, if anything was. Two builds at once may each lose what the other learnt.
    pub(crate) fn save(&self, store: &Store, id: FileId) -> Result<()> {
        let fresh = std::mem::take(&mut *self.fresh.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if fresh.is_empty() {
            return Ok(());
        }
        let mut all = BTreeMap::new();
        if self.known.len() + fresh.len() <= CAPACITY {
            all.extend((0..self.known.len()).map(|at| self.known.record(at)));
        }
        all.extend(fresh);
        let path = file_of(store, id);
        let staging = store.staging()?;
        let staged = staging.path().join("digests");
        let write = || {
            fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
            fs::write(&staged, encode(&all))?;
            fs::rename(&staged, &path)
        };
        write().map_err(|source| BuildError::Io { action: "write", path: path.clone(), source })
    }
}

fn file_of(store: &Store, id: FileId) -> PathBuf {
    store.root().join("contexts").join(format!("{:x}-{:x}", id.device, id.inode))
}

fn encode(all: &BTreeMap<FileId, (Stamp, FileDigest)>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER.len() + all.len() * RECORD + DIGEST);
    bytes.extend_from_slice(HEADER);
    for (id, (stamp, digest)) in all {
        for number in [id.device, id.inode, stamp.size] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for time in [stamp.mtime, stamp.ctime] {
            bytes.extend_from_slice(&time.seconds.to_le_bytes());
            bytes.extend_from_slice(&u64::from(time.nanoseconds).to_le_bytes());
        }
        bytes.extend_from_slice(&[0; 8]);
        bytes.extend_from_slice(digest);
    }
    let check = blake3::hash(&bytes);
    bytes.extend_from_slice(check.as_bytes());
    bytes
}

/// The bytes of a memory that was written whole.
#[derive(Debug, Default)]
struct Known(Vec<u8>);

impl Known {
    fn new(bytes: Vec<u8>) -> Option<Self> {
        let (content, check) = bytes.split_at_checked(bytes.len().checked_sub(DIGEST)?)?;
        let records = content.strip_prefix(HEADER)?;
        let is_whole = blake3::hash(content).as_bytes() == check && records.len() % RECORD == 0;
        is_whole.then_some(Self(bytes))
    }

    fn len(&self) -> usize {
        self.0.len().saturating_sub(HEADER.len() + DIGEST) / RECORD
    }

    fn record(&self, at: usize) -> (FileId, (Stamp, FileDigest)) {
        decode_record(&self.0[HEADER.len() + at * RECORD..][..RECORD])
    }

    fn get(&self, id: FileId) -> Option<(Stamp, FileDigest)> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low.midpoint(high);
            let (found, value) = self.record(middle);
            match found.cmp(&id) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(value),
                Ordering::Greater => high = middle,
            }
        }
        None
    }
}

fn decode_record(record: &[u8]) -> (FileId, (Stamp, FileDigest)) {
    let number = |at: usize| {
        let mut field = [0; 8];
        field.copy_from_slice(&record[at * 8..at * 8 + 8]);
        u64::from_le_bytes(field)
    };
    let time = |at: usize| Timestamp { seconds: number(at) as i64, nanoseconds: number(at + 1) as u32 };
    let mut digest = [0; DIGEST];
    digest.copy_from_slice(&record[RECORD - DIGEST..]);
    let stamp = Stamp { size: number(2), mtime: time(3), ctime: time(5) };
    (FileId { device: number(0), inode: number(1) }, (stamp, digest))
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::{FileId, FileKind, Metadata, Store, StoreOptions, Timestamp};

    use super::{DigestMemory, Reading, nanoseconds};

    fn file(inode: u64, ctime: Timestamp) -> Metadata {
        Metadata {
            kind: FileKind::Regular,
            mode: 0o644,
            uid: 0,
            gid: 0,
            size: 5,
            mtime: Timestamp { seconds: 7, nanoseconds: 9 },
            ctime,
            id: FileId { device: 1, inode },
            links: 1,
        }
    }

    const THEN: Timestamp = Timestamp { seconds: 1000, nanoseconds: 5 };
    const CONTEXT: FileId = FileId { device: 3, inode: 4 };

    #[test]
    fn what_was_learnt_is_known_until_the_file_changes() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let memory = DigestMemory::load(&store, CONTEXT);
        memory.learn(&file(1, THEN), [1; 32], Reading::begin());
        memory.save(&store, CONTEXT).unwrap();

        let memory = DigestMemory::load(&store, CONTEXT);
        assert_eq!(memory.recall(&file(1, THEN)), Some([1; 32]));
        assert_eq!(memory.recall(&file(2, THEN)), None);
        assert_eq!(memory.recall(&file(1, Timestamp { seconds: 1000, nanoseconds: 6 })), None);
        assert_eq!(memory.recall(&Metadata { size: 6, ..file(1, THEN) }), None);
    }

    #[test]
    fn what_was_changed_just_before_it_was_read_is_not_remembered() {
        let tick = Timestamp { seconds: 1000, nanoseconds: 500_000_000 };
        let whole = Timestamp { seconds: 1000, nanoseconds: 0 };
        for (ctime, mtime, after, expected) in [
            (tick, tick, 0, false),
            (tick, tick, 19_000_000, false),
            (tick, tick, 21_000_000, true),
            (whole, whole, 1_900_000_000, false),
            (whole, whole, 2_100_000_000, true),
        ] {
            let metadata = Metadata { mtime, ..file(1, ctime) };
            assert_eq!(Reading(nanoseconds(ctime) + after).is_settled(&metadata), expected, "{ctime:?} {after}");
        }
    }

    #[test]
    fn a_damaged_memory_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), StoreOptions::default()).unwrap();
        let memory = DigestMemory::default();
        memory.learn(&file(1, THEN), [1; 32], Reading::begin());
        memory.save(&store, CONTEXT).unwrap();
        let path = super::file_of(&store, CONTEXT);
        let good = std::fs::read(&path).unwrap();
        for at in [0, 20, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            std::fs::write(&path, bad).unwrap();
            assert_eq!(DigestMemory::load(&store, CONTEXT).recall(&file(1, THEN)), None, "{at}");
        }
        std::fs::write(&path, &good[..good.len() - 40]).unwrap();
        assert_eq!(DigestMemory::load(&store, CONTEXT).recall(&file(1, THEN)), None);
    }
}
