//! What was typed at `dhow build` as the engine's values.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroUsize;

use anyhow::Context;
use dhow_builder::dockerfile::instruction::Network;
use dhow_builder::plan::Options;
use dhow_builder::{CacheUse, InsecureRuns, OnError, PullPolicy, RunDefaults};
use dhow_layer_store::oci::Platform;

use super::limits;
use super::named::Named;
use super::platforms;
use super::ssh::Agents;
use super::unset;
use crate::app::App;
use crate::args::{BuildArgs, OnErrorKind};
use crate::environment::Environment;
use crate::problem::Problem;
use crate::wiring::own_shell;

/// Steps at once for each processor, if nothing else is asked for: many only wait, for a network or for a disk.
const JOBS_PER_CORE: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1);
/// And at least so many.
const FEWEST_JOBS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// Everything but the Dockerfile and the context.
pub(super) struct Settings {
    /// Target, arguments, platform, labels.
    pub(super) options: Options,
    /// `--platform`, each once.
    pub(super) platforms: Vec<Platform>,
    /// `--build-context`.
    pub(super) named: Named,
    /// Whether the cache is used.
    pub(super) cache: CacheUse,
    /// Whether base images are looked up again.
    pub(super) pull: PullPolicy,
    /// Steps at once.
    pub(super) jobs: NonZeroUsize,
    /// What every `RUN` gets.
    pub(super) run: RunDefaults,
    /// Serves the keys of `--ssh` while it lives.
    _agents: Agents,
}

impl Settings {
    /// The settings that `args` stand for.
    ///
    /// # Errors
    /// A value cannot be used.
    pub(super) fn new(app: &App, args: &BuildArgs) -> anyhow::Result<Self> {
        let platforms = platforms::typed(args)?;
        let named = Named::parse(&args.build_contexts)?;
        let options = Options {
            target: args.target.clone().filter(|target| !target.is_empty()),
            build_args: build_args(&args.build_args, &app.environment),
            // Of several, who asks about the Dockerfile gets the first.
            platform: platforms.first().cloned(),
            labels: labels(&args.labels),
            named_contexts: named.kinds(),
            unset: args.unset.iter().map(|text| unset::parse(text)).collect::<Result<_, _>>()?,
            ..Options::new(Platform::host())
        };
        platforms::check(&platforms, &options.build_args)?;
        let agents = Agents::open(&args.ssh, &app.environment, &|| app.store())?;
        Ok(Self {
            options,
            platforms,
            named,
            cache: if args.no_cache { CacheUse::Ignore } else { CacheUse::Use },
            pull: if args.pull { PullPolicy::Always } else { PullPolicy::Missing },
            jobs: jobs(args.jobs)?,
            run: run_defaults(app, args, &agents)?,
            _agents: agents,
        })
    }
}

/// A name without a value takes it from the environment; one that is not set there is left out. As for docker's
/// clients, `SOURCE_DATE_EPOCH` needs no naming.
fn build_args(typed: &[String], environment: &Environment) -> BTreeMap<String, String> {
    let of_caller = |name: &str| environment.raw(name).and_then(|value| value.to_str()).map(str::to_owned);
    let epoch = of_caller("SOURCE_DATE_EPOCH").map(|value| ("SOURCE_DATE_EPOCH".to_owned(), value));
    let typed = typed.iter().filter_map(|argument| match argument.split_once('=') {
        Some((name, value)) => Some((name.to_owned(), value.to_owned())),
        None => Some((argument.clone(), of_caller(argument)?)),
    });
    epoch.into_iter().chain(typed).collect()
}

fn labels(typed: &[String]) -> BTreeMap<String, String> {
    let pair = |label: &String| {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        (key.to_owned(), value.to_owned())
    };
    typed.iter().map(pair).collect()
}

fn jobs(typed: Option<usize>) -> Result<NonZeroUsize, Problem> {
    match typed {
        Some(count) => NonZeroUsize::new(count).ok_or_else(|| Problem::usage("`--jobs` must be at least 1")),
        None => {
            let cores = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
            Ok(cores.saturating_mul(JOBS_PER_CORE).max(FEWEST_JOBS))
        }
    }
}

fn run_defaults(app: &App, args: &BuildArgs, agents: &Agents) -> anyhow::Result<RunDefaults> {
    let insecure = match args.allow.iter().find(|right| !matches!(right.as_str(), "security.insecure" | "network.host"))
    {
        Some(other) => return Err(Problem::usage(format!("there is no right `{other}` to allow")).into()),
        None if args.allow.iter().any(|right| right == "security.insecure") => InsecureRuns::Allow,
        None => InsecureRuns::Refuse,
    };
    Ok(RunDefaults {
        network: match args.network.as_str() {
            "none" => Network::None,
            "host" => Network::Host,
            _ => Network::Default,
        },
        resolv_conf: fs::read("/etc/resolv.conf").unwrap_or_default(),
        hosts: args.add_host.iter().map(|entry| host(entry)).collect::<Result<_, _>>()?,
        shm_size: args.limits.shm_size.as_deref().map(limits::size).transpose()?,
        rlimits: limits::rlimits(&args.limits.ulimits)?,
        resources: limits::resources(&args.limits)?,
        secrets: secrets(&args.secrets, &app.environment)?,
        ssh: agents.sockets.clone(),
        insecure,
        on_error: match args.on_error {
            OnErrorKind::Stop => OnError::Stop,
            OnErrorKind::Shell => OnError::Shell,
            OnErrorKind::Keep => OnError::Keep,
        },
        own_shell: if args.on_error == OnErrorKind::Shell { own_shell() } else { None },
    })
}

