//! Owners and device numbers where the file system cannot keep them.
//!
//! In a user namespace with a single id every file belongs to the user, who counts as root, and device nodes cannot be
//! made. The store then writes other owners and devices down beside the file, in the extended attribute
//! `user.dhow.stat`: `UID:GID`, and for the regular file that stands for a device `UID:GID:c:MAJOR:MINOR` (or `b`). Such
//! a stand-in is also made where owners are on disk but devices are not allowed. Kinds that take no `user.` attributes
//! (symbolic links, pipes, sockets) are listed by name in their directory's `user.dhow.owners`. Modes are always on disk.

use std::io;

use super::{Device, FileKind, Metadata};

/// Where the owner of a file is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ownership {
    /// In the inode, as usual.
    #[default]
    OnDisk,
    /// In extended attributes, as only one id exists here.
    Recorded,
}

/// Prefix of the attributes that are the store's own and never part of a layer.
pub(crate) const PRIVATE_PREFIX: &[u8] = b"user.dhow.";
pub(crate) const STAT: &str = "user.dhow.stat";
pub(crate) const OWNERS: &str = "user.dhow.owners";

/// The content of `user.dhow.stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StatRecord {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) device: Option<FileKind>,
}

impl StatRecord {
    pub(crate) fn format(&self) -> String {
        let Self { uid, gid, device } = self;
        match device {
            Some(FileKind::CharDevice(d)) => format!("{uid}:{gid}:c:{}:{}", d.major, d.minor),
            Some(FileKind::BlockDevice(d)) => format!("{uid}:{gid}:b:{}:{}", d.major, d.minor),
            _ => format!("{uid}:{gid}"),
        }
    }

    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Self> {
        Self::try_parse(bytes).ok_or_else(|| {
            let text = String::from_utf8_lossy(bytes);
            io::Error::new(io::ErrorKind::InvalidData, format!("the attribute `{STAT}` is damaged: `{text}`"))
        })
    }

    fn try_parse(bytes: &[u8]) -> Option<Self> {
        let fields: Vec<&str> = str::from_utf8(bytes).ok()?.split(':').collect();
        let (owner, device) = fields.split_at_checked(2)?;
        let device = match device {
            [] => None,
            [kind, major, minor] => {
                let device = Device { major: major.parse().ok()?, minor: minor.parse().ok()? };
                match *kind {
                    "c" => Some(FileKind::CharDevice(device)),
                    "b" => Some(FileKind::BlockDevice(device)),
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some(Self { uid: owner[0].parse().ok()?, gid: owner[1].parse().ok()?, device })
    }

    /// Puts what is recorded in place of what is on disk; owners only where those on disk do not count.
    pub(crate) fn apply(&self, metadata: &mut Metadata, ownership: Ownership) {
        if ownership == Ownership::Recorded {
            metadata.uid = self.uid;
            metadata.gid = self.gid;
        }
        if let (Some(device), FileKind::Regular) = (self.device, metadata.kind) {
            metadata.kind = device;
        }
    }
}

/// The content of `user.dhow.owners`: name, zero byte, `UID:GID`, zero byte, and so on.
#[derive(Debug, Default)]
pub(crate) struct OwnersRecord(Vec<(Vec<u8>, StatRecord)>);

impl OwnersRecord {
    pub(crate) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let mut fields = bytes.split(|byte| *byte == 0);
        let mut owners = Vec::new();
        while let (Some(name), Some(owner)) = (fields.next(), fields.next()) {
            owners.push((name.to_vec(), StatRecord::parse(owner)?));
        }
        Ok(Self(owners))
    }

    pub(crate) fn format(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, owner) in &self.0 {
            bytes.extend_from_slice(name);
            bytes.push(0);
            bytes.extend_from_slice(owner.format().as_bytes());
            bytes.push(0);
        }
        bytes
    }

    pub(crate) fn get(&self, name: &[u8]) -> Option<StatRecord> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, owner)| *owner)
    }

    pub(crate) fn set(&mut self, name: &[u8], owner: StatRecord) {
        self.0.retain(|(known, _)| known != name);
        if (owner.uid, owner.gid) != (0, 0) {
            self.0.push((name.to_vec(), owner));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Device, FileKind, OwnersRecord, StatRecord};

    #[test]
    fn records_round_trip_and_reject_other_text() {
        let tty = FileKind::CharDevice(Device { major: 5, minor: 0 });
        let disk = FileKind::BlockDevice(Device { major: 8, minor: 1 });
        for (record, text) in [
            (StatRecord { uid: 1, gid: 2, device: None }, "1:2"),
            (StatRecord { uid: 0, gid: 5, device: Some(tty) }, "0:5:c:5:0"),
            (StatRecord { uid: 0, gid: 6, device: Some(disk) }, "0:6:b:8:1"),
        ] {
            assert_eq!(record.format(), text);
            assert_eq!(StatRecord::parse(text.as_bytes()).unwrap(), record);
        }
        for wrong in ["", "1", "1:", "1:2:c", "1:2:x:1:1", "-1:2", "1:2:c:1:1:1"] {
            assert!(StatRecord::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn owners_of_a_directory_are_replaced_by_name_and_forget_root() {
        let owner = |uid| StatRecord { uid, gid: 7, device: None };
        let mut owners = OwnersRecord::default();
        owners.set(b"a", owner(1));
        owners.set(b"b", owner(2));
        owners.set(b"a", owner(3));
        let mut owners = OwnersRecord::parse(&owners.format()).unwrap();
        assert_eq!((owners.get(b"a"), owners.get(b"b"), owners.get(b"c")), (Some(owner(3)), Some(owner(2)), None));
        owners.set(b"a", StatRecord { uid: 0, gid: 0, device: None });
        assert_eq!(owners.get(b"a"), None);
    }
}
