//! How much disk the build cache may take, and keeping it there.

use dhow_layer_store::{CachePrune, Store, SweepOptions};

use crate::format::human;
use crate::problem::Problem;

/// A budget as it is typed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Budget {
    /// So many bytes.
    Bytes(u64),
    /// So many hundredths of the disk that the store is on.
    Percent(f64),
}

/// What a build did with the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BuildUse {
    /// It found everything.
    Read,
    /// It executed steps, which wrote so many bytes beside what is in cache mounts.
    Wrote(u64),
}

impl Default for Budget {
    fn default() -> Self {
        Self::Percent(20.0)
    }
}

impl Budget {
    /// `10g`, or `20%` of the disk.
    ///
    /// # Errors
    /// It is neither.
    pub(crate) fn parse(text: &str) -> Result<Self, Problem> {
        let percent = |text: &str| text.trim().parse().ok().filter(|part| (0.0..=100.0).contains(part));
        let found = match text.strip_suffix('%') {
            Some(part) => percent(part).map(Self::Percent),
            None => human::parse_size(text).map(Self::Bytes),
        };
        found.ok_or_else(|| {
            Problem::usage(format!("`{text}` is not a size for the build cache")).hint("write 10g, or 20% of the disk")
        })
    }

    /// In bytes, for the disk of `store`.
    ///
    /// # Errors
    /// The file system does not tell its size.
    pub(crate) fn bytes(self, store: &Store) -> anyhow::Result<u64> {
        let percent = match self {
            Self::Bytes(bytes) => return Ok(bytes),
            Self::Percent(percent) => percent,
        };
        let disk = rustix::fs::statvfs(store.root()).map_err(std::io::Error::from)?;
        Ok((disk.f_blocks as f64 * disk.f_frsize as f64 * percent / 100.0) as u64)
    }

    /// Removes what is over budget after `build`, least recently used first. What other processes use stays, and goes
    /// with one of the next builds.
    ///
    /// # Errors
    /// The store is damaged or cannot be written.
    pub(crate) fn enforce(self, store: &Store, build: BuildUse) -> anyhow::Result<()> {
        // A budget of 0 bytes means 0, not that nothing limits what is removed.
        let keep = self.bytes(store)?.max(1);
        let is_within = match build {
            BuildUse::Wrote(bytes) => store.is_cache_within(keep, bytes),
            BuildUse::Read => !store.is_cache_left_over(keep),
        };
        if !is_within {
            store.prune_cache(&CachePrune { choose: &|_| true, keep, sweep: SweepOptions::default() })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;

    #[test]
    fn budgets_are_sizes_or_parts_of_the_disk() {
        for (text, expected) in [
            ("10g", Some(Budget::Bytes(10 << 30))),
            ("0", Some(Budget::Bytes(0))),
            ("20%", Some(Budget::Percent(20.0))),
            ("101%", None),
            ("much", None),
        ] {
            assert_eq!(Budget::parse(text).ok(), expected, "{text}");
        }
    }
}
