//! Files of layers that may not have reached the disk, as nobody waited for it.
//!
//! A build makes dozens of layers, and waiting for the disk after each would take longer than the steps themselves. Such
//! a layer has a file `unsynced` beside its files, with the id of the kernel's boot. Within the same boot nothing can be
//! lost; after another boot the layer is only used once its files were found to have the diff id, or were unpacked
//! again. The kernel writes in the order of the journal, so a layer's directory never reaches the disk without the marker.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

use crate::{Error, Result};

const MARKER: &str = "unsynced";

/// After this time the kernel has written what it was given (30 s), so that waiting for it costs next to nothing.
const SETTLED: Duration = Duration::from_secs(60);

/// What is known of a layer's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// They are on the disk.
    Synced,
    /// They are in memory or on the disk.
    SinceThisBoot,
    /// They are on the disk since very probably.
    Settled,
    /// The machine was started again before anybody made sure that they are on the disk.
    Doubtful,
}

/// Notes that the files in `layer` are not synced. Does not wait for the disk itself.
pub(crate) fn mark(layer: &Path) -> Result<()> {
    let path = layer.join(MARKER);
    fs::write(&path, boot_id()?).map_err(Error::io("write", &path))
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
    if marked != boot_id()? {
        return Ok(State::Doubtful);
    }
    let age = fs::metadata(&path).and_then(|metadata| metadata.modified()).map(|time| time.elapsed());
    Ok(if matches!(age, Ok(Ok(age)) if age > SETTLED) { State::Settled } else { State::SinceThisBoot })
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

fn boot_id() -> Result<Vec<u8>> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    fs::read(path).map_err(Error::io("read", path))
}
