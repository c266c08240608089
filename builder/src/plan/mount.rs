//! Mounts of `RUN`, their keys checked against their type and every default filled in.

use super::graph::NodeId;
use super::op::FilesFrom;
use super::size;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::mount::{MountField, MountKey};
use crate::dockerfile::parse_bool;
use crate::pattern::clean;
use crate::source::Span;
use crate::suggest;

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where, absolute; `None` for a secret that is only a variable and for an agent's socket at its default place.
    pub target: Option<String>,
    /// Whether it cannot be written to.
    pub readonly: bool,
    /// What.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountKind {
    /// Files of the context or of a root. What is written to a writable one is discarded.
    Bind {
        /// Where they are.
        from: FilesFrom,
        /// The path there, clean, beginning with `/`.
        source: String,
    },
    /// A directory that outlives the build.
    Cache {
        /// Its name.
        id: String,
        /// Who else may use it at the same time.
        sharing: Sharing,
        /// What it holds at first.
        from: FilesFrom,
        /// The path there, clean, beginning with `/`.
        source: String,
        /// Its owner and mode at first; mode 0755 if none is given.
        owner: Ownership,
    },
    /// An empty directory in memory.
    Tmpfs {
        /// Its greatest size in bytes.
        size: Option<u64>,
    },
    /// A secret as a file, a variable, or both.
    Secret {
        /// Its name.
        id: String,
        /// The variable that holds it.
        env: Option<String>,
        /// Whether the build fails without it.
        required: bool,
        /// Owner and mode of the file; mode 0400 if none is given.
        owner: Ownership,
    },
    /// The socket of an agent.
    Ssh {
        /// Its name.
        id: String,
        /// Whether the build fails without it.
        required: bool,
        /// Owner and mode of the socket; mode 0600 if none is given.
        owner: Ownership,
    },
}

impl MountKind {
    /// The node that it comes from.
    pub(super) fn node(&self) -> Option<NodeId> {
        match self {
            Self::Bind { from: FilesFrom::Node(node), .. } | Self::Cache { from: FilesFrom::Node(node), .. } => {
                Some(*node)
            }
            _ => None,
        }
    }

    pub(super) fn node_mut(&mut self) -> Option<&mut NodeId> {
        match self {
            Self::Bind { from: FilesFrom::Node(node), .. } | Self::Cache { from: FilesFrom::Node(node), .. } => {
                Some(node)
            }
            _ => None,
        }
    }
}

/// Who may use a cache at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sharing {
    /// Everybody.
    Shared,
    /// One at a time; others get a cache of their own.
    Private,
    /// One at a time; others wait.
    Locked,
}

/// Owner and mode; 0 and the kind's default where nothing is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Ownership {
    /// User id.
    pub uid: Option<u32>,
    /// Group id.
    pub gid: Option<u32>,
    /// Mode.
    pub mode: Option<u32>,
}

/// The types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Bind,
    Cache,
    Tmpfs,
    Secret,
    Ssh,
}

const TYPES: [(&str, Type); 5] = [
    ("bind", Type::Bind),
    ("cache", Type::Cache),
    ("tmpfs", Type::Tmpfs),
    ("secret", Type::Secret),
    ("ssh", Type::Ssh),
];
const SHARINGS: [(&str, Sharing); 3] =
    [("shared", Sharing::Shared), ("private", Sharing::Private), ("locked", Sharing::Locked)];

/// The fields of one `--mount` as they come in.
#[derive(Debug)]
pub(super) struct MountReader {
    kind: Type,
    /// The keys seen, for the remark on those that mean nothing to the type.
    seen: Vec<(MountKey, Span)>,
    readonly: Option<bool>,
    source: String,
    target: String,
    id: String,
    sharing: Option<Sharing>,
    required: bool,
    size: Option<u64>,
    env: Option<String>,
    owner: Ownership,
    span: Span,
}

type Failure = Box<Diagnostic>;

impl MountReader {
    /// Nothing read yet of the flag at `span`.
    pub(super) fn new(span: Span) -> Self {
        Self {
            kind: Type::Bind,
            seen: Vec::new(),
            readonly: None,
            source: String::new(),
            target: String::new(),
            id: String::new(),
            sharing: None,
            required: false,
            size: None,
            env: None,
            owner: Ownership::default(),
            span,
        }
    }

