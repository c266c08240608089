//! Extended attributes by path, without following a symbolic link at its end.

use std::ffi::CStr;
use std::io;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// The kernel's limits: 64 KiB for a value and for the list of names.
const LIMIT: usize = 64 * 1024;

/// All attributes of a file, sorted by name; none where the file system has no attributes.
pub(crate) fn all(path: &CStr) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut small = [0; 1024];
    let mut large = Vec::new();
    let names = match rustix::fs::llistxattr(path, &mut small[..]) {
        Ok(length) => &small[..length],
        Err(Errno::RANGE) => {
            large.resize(LIMIT, 0);
            let length = rustix::fs::llistxattr(path, large.as_mut_slice())?;
            &large[..length]
        }
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if let Some(value) = get(path, name)? {
            found.push((name.to_vec(), value));
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub(crate) fn get(path: &CStr, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut small = [0; 256];
    match rustix::fs::lgetxattr(path, name, &mut small[..]) {
        Ok(length) => Ok(Some(small[..length].to_vec())),
        Err(Errno::RANGE) => {
            let mut large = vec![0; LIMIT];
            let length = rustix::fs::lgetxattr(path, name, large.as_mut_slice())?;
            large.truncate(length);
            Ok(Some(large))
        }
        // PERM: `trusted.` names without the right to see them.
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

pub(crate) fn set(path: &CStr, name: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())?)
}

/// Removes an attribute; that it is not there is fine.
pub(crate) fn remove(path: &CStr, name: &[u8]) -> io::Result<()> {
    match rustix::fs::lremovexattr(path, name) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
