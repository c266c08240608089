//! The smallest program there is for an architecture: an ELF file that ends with code 0.

/// What of the ELF format differs from one architecture to another.
struct Machine {
    class: Class,
    /// `e_machine`
    number: u16,
    /// `e_flags`
    flags: u32,
    /// `exit(0)`
    code: &'static [u8],
}

/// Width of addresses, and order of bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Little32,
    Little64,
    Big64,
}

/// Where the file is in memory; pages may be as large.
const BASE: u64 = 0x10000;

/// The program for an architecture in Go's spelling; `None` where it is not known.
pub(crate) fn probe(architecture: &str) -> Option<Vec<u8>> {
    let machine = |class, number, flags, code| Some(Machine { class, number, flags, code });
    let machine = match architecture {
        "386" => machine(Class::Little32, 3, 0, b"\xb8\x01\0\0\0\x31\xdb\xcd\x80"),
        "amd64" => machine(Class::Little64, 62, 0, b"\xb8\x3c\0\0\0\x31\xff\x0f\x05"),
        "arm" => machine(Class::Little32, 40, 0x0500_0000, b"\x01\x70\xa0\xe3\0\0\xa0\xe3\0\0\0\xef"),
        "arm64" => machine(Class::Little64, 183, 0, b"\xa8\x0b\x80\xd2\0\0\x80\xd2\x01\0\0\xd4"),
        "ppc64le" => machine(Class::Little64, 21, 2, b"\x01\0\0\x38\0\0\x60\x38\x02\0\0\x44"),
        "riscv64" => machine(Class::Little64, 243, 0, b"\x93\x08\xd0\x05\x13\x05\0\0\x73\0\0\0"),
        "s390x" => machine(Class::Big64, 22, 0, b"\xa7\x29\0\0\x0a\x01"),
        _ => None,
    };
    machine.map(|machine| machine.file())
}

impl Machine {
    /// One header, one segment that is the whole file, and the code.
    fn file(&self) -> Vec<u8> {
        let is_wide = self.class != Class::Little32;
        let (header, segment) = if is_wide { (64u64, 56u64) } else { (52, 32) };
        let (entry, size) = (BASE + header + segment, header + segment + self.code.len() as u64);
        let class = if is_wide { 2 } else { 1 };
        let order = if self.class == Class::Big64 { 2 } else { 1 };
        let mut file = vec![0x7f, b'E', b'L', b'F', class, order, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        self.half(&mut file, 2);
        self.half(&mut file, self.number);
        self.word(&mut file, 1);
        for address in [entry, header, 0] {
            self.address(&mut file, address);
        }
        self.word(&mut file, self.flags);
        for value in [header as u16, segment as u16, 1, 0, 0, 0] {
            self.half(&mut file, value);
        }
        const LOAD: u32 = 1;
        const READ_AND_EXECUTE: u32 = 5;
        self.word(&mut file, LOAD);
        if is_wide {
            self.word(&mut file, READ_AND_EXECUTE);
        }
        for address in [0, BASE, BASE, size, size] {
            self.address(&mut file, address);
        }
        if !is_wide {
            self.word(&mut file, READ_AND_EXECUTE);
        }
        self.address(&mut file, BASE);
        file.extend_from_slice(self.code);
        file
    }

    fn half(&self, file: &mut Vec<u8>, value: u16) {
        let is_big = self.class == Class::Big64;
        file.extend(if is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn word(&self, file: &mut Vec<u8>, value: u32) {
        let is_big = self.class == Class::Big64;
        file.extend(if is_big { value.to_be_bytes() } else { value.to_le_bytes() });
    }

    fn address(&self, file: &mut Vec<u8>, value: u64) {
        match self.class {
            Class::Little32 => self.word(file, value as u32),
            Class::Little64 => file.extend(value.to_le_bytes()),
            Class::Big64 => file.extend(value.to_be_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use dhow_layer_store::oci::Platform;

    use super::probe;

    #[test]
    fn it_runs_on_the_machine_that_it_is_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("probe");
        let Some(bytes) = probe(&Platform::host().architecture) else { return };
        std::fs::write(&path, bytes).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(std::process::Command::new(&path).status().unwrap().success());
    }

    #[test]
    fn sizes_are_those_that_the_headers_say() {
        for (architecture, expected) in [("arm64", 120 + 12), ("arm", 84 + 12), ("s390x", 120 + 6), ("386", 84 + 9)] {
            assert_eq!(probe(architecture).unwrap().len(), expected, "{architecture}");
        }
        assert!(probe("pdp11").is_none());
    }
}
