//! `--verify`: what differs between an image and the one that the same build makes a second time.
//!
//! Without `SOURCE_DATE_EPOCH` dates differ by nature, and are not compared.

use std::collections::BTreeMap;
use std::fmt;
use std::io;

use dhow_layer_store::oci::{Digest, DigestWriter, History, ImageConfig};
use dhow_layer_store::{EntryKind, Image, LayerId, Store, TarEntry, TarReader};

use crate::exit::Exit;
use crate::problem::Problem;

/// Whether dates count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dates {
    /// They have to be the same.
    Compare,
    /// They may differ.
    Ignore,
}

/// The first thing that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Difference {
    /// The number of layers.
    Layers(usize, usize),
    /// A file of a layer, counted from 0 in the image.
    File { layer: usize, path: String, what: &'static str },
    /// Something in the config.
    Config(String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Layers(first, second) => write!(f, "it has {second} layers and not {first}"),
            Self::File { path, what, .. } => write!(f, "`{path}` {what}"),
            Self::Config(what) => write!(f, "its config has another `{what}`"),
        }
    }
}

impl Difference {
    /// The error, with the instruction that made the layer where that is known.
    pub(super) fn problem(&self, made_by: Option<&str>) -> Problem {
        let by = made_by.map(|by| format!(", made by {by}")).unwrap_or_default();
        Problem::new(format!("built again, the image is another: {self}{by}"))
            .hint("look for times, random names and unpinned downloads in that step")
            .exit(Exit::Unmet)
    }
}

/// The first difference between two images of one store.
///
/// # Errors
/// A layer cannot be read.
pub(super) fn compare(
    store: &Store,
    (one, other): (&Image, &Image),
    dates: Dates,
) -> anyhow::Result<Option<Difference>> {
    if one.layers.len() != other.layers.len() {
        return Ok(Some(Difference::Layers(one.layers.len(), other.layers.len())));
    }
    for (at, (first, second)) in one.layers.iter().zip(&other.layers).enumerate() {
        if first == second || one.config.rootfs.diff_ids[at] == other.config.rootfs.diff_ids[at] {
            continue;
        }
        let (first, second) = (entries(store, first, dates)?, entries(store, second, dates)?);
        if let Some((path, what)) = first_difference(&first, &second) {
            return Ok(Some(Difference::File { layer: at, path, what }));
        }
    }
    Ok(config_difference(&one.config, &other.config, dates).map(Difference::Config))
}

/// What is known of an entry of a layer.
#[derive(Debug, PartialEq, Eq)]
struct Facts {
    entry: TarEntry,
    content: Digest,
}

fn entries(store: &Store, layer: &LayerId, dates: Dates) -> anyhow::Result<BTreeMap<Vec<u8>, Facts>> {
    let mut reader = TarReader::new(store.layer(layer)?.tar()?);
    let mut entries = BTreeMap::new();
    while let Some(mut entry) = reader.next_entry()? {
        let mut hash = DigestWriter::new(io::sink());
        io::copy(&mut reader, &mut hash)?;
        let (_, content, _) = hash.finish();
        if dates == Dates::Ignore {
            entry.mtime = dhow_layer_store::Timestamp::default();
        }
        entries.insert(entry.path.clone(), Facts { entry, content });
    }
    Ok(entries)
}

fn first_difference(
    first: &BTreeMap<Vec<u8>, Facts>,
    second: &BTreeMap<Vec<u8>, Facts>,
) -> Option<(String, &'static str)> {
    let shown = |path: &[u8]| format!("/{}", String::from_utf8_lossy(path));
    let differs = |(path, one): (&Vec<u8>, &Facts)| {
        let what = second.get(path).map_or(Some("is only there the first time"), |other| difference(one, other));
        what.map(|what| (path.clone(), what))
    };
    let changed = first.iter().find_map(differs);
    let added = second
        .keys()
        .find(|path| !first.contains_key(*path))
        .map(|path| (path.clone(), "is only there the second time"));
    changed.into_iter().chain(added).min().map(|(path, what)| (shown(&path), what))
}

