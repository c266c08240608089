//! What an ELF file asks of the dynamic loader: its interpreter and the libraries it needs (gABI, chapter 5).
//!
//! Reads headers only, whatever the size of the file.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, FileKind, StringTable, elf};

use super::FromHostError;

/// The part of an ELF file that decides which other files it loads.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Elf {
    /// Machine and width; only libraries of the same can be loaded.
    pub(crate) abi: Abi,
    /// `PT_INTERP`: the loader.
    pub(crate) interpreter: Option<PathBuf>,
    /// `DT_NEEDED`, in order.
    pub(crate) needed: Vec<OsString>,
    /// `DT_RPATH`, still with `$ORIGIN`.
    pub(crate) rpath: Vec<OsString>,
    /// `DT_RUNPATH`, still with `$ORIGIN`.
    pub(crate) runpath: Vec<OsString>,
}

/// What two files must share to be loaded together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Abi {
    machine: u16,
    is_64: bool,
}

impl Elf {
    /// Reads the file; `None` if it is no ELF file.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, FromHostError> {
        let unreadable = |source| FromHostError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        if file.metadata().map_err(unreadable)?.len() < 16 {
            return Ok(None);
        }
        let data = ReadCache::new(file);
        let parsed = match FileKind::parse(&data) {
            Ok(FileKind::Elf64) => parse::<elf::FileHeader64<Endianness>, _>(&data, true),
            Ok(FileKind::Elf32) => parse::<elf::FileHeader32<Endianness>, _>(&data, false),
            _ => return Ok(None),
        };
        parsed.map(Some).map_err(|source| FromHostError::BadElf { path: path.to_owned(), source })
    }
}

fn parse<'data, H, R>(data: R, is_64: bool) -> object::Result<Elf>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let header = H::parse(data)?;
    let endian = header.endian()?;
    let segments = header.program_headers(endian, data)?;
    let mut found = Elf { abi: Abi { machine: header.e_machine(endian).0, is_64 }, ..Elf::default() };
    for segment in segments {
        if let Some(interpreter) = segment.interpreter(endian, data)? {
            found.interpreter = Some(PathBuf::from(OsString::from_vec(interpreter.to_vec())));
        }
        if let Some(entries) = segment.dynamic(endian, data)? {
            let table = strings::<H, R>(endian, segments, entries, data);
            read_dynamic::<H, R>(&mut found, entries, endian, table)?;
        }
    }
    Ok(found)
}

/// The string table of the dynamic section, found by its address.
fn strings<'data, H, R>(
    endian: Endianness,
    segments: &[H::ProgramHeader],
    entries: &[H::Dyn],
    data: R,
) -> StringTable<'data, R>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    let value =
        |tag: elf::DynamicTag| entries.iter().find(|entry| entry.tag(endian) == tag).map(|entry| entry.val(endian));
    let (Some(address), Some(size)) = (value(elf::DT_STRTAB), value(elf::DT_STRSZ)) else {
        return StringTable::default();
    };
    for segment in segments.iter().filter(|segment| segment.p_type(endian) == elf::PT_LOAD) {
        let start: u64 = segment.p_vaddr(endian).into();
        let length: u64 = segment.p_filesz(endian).into();
        if (start..start.saturating_add(length)).contains(&address) {
            let offset: u64 = segment.p_offset(endian).into() + (address - start);
            return StringTable::new(data, offset, offset.saturating_add(size));
        }
    }
    StringTable::default()
}

fn read_dynamic<'data, H, R>(
    found: &mut Elf,
    entries: &[H::Dyn],
    endian: Endianness,
    strings: StringTable<'data, R>,
) -> object::Result<()>
where
    H: FileHeader<Endian = Endianness>,
    R: ReadRef<'data>,
{
    for entry in entries {
        let list = match entry.tag(endian) {
            elf::DT_NEEDED => &mut found.needed,
            elf::DT_RPATH => &mut found.rpath,
            elf::DT_RUNPATH => &mut found.runpath,
            elf::DT_NULL => break,
            _ => continue,
        };
        list.push(OsString::from_vec(entry.string(endian, strings)?.to_vec()));
    }
    Ok(())
}
