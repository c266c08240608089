//! What a Dockerfile offers to those who build it: its targets, and the arguments, secrets and agents of one of them.
//!
//! This is what `--call=targets` and `--call=outline` show. Values are as written, variables unexpanded.

use serde::Serialize;

use crate::diagnostic::Diagnostic;
use crate::dockerfile::Dockerfile;
use crate::dockerfile::ast::{Instruction, Stage, Statement};
use crate::dockerfile::mount::{MountFlag, MountKey};
use crate::plan::{self, Options};
use crate::source::{Span, Spanned};

/// A stage that can be built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Target {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// The comment `# NAME text` above it, without the name.
    pub description: Option<String>,
    /// What it is built from.
    pub base: String,
    /// Its `--platform`.
    pub platform: Option<String>,
    /// Whether it is built if no target is named.
    pub default: bool,
    /// Its `FROM` line.
    pub span: Span,
}

/// What one target can be given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outline {
    /// The target.
    pub target: Target,
    /// The build arguments that it and what it needs declare, each once.
    pub args: Vec<OutlineArg>,
    /// The secrets that its commands are given, each once.
    pub secrets: Vec<OutlineMount>,
    /// The agents that its commands are given, each once.
    pub ssh: Vec<OutlineMount>,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutlineArg {
    /// Its name.
    pub name: String,
    /// The comment `# NAME text` above it, without the name.
    pub description: Option<String>,
    /// Its default.
    pub value: Option<String>,
    /// Where it is declared.
    pub span: Span,
}

/// A secret or agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OutlineMount {
    /// Its name.
    pub name: String,
    /// Whether the build fails without it.
    pub required: bool,
    /// The mount.
    pub span: Span,
}

/// The stages of a file as targets, in order.
pub fn targets(dockerfile: &Dockerfile) -> Vec<Target> {
    let last = dockerfile.stages.len().saturating_sub(1);
    let stages = dockerfile.stages.iter().enumerate();
    stages.map(|(index, stage)| Target { default: index == last, ..target(stage) }).collect()
}

/// What the target of `options` can be given.
///
/// # Errors
/// The target or a `FROM` line is wrong.
pub fn outline(dockerfile: &Dockerfile, options: &Options) -> Result<Outline, Vec<Diagnostic>> {
    let (index, needed) = plan::needed(dockerfile, options)?;
    let mut outline = Outline {
        target: targets(dockerfile).swap_remove(index),
        args: Vec::new(),
        secrets: Vec::new(),
        ssh: Vec::new(),
    };
    let stages = dockerfile.stages.iter().zip(needed).filter(|(_, needed)| *needed);
    let statements = stages.flat_map(|(stage, _)| &stage.statements);
    for statement in dockerfile.global_args.iter().chain(statements) {
        outline.add(statement);
    }
    Ok(outline)
}

impl Outline {
    fn add(&mut self, statement: &Statement) {
        match &statement.instruction {
            Instruction::Arg(args) => {
                for arg in args {
                    let value = arg.default.as_ref().map(|default| default.text.clone());
                    let (name, description) = (arg.name.value.clone(), arg.description.clone());
                    self.add_arg(OutlineArg { name, description, value, span: arg.name.span });
                }
            }
            Instruction::Run(run) => run.mounts.iter().for_each(|mount| self.add_mount(mount)),
            _ => {}
        }
    }

    /// A stage repeats a global argument to see it; what either of them says, counts.
    fn add_arg(&mut self, arg: OutlineArg) {
        match self.args.iter_mut().find(|old| old.name == arg.name) {
            Some(old) => {
                old.description = old.description.take().or(arg.description);
                old.value = old.value.take().or(arg.value);
            }
            None => self.args.push(arg),
        }
    }

    fn add_mount(&mut self, mount: &MountFlag) {
        let text = |key| mount.get(key).map(|word| word.text.clone()).filter(|text| !text.is_empty());
        let base = |path: String| path.rsplit('/').next().unwrap_or_default().to_owned();
        let named = text(MountKey::Id).or_else(|| text(MountKey::Source));
        let (list, name) = match text(MountKey::Type).as_deref() {
            Some("secret") => (&mut self.secrets, named.or_else(|| text(MountKey::Target).map(base))),
            Some("ssh") => (&mut self.ssh, Some(named.unwrap_or_else(|| "default".to_owned()))),
            _ => return,
        };
        let alone = |field: &crate::dockerfile::mount::MountField| {
            let value = field.value.as_ref().map(|value| value.text.as_str());
            field.key.value == MountKey::Required && matches!(value, None | Some("true" | "1"))
        };
        let required = mount.fields.iter().any(alone);
        if let Some(name) = name.filter(|name| list.iter().all(|old| old.name != *name)) {
            list.push(OutlineMount { name, required, span: mount.span });
        }
    }
}

fn target(stage: &Stage) -> Target {
    let name = stage.name().map(str::to_owned);
    let described =
        |comment: &Spanned<String>| comment.value.strip_prefix(name.as_deref()?)?.strip_prefix(' ').map(str::to_owned);
    Target {
        description: stage.comments.iter().find_map(described),
        base: stage.from.base.text.clone(),
        platform: stage.from.platform.as_ref().map(|platform| platform.text.clone()),
        default: false,
        span: stage.span,
        name,
    }
}

#[cfg(test)]
mod tests {
    use super::{outline, targets};
    use crate::dockerfile::parse;
    use crate::plan::Options;
    use crate::source::SourceFile;

    const TEXT: &str = "# V the version\nARG V=1\n# tools what is needed to build\nFROM a AS tools\nARG V\nARG T=x\n\
        RUN --mount=type=secret,id=s,required --mount=type=ssh --mount=type=secret,target=/run/t true\n\
        FROM b AS unused\nARG U\nFROM c\nCOPY --from=tools /a /a\n";

    #[test]
    fn targets_and_what_they_can_be_given() {
        let (dockerfile, _) = parse(&SourceFile::new("Dockerfile", TEXT)).into_result().expect("it parses");
        let targets = targets(&dockerfile);
        assert_eq!(targets[0].description.as_deref(), Some("what is needed to build"));
        assert_eq!(targets.iter().map(|target| target.default).collect::<Vec<_>>(), [false, false, true]);
        let options = Options::new("linux/amd64".parse().expect("a platform"));
        let outline = outline(&dockerfile, &options).expect("a target");
        let args: Vec<_> = outline.args.iter().map(|arg| (arg.name.as_str(), arg.value.as_deref())).collect();
        assert_eq!(args, [("V", Some("1")), ("T", Some("x"))]);
        assert_eq!(outline.args[0].description.as_deref(), Some("the version"));
        let secrets: Vec<_> = outline.secrets.iter().map(|secret| (secret.name.as_str(), secret.required)).collect();
        assert_eq!(secrets, [("s", true), ("t", false)]);
        assert_eq!(outline.ssh[0].name, "default");
    }
}