    /// Takes a field whose value is expanded.
    pub(super) fn take(&mut self, field: &MountField, value: Option<String>) -> Result<(), Failure> {
        let key = field.key.value;
        let at = field.value.as_ref().map_or(field.key.span, |value| value.span);
        self.seen.push((key, field.key.span));
        let text = value.clone().unwrap_or_default();
        match key {
            MountKey::Type => self.kind = choice(&TYPES, &text, at, "type of mount")?,
            MountKey::Sharing => self.sharing = Some(choice(&SHARINGS, &text, at, "way to share a cache")?),
            MountKey::From => {}
            MountKey::Source => self.source = text,
            MountKey::Target => self.target = text,
            MountKey::Id => self.id = text,
            MountKey::Env => self.env = Some(text),
            MountKey::Readonly => self.readonly = Some(switch(field, value, at)?),
            MountKey::Readwrite => self.readonly = Some(!switch(field, value, at)?),
            MountKey::Required => {
                self.only(field, matches!(self.kind, Type::Secret | Type::Ssh))?;
                self.required = switch(field, value, at)?;
            }
            MountKey::Size => {
                self.only(field, self.kind == Type::Tmpfs)?;
                self.size = Some(size::parse(&text).ok_or_else(|| invalid(field, &text, at))?);
            }
            MountKey::Mode => {
                self.owner.mode = Some(u32::from_str_radix(&text, 8).map_err(|_| invalid(field, &text, at))?)
            }
            MountKey::Uid => self.owner.uid = Some(text.parse().map_err(|_| invalid(field, &text, at))?),
            MountKey::Gid => self.owner.gid = Some(text.parse().map_err(|_| invalid(field, &text, at))?),
        }
        Ok(())
    }

    /// The reference reads the fields in order: a key of one type has to come after `type`.
    fn only(&self, field: &MountField, allowed: bool) -> Result<(), Failure> {
        if allowed {
            return Ok(());
        }
        let message = format!("a mount of type `{}` has no key `{}`", self.type_name(), field.spelling);
        let diagnostic = Diagnostic::error("invalid-mount-key", field.key.span, message);
        Err(Box::new(diagnostic.hint("write `type=…` before it if that is another type")))
    }

