//! Why a program could not be executed, found out after the fact.
//!
//! The kernel says ENOENT both for a missing program and for a missing interpreter or loader. This looks at the file,
//! inside the root only; what lies in other mounts of the sandbox is not seen, and then the kernel's word stands.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

use crate::error::ExecProblem;
use crate::plan::Program;

/// How much of a file's beginning is looked at, in bytes; the kernel reads 256 of a script.
const HEAD: usize = 4096;

/// ELF machine numbers and what OCI calls them.
const MACHINES: [(u16, &str); 9] = [
    (3, "386"),
    (8, "mips"),
    (20, "ppc"),
    (21, "ppc64le"),
    (22, "s390x"),
    (40, "arm"),
    (62, "amd64"),
    (183, "arm64"),
    (243, "riscv64"),
];

/// The problem behind `errno`, the kernel's answer to the last candidate.
pub(crate) fn diagnose(root: BorrowedFd<'_>, program: &Program, errno: Errno) -> ExecProblem {
    let found = program.candidates.iter().find_map(|path| open(root, path.as_bytes()).ok());
    match errno {
        Errno::NOENT => match found.and_then(missing_helper(root)) {
            Some(problem) => problem,
            None => program.search_path.clone().map_or(ExecProblem::NotFound, ExecProblem::NotInPath),
        },
        Errno::ACCESS => ExecProblem::NotExecutable,
        Errno::NOEXEC => found.and_then(foreign).unwrap_or(ExecProblem::Format),
        other => ExecProblem::Other(other.raw_os_error()),
    }
}

fn open(root: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)?;
    match FileType::from_raw_mode(fstat(&file)?.st_mode) {
        FileType::RegularFile => Ok(file),
        _ => Err(Errno::ACCESS),
    }
}

/// The interpreter or loader that the file names and the root lacks.
fn missing_helper(root: BorrowedFd<'_>) -> impl Fn(OwnedFd) -> Option<ExecProblem> {
    move |file| {
        let mut file = File::from(file);
        let head = head(&mut file)?;
        let missing = |path: &[u8]| open(root, path).is_err();
        let text = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
        if let Some(line) = head.strip_prefix(b"#!") {
            let line = line.split(|byte| *byte == b'\n').next()?.trim_ascii_start();
            let path = line.split(|byte| matches!(byte, b' ' | b'\t')).next()?;
            return missing(path).then(|| ExecProblem::MissingInterpreter(text(path).replace('\r', "\\r")));
        }
        let loader = loader(&mut file, &head)?;
        missing(&loader).then(|| ExecProblem::MissingLoader(text(&loader)))
    }
}

fn head(file: &mut File) -> Option<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD);
    file.take(HEAD as u64).read_to_end(&mut head).ok()?;
    Some(head)
}

/// The path in the program header PT_INTERP of a 64-bit little-endian file.
fn loader(file: &mut File, head: &[u8]) -> Option<Vec<u8>> {
    const PT_INTERP: u64 = 3;
    if head.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let offset = number(head, 32, 8)? as usize;
    let (size, count) = (number(head, 54, 2)? as usize, number(head, 56, 2)? as usize);
    let headers = (0..count.min(64)).filter_map(|index| offset.checked_add(index * size));
    let interpreter = headers.into_iter().find(|at| number(head, *at, 4) == Some(PT_INTERP))?;
    let (start, length) = (number(head, interpreter + 8, 8)?, number(head, interpreter + 32, 8)?);
    file.seek(SeekFrom::Start(start)).ok()?;
    let mut path = Vec::new();
    file.take(length.min(HEAD as u64)).read_to_end(&mut path).ok()?;
    path.pop_if(|last| *last == 0);
    Some(path)
}

fn number(bytes: &[u8], at: usize, width: usize) -> Option<u64> {
    let field = bytes.get(at..at.checked_add(width)?)?;
    Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn foreign(file: OwnedFd) -> Option<ExecProblem> {
    let head = head(&mut File::from(file))?;
    if head.get(..4)? != b"\x7fELF" {
        return None;
    }
    let big_endian = head.get(5) == Some(&2);
    let machine = number(&head, 18, 2)? as u16;
    let machine = if big_endian { machine.swap_bytes() } else { machine };
    let name = MACHINES.iter().find(|(number, _)| *number == machine).map(|(_, name)| (*name).to_owned());
    let program = name.unwrap_or_else(|| format!("machine {machine}"));
    let this = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    (program != this).then(|| ExecProblem::ForeignArchitecture { program, machine: this.to_owned() })
}

/// The `PATH` that is searched for a name without a slash, for messages.
pub(crate) fn search_path(name: &std::ffi::OsStr, path: &std::ffi::OsStr) -> Option<String> {
    (!name.as_bytes().contains(&b'/')).then(|| path.to_string_lossy().into_owned())
}
