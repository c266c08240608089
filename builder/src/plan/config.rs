//! The instructions that change nothing but the image's config and the variables.

use dhow_layer_store::oci::{Empty, Healthcheck as HealthConfig};

use super::history;
use super::observation::Fact;
use super::op::{Op, WorkdirOp};
use super::port::Ports;
use super::quote::{plain_list, quote_list};
use super::signal;
use super::stage::StageLowering;
use crate::diagnostic::Diagnostic;
use crate::dockerfile::ast::{KeyValue, Statement};
use crate::dockerfile::duration;
use crate::dockerfile::instruction::{Arg, CommandForm, Healthcheck, HealthcheckCmd};
use crate::dockerfile::word::Word;
use crate::pattern::clean;
use crate::source::Spanned;
use crate::suggest;

/// The values of an exec form.
pub(super) fn values(strings: &[Spanned<String>]) -> Vec<String> {
    strings.iter().map(|string| string.value.clone()).collect()
}

impl StageLowering<'_, '_> {
    /// `text` as an argument of the shell.
    pub(super) fn with_shell(&self, text: String) -> Vec<String> {
        let default = || vec!["/bin/sh".to_owned(), "-c".to_owned()];
        let mut argv = self.state.config.config.shell.clone().filter(|shell| !shell.is_empty()).unwrap_or_else(default);
        argv.push(text);
        argv
    }

    /// All words of a line are expanded before any of its values counts.
    fn pairs(&mut self, pairs: &[KeyValue]) -> Option<Vec<(String, String)>> {
        for pair in pairs.iter().filter(|pair| pair.legacy) {
            self.observe(Fact::LegacyPair { name: pair.key.text.clone() }, pair.key.span.to(pair.value.span));
        }
        let expanded: Vec<Option<(String, String)>> =
            pairs.iter().map(|pair| Some((self.expand(&pair.key)?, self.expand(&pair.value)?))).collect();
        expanded.into_iter().collect()
    }

    pub(super) fn env(&mut self, written: &[KeyValue]) -> Option<()> {
        let pairs = self.pairs(written)?;
        for (pair, (name, _)) in written.iter().zip(&pairs) {
            self.observe_secret(name, pair.key.span);
        }
        let mut text = String::from("ENV");
        for (name, value) in pairs {
            let entry = format!("{name}={value}");
            text.push_str(&format!(" {entry}"));
            let env = &mut self.state.config.config.env;
            let place = env.iter_mut().find(|old| old.split_once('=').map_or(old.as_str(), |(name, _)| name) == name);
            match place {
                Some(old) => *old = entry,
                None => env.push(entry),
            }
            self.state.env.set(name, value);
        }
        history::note(&mut self.state.config, text);
        Some(())
    }

    pub(super) fn label(&mut self, pairs: &[KeyValue]) -> Option<()> {
        let mut text = String::from("LABEL");
        for (name, value) in self.pairs(pairs)? {
            text.push_str(&format!(" {name}={value}"));
            self.state.config.config.labels.insert(name, value);
        }
        history::note(&mut self.state.config, text);
        Some(())
    }

    pub(super) fn arg(&mut self, args: &[Arg]) -> Option<()> {
        let mut texts = Vec::new();
        for arg in args {
            let name = &arg.name.value;
            self.observe_secret(name, arg.name.span);
            let given = self.shared.options.build_args.get(name).cloned();
            let value = match (given, &arg.default) {
                (Some(value), _) => Some(value),
                (None, Some(default)) => Some(self.expand(default)?),
                (None, None) => self.shared.stages.globals.get(name).map(str::to_owned),
            };
            let for_scanners = matches!(name.as_str(), "BUILDKIT_SBOM_SCAN_CONTEXT" | "BUILDKIT_SBOM_SCAN_STAGE");
            if let Some(value) = value.as_ref().filter(|_| !for_scanners) {
                self.state.env.set(name.as_str(), value);
            }
            texts.push(value.as_ref().map_or(name.clone(), |value| format!("{name}={value}")));
            self.state.args.push((name.clone(), value));
        }
        history::note(&mut self.state.config, format!("ARG {}", texts.join(" ")));
        Some(())
    }

    fn command(&mut self, form: &CommandForm, keyword: &'static str) -> Vec<String> {
        match form {
            CommandForm::Exec(strings) => values(strings),
            CommandForm::Shell(text) => {
                if self.state.config.config.shell.as_ref().is_none_or(Vec::is_empty) {
                    self.observe(Fact::ShellForm { keyword }, text.span);
                }
                self.with_shell(text.value.clone())
            }
        }
    }

    pub(super) fn cmd(&mut self, form: &CommandForm) -> Option<()> {
        self.take_place("CMD");
        let argv = self.command(form, "CMD");
        history::note(&mut self.state.config, format!("CMD {}", quote_list(&argv)));
        let config = &mut self.state.config.config;
        config.cmd = Some(argv);
        // Meant for Windows, and set by the reference everywhere.
        config.args_escaped = true;
        Some(())
    }

    pub(super) fn entrypoint(&mut self, form: &CommandForm) -> Option<()> {
        self.take_place("ENTRYPOINT");
        let argv = self.command(form, "ENTRYPOINT");
        history::note(&mut self.state.config, format!("ENTRYPOINT {}", quote_list(&argv)));
        let has_cmd = self.commands.iter().any(|(keyword, _)| *keyword == "CMD");
        let config = &mut self.state.config.config;
        config.entrypoint = Some(argv).filter(|argv| !argv.is_empty());
        if !has_cmd {
            config.cmd = None;
        }
        Some(())
    }

