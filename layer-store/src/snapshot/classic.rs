//! Mounting an overlay by `mount(2)`, for kernels before 6.7 and stacks that do not fit one option of `fsconfig`.
//!
//! All options together take a page here, which is enough for some 200 layers. The mount has a path for a moment.

use std::ffi::CString;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::CWD;
use rustix::io::Errno;
use rustix::mount::{MountFlags, OpenTreeFlags, UnmountFlags};

use super::overlay::{Failure, Lower, Style, Upper, at, escaped};
use crate::Result;

/// The kernel takes one page of options, with a zero at the end.
const MAX_OPTIONS: usize = 4095;

/// Mounts on the empty directory `point` and takes the mount off it. `lowers` come lowest first.
pub(super) fn mount(
    lowers: &[PathBuf],
    upper: Option<Upper<'_>>,
    (style, point): (Style, &Path),
) -> Result<OwnedFd, Failure> {
    let open = |path: &Path| Lower::open_short(path).map_err(|_| ("open", Errno::NOENT));
    let lowers = lowers.iter().rev().map(|path| open(path)).collect::<Result<Vec<_>, _>>()?;
    let list = lowers.iter().map(|lower| escaped(&lower.path)).collect::<Vec<_>>().join(&b':');
    let mut options = vec![[b"lowerdir=", &list[..]].concat()];
    let mut handles = Vec::new();
    if let Some(upper) = upper {
        for (key, path) in [("upperdir=", upper.upper), ("workdir=", upper.work)] {
            let handle = open(path)?;
            options.push([key.as_bytes(), &handle.path].concat());
            handles.push(handle);
        }
    }
    options.extend(style.flags(upper).iter().map(|flag| flag.as_bytes().to_vec()));
    options.extend(style.switched_off().iter().map(|key| format!("{key}=off").into_bytes()));
    let options = CString::new(options.join(&b',')).map_err(|_| ("options", Errno::INVAL))?;
    if options.count_bytes() > MAX_OPTIONS {
        return Err(("options", Errno::TOOBIG));
    }
    let flags = if upper.is_some() { MountFlags::empty() } else { MountFlags::RDONLY };
    rustix::mount::mount(c"dhow", point, c"overlay", flags, Some(options.as_c_str())).map_err(at("mount"))?;
    let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let mount = rustix::mount::open_tree(CWD, point, clone).map_err(at("open_tree"));
    rustix::mount::unmount(point, UnmountFlags::DETACH).map_err(at("umount"))?;
    mount
}
