//! `--chown`, and the user that a `WORKDIR` belongs to, in numbers.
//!
//! The reference's rules differ from those of `USER`: a number alone is the group as well, a name alone brings its
//! group from the passwd file, and a name that nobody has is root.

use std::io::Read;
use std::path::Path;

use dhow_layer_store::Root;

use crate::context::is_missing;
use crate::error::{BuildError, Result};

/// The largest account file that is read, in bytes.
const LARGEST_FILE: u64 = 10 << 20;

/// User and group ids of `spec` (`user[:group]`, names or numbers) by the account files under `root`.
///
/// # Errors
/// An account file is there and cannot be read.
pub(crate) fn resolve_owner(root: &Root, spec: &str) -> Result<(u32, u32)> {
    let (user, group) = spec.split_once(':').map_or((spec, None), |(user, group)| (user, Some(group)));
    let (uid, mut gid) = match number(user) {
        Some(id) => (id, id),
        None => look_up(root, "etc/passwd", user, |fields| {
            Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
        })?
        .unwrap_or((0, 0)),
    };
    if let Some(group) = group.filter(|group| !group.is_empty()) {
        gid = match number(group) {
            Some(id) => id,
            None => look_up(root, "etc/group", group, |fields| fields.get(2)?.parse().ok())?.unwrap_or(gid),
        };
    }
    Ok((uid, gid))
}

fn number(text: &str) -> Option<u32> {
    match text {
        "root" | "" => Some(0),
        _ => text.parse().ok().filter(|id| i32::try_from(*id).is_ok()),
    }
}

/// What `read` makes of the first line of the account file `path` that begins with `name`.
fn look_up<T>(root: &Root, path: &str, name: &str, read: impl Fn(&[&str]) -> Option<T>) -> Result<Option<T>> {
    let file = match root.open_file(Path::new(path)) {
        Err(error) if is_missing(&error) => return Ok(None),
        other => other?,
    };
    let mut bytes = Vec::new();
    file.take(LARGEST_FILE).read_to_end(&mut bytes).map_err(BuildError::io("read", path))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == name)
        .and_then(|fields| read(&fields)))
}

#[cfg(test)]
mod tests {
    use dhow_layer_store::Root;

    use super::resolve_owner;

    #[test]
    fn owners_are_found_as_the_reference_does() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("etc")).unwrap();
        std::fs::write(dir.path().join("etc/passwd"), "root:x:0:0::/root:\nalice:x:1000:1001::/:\n").unwrap();
        std::fs::write(dir.path().join("etc/group"), "root:x:0:\nstaff:x:50:alice\n").unwrap();
        let root = Root::open(dir.path()).unwrap();
        for (spec, expected) in [
            ("alice", (1000, 1001)),
            ("55", (55, 55)),
            ("55:staff", (55, 50)),
            ("alice:7", (1000, 7)),
            ("root", (0, 0)),
            ("nobody-here", (0, 0)),
            ("alice:nogroup", (1000, 1001)),
            (":staff", (0, 50)),
        ] {
            assert_eq!(resolve_owner(&root, spec).unwrap(), expected, "{spec}");
        }
        let empty = tempfile::tempdir().unwrap();
        assert_eq!(resolve_owner(&Root::open(empty.path()).unwrap(), "alice").unwrap(), (0, 0));
    }
}
