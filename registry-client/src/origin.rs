//! Notes on where blobs are known to be: `origins/<hex>` in the store, a line `registry/repository` each.
//!
//! They let a push take blobs over from another repository of the same registry, and let layers be fetched later. They
//! are hints: a registry may have lost the blob, and a lost note costs a transfer only.

use std::fs;
use std::io::{self, Write as _};
use std::path::PathBuf;

use dhow_layer_store::Store;
use dhow_layer_store::oci::Digest;

use crate::error::{Error, Result};

/// More places of one blob are of no use.
const MOST: usize = 16;

/// Notes that the blobs are in the repository `registry/repository`. Blocks.
pub(crate) fn note(store: &Store, blobs: &[Digest], place: &str) -> Result<()> {
    for blob in blobs {
        let mut places = of(store, blob)?;
        if places.first().is_some_and(|first| first == place) {
            continue;
        }
        places.retain(|known| known != place);
        places.insert(0, place.to_owned());
        places.truncate(MOST);
        write(store, blob, &(places.join("\n") + "\n"))?;
    }
    Ok(())
}

/// The places where the blob was seen, the latest first. Blocks.
pub(crate) fn of(store: &Store, blob: &Digest) -> Result<Vec<String>> {
    let path = path(store, blob);
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.lines().map(str::to_owned).collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(Error::Io { operation: "read", subject: path.display().to_string(), source }),
    }
}

/// The repositories of `registry` in which the blob was seen, other than `target`. Blocks.
pub(crate) fn in_registry(store: &Store, blob: &Digest, target: (&str, &str)) -> Result<Vec<String>> {
    let (registry, repository) = target;
    let prefix = format!("{registry}/");
    let places = of(store, blob)?;
    let names = places.iter().filter_map(|place| place.strip_prefix(&prefix));
    Ok(names.filter(|name| *name != repository).map(str::to_owned).collect())
}

fn path(store: &Store, blob: &Digest) -> PathBuf {
    store.root().join("origins").join(blob.hex())
}

fn write(store: &Store, blob: &Digest, text: &str) -> Result<()> {
    let path = path(store, blob);
    let staging = store.staging()?;
    let temporary = staging.path().join("origin");
    // Not synced: the note is a hint.
    let written = fs::File::create(&temporary)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| fs::create_dir_all(store.root().join("origins")))
        .and_then(|()| fs::rename(&temporary, &path));
    written.map_err(|source| Error::Io { operation: "write", subject: path.display().to_string(), source })
}