    fn type_name(&self) -> &'static str {
        TYPES.iter().find(|(_, kind)| *kind == self.kind).map_or("bind", |(name, _)| *name)
    }

    /// Whether `from` is of use to the type.
    pub(super) fn uses_from(&self) -> bool {
        matches!(self.kind, Type::Bind | Type::Cache)
    }

    /// Whether it takes from the context where no `from` is written.
    pub(super) fn defaults_to_context(&self) -> bool {
        self.kind == Type::Bind
    }

    /// The keys that are written and mean nothing to the type: accepted by the reference, and worth a warning.
    pub(super) fn useless_keys(&self) -> Vec<Diagnostic> {
        let useless = |key: MountKey| match key {
            MountKey::From => matches!(self.kind, Type::Tmpfs | Type::Ssh),
            MountKey::Id => matches!(self.kind, Type::Bind | Type::Tmpfs),
            MountKey::Env => self.kind != Type::Secret,
            MountKey::Source => self.kind == Type::Tmpfs,
            MountKey::Readonly | MountKey::Readwrite => matches!(self.kind, Type::Secret | Type::Ssh),
            _ => false,
        };
        let name = self.type_name();
        let seen = self.seen.iter().filter(|(key, _)| useless(*key));
        seen.map(|(_, span)| {
            Diagnostic::warning(
                "useless-mount-key",
                *span,
                format!("a mount of type `{name}` takes no notice of this key"),
            )
        })
        .collect()
    }

    /// The mount, in a `RUN` whose working directory is `cwd`.
    pub(super) fn finish(self, cwd: &str, from: FilesFrom) -> Result<Mount, Failure> {
        self.check()?;
        let readonly = self.readonly.unwrap_or(!matches!(self.kind, Type::Cache | Type::Tmpfs));
        let source = clean(&format!("/{}", self.source));
        let (target, kind) = match self.kind {
            Type::Secret => return self.secret(readonly, cwd),
            Type::Ssh => return self.ssh(readonly, cwd),
            Type::Bind => (self.absolute(cwd)?, MountKind::Bind { from, source }),
            Type::Tmpfs => (self.absolute(cwd)?, MountKind::Tmpfs { size: self.size.filter(|size| *size > 0) }),
            Type::Cache => {
                let id = if self.id.is_empty() { clean(&self.target) } else { self.id.clone() };
                let sharing = self.sharing.unwrap_or(Sharing::Shared);
                (self.absolute(cwd)?, MountKind::Cache { id, sharing, from, source, owner: self.owner })
            }
        };
        Ok(Mount { target: Some(target), readonly, kind })
    }

    fn check(&self) -> Result<(), Failure> {
        let fail = |message: String| Err(Box::new(Diagnostic::error("invalid-mount", self.span, message)));
        let name = self.type_name();
        if matches!(self.kind, Type::Bind | Type::Tmpfs) && self.owner != Ownership::default() {
            return fail(format!("a mount of type `{name}` has no `mode`, `uid` and `gid`"));
        }
        if self.sharing.is_some() && self.kind != Type::Cache {
            return fail(format!("a mount of type `{name}` has no `sharing`"));
        }
        match self.kind {
            Type::Secret if self.seen.iter().any(|(key, _)| *key == MountKey::From) => {
                fail("a secret has no `from`".to_owned())
            }
            Type::Secret if self.source.is_empty() && self.target.is_empty() && self.id.is_empty() => {
                fail("a secret needs an `id` or a `target`".to_owned())
            }
            Type::Secret if !self.source.is_empty() && !self.id.is_empty() => {
                fail("a secret has either an `id` or a `source`, which mean the same".to_owned())
            }
            Type::Ssh if !self.source.is_empty() => fail("an agent's socket has no `source`".to_owned()),
            _ => Ok(()),
        }
    }

    fn secret(self, readonly: bool, cwd: &str) -> Result<Mount, Failure> {
        let base = |path: &str| path.trim_end_matches('/').rsplit('/').next().unwrap_or_default().to_owned();
        let id = [self.source.as_str(), self.id.as_str()].into_iter().find(|id| !id.is_empty()).map(str::to_owned);
        let id = id.unwrap_or_else(|| base(&self.target));
        let target = match (self.target.as_str(), &self.env) {
            ("", Some(_)) => None,
            ("", None) => Some(format!("/run/secrets/{}", base(&id))),
            _ => Some(self.absolute(cwd)?),
        };
        let kind = MountKind::Secret { id, env: self.env, required: self.required, owner: self.owner };
        Ok(Mount { target, readonly, kind })
    }

    fn ssh(self, readonly: bool, cwd: &str) -> Result<Mount, Failure> {
        let target = if self.target.is_empty() { None } else { Some(self.absolute(cwd)?) };
        let id = if self.id.is_empty() { "default".to_owned() } else { self.id };
        Ok(Mount { target, readonly, kind: MountKind::Ssh { id, required: self.required, owner: self.owner } })
    }

    fn absolute(&self, cwd: &str) -> Result<String, Failure> {
        let target =
            if self.target.starts_with('/') { clean(&self.target) } else { clean(&format!("/{cwd}/{}", self.target)) };
        if target == "/" {
            let diagnostic = Diagnostic::error("invalid-mount", self.span, "a mount cannot take the place of `/`");
            return Err(Box::new(diagnostic.hint("write `target=/DIRECTORY`")));
        }
        Ok(target)
    }
}

fn choice<T: Copy>(choices: &[(&'static str, T)], text: &str, at: Span, what: &str) -> Result<T, Failure> {
    let wanted = text.to_lowercase();
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == wanted) {
        return Ok(*value);
    }
    let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
    let diagnostic = Diagnostic::error("invalid-mount", at, format!("`{text}` is no {what}"));
    Err(Box::new(match suggest::nearest(text, names.iter().copied()) {
        Some(nearest) => diagnostic.did_you_mean(Some(nearest)),
        None => diagnostic.hint(format!("it is one of {}", names.join(", "))),
    }))
}

fn switch(field: &MountField, value: Option<String>, at: Span) -> Result<bool, Failure> {
    let Some(text) = value else { return Ok(true) };
    parse_bool(&text).ok_or_else(|| invalid(field, &text, at))
}

fn invalid(field: &MountField, text: &str, at: Span) -> Failure {
    Box::new(Diagnostic::error("invalid-mount", at, format!("`{text}` cannot be the value of `{}`", field.spelling)))
}
