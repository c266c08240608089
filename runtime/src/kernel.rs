//! Whether the kernel has what a sandbox is made with.

use rustix::system::uname;

use crate::error::{Error, Result};

/// The first Linux with all system calls of a sandbox; the last one to come was `mount_setattr(2)`.
const OLDEST: (u32, u32) = (5, 12);

/// Says it before anything else fails for it.
///
/// # Errors
/// [`Error::KernelTooOld`].
pub(crate) fn check() -> Result<()> {
    let name = uname();
    let release = name.release().to_string_lossy();
    // A release without a number is some other system's: its calls will tell.
    match version(&release) {
        Some(found) if found < OLDEST => Err(Error::KernelTooOld { release: release.into_owned(), oldest: OLDEST }),
        _ => Ok(()),
    }
}

/// `5.10.0-32-cloud-amd64` is 5.10.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{OLDEST, check, version};

    #[test]
    fn versions() {
        for (release, expected) in [
            ("5.10.0-32-cloud-amd64", Some((5, 10))),
            ("6.1.0", Some((6, 1))),
            ("6.12.94+deb13", Some((6, 12))),
            ("10.0-rc1", Some((10, 0))),
            ("gvisor", None),
            ("", None),
        ] {
            assert_eq!(version(release), expected, "{release}");
        }
        assert!(version("5.4.0-150-generic").unwrap() < OLDEST && version("5.14.0-70.el9").unwrap() > OLDEST);
        check().unwrap();
    }
}
