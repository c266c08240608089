//! The facts that the conformance cases record of a file: its type, mode, owner, and content.

use std::fmt::Write as _;
use std::io::Read;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use tar::Entry;

/// Facts of one file, in the words of expected.json.
pub(crate) type Facts = Map<String, Value>;

/// A file up to this size has its text in the facts, so that a difference can be read.
const TEXT_LIMIT: usize = 400;

const XATTR: &str = "SCHILY.xattr.";

/// A path as JSON text: bytes that are not UTF-8, and `%` itself, are percent-encoded.
pub(crate) fn path_text(raw: &[u8]) -> String {
    match std::str::from_utf8(raw) {
        Ok(text) => text.replace('%', "%25"),
        Err(_) => raw.iter().fold(String::new(), |mut text, byte| {
            match byte {
                b'%' | 0..=0x1f | 0x7f.. => write!(text, "%{byte:02X}").expect("writes to a String"),
                _ => text.push(*byte as char),
            }
            text
        }),
    }
}

/// The facts of a tar entry that is not a hard link.
pub(crate) fn entry_facts(entry: &mut Entry<'_, impl Read>) -> Facts {
    let mut facts = Facts::new();
    let header = entry.header().clone();
    let mode = header.mode().expect("a mode") & 0o7777;
    let uid = pax_number(entry, "uid").unwrap_or_else(|| header.uid().expect("an uid"));
    let gid = pax_number(entry, "gid").unwrap_or_else(|| header.gid().expect("a gid"));
    facts.insert("mode".into(), format!("{mode:04o}").into());
    facts.insert("uid".into(), uid.into());
    facts.insert("gid".into(), gid.into());
    let xattrs = xattrs_of(entry);
    if !xattrs.is_empty() {
        facts.insert("xattrs".into(), xattrs.into());
    }
    let kind = header.entry_type();
    let name = match () {
        () if kind.is_dir() => "directory",
        () if kind.is_symlink() => {
            let target = entry.link_name_bytes().expect("a symlink's target");
            facts.insert("target".into(), path_text(&target).into());
            "symlink"
        }
        () if kind.is_fifo() => "fifo",
        () if kind.is_character_special() || kind.is_block_special() => {
            let number = |n: std::io::Result<Option<u32>>| n.ok().flatten().unwrap_or(0);
            let device = json!([number(header.device_major()), number(header.device_minor())]);
            facts.insert("device".into(), device);
            if kind.is_character_special() { "char" } else { "block" }
        }
        () if kind.is_file() => {
            content_facts(entry, &mut facts);
            "file"
        }
        () => panic!("an entry of an unknown type {kind:?}"),
    };
    facts.insert("type".into(), name.into());
    facts
}

fn content_facts(entry: &mut Entry<'_, impl Read>, facts: &mut Facts) {
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes).expect("a whole file");
    match std::str::from_utf8(&bytes) {
        // busybox itself, whose bytes differ from machine to machine
        _ if bytes.starts_with(b"\x7fELF") => {
            facts.insert("program".into(), true.into());
        }
        Ok(text) if bytes.len() <= TEXT_LIMIT => {
            facts.insert("text".into(), text.into());
        }
        _ => {
            let digest = Sha256::digest(&bytes);
            let hex = digest.iter().fold(String::new(), |mut hex, byte| {
                write!(hex, "{byte:02x}").expect("writes to a String");
                hex
            });
            facts.insert("size".into(), bytes.len().into());
            facts.insert("sha256".into(), hex.into());
        }
    }
}

fn pax_number(entry: &mut Entry<'_, impl Read>, key: &str) -> Option<u64> {
    let extensions = entry.pax_extensions().ok()??;
    extensions
        .filter_map(Result::ok)
        .find(|extension| extension.key() == Ok(key))
        .and_then(|extension| extension.value().ok()?.parse().ok())
}

fn xattrs_of(entry: &mut Entry<'_, impl Read>) -> Map<String, Value> {
    let Ok(Some(extensions)) = entry.pax_extensions() else {
        return Map::new();
    };
    extensions
        .filter_map(Result::ok)
        .filter_map(|extension| {
            let name = extension.key().ok()?.strip_prefix(XATTR)?.to_owned();
            Some((name, path_text(extension.value_bytes()).into()))
        })
        .collect()
}
