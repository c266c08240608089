//! Who a process runs as, and how an image's `USER` becomes numbers.
//!
//! The account files are the image's own, opened inside its root only. Docker's rules; OCI image spec, `config.User`.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::os::fd::BorrowedFd;
use std::path::PathBuf;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

use crate::error::{Error, Result};

/// The largest account file that is read, in bytes.
const LARGEST_FILE: u64 = 16 << 20;

/// A user in numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// User id in the container.
    pub uid: u32,
    /// Group id in the container.
    pub gid: u32,
    /// Supplementary groups.
    pub additional_gids: Vec<u32>,
    /// The home directory of the account file; `/` when there is none, as for Docker.
    pub home: PathBuf,
}

/// A line of `/etc/passwd`.
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: PathBuf,
}

/// A line of `/etc/group`.
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
}

impl User {
    /// 0:0 with the home `/root`.
    #[must_use]
    pub fn root() -> Self {
        Self { uid: 0, gid: 0, additional_gids: Vec::new(), home: PathBuf::from("/root") }
    }

    /// Reads `user[:group]`, names or numbers, by the account files under the directory `root`.
    ///
    /// An empty `spec` is root. A number needs no account, and then has group 0 and home `/`. With no group in `spec`
    /// the supplementary groups are those that list the user; with one, there are none, as in Docker.
    ///
    /// # Errors
    /// [`Error::UnknownUser`] for a name that is in no file, [`Error::Io`] when a file cannot be read.
    pub fn resolve(root: BorrowedFd<'_>, spec: &str) -> Result<Self> {
        let (user, group) = spec.split_once(':').map_or((spec, None), |(user, group)| (user, Some(group)));
        let user = if user.is_empty() { "0" } else { user };
        let account = find_account(root, user)?;
        let mut found = Self { uid: account.uid, gid: account.gid, additional_gids: Vec::new(), home: account.home };
        match group.filter(|group| !group.is_empty()) {
            Some(group) => found.gid = find_group(root, group)?,
            None => found.additional_gids = groups_of(root, &account.name)?,
        }
        Ok(found)
    }
}

fn parse_id(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
        .filter(|id| *id <= i32::MAX as u32)
}

fn find_account(root: BorrowedFd<'_>, user: &str) -> Result<Account> {
    let id = parse_id(user);
    let mut by_id = None;
    for line in lines(root, "etc/passwd")? {
        let Some(account) = parse_account(&line) else {
            continue;
        };
        if account.name == user {
            return Ok(account);
        }
        if by_id.is_none() && Some(account.uid) == id {
            by_id = Some(account);
        }
    }
    match (by_id, id) {
        (Some(account), _) => Ok(account),
        (None, Some(uid)) => Ok(Account { name: String::new(), uid, gid: 0, home: PathBuf::from("/") }),
        (None, None) => Err(Error::UnknownUser { kind: "user", name: user.to_owned(), file: "passwd file" }),
    }
}

fn find_group(root: BorrowedFd<'_>, name: &str) -> Result<u32> {
    let named = lines(root, "etc/group")?.iter().filter_map(|line| parse_group(line)).find(|group| group.name == name);
    named.map(|group| group.gid).or_else(|| parse_id(name)).ok_or_else(|| Error::UnknownUser {
        kind: "group",
        name: name.to_owned(),
        file: "group file",
    })
}

fn groups_of(root: BorrowedFd<'_>, user: &str) -> Result<Vec<u32>> {
    if user.is_empty() {
        return Ok(Vec::new());
    }
    let groups = lines(root, "etc/group")?;
    let member = |group: &Group| group.members.iter().any(|member| member == user);
    Ok(groups.iter().filter_map(|line| parse_group(line)).filter(member).map(|group| group.gid).collect())
}

fn parse_account(line: &str) -> Option<Account> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, uid, gid, _, home, ..] = fields[..] else {
        return None;
    };
    let home = if home.is_empty() { "/" } else { home };
    Some(Account { name: name.to_owned(), uid: parse_id(uid)?, gid: parse_id(gid)?, home: PathBuf::from(home) })
}

