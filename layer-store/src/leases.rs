//! Leases: what this process uses and no sweep takes away meanwhile (docs/store-format.md, "Leases").
//!
//! A lease is a shared lock on one byte of the file `leases`, at a place that the name of the thing gives. It ends with the
//! process. Whoever needs a thing leases it first and looks for it then; a sweep removes a thing only while it has the
//! thing's byte alone. So what was found with a lease stays until the lease ends.
//!
//! Two things have the same byte with a chance of 2^-60: then one of them stays longer than it had to.

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::byte_locks::ByteLocks;
use crate::error::Result;
use crate::layer_id::LayerId;
use crate::oci::{Digest, ImageId};

/// How many bits of a name choose the byte.
const BITS: u32 = 60;
/// Hexadecimal digits of a name with so many bits.
const DIGITS: usize = 15;

/// The byte that stands for a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Leased(u64);

impl Leased {
    /// A layer: its directory, and the layers it lies on.
    pub(crate) fn layer(id: &LayerId) -> Self {
        Self(number(id.as_str()))
    }

    /// A blob, here or wanted: the file, and the note of where it was seen.
    pub(crate) fn blob(digest: &Digest) -> Self {
        Self(number(&digest.hex()) + (1 << BITS))
    }

    /// An image that somebody has made and may not have named yet.
    pub(crate) fn image(id: &ImageId) -> Self {
        Self(number(&id.digest().hex()) + (2 << BITS))
    }

    /// An image that somebody has looked up: it may be removed by name, but does not go by itself.
    pub(crate) fn image_in_use(id: &ImageId) -> Self {
        Self(number(&id.digest().hex()) + (3 << BITS))
    }
}

fn number(digits: &str) -> u64 {
    let first = digits.get(..DIGITS).unwrap_or(digits);
    u64::from_str_radix(first, 16).unwrap_or(0)
}

/// The leases of one open store.
#[derive(Debug)]
pub(crate) struct Leases {
    locks: ByteLocks,
    held: Mutex<HashSet<Leased>>,
}

impl Leases {
    /// No leases yet, in the file `path`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        Ok(Self { locks: ByteLocks::open(path)?, held: Mutex::default() })
    }

    /// Leases a thing. Waits while a sweep removes just this one; whether it is there is to be seen afterwards.
    pub(crate) fn take(&self, thing: Leased) -> Result<()> {
        let mut held = self.held();
        if !held.contains(&thing) {
            self.locks.share(thing.0)?;
            held.insert(thing);
        }
        Ok(())
    }

    /// Whether this store has leased the thing.
    pub(crate) fn is_held(&self, thing: Leased) -> bool {
        self.held().contains(&thing)
    }

    /// Whether another open store has leased the thing.
    pub(crate) fn is_held_elsewhere(&self, thing: Leased) -> Result<bool> {
        self.locks.is_locked_elsewhere(thing.0)
    }

    /// Whether another open store has made or looked up the image.
    pub(crate) fn is_image_held_elsewhere(&self, id: &ImageId) -> Result<bool> {
        Ok(self.is_held_elsewhere(Leased::image(id))? || self.is_held_elsewhere(Leased::image_in_use(id))?)
    }

    /// The right to remove a thing, unless another open store has leased it. An own lease of it ends.
    pub(crate) fn alone_with(&self, thing: Leased) -> Result<Option<Alone<'_>>> {
        let alone = self.locks.try_alone(thing.0)?;
        Ok(alone.then_some(Alone { leases: self, thing }))
    }

    /// Ends the own leases of layers and blobs. Those of images stay: they may get a name yet, or be sent somewhere.
    pub(crate) fn end_for_content(&self) -> Result<()> {
        let mut held = self.held();
        self.locks.release(0..2 << BITS)?;
        held.retain(|thing| thing.0 >= 2 << BITS);
        Ok(())
    }

    fn held(&self) -> MutexGuard<'_, HashSet<Leased>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to remove a thing: until dropped, whoever wants to lease it waits.
#[derive(Debug)]
pub(crate) struct Alone<'a> {
    leases: &'a Leases,
    thing: Leased,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        let mut held = self.leases.held();
        held.remove(&self.thing);
        // A lock that cannot be given back ends with the process.
        let _ = self.leases.locks.release(self.thing.0..self.thing.0 + 1);
    }
}

#[cfg(test)]
mod tests {
    use super::{Leased, Leases};
    use crate::oci::{Digest, ImageId};

    fn two() -> (tempfile::TempDir, Leases, Leases) {
        let dir = tempfile::tempdir().unwrap();
        let [one, other] = [0, 1].map(|_| Leases::open(&dir.path().join("leases")).unwrap());
        (dir, one, other)
    }

    #[test]
    fn what_is_leased_is_removed_by_nobody_else() {
        let (_dir, one, other) = two();
        let digest = Digest::of(b"thing");
        let things = [
            Leased::blob(&digest),
            Leased::image(&ImageId(digest)),
            Leased::layer(&digest.hex().parse().unwrap()),
            Leased::layer(&"f".parse().unwrap()),
        ];
        for (at, thing) in things.into_iter().enumerate() {
            one.take(thing).unwrap();
            assert!(other.alone_with(thing).unwrap().is_none());
            assert!(other.is_held_elsewhere(thing).unwrap() && !one.is_held_elsewhere(thing).unwrap());
            for later in &things[at + 1..] {
                assert!(other.alone_with(*later).unwrap().is_some(), "each has its own byte");
            }
        }
        one.end_for_content().unwrap();
        assert!(other.alone_with(things[0]).unwrap().is_some() && other.alone_with(things[2]).unwrap().is_some());
        assert!(other.alone_with(things[1]).unwrap().is_none() && one.is_held(things[1]));
    }

    #[test]
    fn an_own_lease_does_not_stand_in_the_way_and_ends() {
        let (_dir, one, other) = two();
        let thing = Leased::blob(&Digest::of(b"thing"));
        one.take(thing).unwrap();
        let alone = one.alone_with(thing).unwrap().unwrap();
        assert!(other.alone_with(thing).unwrap().is_none());
        drop(alone);
        assert!(!one.is_held(thing));
        other.take(thing).unwrap();
        assert!(one.alone_with(thing).unwrap().is_none());
    }
}
