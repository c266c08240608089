//! Reads what `dhow save` wrote: the config, and the layers flattened into one tree of facts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::MultiGzDecoder;
use serde_json::Value;
use tar::Archive;

use crate::facts::{Facts, entry_facts, path_text};

/// A saved image.
pub(crate) struct SavedImage {
    pub(crate) config: Value,
    pub(crate) tree: Tree,
}

/// A flattened file system: path without the leading slash -> node; hard links share a node.
#[derive(Clone, Default)]
pub(crate) struct Tree {
    paths: BTreeMap<Vec<u8>, usize>,
    nodes: Vec<Facts>,
}

impl SavedImage {
    /// Reads the docker-archive view of `file`.
    pub(crate) fn read(file: &Path) -> Self {
        let members = members_of(file);
        let json = |name: &str| -> Value {
            let bytes = members.get(name).unwrap_or_else(|| panic!("no `{name}` in the archive"));
            serde_json::from_slice(bytes).unwrap_or_else(|e| panic!("`{name}`: {e}"))
        };
        let manifest = json("manifest.json")[0].clone();
        let config = json(manifest["Config"].as_str().expect("a Config"));
        let mut tree = Tree::default();
        for layer in manifest["Layers"].as_array().expect("Layers") {
            let bytes = &members[layer.as_str().expect("a layer's name")];
            tree.apply(&uncompressed(bytes));
        }
        Self { config, tree }
    }

    /// The list `history` of the config, empty where there is none.
    pub(crate) fn history(&self) -> Vec<Value> {
        list(&self.config["history"])
    }

    /// Whether this image was made on top of `base`: its layers and history come first.
    pub(crate) fn stands_on(&self, base: &SavedImage) -> bool {
        let starts = |whole: Vec<Value>, part: Vec<Value>| whole.starts_with(&part);
        starts(list(&self.config["rootfs"]["diff_ids"]), list(&base.config["rootfs"]["diff_ids"]))
            && starts(self.history(), base.history())
    }
}

fn list(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn members_of(file: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut archive = Archive::new(File::open(file).expect("the saved archive"));
    let mut members = BTreeMap::new();
    for entry in archive.entries().expect("a tar") {
        let mut entry = entry.expect("a tar entry");
        let name = String::from_utf8(entry.path_bytes().into_owned()).expect("an UTF-8 name");
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).expect("a whole entry");
        members.insert(name, bytes);
    }
    members
}

fn uncompressed(bytes: &[u8]) -> Vec<u8> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes.to_vec();
    }
    let mut plain = Vec::new();
    MultiGzDecoder::new(bytes).read_to_end(&mut plain).expect("whole gzip members");
    plain
}

/// A path as layers name it, without leading `./` and slashes at the ends.
fn clean(name: &[u8]) -> Vec<u8> {
    let name = name.strip_prefix(b"./").unwrap_or(name);
    let name = name.strip_prefix(b"/").unwrap_or(name);
    name.strip_suffix(b"/").unwrap_or(name).to_vec()
}

/// The folder of `path` and its last name.
fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (b"", path),
    }
}

fn join(folder: &[u8], name: &[u8]) -> Vec<u8> {
    if folder.is_empty() {
        return name.to_vec();
    }
    [folder, b"/", name].concat()
}

impl Tree {
    /// Applies one uncompressed layer: whiteouts first, as they speak of the layers below.
    fn apply(&mut self, layer: &[u8]) {
        let mut seen = BTreeSet::new();
        for entry in Archive::new(layer).entries().expect("a layer's tar") {
            let entry = entry.expect("a layer's entry");
            let path = clean(&entry.path_bytes());
            assert!(seen.insert(path.clone()), "a layer has `{}` twice", path_text(&path));
            self.apply_whiteout(&path);
        }
        for entry in Archive::new(layer).entries().expect("a layer's tar") {
            let mut entry = entry.expect("a layer's entry");
            let path = clean(&entry.path_bytes());
            if path.is_empty() || path == b"." || split(&path).1.starts_with(b".wh.") {
                continue;
            }
            let link = entry.header().entry_type().is_hard_link();
            if link {
                let target = clean(&entry.link_name_bytes().expect("a link's target"));
                let node = self.paths[&target];
                self.remove(&path);
                self.paths.insert(path, node);
                continue;
            }
            let facts = entry_facts(&mut entry);
            if facts["type"] != "directory" {
                self.remove(&path);
            }
            self.nodes.push(facts);
            self.paths.insert(path, self.nodes.len() - 1);
        }
    }

    fn apply_whiteout(&mut self, path: &[u8]) {
        let (folder, name) = split(path);
        if name == b".wh..wh..opq" {
            self.remove_below(folder);
        } else if let Some(gone) = name.strip_prefix(b".wh.") {
            self.remove(&join(folder, gone));
        }
    }

    fn remove(&mut self, path: &[u8]) {
        self.remove_below(path);
        self.paths.remove(path);
    }

    fn remove_below(&mut self, folder: &[u8]) {
        let below = join(folder, b"");
        self.paths.retain(|path, _| folder.is_empty() || !path.starts_with(&below));
    }

    /// Every path with its facts; a hard-linked one names all its links.
    pub(crate) fn facts(&self) -> BTreeMap<String, Facts> {
        let mut links: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (path, node) in &self.paths {
            links.entry(*node).or_default().push(path_text(path));
        }
        self.paths
            .iter()
            .map(|(path, node)| {
                let mut facts = self.nodes[*node].clone();
                let group = &links[node];
                if group.len() > 1 {
                    let mut group = group.clone();
                    group.sort();
                    facts.insert("links".into(), group.into());
                }
                (format!("/{}", path_text(path)), facts)
            })
            .collect()
    }
}
