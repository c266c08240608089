//! `--chmod`: octal, or symbolic as `chmod` takes it (`u=rwX,go=rX`).

/// The mode to set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The bits themselves, up to 07777.
    Octal(u32),
    /// Changes to the bits that a file has.
    Symbolic(Vec<Change>),
}

/// One clause of a symbolic mode: for whom, and what.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Change {
    /// The classes meant, as a mask over all bits of user (04700), group (02070) and others (01007).
    pub who: u32,
    /// Whether no class is written; then the umask would count.
    pub unspecified: bool,
    /// `+`, `-` or `=`.
    pub operator: Operator,
    /// What is set or taken.
    pub bits: Bits,
}

/// What a clause does with its bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Adds them.
    Add,
    /// Takes them.
    Remove,
    /// Sets them and no others.
    Set,
}

/// The bits of a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bits {
    /// Those of `rwxst`, for all classes; `execute_if_any` is `X`: execute for directories and for what somebody can
    /// execute already.
    Permissions {
        /// The bits.
        bits: u32,
        /// `X`.
        execute_if_any: bool,
    },
    /// Copied from the user's (`u`), the group's (`g`) or the others' (`o`), by their shift: 6, 3 or 0.
    CopyOf(u32),
}

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHERS: u32 = 0o1007;

impl Mode {
    /// Reads `text`; the error says what is wrong with it.
    ///
    /// # Errors
    /// It is neither octal up to 07777 nor symbolic.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.starts_with(|c: char| c.is_ascii_digit()) {
            return match u32::from_str_radix(text, 8) {
                Ok(bits) if bits <= 0o7777 => Ok(Self::Octal(bits)),
                _ => Err("a number must be octal and between 0 and 07777"),
            };
        }
        let mut changes = Vec::new();
        for clause in text.split(',') {
            clause_changes(clause, &mut changes)?;
        }
        Ok(Self::Symbolic(changes))
    }

    /// The mode that a file of mode `old` gets.
    pub fn apply(&self, old: u32, kind: FileKind) -> u32 {
        match self {
            Self::Octal(bits) => *bits,
            Self::Symbolic(changes) => changes.iter().fold(old & 0o7777, |mode, change| change.apply(mode, kind)),
        }
    }
}

/// What `X` asks about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A directory.
    Directory,
    /// Anything else.
    Other,
}

impl Change {
    fn apply(&self, mode: u32, kind: FileKind) -> u32 {
        let bits = match self.bits {
            Bits::CopyOf(shift) => ((mode >> shift) & 7) * 0o111,
            Bits::Permissions { bits, execute_if_any } => {
                let execute = execute_if_any && (kind == FileKind::Directory || mode & 0o111 != 0);
                bits | if execute { 0o111 } else { 0 }
            }
        };
        // The sticky bit is nobody's: `o` and an unwritten class both mean it.
        let bits = bits & self.who;
        match self.operator {
            Operator::Add => mode | bits,
            Operator::Remove => mode & !bits,
            Operator::Set => (mode & !self.who) | bits,
        }
    }
}

fn clause_changes(clause: &str, changes: &mut Vec<Change>) -> Result<(), &'static str> {
    let end = clause.find(|c| !matches!(c, 'u' | 'g' | 'o' | 'a')).unwrap_or(clause.len());
    let (classes, mut rest) = clause.split_at(end);
    let who = classes.chars().fold(0, |who, class| {
        who | match class {
            'u' => USER,
            'g' => GROUP,
            'o' => OTHERS,
            _ => 0o7777,
        }
    });
    if rest.is_empty() {
        return Err("a clause needs `+`, `-` or `=`");
    }
    while let Some(c) = rest.chars().next() {
        let operator = match c {
            '+' => Operator::Add,
            '-' => Operator::Remove,
            '=' => Operator::Set,
            _ => return Err("permissions are `r`, `w`, `x`, `X`, `s`, `t`, or one of `u`, `g`, `o`"),
        };
        let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |at| at + 1);
        let bits = permissions(&rest[1..end])?;
        changes.push(Change { who: if who == 0 { 0o7777 } else { who }, unspecified: who == 0, operator, bits });
        rest = &rest[end..];
    }
    Ok(())
}

fn permissions(text: &str) -> Result<Bits, &'static str> {
    match text {
        "u" => return Ok(Bits::CopyOf(6)),
        "g" => return Ok(Bits::CopyOf(3)),
        "o" => return Ok(Bits::CopyOf(0)),
        _ => {}
    }
    let mut execute_if_any = false;
    let mut bits = 0;
    for c in text.chars() {
        match c {
            'r' => bits |= 0o444,
            'w' => bits |= 0o222,
            'x' => bits |= 0o111,
            's' => bits |= 0o6000,
            't' => bits |= 0o1000,
            'X' => execute_if_any = true,
            _ => return Err("permissions are `r`, `w`, `x`, `X`, `s`, `t`, or one of `u`, `g`, `o`"),
        }
    }
    Ok(Bits::Permissions { bits, execute_if_any })
}

#[cfg(test)]
mod tests {
    use super::{FileKind, Mode};

    fn check(text: &str, old: u32, file: u32, directory: u32) {
        let mode = Mode::parse(text).expect("valid mode");
        assert_eq!(mode.apply(old, FileKind::Other), file, "{text} of a file");
        assert_eq!(mode.apply(old, FileKind::Directory), directory, "{text} of a directory");
    }

    #[test]
    fn modes() {
        check("755", 0o644, 0o755, 0o755);
        check("04711", 0o644, 0o4711, 0o4711);
        check("u=rwX,go=rX", 0o600, 0o644, 0o755);
        check("u=rwX,go=rX", 0o700, 0o755, 0o755);
        check("+x", 0o644, 0o755, 0o755);
        check("a-w", 0o666, 0o444, 0o444);
        check("g=u,o=", 0o754, 0o770, 0o770);
        check("u+s,+t", 0o755, 0o5755, 0o5755);
        check("u-x+w", 0o555, 0o655, 0o655);
        check("go=", 0o777, 0o700, 0o700);
    }

    #[test]
    fn malformed_modes() {
        for text in ["", "8", "10000", "99", "u", "u~x", "ux", "u+q", "u=rw,", "-1x"] {
            assert!(Mode::parse(text).is_err(), "{text}");
        }
    }
}