fn difference(one: &Facts, other: &Facts) -> Option<&'static str> {
    let (a, b) = (&one.entry, &other.entry);
    if std::mem::discriminant(&a.kind) != std::mem::discriminant(&b.kind) {
        return Some("is of another kind");
    }
    if a.kind != b.kind {
        return Some(if matches!(a.kind, EntryKind::Symlink(_) | EntryKind::HardLink(_)) {
            "leads elsewhere"
        } else {
            "is another device"
        });
    }
    let checks = [
        (one.content != other.content, "has another content"),
        (a.mode != b.mode, "has another mode"),
        ((a.uid, a.gid) != (b.uid, b.gid), "has another owner"),
        (a.xattrs != b.xattrs, "has other extended attributes"),
        (a.mtime != b.mtime, "has another time"),
    ];
    checks.iter().find(|(differs, _)| *differs).map(|(_, what)| *what)
}

/// The first field of the configs that differs; layers have been compared already.
fn config_difference(one: &ImageConfig, other: &ImageConfig, dates: Dates) -> Option<String> {
    let plain = |config: &ImageConfig| {
        let mut config = config.clone();
        config.rootfs.diff_ids.clear();
        if dates == Dates::Ignore {
            config.created = None;
            config.history.iter_mut().for_each(|entry: &mut History| entry.created = None);
        }
        serde_json::to_value(config).unwrap_or_default()
    };
    let (one, other) = (plain(one), plain(other));
    let fields = one.as_object()?.keys().chain(other.as_object()?.keys());
    fields.into_iter().find(|field| one.get(*field) != other.get(*field)).cloned()
}

#[cfg(test)]
mod tests {
    use super::{Dates, Facts, config_difference, first_difference};
    use dhow_layer_store::oci::{Digest, ImageConfig};
    use dhow_layer_store::{EntryKind, TarEntry};
    use std::collections::BTreeMap;

    fn files(list: &[(&str, u32, &str)]) -> BTreeMap<Vec<u8>, Facts> {
        let facts = |(path, mode, content): &(&str, u32, &str)| {
            let entry = TarEntry::new(*path, EntryKind::Regular, *mode);
            (path.as_bytes().to_vec(), Facts { entry, content: Digest::of(content.as_bytes()) })
        };
        list.iter().map(facts).collect()
    }

    #[test]
    fn the_first_path_counts() {
        let one = files(&[("a", 0o644, "x"), ("b", 0o644, "x"), ("c", 0o644, "x")]);
        for (other, expected) in [
            (files(&[("a", 0o644, "x"), ("b", 0o644, "x"), ("c", 0o644, "x")]), None),
            (files(&[("a", 0o644, "x"), ("b", 0o644, "y"), ("c", 0o600, "x")]), Some(("/b", "has another content"))),
            (files(&[("a", 0o600, "x"), ("b", 0o644, "x"), ("c", 0o644, "x")]), Some(("/a", "has another mode"))),
            (files(&[("a", 0o644, "x"), ("c", 0o644, "x")]), Some(("/b", "is only there the first time"))),
            (files(&[("A", 0o644, "x"), ("a", 0o644, "y")]), Some(("/A", "is only there the second time"))),
        ] {
            let found = first_difference(&one, &other);
            assert_eq!(found.as_ref().map(|(path, what)| (path.as_str(), *what)), expected);
        }
    }

    #[test]
    fn dates_may_be_left_out() {
        let one = ImageConfig { created: Some("a".to_owned()), ..ImageConfig::default() };
        let other = ImageConfig { created: Some("b".to_owned()), ..ImageConfig::default() };
        assert_eq!(config_difference(&one, &other, Dates::Ignore), None);
        assert_eq!(config_difference(&one, &other, Dates::Compare).as_deref(), Some("created"));
    }
}
