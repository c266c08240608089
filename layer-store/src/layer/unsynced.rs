//! Files of layers that may not have reached the disk, as nobody waited for it.
//!
//! A build makes dozens of layers, and waiting for the disk after each would take longer than the steps themselves. Such
//! a layer has a file `unsynced` beside its files, with the id of the kernel's boot. Within the same boot nothing can be
//! lost; after another boot the layer is only used once its files were found to have the diff id, or were unpacked
//! again. The kernel writes in the order of the journal, so a layer's directory never reaches the disk without the marker.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::OnceLock;
use std::time::Duration;

use crate::{Error, Result, Store};

const MARKER: &str = "unsynced";

/// After this time the kernel has written what it was given (30 s), if it is not busy.
const SETTLED: Duration = Duration::from_secs(60);

/// With no more than this to be written in the whole machine, in KiB, waiting for the disk costs next to nothing.
const IDLE: u64 = 16 * 1024;

/// What is known of a layer's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// They are on the disk.
    Synced,
    /// They are in memory or on the disk.
    SinceThisBoot,
    /// They are on the disk very probably, and it costs little to make sure.
    Settled,
    /// The machine was started again before anybody made sure that they are on the disk.
    Doubtful,
}

impl Store {
    /// Notes that the files in `layer` are not synced. Does not wait for the disk itself.
    pub(crate) fn mark_unsynced(&self, layer: &Path) -> Result<()> {
        let boot = boot_id()?;
        let name = format!("{MARKER}-{}", String::from_utf8_lossy(boot).trim());
        self.link_template(&name, boot, &layer.join(MARKER))
    }
}

pub(crate) fn is_marked(layer: &Path) -> bool {
    layer.join(MARKER).exists()
}

pub(super) fn state(layer: &Path) -> Result<State> {
    let path = layer.join(MARKER);
    let marked = match fs::read(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(State::Synced),
        other => other.map_err(Error::io("read", &path))?,
    };
    if marked != *boot_id()? {
        return Ok(State::Doubtful);
    }
    // The marker is shared; the directory is as old as the last change to what is in it.
    let age = fs::metadata(layer).and_then(|metadata| metadata.modified()).map(|time| time.elapsed());
    let settled = matches!(age, Ok(Ok(age)) if age > SETTLED) && is_idle();
    Ok(if settled { State::Settled } else { State::SinceThisBoot })
}

/// Whether the kernel has next to nothing to write.
fn is_idle() -> bool {
    let waiting = |line: &str| -> Option<u64> {
        let value = line.strip_prefix("Dirty:").or(line.strip_prefix("Writeback:"))?;
        value.trim().strip_suffix(" kB")?.trim().parse().ok()
    };
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let found: Vec<u64> = text.lines().filter_map(waiting).collect();
    found.len() == 2 && found.iter().sum::<u64>() < IDLE
}

/// Waits for the disk, and takes the marker away.
pub(super) fn sync(layer: &Path) -> Result<()> {
    let handle = File::open(layer).map_err(Error::io("open", layer))?;
    rustix::fs::syncfs(&handle).map_err(Error::io("sync", layer))?;
    clear(layer)
}

/// Takes the marker away from files that are on the disk.
pub(super) fn clear(layer: &Path) -> Result<()> {
    match fs::remove_file(layer.join(MARKER)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("update", layer)(error)),
        _ => File::open(layer).and_then(|handle| handle.sync_all()).map_err(Error::io("sync", layer)),
    }
}

/// Names this boot of the kernel.
fn boot_id() -> Result<&'static Vec<u8>> {
    static BOOT_ID: OnceLock<Vec<u8>> = OnceLock::new();
    if let Some(known) = BOOT_ID.get() {
        return Ok(known);
    }
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let read = fs::read(path).map_err(Error::io("read", path))?;
    Ok(BOOT_ID.get_or_init(|| read))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    use super::{MARKER, State, boot_id, state, sync};

    #[test]
    fn doubt_comes_with_another_boot_and_goes_with_a_sync() {
        let layer = tempfile::tempdir().unwrap();
        let path = layer.path();
        assert_eq!(state(path).unwrap(), State::Synced);
        fs::write(path.join(MARKER), boot_id().unwrap()).unwrap();
        assert_eq!(state(path).unwrap(), State::SinceThisBoot);
        let old = SystemTime::now() - Duration::from_secs(100);
        File::open(path).unwrap().set_modified(old).unwrap();
        // With a busy disk it does not pay to make sure.
        assert!(matches!(state(path).unwrap(), State::Settled | State::SinceThisBoot));
        fs::write(path.join(MARKER), "another boot").unwrap();
        assert_eq!(state(path).unwrap(), State::Doubtful);
        // What a power failure may leave of the marker.
        fs::write(path.join(MARKER), "").unwrap();
        assert_eq!(state(path).unwrap(), State::Doubtful);
        sync(path).unwrap();
        assert_eq!(state(path).unwrap(), State::Synced);
    }
}
