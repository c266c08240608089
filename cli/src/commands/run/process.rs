//! What a container executes: the image's config with what was typed over it, by docker's rules.

use std::path::{Path, PathBuf};

use anyhow::Context;
use dhow_layer_store::oci::ContainerConfig;
use serde::{Deserialize, Serialize};

use crate::args::CreateOptions;
use crate::environment::Environment;
use crate::problem::Problem;

/// The search path of an image that sets none.
pub(super) const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program with what it is given, still without numbers for its user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Program {
    /// What is executed.
    pub(crate) entrypoint: Vec<String>,
    /// Its arguments; the program itself where there is no entrypoint.
    pub(crate) cmd: Vec<String>,
    /// `NAME=value`, each name once.
    pub(crate) env: Vec<String>,
    /// Working directory.
    pub(crate) cwd: String,
    /// `user[:group]`, names or numbers.
    pub(crate) user: String,
}

impl Program {
    /// The program of a container of an image with `config`, named `hostname` inside.
    ///
    /// # Errors
    /// There is nothing to execute, or an option cannot be used.
    pub(crate) fn new(
        config: &ContainerConfig,
        options: &CreateOptions,
        hostname: &str,
        environment: &Environment,
    ) -> anyhow::Result<Self> {
        let (entrypoint, cmd) = command(config, options);
        if entrypoint.is_empty() && cmd.is_empty() {
            return Err(Problem::usage(format!("the image `{}` names no program", options.image()))
                .hint("write one after the image, such as `/bin/sh`")
                .into());
        }
        Ok(Self {
            entrypoint,
            cmd,
            env: environment_of(config, options, hostname, environment)?,
            cwd: cwd(config, options)?,
            user: options.user.clone().unwrap_or_else(|| config.user.clone()),
        })
    }

    /// The whole argument vector.
    pub(crate) fn args(&self) -> Vec<String> {
        self.entrypoint.iter().chain(&self.cmd).cloned().collect()
    }
}

/// Another entrypoint takes the image's CMD away; an empty one takes the image's entrypoint away.
fn command(config: &ContainerConfig, options: &CreateOptions) -> (Vec<String>, Vec<String>) {
    let typed = options.command().to_vec();
    match options.entrypoint.as_deref() {
        Some("") => (Vec::new(), typed),
        Some(entrypoint) => (vec![entrypoint.to_owned()], typed),
        None => {
            let cmd = if typed.is_empty() { config.cmd.clone().unwrap_or_default() } else { typed };
            (config.entrypoint.clone().unwrap_or_default(), cmd)
        }
    }
}

fn cwd(config: &ContainerConfig, options: &CreateOptions) -> anyhow::Result<String> {
    match options.workdir.as_deref() {
        Some(dir) if !dir.starts_with('/') => {
            Err(Problem::usage(format!("the working directory `{dir}` is not an absolute path")).into())
        }
        Some(dir) => Ok(dir.to_owned()),
        None if config.working_dir.is_empty() => Ok("/".to_owned()),
        None => Ok(config.working_dir.clone()),
    }
}

/// Defaults, then the image's, then those of files, then those of options.
fn environment_of(
    config: &ContainerConfig,
    options: &CreateOptions,
    hostname: &str,
    environment: &Environment,
) -> anyhow::Result<Vec<String>> {
    let mut env = vec![format!("PATH={DEFAULT_PATH}"), format!("HOSTNAME={hostname}")];
    if options.tty {
        env.push("TERM=xterm".to_owned());
    }
    for variable in &config.env {
        set(&mut env, variable);
    }
    add_typed(&mut env, (&options.env_file, &options.env), environment)?;
    Ok(env)
}

/// Adds the variables of files, then those that were typed.
///
/// # Errors
/// A file cannot be read, or something is no variable.
pub(crate) fn add_typed(
    env: &mut Vec<String>,
    (files, variables): (&[PathBuf], &[String]),
    environment: &Environment,
) -> anyhow::Result<()> {
    for file in files {
        for line in env_file(file)? {
            set_or_copy(env, &line, environment);
        }
    }
    for variable in variables {
        if variable.is_empty() || variable.starts_with('=') {
            return Err(Problem::usage(format!("`{variable}` is not an environment variable")).into());
        }
        set_or_copy(env, variable, environment);
    }
    Ok(())
}

