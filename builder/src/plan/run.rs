//! `RUN`: the command with its environment and mounts.

use super::history;
use super::mount::{Mount, MountKind, MountReader};
use super::op::{DeviceRequest, FilesFrom, Op, RunOp, Script};
use super::options::PROXY_ARGS;
use super::stage::StageLowering;
use super::stages::{FromKind, FromPlace};
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::Statement;
use crate::dockerfile::heredoc::{self, Heredoc};
use crate::dockerfile::instruction::{CommandForm, Network, Run, Security};
use crate::dockerfile::mount::{MountFlag, MountKey};

/// Where scripts that are heredocs are mounted.
const SCRIPTS: &str = "/dev/pipes";

/// What is run, and how it is shown.
struct Command {
    argv: Vec<String>,
    script: Option<Script>,
    /// The start of a heredoc, for progress.
    summary: String,
}

impl StageLowering<'_, '_> {
    pub(super) fn run(&mut self, run: &Run, statement: &Statement) -> Option<()> {
        let command = self.run_command(run);
        if command.argv.is_empty() {
            let diagnostic = Diagnostic::error("missing-command", statement.span, "`RUN` has nothing to run");
            self.fail(diagnostic.hint("write a command, or an array with at least one string"));
            return None;
        }
        let mounts: Vec<Option<Mount>> = run.mounts.iter().map(|flag| self.mount(flag)).collect();
        let mounts: Vec<Mount> = mounts.into_iter().collect::<Option<_>>()?;
        let shown = self.shown_run(&format!("{}{}", statement.line, command.summary), &mounts);
        let display = self.next_name(&shown);
        let created_by = history::marked(&format!("RUN {}", self.with_args(&command.argv)));
        let inputs = mounts.iter().filter_map(|mount| mount.kind.node()).collect();
        let op = RunOp {
            argv: command.argv,
            env: self.state.env.to_vec(),
            proxy_env: self.proxy_env(),
            user: self.state.config.config.user.clone(),
            cwd: self.cwd(),
            mounts,
            network: run.network.as_ref().map_or(Network::Default, |network| network.value),
            security: run.security.as_ref().map_or(Security::Sandbox, |security| security.value),
            devices: run.devices.iter().map(|d| DeviceRequest { name: d.name.clone(), required: d.required }).collect(),
            script: command.script,
            hostname: self.shared.options.build_args.get("BUILDKIT_SANDBOX_HOSTNAME").cloned(),
        };
        self.push_layer(Op::Run(Box::new(op)), inputs, display);
        history::layer(&mut self.state.config, created_by);
        Some(())
    }

    /// The command as progress shows it; variables that hold secrets are masked.
    fn shown_run(&self, text: &str, mounts: &[Mount]) -> String {
        let secrets: Vec<&String> = mounts
            .iter()
            .filter_map(|mount| match &mount.kind {
                MountKind::Secret { env, .. } => env.as_ref(),
                _ => None,
            })
            .collect();
        if secrets.is_empty() {
            return self.shown(text, &self.state.env);
        }
        let mut env = self.state.env.clone();
        secrets.into_iter().for_each(|name| env.set(name, "****"));
        self.shown(text, &env)
    }

    fn run_command(&self, run: &Run) -> Command {
        let text = match &run.form {
            CommandForm::Exec(strings) => {
                return Command { argv: super::config::values(strings), script: None, summary: String::new() };
            }
            CommandForm::Shell(text) => &text.value,
        };
        match run.heredocs.as_slice() {
            [] => Command { argv: self.with_shell(text.clone()), script: None, summary: String::new() },
            [first, ..] if heredoc::opener(text).is_some() => self.heredoc_command(first),
            heredocs => {
                let mut whole = text.clone();
                for heredoc in heredocs {
                    whole.push_str(&format!("\n{}{}", heredoc.body, heredoc.name));
                }
                Command { argv: self.with_shell(whole), script: None, summary: String::new() }
            }
        }
    }

    /// A heredoc and nothing else: its body is the script, run by the shell or by what its first line names.
    fn heredoc_command(&self, heredoc: &Heredoc) -> Command {
        let content = heredoc.content();
        let summary = format!(" ({})", summarize(&heredoc.body));
        if !content.starts_with("#!") {
            return Command { argv: self.with_shell(content), script: None, summary };
        }
        let argv = self.with_shell(format!("{SCRIPTS}/{}", heredoc.name));
        let script = Script { directory: SCRIPTS.to_owned(), name: heredoc.name.clone(), content };
        Command { argv, script: Some(script), summary }
    }

    /// The command as history has it: `|2 a=1 b=2 /bin/sh -c …` with the declared arguments in front.
    fn with_args(&self, argv: &[String]) -> String {
        let mut args: Vec<(&str, &str)> = Vec::new();
        for (name, value) in &self.state.args {
            let value = self.state.env.get(name).or(value.as_deref()).unwrap_or_default();
            match args.iter_mut().find(|(other, _)| other == name) {
                Some(old) => old.1 = value,
                None => args.push((name, value)),
            }
        }
        let mut words: Vec<String> = Vec::new();
        if !args.is_empty() {
            words.push(format!("|{}", args.len()));
        }
        words.extend(args.into_iter().map(|(name, value)| format!("{name}={value}")));
        words.extend(argv.iter().cloned());
        words.join(" ")
    }

    /// The proxies that are given and not set otherwise.
    fn proxy_env(&self) -> Vec<(String, String)> {
        let given = PROXY_ARGS.iter().filter_map(|name| {
            let value = self.shared.options.build_args.get(*name)?;
            Some(((*name).to_owned(), value.clone()))
        });
        given.filter(|(name, _)| self.state.env.get(name).is_none()).collect()
    }

    fn mount(&mut self, flag: &MountFlag) -> Option<Mount> {
        if !flag.problems.is_empty() {
            flag.problems.iter().for_each(|problem| self.fail(problem.clone()));
            return None;
        }
        let mut reader = MountReader::new(flag.span);
        for field in &flag.fields {
            let value = self.expand_option(field.value.as_ref())?;
            if let Err(diagnostic) = reader.take(field, value) {
                self.fail(*diagnostic);
                return None;
            }
        }
        reader.useless_keys().into_iter().for_each(|warning| self.fail(warning));
        let from = match flag.get(MountKey::From).filter(|from| !from.text.is_empty() && reader.uses_from()) {
            Some(from) => self.files_from(&from.text, FromKind::Mount, from.span)?,
            None if !self.is_from_valid(flag) => return None,
            None if reader.defaults_to_context() => FilesFrom::Context,
            None => FilesFrom::Empty,
        };
        match reader.finish(&self.cwd(), from) {
            Ok(mount) => Some(mount),
            Err(diagnostic) => {
                self.fail(*diagnostic);
                None
            }
        }
    }

    /// The reference looks at what a `from` names even where the type makes no use of it.
    fn is_from_valid(&mut self, flag: &MountFlag) -> bool {
        let Some(from) = flag.get(MountKey::From).filter(|from| !from.text.is_empty()) else { return true };
        let place = FromPlace { kind: FromKind::Mount, span: from.span };
        self.shared.stages.from(&from.text, place, &mut self.shared.diagnostics).is_some()
    }
}

/// The first line of a script.
fn summarize(body: &str) -> String {
    let mut lines = body.trim().lines();
    let first = lines.next().unwrap_or_default().to_owned();
    if lines.next().is_some() { format!("{first}...") } else { first }
}
