//! What lowering sees and the rules report: facts that only expansion brings to light.

use crate::source::Span;

/// One fact, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Observation {
    pub(crate) kind: Fact,
    /// The word that shows it.
    pub(crate) span: Span,
    /// The instruction that it stands in, or the `FROM` line.
    pub(crate) statement: Span,
}

/// The facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fact {
    /// A variable is used in an instruction and set nowhere.
    UndefinedVariable { name: String, nearest: Option<String> },
    /// A variable is used in a `FROM` and declared nowhere above.
    UndefinedFromArg { name: String, nearest: Option<String> },
    /// The first `WORKDIR` of a stage is relative.
    RelativeWorkdir { path: String },
    /// `--platform=$TARGETPLATFORM`.
    RedundantPlatform { written: String },
    /// `--platform` without a variable.
    ConstantPlatform { platform: String },
    /// The base image is for another platform.
    OtherBasePlatform { image: String, wanted: String, found: String },
    /// A shell form of `CMD` or `ENTRYPOINT`, with no `SHELL` set.
    ShellForm { keyword: &'static str },
    /// A `CMD`, `ENTRYPOINT` or `HEALTHCHECK` that a later one replaces.
    Replaced { keyword: &'static str },
    /// A pair of `ENV` or `LABEL` without `=`.
    LegacyPair { name: String },
    /// An `ARG` or `ENV` whose name tells of a secret.
    SecretName { name: String },
    /// An `EXPOSE` whose protocol is not in lower case.
    ProtocolCase { port: String },
    /// An `EXPOSE` with an address or a host's port.
    PublishedPort { port: String },
    /// A source of `COPY` or `ADD` in the context.
    ContextSource { keyword: &'static str, path: String },
}