fn parse_group(line: &str) -> Option<Group> {
    let fields: Vec<&str> = line.split(':').collect();
    let [name, _, gid, ..] = fields[..] else {
        return None;
    };
    let members = fields.get(3).map_or(Vec::new(), |list| list.split(',').map(str::to_owned).collect());
    Some(Group { name: name.to_owned(), gid: parse_id(gid)?, members })
}

/// The lines of a file of the image; a file that is missing has none.
fn lines(root: BorrowedFd<'_>, path: &'static str) -> Result<Vec<String>> {
    let failed = |source: std::io::Error| Error::io("read", format!("/{path}"), source);
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
    let file = match openat2(root, path, flags, Mode::empty(), resolve) {
        Ok(file) => file,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
        Err(errno) => return Err(failed(errno.into())),
    };
    let stat = fstat(&file).map_err(|errno| failed(errno.into()))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Ok(Vec::new());
    }
    let reader = BufReader::new(File::from(file).take(LARGEST_FILE));
    reader
        .split(b'\n')
        .map(|line| line.map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned()).map_err(failed))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::fd::AsFd;

    use super::User;

    fn image() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("etc")).unwrap();
        fs::write(
            dir.path().join("etc/passwd"),
            "root:x:0:0:root:/root:/bin/sh\nbroken\nalice:x:1000:1001:A:/home/alice:/bin/sh\n33:x:7:7::/seven:\n",
        )
        .unwrap();
        fs::write(
            dir.path().join("etc/group"),
            "root:x:0:\nstaff:x:50:alice,bob\nalice:x:1001:\nwheel:x:10:root,alice\n",
        )
        .unwrap();
        dir
    }

    #[test]
    fn user_specs_resolve_as_in_docker() {
        let dir = image();
        let root = fs::File::open(dir.path()).unwrap();
        let cases: &[(&str, u32, u32, &[u32], &str)] = &[
            ("", 0, 0, &[10], "/root"),
            ("root", 0, 0, &[10], "/root"),
            ("alice", 1000, 1001, &[50, 10], "/home/alice"),
            ("1000", 1000, 1001, &[50, 10], "/home/alice"),
            ("alice:staff", 1000, 50, &[], "/home/alice"),
            ("alice:77", 1000, 77, &[], "/home/alice"),
            ("4242", 4242, 0, &[], "/"),
            ("4242:staff", 4242, 50, &[], "/"),
            ("33", 7, 7, &[], "/seven"),
            (":staff", 0, 50, &[], "/root"),
        ];
        for (spec, uid, gid, groups, home) in cases {
            let user = User::resolve(root.as_fd(), spec).unwrap();
            assert_eq!((user.uid, user.gid, &user.additional_gids[..]), (*uid, *gid, *groups), "{spec}");
            assert_eq!(user.home.to_str(), Some(*home), "{spec}");
        }
    }

    #[test]
    fn unknown_names_are_errors_that_name_the_file() {
        let dir = image();
        let root = fs::File::open(dir.path()).unwrap();
        for (spec, expected) in [
            ("nobody", "unable to find user `nobody`: no matching entries in passwd file"),
            ("alice:nogroup", "unable to find group `nogroup`: no matching entries in group file"),
            ("-1", "unable to find user `-1`: no matching entries in passwd file"),
        ] {
            assert_eq!(User::resolve(root.as_fd(), spec).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn account_files_are_never_read_outside_the_root() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("etc")).unwrap();
        let root = fs::File::open(dir.path()).unwrap();
        assert!(User::resolve(root.as_fd(), "root").is_err());
    }

    #[test]
    fn an_image_without_account_files_knows_numbers_only() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::File::open(dir.path()).unwrap();
        assert_eq!(User::resolve(root.as_fd(), "5:6").unwrap().gid, 6);
        assert_eq!(User::resolve(root.as_fd(), "").unwrap().uid, 0);
        assert!(User::resolve(root.as_fd(), "root").is_err());
    }
}