    pub(super) fn shell(&mut self, shell: &[Spanned<String>]) -> Option<()> {
        let shell = values(shell);
        history::note(&mut self.state.config, format!("SHELL {}", plain_list(&shell)));
        self.state.config.config.shell = Some(shell);
        Some(())
    }

    pub(super) fn expose(&mut self, words: &[Word]) -> Option<()> {
        let mut sorted: Vec<&Word> = words.iter().collect();
        sorted.sort_by(|a, b| a.text.cmp(&b.text));
        let ports: Vec<Option<Vec<String>>> = sorted.into_iter().map(|word| self.port_names(word)).collect();
        let names: Vec<String> = ports.into_iter().collect::<Option<Vec<_>>>()?.concat();
        let config = &mut self.state.config.config;
        config.exposed_ports.extend(names.iter().map(|name| (name.clone(), Empty {})));
        history::note(&mut self.state.config, format!("EXPOSE {}", plain_list(&names)));
        Some(())
    }

    fn port_names(&mut self, word: &Word) -> Option<Vec<String>> {
        let mut names = Vec::new();
        for text in self.expand_quietly(word)?.words {
            names.extend(self.ports(&text, word)?.names());
        }
        Some(names)
    }

    fn ports(&mut self, text: &str, word: &Word) -> Option<Ports> {
        let ports = match Ports::parse(text) {
            Ok(ports) => ports,
            Err(reason) => {
                let message = format!("`{text}` cannot be exposed: {reason}");
                let hint = "write `PORT`, `PORT/PROTOCOL` or `FIRST-LAST`";
                self.fail(Diagnostic::error("invalid-port", word.span, message).hint(hint));
                return None;
            }
        };
        if ports.protocol != ports.protocol.to_lowercase() {
            self.observe(Fact::ProtocolCase { port: text.to_owned() }, word.span);
        }
        if ports.published {
            self.observe(Fact::PublishedPort { port: text.to_owned() }, word.span);
        }
        Some(ports)
    }

    pub(super) fn healthcheck(&mut self, check: &Healthcheck) -> Option<()> {
        self.take_place("HEALTHCHECK");
        let config = match check {
            Healthcheck::None => HealthConfig { test: vec!["NONE".to_owned()], ..HealthConfig::default() },
            Healthcheck::Cmd(cmd) => health_config(cmd),
        };
        let text = format!(
            "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
            plain_list(&config.test),
            duration::format(config.interval),
            duration::format(config.timeout),
            duration::format(config.start_period),
            duration::format(config.start_interval),
            config.retries
        );
        history::note(&mut self.state.config, text);
        self.state.config.config.healthcheck = Some(config);
        Some(())
    }

    pub(super) fn stopsignal(&mut self, word: &Word) -> Option<()> {
        let text = self.expand(word)?;
        if !signal::is_signal(&text) {
            let message = format!("`{text}` is no signal");
            let bare = text.to_ascii_uppercase();
            let bare = bare.strip_prefix("SIG").unwrap_or(&bare);
            let nearest = suggest::nearest(bare, signal::names()).map(|name| format!("SIG{name}"));
            self.fail(Diagnostic::error("invalid-signal", word.span, message).did_you_mean(nearest.as_deref()));
            return None;
        }
        history::note(&mut self.state.config, format!("STOPSIGNAL {text}"));
        self.state.config.config.stop_signal = Some(text);
        Some(())
    }

    pub(super) fn user(&mut self, word: &Word) -> Option<()> {
        let user = self.expand(word)?;
        history::note(&mut self.state.config, format!("USER {user}"));
        self.state.config.config.user = user;
        Some(())
    }

    pub(super) fn volume(&mut self, words: &[Word]) -> Option<()> {
        let mut paths = Vec::new();
        for word in words {
            let path = self.expand(word)?;
            if path.is_empty() {
                self.fail(Diagnostic::error("empty-volume", word.span, "the path of the volume expands to nothing"));
                return None;
            }
            paths.push(path);
        }
        history::note(&mut self.state.config, format!("VOLUME {}", plain_list(&paths)));
        self.state.config.config.volumes.extend(paths.into_iter().map(|path| (path, Empty {})));
        Some(())
    }

    pub(super) fn workdir(&mut self, word: &Word, statement: &Statement) -> Option<()> {
        let written = self.expand(word)?;
        if !self.state.workdir_set && !written.starts_with('/') {
            self.observe(Fact::RelativeWorkdir { path: written.clone() }, word.span);
        }
        self.state.workdir_set = true;
        // The reference cleans a path only where it joins two.
        let path = match written.as_str() {
            "" => self.cwd(),
            _ if written.starts_with('/') => written,
            _ => clean(&format!("/{}/{written}", self.cwd())),
        };
        self.state.config.config.working_dir.clone_from(&path);
        let text = format!("WORKDIR {path}");
        if path == "/" {
            self.progress.done += 1;
            history::note(&mut self.state.config, text);
            return Some(());
        }
        let user = self.state.config.config.user.clone();
        let shown = self.shown(&statement.line, &self.state.env);
        let display = self.next_name(&shown);
        self.push_layer(Op::Workdir(WorkdirOp { path: clean(&path), user }), Vec::new(), display);
        history::layer(&mut self.state.config, text);
        Some(())
    }
}

fn health_config(cmd: &HealthcheckCmd) -> HealthConfig {
    let test = match &cmd.form {
        CommandForm::Shell(text) => vec!["CMD-SHELL".to_owned(), text.value.clone()],
        CommandForm::Exec(strings) => std::iter::once("CMD".to_owned()).chain(values(strings)).collect(),
    };
    HealthConfig {
        test,
        interval: cmd.interval,
        timeout: cmd.timeout,
        start_period: cmd.start_period,
        start_interval: cmd.start_interval,
        retries: cmd.retries,
    }
}
