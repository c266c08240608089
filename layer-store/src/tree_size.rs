//! How much disk files take: allocated blocks, so that a sparse file counts for what it holds.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::SystemTime;

/// What `st_blocks` counts in.
const BLOCK: u64 = 512;
/// Where the size of a directory that changes is noted, beside its files.
const NOTE: &str = "size";

/// Bytes on disk of one file.
pub(crate) fn file_size(metadata: &Metadata) -> u64 {
    metadata.blocks() * BLOCK
}

/// Bytes on disk of everything below `path`, each file once however many names it has. What cannot be read counts as
/// nothing.
pub(crate) fn tree_size(path: &Path) -> u64 {
    add_up(path, &mut HashSet::new())
}

fn add_up(path: &Path, seen: &mut HashSet<(u64, u64)>) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let mut sum = 0;
    for entry in entries.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.nlink() > 1 && !metadata.is_dir() && !seen.insert((metadata.dev(), metadata.ino())) {
            continue;
        }
        sum += file_size(&metadata);
        if metadata.is_dir() {
            sum += add_up(&entry.path(), seen);
        }
    }
    sum
}

/// The size of `directory` when it was last measured.
pub(crate) fn noted_size(directory: &Path) -> Option<u64> {
    fs::read_to_string(directory.join(NOTE)).ok()?.trim().parse().ok()
}

/// The size of `directory`, measured again only if it was used (at `last_used`) since it was noted.
pub(crate) fn measured_size(directory: &Path, last_used: SystemTime) -> u64 {
    let note = directory.join(NOTE);
    let is_current = fs::metadata(&note).and_then(|note| note.modified()).is_ok_and(|at| at > last_used);
    let noted = is_current.then(|| noted_size(directory)).flatten();
    noted.unwrap_or_else(|| {
        let size = tree_size(&directory.join("data"));
        // Without a note it is measured again the next time.
        let _ = fs::write(&note, size.to_string());
        size
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::time::{Duration, SystemTime};

    use super::{measured_size, tree_size};

    #[test]
    fn a_file_with_two_names_counts_once_and_holes_do_not() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("a"), vec![1; 8192]).unwrap();
        let one = tree_size(dir.path());
        assert!((8192..20_000).contains(&one), "{one}");
        fs::hard_link(dir.path().join("a"), dir.path().join("b")).unwrap();
        fs::File::create(dir.path().join("sparse")).unwrap().set_len(1 << 30).unwrap();
        assert_eq!(tree_size(dir.path()), one);
    }

    #[test]
    fn a_size_is_measured_after_a_use_and_then_remembered() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("data")).unwrap();
        let before = SystemTime::now() - Duration::from_secs(9);
        assert_eq!(measured_size(dir.path(), before), 0);
        fs::write(dir.path().join("data/a"), vec![1; 8192]).unwrap();
        assert_eq!(measured_size(dir.path(), before), 0);
        assert!(measured_size(dir.path(), SystemTime::now() + Duration::from_secs(9)) >= 8192);
    }
}
