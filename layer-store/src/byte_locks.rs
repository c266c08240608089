//! Locks on single bytes of a file: `F_OFD_SETLK` of fcntl(2).
//!
//! They belong to the open file, so that they end with the process that opened it, however that ends, and two openings in one
//! process are as two processes. The byte need not exist; what it stands for is the caller's business. No file is made
//! or removed for a lock: on some file systems that takes longer than all else.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use crate::error::{Error, Result};

/// An opening of a file whose bytes are locked.
#[derive(Debug)]
pub struct ByteLocks {
    file: File,
    path: PathBuf,
}

impl ByteLocks {
    /// Opens the file `path`, which is made if there is none.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::options().create(true).truncate(false).read(true).write(true).open(path);
        Ok(Self { file: file.map_err(Error::io("open", path))?, path: path.to_owned() })
    }

    /// Locks the byte for this opening alone; whether that could be done at once.
    ///
    /// # Errors
    /// The file system has no locks.
    pub fn try_alone(&self, byte: u64) -> Result<bool> {
        let lock = self.request(libc::F_WRLCK, byte..byte + 1)?;
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&lock)) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(self.failed(errno)),
        }
    }

    /// Locks the byte together with whoever else shares it; waits while somebody has it alone.
    ///
    /// # Errors
    /// The file system has no locks.
    pub fn share(&self, byte: u64) -> Result<()> {
        let lock = self.request(libc::F_RDLCK, byte..byte + 1)?;
        loop {
            match fcntl(&self.file, FcntlArg::F_OFD_SETLKW(&lock)) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(self.failed(errno)),
            }
        }
    }

    /// Whether another opening has a lock on the byte.
    ///
    /// # Errors
    /// The file system has no locks.
    pub fn is_locked_elsewhere(&self, byte: u64) -> Result<bool> {
        let mut lock = self.request(libc::F_WRLCK, byte..byte + 1)?;
        fcntl(&self.file, FcntlArg::F_OFD_GETLK(&mut lock)).map_err(|errno| self.failed(errno))?;
        Ok(i32::from(lock.l_type) != libc::F_UNLCK)
    }

    /// Gives back the locks of this opening on the bytes.
    ///
    /// # Errors
    /// The file system has no locks.
    pub fn release(&self, bytes: Range<u64>) -> Result<()> {
        let lock = self.request(libc::F_UNLCK, bytes)?;
        fcntl(&self.file, FcntlArg::F_OFD_SETLK(&lock)).map(drop).map_err(|errno| self.failed(errno))
    }

    fn request(&self, kind: libc::c_int, bytes: Range<u64>) -> Result<libc::flock> {
        let offset = |byte: u64| libc::off_t::try_from(byte).map_err(|_| self.failed(Errno::EOVERFLOW));
        Ok(libc::flock {
            l_type: kind as libc::c_short,
            l_whence: libc::SEEK_SET as libc::c_short,
            l_start: offset(bytes.start)?,
            l_len: offset(bytes.end - bytes.start)?,
            l_pid: 0,
        })
    }

    fn failed(&self, errno: Errno) -> Error {
        Error::io::<io::Error>("lock", &self.path)(errno.into())
    }
}

#[cfg(test)]
mod tests {
    use super::ByteLocks;

    #[test]
    fn two_openings_share_a_byte_or_have_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = [0, 1].map(|_| ByteLocks::open(&dir.path().join("locks")).unwrap());
        let last = (1_u64 << 62) - 1;
        for byte in [0, 7, last] {
            one.share(byte).unwrap();
            other.share(byte).unwrap();
            assert!(one.is_locked_elsewhere(byte).unwrap());
            assert!(!one.try_alone(byte).unwrap(), "the other shares it");
            assert!(other.is_locked_elsewhere(byte).unwrap(), "a failed attempt gives nothing up");
            other.release(byte..byte + 1).unwrap();
            assert!(!one.is_locked_elsewhere(byte).unwrap());
            assert!(one.try_alone(byte).unwrap());
            assert!(!other.try_alone(byte).unwrap());
        }
        one.release(0..last).unwrap();
        assert!(other.try_alone(7).unwrap());
        assert!(!other.try_alone(last).unwrap());
        drop(one);
        assert!(other.try_alone(last).unwrap());
    }

    #[test]
    fn who_shares_waits_for_who_has_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = [0, 1].map(|_| ByteLocks::open(&dir.path().join("locks")).unwrap());
        assert!(one.try_alone(3).unwrap());
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| other.share(3).unwrap());
            std::thread::sleep(std::time::Duration::from_millis(30));
            assert!(!waiting.is_finished());
            one.release(3..4).unwrap();
            waiting.join().unwrap();
        });
        assert!(!one.try_alone(3).unwrap());
    }
}
