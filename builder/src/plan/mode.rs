//! `--chmod`: octal, or symbolic as `chmod` takes it (`u=rwX,go=rX`).
//!
//! Of the ways in which systems differ the language has that of BSD (`setmode(3)`), without a umask: the sticky bit belongs
//! to no class, so that `=` leaves it alone; a copy of permissions (`g=u`) leaves the set-id bits alone; for others alone
//! `s` and `t` mean nothing; `X` asks what the file was before any change.

/// The mode to set.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Mode {
    /// The bits themselves, up to 07777.
    Octal(u32),
    /// Changes to the bits that a file has, one after the other.
    Symbolic(Vec<Change>),
}

/// One step of a symbolic mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Sets these bits.
    Set(u32),
    /// Clears these bits.
    Clear(u32),
    /// `X`: sets these bits for directories, and for what somebody could execute.
    SetIfExecutable(u32),
    /// Takes the permissions of one class for others.
    Copy {
        /// Whose: the shift of user (6), group (3) or others (0).
        from: u32,
        /// Who gets them: a mask over the permissions of all classes (0777).
        to: u32,
        /// Whether they are added, taken away, or the only ones.
        operator: Operator,
    },
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

const USER: u32 = 0o4700;
const GROUP: u32 = 0o2070;
const OTHERS: u32 = 0o0007;
/// The bits that classes have: all but the sticky one.
const CLASSES: u32 = USER | GROUP | OTHERS;
const STICKY: u32 = 0o1000;
const SET_ID: u32 = 0o6000;
const EXECUTE: u32 = 0o111;

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
        let old = old & 0o7777;
        let is_executable = kind == FileKind::Directory || old & EXECUTE != 0;
        match self {
            Self::Octal(bits) => *bits,
            Self::Symbolic(changes) => changes.iter().fold(old, |mode, change| change.apply(mode, is_executable)),
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
    fn apply(self, mode: u32, is_executable: bool) -> u32 {
        match self {
            Self::Set(bits) => mode | bits,
            Self::Clear(bits) => mode & !bits,
            Self::SetIfExecutable(bits) => mode | if is_executable { bits } else { 0 },
            Self::Copy { from, to, operator } => {
                let bits = (((mode >> from) & 7) * EXECUTE) & to;
                match operator {
                    Operator::Add => mode | bits,
                    Operator::Remove => mode & !bits,
                    Operator::Set => mode & !to | bits,
                }
            }
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
            _ => CLASSES,
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
        let mut action = Action { operator, who, bits: 0, if_executable: 0, is_set: false };
        rest[1..end].chars().try_for_each(|permission| action.add(permission, changes))?;
        action.finish(changes);
        rest = &rest[end..];
    }
    Ok(())
}

/// An operator and the permissions behind it, as far as they were read.
struct Action {
    operator: Operator,
    /// Whose bits are meant; none is everybody's.
    who: u32,
    bits: u32,
    if_executable: u32,
    /// Whether what `=` clears was cleared.
    is_set: bool,
}

impl Action {
    fn add(&mut self, permission: char, changes: &mut Vec<Change>) -> Result<(), &'static str> {
        let is_others_alone = self.who != 0 && self.who & !0o7 == 0;
        match permission {
            'r' => self.bits |= 0o444,
            'w' => self.bits |= 0o222,
            'x' => self.bits |= EXECUTE,
            'X' if self.operator == Operator::Remove => self.bits |= EXECUTE,
            'X' => self.if_executable = EXECUTE,
            's' | 't' if is_others_alone => {}
            's' => self.bits |= SET_ID,
            't' => {
                self.who |= STICKY;
                self.bits |= STICKY;
            }
            'u' => self.copy(6, changes),
            'g' => self.copy(3, changes),
            'o' => self.copy(0, changes),
            _ => return Err("permissions are `r`, `w`, `x`, `X`, `s`, `t`, or one of `u`, `g`, `o`"),
        }
        Ok(())
    }

    fn copy(&mut self, from: u32, changes: &mut Vec<Change>) {
        if self.bits != 0 {
            self.write(changes);
        }
        self.is_set = true;
        self.write_if_executable(changes);
        let to = if self.who == 0 { 0o777 } else { classes_of(self.who) };
        changes.push(Change::Copy { from, to, operator: self.operator });
    }

    fn finish(&mut self, changes: &mut Vec<Change>) {
        if self.bits != 0 || self.operator == Operator::Set && !self.is_set {
            self.write(changes);
        }
        self.write_if_executable(changes);
    }

    fn write(&mut self, changes: &mut Vec<Change>) {
        let bits = std::mem::take(&mut self.bits) & if self.who == 0 { !0 } else { self.who };
        match self.operator {
            Operator::Add => changes.push(Change::Set(bits)),
            Operator::Remove => changes.push(Change::Clear(bits)),
            Operator::Set => {
                changes.push(Change::Clear(if self.who == 0 { CLASSES } else { self.who }));
                changes.push(Change::Set(bits));
                self.is_set = true;
            }
        }
    }

    fn write_if_executable(&mut self, changes: &mut Vec<Change>) {
        let bits = std::mem::take(&mut self.if_executable);
        if bits != 0 {
            changes.push(Change::SetIfExecutable(bits & if self.who == 0 { !0 } else { self.who }));
        }
    }
}

/// The permissions of the classes in `who`.
fn classes_of(who: u32) -> u32 {
    [0o700, 0o070, 0o007].into_iter().filter(|class| who & class != 0).sum()
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
        check("=rx", 0o7777, 0o1555, 0o1555);
        check("u=rwX,go=rX", 0o7600, 0o1644, 0o1755);
        check("g=u", 0o6750, 0o6770, 0o6770);
        check("o+t,o+s", 0o644, 0o644, 0o644);
        check("a+t,u+s", 0o644, 0o5644, 0o5644);
        check("a-x,a+X", 0o750, 0o751, 0o751);
        check("a-x,a+X", 0o640, 0o640, 0o751);
        check("u=gr", 0o317, 0o417, 0o417);
        check("o=", 0o1777, 0o1770, 0o1770);
    }

    #[test]
    fn malformed_modes() {
        for text in ["", "8", "10000", "99", "u", "u~x", "ux", "u+q", "u=rw,", "-1x"] {
            assert!(Mode::parse(text).is_err(), "{text}");
        }
    }
}
