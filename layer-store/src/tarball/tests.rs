//! Archives of GNU tar and of our own writer are read back; damaged ones are refused.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use super::{EntryKind, TarEntry, TarReader, TarWriter};
use crate::root::{Device, Timestamp};
use crate::test_skip::skip;

fn written(entries: &[(TarEntry, &[u8])]) -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    for (entry, data) in entries {
        writer.append(entry, &mut &data[..]).unwrap();
    }
    writer.finish().unwrap()
}

fn read(bytes: &[u8]) -> crate::Result<Vec<(TarEntry, Vec<u8>)>> {
    let mut reader = TarReader::new(bytes);
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry()? {
        let mut data = Vec::new();
        reader.read_to_end(&mut data).map_err(|source| crate::Error::Stream { action: "read", source })?;
        found.push((entry, data));
    }
    Ok(found)
}

fn samples() -> Vec<(TarEntry, &'static [u8])> {
    let long = b"d/".repeat(200);
    let mut big = TarEntry::new(b"owned".to_vec(), EntryKind::Regular, 0o4755);
    big.uid = u32::MAX - 1;
    big.gid = 0o10_000_000;
    big.mtime = Timestamp { seconds: -1, nanoseconds: 0 };
    big.size = 3;
    big.xattrs = vec![(b"security.capability".to_vec(), b"\x01\n\0=\n".to_vec()), (b"user.a".to_vec(), Vec::new())];
    let tty = Device { major: 5, minor: 0x1f_ffff };
    vec![
        (TarEntry::new(b"dir".to_vec(), EntryKind::Directory, 0o1777), b""),
        (big, b"abc"),
        (TarEntry::new([&long[..], b"\xff\xfe"].concat(), EntryKind::Regular, 0), b""),
        (TarEntry::new(b"link".to_vec(), EntryKind::Symlink(long.clone()), 0o777), b""),
        (TarEntry::new(b"hard".to_vec(), EntryKind::HardLink(b"owned".to_vec()), 0o644), b""),
        (TarEntry::new(b"tty".to_vec(), EntryKind::CharDevice(tty), 0o666), b""),
        (TarEntry::new(b"pipe".to_vec(), EntryKind::Fifo, 0o600), b""),
    ]
}

#[test]
fn what_is_written_is_read_back() {
    let entries = samples();
    let found = read(&written(&entries)).unwrap();
    let expected: Vec<_> = entries.into_iter().map(|(entry, data)| (entry, data.to_vec())).collect();
    assert_eq!(found, expected);
}

#[test]
fn gnu_tar_lists_what_we_write() {
    let mut child = match Command::new("tar").args(["-tf", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) => return skip(format!("no tar program: {error}")),
    };
    child.stdin.take().unwrap().write_all(&written(&samples())).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count(), samples().len());
}

#[test]
fn formats_of_gnu_tar_are_read() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("t");
    let long_name = "n".repeat(150);
    std::fs::create_dir(&directory).unwrap();
    std::fs::write(directory.join(&long_name), "long").unwrap();
    std::os::unix::fs::symlink("x".repeat(180), directory.join("link")).unwrap();
    let holes = std::fs::File::create(directory.join("sparse")).unwrap();
    holes.set_len(10 << 20).unwrap();
    for piece in 0..30_u64 {
        std::os::unix::fs::FileExt::write_at(&holes, b"piece", piece * 300_000 + 7).unwrap();
    }
    let expected = std::fs::read(directory.join("sparse")).unwrap();
    for arguments in [
        &["--format=gnu"][..],
        &["--format=pax"],
        &["--format=gnu", "--sparse"],
        &["--format=pax", "--sparse", "--sparse-version=0.0"],
        &["--format=pax", "--sparse", "--sparse-version=0.1"],
        &["--format=pax", "--sparse", "--sparse-version=1.0"],
    ] {
        let output = Command::new("tar").args(arguments).args(["-cf", "-", "t"]).current_dir(temporary.path()).output();
        let Ok(output) = output else { return skip("no tar program") };
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        let found = read(&output.stdout).unwrap();
        let data = |name: &str| found.iter().find(|(entry, _)| entry.path.ends_with(name.as_bytes())).unwrap();
        assert_eq!(data(&long_name).1, b"long", "{arguments:?}");
        assert!(data("/sparse").1 == expected, "{arguments:?}");
        assert_eq!(data("/link").0.kind, EntryKind::Symlink(vec![b'x'; 180]), "{arguments:?}");
        if arguments.contains(&"--sparse") {
            assert!(output.stdout.len() < 2 << 20, "{arguments:?}");
        }
    }
}

#[test]
fn damaged_streams_are_refused() {
    let bytes = written(&samples());
    for cut in [100, 512 + 100, 1024 + 5, 1536 + 1] {
        assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    let mut flipped = bytes.clone();
    flipped[3] ^= 1;
    assert!(read(&flipped).is_err());
    assert!(read(&b"this is no tar".repeat(100)).is_err());
    assert_eq!(read(b"").unwrap(), []);
}
