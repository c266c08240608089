//! Extended attributes by path, without following a symbolic link at its end.

use std::ffi::CStr;
use std::fs::File;
use std::io;

use rustix::fs::XattrFlags;
use rustix::io::Errno;

use super::Xattr;

/// The kernel's limits: 64 KiB for a value and for the list of names.
const LIMIT: usize = 64 * 1024;

/// All attributes of a file, sorted by name; none where the file system has no attributes.
pub(crate) fn all(path: &CStr) -> io::Result<Vec<Xattr>> {
    collect(|buffer| rustix::fs::llistxattr(path, buffer), |name| get(path, name))
}

/// As [`all`], of an open file.
pub(crate) fn all_of(file: &File) -> io::Result<Vec<Xattr>> {
    let get = |name: &[u8]| grow(|buffer| rustix::fs::fgetxattr(file, name, buffer)).or_else(absent);
    collect(|buffer| rustix::fs::flistxattr(file, buffer), get)
}

pub(crate) fn get(path: &CStr, name: &[u8]) -> io::Result<Option<Vec<u8>>> {
    grow(|buffer| rustix::fs::lgetxattr(path, name, buffer)).or_else(absent)
}

pub(crate) fn set(path: &CStr, name: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::lsetxattr(path, name, value, XattrFlags::empty())?)
}

/// As [`set`], of an open file.
pub(crate) fn set_of(file: &File, name: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
}

/// Removes an attribute; that it is not there is fine.
pub(crate) fn remove(path: &CStr, name: &[u8]) -> io::Result<()> {
    match rustix::fs::lremovexattr(path, name) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn collect(
    list: impl FnMut(&mut [u8]) -> Result<usize, Errno>,
    get: impl Fn(&[u8]) -> io::Result<Option<Vec<u8>>>,
) -> io::Result<Vec<Xattr>> {
    let names = match grow(list) {
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        other => other?.unwrap_or_default(),
    };
    let mut found = Vec::new();
    for name in names.split(|byte| *byte == 0).filter(|name| !name.is_empty()) {
        if let Some(value) = get(name)? {
            found.push((name.to_vec(), value));
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Calls with a small buffer, and with the largest one if that was too small.
fn grow(mut call: impl FnMut(&mut [u8]) -> Result<usize, Errno>) -> Result<Option<Vec<u8>>, Errno> {
    let mut small = [0; 256];
    match call(&mut small) {
        Ok(0) => Ok(Some(Vec::new())),
        Ok(length) => Ok(Some(small[..length].to_vec())),
        Err(Errno::RANGE) => {
            let mut large = vec![0; LIMIT];
            let length = call(&mut large)?;
            large.truncate(length);
            Ok(Some(large))
        }
        Err(error) => Err(error),
    }
}

/// What says that there is no such attribute; PERM: `trusted.` names without the right to see them.
fn absent(error: Errno) -> io::Result<Option<Vec<u8>>> {
    match error {
        Errno::NODATA | Errno::OPNOTSUPP | Errno::PERM => Ok(None),
        error => Err(error.into()),
    }
}
