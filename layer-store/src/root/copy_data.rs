//! Copying a file's bytes by the cheapest way that the file system has.

use std::fs::File;
use std::io::{self, Read, Write};

/// Up to this size a file is read and written at once: asking for a better way costs more, and there is little to share.
const SMALL: u64 = 64 * 1024;

/// Copies all bytes of `from`, read from its start, into the empty file `to`: large ones as shared blocks where the file
/// system can (reflink), else inside the kernel. Returns the number of bytes.
pub fn copy_data(from: &mut File, to: &mut File) -> io::Result<u64> {
    let size = from.metadata()?.len();
    if size <= SMALL {
        return copy_small(from, to, size as usize);
    }
    if rustix::fs::ioctl_ficlone(&*to, &*from).is_ok() {
        return Ok(size);
    }
    // The standard library uses copy_file_range, and falls back to reading and writing.
    io::copy(from, to)
}

fn copy_small(from: &mut File, to: &mut File, size: usize) -> io::Result<u64> {
    // One byte more than expected, to meet the end with the first read.
    let mut bytes = vec![0; size + 1];
    let mut filled = 0;
    while filled < bytes.len() {
        match from.read(&mut bytes[filled..])? {
            0 => break,
            count => filled += count,
        }
        // A read that gives less than was asked for has met the end.
        if filled == size && size > 0 {
            break;
        }
    }
    to.write_all(&bytes[..filled])?;
    // It has grown meanwhile.
    let rest = if filled > size { io::copy(from, to)? } else { 0 };
    Ok(filled as u64 + rest)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use super::{SMALL, copy_data};

    #[test]
    fn files_of_every_size_are_copied_whole() {
        let directory = tempfile::tempdir().unwrap();
        for size in [0, 1, 1000, SMALL - 1, SMALL, SMALL + 1, 3 * SMALL] {
            let (from, to) = (directory.path().join("from"), directory.path().join("to"));
            let content: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            fs::write(&from, &content).unwrap();
            let mut copy = File::create(&to).unwrap();
            assert_eq!(copy_data(&mut File::open(&from).unwrap(), &mut copy).unwrap(), size);
            assert_eq!(fs::read(&to).unwrap(), content);
        }
        // The kernel's own files say that they are empty.
        let mut copy = File::create(directory.path().join("to")).unwrap();
        assert!(copy_data(&mut File::open("/proc/version").unwrap(), &mut copy).unwrap() > 0);
    }
}
