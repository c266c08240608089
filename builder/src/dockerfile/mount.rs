//! `RUN --mount=key=value,…` as it is written: keys known, values unexpanded.
//!
//! What the keys mean together depends on the type, which may be a variable; the plan finds that out.

use serde::Serialize;

use super::word::Word;
use crate::diagnostic::Diagnostic;
use crate::source::{Span, Spanned};

/// The keys of a mount; alternative spellings are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKey {
    /// `type`.
    Type,
    /// `from`: stage, image or named context.
    From,
    /// `source`, `src`.
    Source,
    /// `target`, `dst`, `destination`.
    Target,
    /// `readonly`, `ro`.
    Readonly,
    /// `readwrite`, `rw`.
    Readwrite,
    /// `id` of a cache, secret or agent.
    Id,
    /// `sharing` of a cache.
    Sharing,
    /// `required`.
    Required,
    /// `size` of a tmpfs.
    Size,
    /// `mode`, octal.
    Mode,
    /// `uid`.
    Uid,
    /// `gid`.
    Gid,
    /// `env`: the variable that a secret is given in.
    Env,
}

/// Every spelling of every key.
const KEYS: [(&str, MountKey); 19] = [
    ("type", MountKey::Type),
    ("from", MountKey::From),
    ("source", MountKey::Source),
    ("src", MountKey::Source),
    ("target", MountKey::Target),
    ("dst", MountKey::Target),
    ("destination", MountKey::Target),
    ("readonly", MountKey::Readonly),
    ("ro", MountKey::Readonly),
    ("readwrite", MountKey::Readwrite),
    ("rw", MountKey::Readwrite),
    ("id", MountKey::Id),
    ("sharing", MountKey::Sharing),
    ("required", MountKey::Required),
    ("size", MountKey::Size),
    ("mode", MountKey::Mode),
    ("uid", MountKey::Uid),
    ("gid", MountKey::Gid),
    ("env", MountKey::Env),
];

impl MountKey {
    /// The key spelled `name`, in whatever case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        KEYS.iter().find(|(spelling, _)| spelling.eq_ignore_ascii_case(name)).map(|(_, key)| *key)
    }

    /// Every spelling.
    pub(crate) fn spellings() -> impl Iterator<Item = &'static str> {
        KEYS.iter().map(|(spelling, _)| *spelling)
    }

    /// Whether it can stand without a value.
    pub(crate) fn can_stand_alone(self) -> bool {
        matches!(self, Self::Readonly | Self::Readwrite | Self::Required)
    }
}

/// One `key=value` of a mount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MountField {
    /// The key.
    pub key: Spanned<MountKey>,
    /// The key as written, for messages.
    pub spelling: String,
    /// The value; `None` for a key that stands alone.
    pub value: Option<Word>,
}

/// One `--mount`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MountFlag {
    /// Its fields, in order; those that can be read.
    pub fields: Vec<MountField>,
    /// What is wrong with the other fields. As for the reference, it matters once the stage is built.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<Diagnostic>,
    /// The flag.
    pub span: Span,
}

impl MountFlag {
    /// The last value of `key`, unexpanded.
    pub fn get(&self, key: MountKey) -> Option<&Word> {
        self.fields.iter().rev().find(|field| field.key.value == key).and_then(|field| field.value.as_ref())
    }
}