/// Sets `NAME=value` in place of another value of the same name.
fn set(env: &mut Vec<String>, variable: &str) {
    let name = variable.split('=').next().unwrap_or(variable);
    let same = |known: &&mut String| known.split('=').next() == Some(name);
    match env.iter_mut().find(same) {
        Some(known) => *known = variable.to_owned(),
        None => env.push(variable.to_owned()),
    }
}

/// Sets a variable unless it has a value already.
pub(crate) fn set_default(env: &mut Vec<String>, name: &str, value: &str) {
    if !env.iter().any(|known| known.split('=').next() == Some(name)) {
        env.push(format!("{name}={value}"));
    }
}

/// A name without a value takes it from the caller's environment; one that is not set there is taken away.
fn set_or_copy(env: &mut Vec<String>, variable: &str, environment: &Environment) {
    if variable.contains('=') {
        return set(env, variable);
    }
    match environment.raw(variable).and_then(|value| value.to_str()) {
        Some(value) => set(env, &format!("{variable}={value}")),
        None => env.retain(|known| known.split('=').next() != Some(variable)),
    }
}

/// The lines of a file of variables: comments and empty lines are skipped, nothing is unquoted.
fn env_file(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut lines = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let name = line.split('=').next().unwrap_or(line);
        if name.is_empty() || name.contains(char::is_whitespace) {
            let place = format!("`{}`, line {}", path.display(), number + 1);
            return Err(Problem::usage(format!("{place}: `{name}` is not the name of a variable")).into());
        }
        lines.push(line.to_owned());
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::{DEFAULT_PATH, Program};
    use crate::args::{Cli, Command};
    use crate::environment::Environment;
    use clap::Parser;
    use dhow_layer_store::oci::ContainerConfig;

    fn config() -> ContainerConfig {
        ContainerConfig {
            entrypoint: Some(vec!["/entry".to_owned()]),
            cmd: Some(vec!["a".to_owned(), "b".to_owned()]),
            env: vec!["PATH=/x".to_owned(), "A=image".to_owned()],
            ..ContainerConfig::default()
        }
    }

    fn program(config: &ContainerConfig, words: &[&str]) -> anyhow::Result<Program> {
        let words = ["dhow", "run"].iter().chain(words).copied();
        let Command::Run(args) = Cli::try_parse_from(words)?.command else { panic!("not a run") };
        Program::new(config, &args.create, "host", &Environment::from([("FROM_CALLER", "yes")]))
    }

    fn check(words: &[&str], expected: &[&str]) {
        assert_eq!(program(&config(), words).expect("a program").args(), expected, "{words:?}");
    }

    #[test]
    fn entrypoint_and_cmd_follow_docker() {
        check(&["i"], &["/entry", "a", "b"]);
        check(&["i", "c"], &["/entry", "c"]);
        check(&["--entrypoint", "/other", "i"], &["/other"]);
        check(&["--entrypoint", "/other", "i", "c"], &["/other", "c"]);
        check(&["--entrypoint=", "i", "c"], &["c"]);
        assert!(program(&config(), &["--entrypoint=", "i"]).is_err());
        assert!(program(&ContainerConfig::default(), &["i"]).is_err());
        assert!(program(&config(), &["-w", "relative", "i"]).is_err());
    }

    #[test]
    fn variables_are_set_over_each_other() {
        let found = program(&config(), &["-t", "-e", "A=typed", "-e", "FROM_CALLER", "-e", "UNSET", "i"]).unwrap().env;
        assert_eq!(found, ["PATH=/x", "HOSTNAME=host", "TERM=xterm", "A=typed", "FROM_CALLER=yes"]);
        let found = program(&ContainerConfig::default(), &["i", "x"]).unwrap().env;
        assert_eq!(found[0], format!("PATH={DEFAULT_PATH}"));
    }

    #[test]
    fn files_of_variables() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("env");
        std::fs::write(&path, "# comment\n\nB=\"kept quotes\"\nFROM_CALLER\nUNSET\n").unwrap();
        let found = program(&config(), &["--env-file", path.to_str().unwrap(), "i"]).unwrap().env;
        assert_eq!(found[2..], ["A=image", "B=\"kept quotes\"", "FROM_CALLER=yes"]);
        std::fs::write(&path, "bad name=1\n").unwrap();
        let error = program(&config(), &["--env-file", path.to_str().unwrap(), "i"]).unwrap_err();
        assert!(error.to_string().contains("line 1"), "{error}");
    }
}