fn host(entry: &str) -> Result<(String, String), Problem> {
    let bad = || Problem::usage(format!("`{entry}` is not a host and its address")).hint("write HOST:IP");
    let (name, address) = entry.split_once('=').or_else(|| entry.split_once(':')).ok_or_else(bad)?;
    let address = address.trim_start_matches('[').trim_end_matches(']');
    let address = if address == "host-gateway" { "127.0.0.1" } else { address };
    address.parse::<std::net::IpAddr>().map_err(|_| bad())?;
    Ok((name.to_owned(), address.to_owned()))
}

/// `[type=file|env,]id=ID[,src=PATH][,env=VARIABLE]`
fn secrets(typed: &[String], environment: &Environment) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
    let mut secrets = BTreeMap::new();
    for text in typed {
        let bad = |why: &str| Problem::usage(format!("`{text}` is not a secret: {why}"));
        let (mut kind, mut id, mut file, mut variable) = (None, None, None, None);
        for field in text.split(',') {
            match field.split_once('=') {
                Some(("type", value @ ("file" | "env"))) => kind = Some(value),
                Some(("id", value)) if !value.is_empty() => id = Some(value),
                Some(("src" | "source", value)) => file = Some(value),
                Some(("env", value)) => variable = Some(value),
                _ => return Err(bad(&format!("`{field}` is not a field that it has")).into()),
            }
        }
        let id = id.ok_or_else(|| bad("it has no id"))?;
        // With `type=env`, `src` is a variable's name.
        let (file, variable) = if kind == Some("env") { (None, variable.or(file)) } else { (file, variable) };
        let of_caller = |name: &str| environment.raw(name).map(|value| value.as_encoded_bytes().to_vec());
        let value = match (file, variable, kind) {
            (_, Some(name), _) => of_caller(name).ok_or_else(|| bad(&format!("the variable `{name}` is not set")))?,
            (None, None, Some("env")) => {
                of_caller(id).ok_or_else(|| bad(&format!("the variable `{id}` is not set")))?
            }
            (None, None, None) if of_caller(id).is_some() => of_caller(id).unwrap_or_default(),
            (path, None, _) => {
                let path = path.unwrap_or(id);
                fs::read(path).with_context(|| format!("cannot read the secret `{id}` from `{path}`"))?
            }
        };
        secrets.insert(id.to_owned(), value);
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::{build_args, host, jobs, secrets};
    use crate::environment::Environment;

    #[test]
    fn arguments_come_from_the_line_or_the_environment() {
        let environment = Environment::from([("B", "env"), ("SOURCE_DATE_EPOCH", "7")]);
        let typed = ["A=1=2", "B", "UNSET"].map(str::to_owned);
        let found: Vec<_> = build_args(&typed, &environment).into_iter().collect();
        let expected = [("A", "1=2"), ("B", "env"), ("SOURCE_DATE_EPOCH", "7")];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    #[test]
    fn secrets_are_files_or_variables() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secret");
        std::fs::write(&file, b"from file").unwrap();
        let file = file.to_str().unwrap();
        let environment = Environment::from([("TOKEN", "from env")]);
        for (text, expected) in [
            (format!("id=a,src={file}"), Some("from file")),
            (format!("type=file,id=a,source={file}"), Some("from file")),
            ("id=a,env=TOKEN".to_owned(), Some("from env")),
            ("type=env,id=TOKEN".to_owned(), Some("from env")),
            ("id=TOKEN".to_owned(), Some("from env")),
            ("id=a,src=/no/such".to_owned(), None),
            ("src=/x".to_owned(), None),
            ("id=a,env=UNSET".to_owned(), None),
            ("id=a,frob=1".to_owned(), None),
        ] {
            let found = secrets(std::slice::from_ref(&text), &environment).ok();
            let found = found.and_then(|found| found.into_values().next());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }

    #[test]
    fn other_values_are_checked() {
        assert!(jobs(Some(0)).is_err());
        assert_eq!(host("db:10.0.0.1").unwrap(), ("db".to_owned(), "10.0.0.1".to_owned()));
        assert_eq!(host("six=[::1]").unwrap().1, "::1");
        assert!(host("db").is_err() && host("db:nowhere").is_err());
    }
}
