//! The value of `--chmod`: octal, or symbolic as chmod(1) takes it (`u=rwX,go=rX`, `+x`, `g=u`).

use crate::error::{BuildError, Result};

const EXECUTE: u32 = 0o111;

/// A change of permission bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Chmod {
    /// These bits, whatever was there.
    Octal(u32),
    /// Changes one after the other.
    Symbolic(Vec<Clause>),
}

/// One operator and what it does to whom: `go+rX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clause {
    /// Permission bits of those meant: `0o700` for `u`, with `s` and `t` where they belong.
    who: u32,
    operator: char,
    permissions: String,
}

impl Chmod {
    /// Reads the flag's value.
    ///
    /// # Errors
    /// [`BuildError::InvalidMode`].
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let invalid = || BuildError::InvalidMode(text.to_owned());
        if text.bytes().all(|byte| byte.is_ascii_digit()) {
            let mode = u32::from_str_radix(text, 8).map_err(|_| invalid())?;
            return if mode <= 0o7777 { Ok(Self::Octal(mode)) } else { Err(invalid()) };
        }
        let mut clauses = Vec::new();
        for part in text.split(',') {
            clauses.extend(clauses_of(part).ok_or_else(invalid)?);
        }
        Ok(Self::Symbolic(clauses))
    }

    /// What `mode` becomes; `X` looks at whether it is a directory's.
    pub(crate) fn apply(&self, mode: u32, is_dir: IsDir) -> u32 {
        match self {
            Self::Octal(mode) => *mode,
            Self::Symbolic(clauses) => clauses.iter().fold(mode, |mode, clause| clause.apply(mode, is_dir)),
        }
    }
}

/// Whether a mode is a directory's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IsDir {
    Yes,
    No,
}

/// The operators of one part without comma, such as `u+x-w`.
fn clauses_of(part: &str) -> Option<Vec<Clause>> {
    let operators = ['+', '-', '='];
    let at = part.find(operators)?;
    let who = who_of(&part[..at])?;
    let mut rest = &part[at..];
    let mut clauses = Vec::new();
    while let Some(operator) = rest.chars().next() {
        let end = rest[1..].find(operators).map_or(rest.len(), |end| end + 1);
        let permissions = &rest[1..end];
        let is_copy = matches!(permissions, "u" | "g" | "o");
        if !is_copy && !permissions.chars().all(|letter| "rwxXst".contains(letter)) {
            return None;
        }
        clauses.push(Clause { who, operator, permissions: permissions.to_owned() });
        rest = &rest[end..];
    }
    Some(clauses)
}

fn who_of(letters: &str) -> Option<u32> {
    let bits = |letter| match letter {
        'u' => Some(0o4700),
        'g' => Some(0o2070),
        'o' => Some(0o1007),
        'a' => Some(0o7777),
        _ => None,
    };
    if letters.is_empty() {
        return Some(0o7777);
    }
    letters.chars().try_fold(0, |who, letter| Some(who | bits(letter)?))
}

impl Clause {
    fn apply(&self, mode: u32, is_dir: IsDir) -> u32 {
        let bits = self.bits(mode, is_dir) & self.who;
        match self.operator {
            '+' => mode | bits,
            '-' => mode & !bits,
            // A directory keeps its setuid and setgid, as chmod(1) has it.
            _ => {
                let kept = if is_dir == IsDir::Yes { 0o6000 } else { 0 };
                mode & !(self.who & !kept) | bits
            }
        }
    }

    fn bits(&self, mode: u32, is_dir: IsDir) -> u32 {
        let spread = |three: u32| three << 6 | three << 3 | three;
        match self.permissions.as_str() {
            "u" => return spread(mode >> 6 & 7),
            "g" => return spread(mode >> 3 & 7),
            "o" => return spread(mode & 7),
            _ => {}
        }
        self.permissions.chars().fold(0, |bits, letter| {
            bits | match letter {
                'r' => 0o444,
                'w' => 0o222,
                'x' => EXECUTE,
                'X' if is_dir == IsDir::Yes || mode & EXECUTE != 0 => EXECUTE,
                's' => 0o6000,
                't' => 0o1000,
                _ => 0,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Chmod, IsDir};

    #[test]
    fn modes_change_as_with_chmod() {
        for (text, mode, is_dir, expected) in [
            ("0755", 0o600, IsDir::No, 0o755),
            ("4711", 0o600, IsDir::No, 0o4711),
            ("u=rwX,go=rX", 0o600, IsDir::No, 0o644),
            ("u=rwX,go=rX", 0o700, IsDir::No, 0o755),
            ("u=rwX,go=rX", 0o600, IsDir::Yes, 0o755),
            ("+x", 0o644, IsDir::No, 0o755),
            ("a-w", 0o666, IsDir::No, 0o444),
            ("go=", 0o777, IsDir::No, 0o700),
            ("g=u", 0o740, IsDir::No, 0o770),
            ("u+s", 0o755, IsDir::No, 0o4755),
            ("g+s,o+t", 0o755, IsDir::Yes, 0o3755),
            ("u-x+w", 0o500, IsDir::No, 0o600),
            ("ug=rw,o=", 0o7777, IsDir::No, 0o1660 & 0o660),
        ] {
            assert_eq!(Chmod::parse(text).unwrap().apply(mode, is_dir), expected, "{text} {mode:o}");
        }
    }

    #[test]
    fn other_texts_are_errors() {
        for text in ["", "8", "0888", "10000", "u", "u=q", "z+x", "u=rw,", "rwx", "u=gx"] {
            assert!(Chmod::parse(text).is_err(), "{text}");
        }
    }
}
