//! How a layer says that something of the layers below is gone: file names in a tar (image-spec `layer.md#whiteouts`),
//! devices and attributes in an overlay's directories (kernel `filesystems/overlayfs`).

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::root::Dir;

const PREFIX: &[u8] = b".wh.";
const RESERVED: &[u8] = b".wh..wh.";
const OPAQUE: &[u8] = b".wh..wh..opq";

/// The overlay's marks of an opaque directory: of a mount with `userxattr`, and of one without.
const OPAQUE_ATTRIBUTES: [&[u8]; 2] = [b"user.overlay.opaque", b"trusted.overlay.opaque"];

/// What a name in a layer's tar means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Marker<'a> {
    /// No marker but a file.
    None,
    /// Hides the name in the layers below.
    Whiteout(&'a OsStr),
    /// Hides all that the layers below have in this directory.
    Opaque,
    /// Book-keeping of aufs, which is no part of the tree.
    Bookkeeping,
}

pub(crate) fn marker(name: &OsStr) -> Marker<'_> {
    match name.as_bytes() {
        OPAQUE => Marker::Opaque,
        bytes if bytes.starts_with(RESERVED) => Marker::Bookkeeping,
        bytes => bytes.strip_prefix(PREFIX).map_or(Marker::None, |hidden| Marker::Whiteout(OsStr::from_bytes(hidden))),
    }
}

/// The marker's name in a tar.
pub(crate) fn marker_name(marker: &Marker<'_>) -> OsString {
    match marker {
        Marker::Whiteout(hidden) => OsString::from_vec([PREFIX, hidden.as_bytes()].concat()),
        _ => OsStr::from_bytes(OPAQUE).to_owned(),
    }
}

/// Makes an overlay see nothing of the layers below in this directory.
///
/// Both marks are written where that is allowed, so that it does not matter how the layer will be mounted.
pub(crate) fn mark_opaque(dir: &Dir) -> io::Result<()> {
    let results = OPAQUE_ATTRIBUTES.map(|attribute| dir.set_xattr(OsStr::new("."), attribute, b"y"));
    let [user, trusted] = results;
    if trusted.is_ok() { Ok(()) } else { user }
}

pub(crate) fn is_opaque(dir: &Dir) -> io::Result<bool> {
    for attribute in OPAQUE_ATTRIBUTES {
        if dir.xattr(OsStr::new("."), attribute)?.is_some_and(|value| value == b"y") {
            return Ok(true);
        }
    }
    Ok(false)
}

pub(crate) fn clear_opaque(dir: &Dir) -> io::Result<()> {
    for attribute in OPAQUE_ATTRIBUTES {
        if dir.xattr(OsStr::new("."), attribute)?.is_some() {
            dir.remove_xattr(OsStr::new("."), attribute)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::{Marker, marker, marker_name};

    #[test]
    fn names_are_markers_or_files() {
        for (name, expected) in [
            ("file", Marker::None),
            (".wh", Marker::None),
            (".wh.", Marker::Whiteout(OsStr::new(""))),
            (".wh.file", Marker::Whiteout(OsStr::new("file"))),
            (".wh..hidden", Marker::Whiteout(OsStr::new(".hidden"))),
            (".wh..wh..opq", Marker::Opaque),
            (".wh..wh.plnk", Marker::Bookkeeping),
        ] {
            assert_eq!(marker(OsStr::new(name)), expected, "{name}");
            if matches!(expected, Marker::Whiteout(_) | Marker::Opaque) {
                assert_eq!(marker_name(&expected), name);
            }
        }
    }
}
