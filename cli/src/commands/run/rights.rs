//! Capabilities, seccomp and limits of a container.

use dhow_runtime::{Capability, CapabilitySet, Privileges, Resources, Seccomp};

use crate::args::LimitOptions;
use crate::format::human;
use crate::problem::Problem;

/// What a container may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rights {
    /// The most that its programs may hold.
    pub(crate) capabilities: CapabilitySet,
    /// Whether set-user-id programs work.
    pub(crate) privileges: Privileges,
    /// The filter of system calls.
    pub(crate) seccomp: Seccomp,
}

impl Rights {
    /// Docker's defaults with what was typed.
    ///
    /// # Errors
    /// A name is unknown.
    pub(crate) fn new(options: &LimitOptions) -> anyhow::Result<Self> {
        let mut rights = Self {
            capabilities: capabilities(options)?,
            privileges: Privileges::MayGain,
            seccomp: if options.privileged { Seccomp::Unconfined } else { Seccomp::Default },
        };
        for option in &options.security_opt {
            match option.replace(':', "=").as_str() {
                "seccomp=unconfined" => rights.seccomp = Seccomp::Unconfined,
                "no-new-privileges" | "no-new-privileges=true" => rights.privileges = Privileges::NoNew,
                "no-new-privileges=false" => rights.privileges = Privileges::MayGain,
                // Neither is in use, so neither confines.
                "apparmor=unconfined" | "label=disable" => {}
                _ => {
                    return Err(Problem::usage(format!("the security option `{option}` is not supported"))
                        .hint("there are `seccomp=unconfined` and `no-new-privileges`")
                        .into());
                }
            }
        }
        Ok(rights)
    }
}

/// `ALL` is taken before the single names, whatever the order.
fn capabilities(options: &LimitOptions) -> anyhow::Result<CapabilitySet> {
    let is_all = |name: &String| name.eq_ignore_ascii_case("all");
    let mut set = match (options.privileged, options.cap_drop.iter().any(is_all), options.cap_add.iter().any(is_all)) {
        (true, _, _) | (false, _, true) => CapabilitySet::all(),
        (false, true, false) => CapabilitySet::empty(),
        (false, false, false) => CapabilitySet::docker_default(),
    };
    for name in options.cap_add.iter().filter(|name| !is_all(name)) {
        set = set.with(name.parse::<Capability>()?);
    }
    for name in options.cap_drop.iter().filter(|name| !is_all(name)) {
        set = set.without(name.parse::<Capability>()?);
    }
    Ok(set)
}

/// The limits that were typed.
///
/// # Errors
/// A value cannot be read.
pub(crate) fn resources(options: &LimitOptions) -> Result<Resources, Problem> {
    let memory = options.memory.as_deref().map(|text| {
        human::parse_size(text)
            .ok_or_else(|| Problem::usage(format!("`{text}` is not a size")).hint("write 512m or 2g"))
    });
    let cpus = options.cpus.map(|cpus| match cpus > 0.0 && cpus.is_finite() {
        true => Ok((cpus * 1000.0).round() as u64),
        false => Err(Problem::usage(format!("`{cpus}` is not a number of processors"))),
    });
    Ok(Resources {
        memory: memory.transpose()?.filter(|bytes| *bytes > 0),
        milli_cpus: cpus.transpose()?,
        // Docker's 0 and -1 stand for no limit.
        pids: options.pids_limit.and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0),
        ..Resources::default()
    })
}

#[cfg(test)]
mod tests {
    use super::{Rights, resources};
    use crate::args::{Cli, Command, LimitOptions};
    use clap::Parser;
    use dhow_runtime::{CapabilitySet, Privileges, Resources, Seccomp};

    fn options(words: &[&str]) -> LimitOptions {
        let words = ["dhow", "run"].iter().chain(words).chain(&["image"]).copied();
        match Cli::try_parse_from(words).expect("a command line").command {
            Command::Run(args) => args.into_inner().create.limits,
            _ => panic!("not a run"),
        }
    }

    #[test]
    fn capabilities_are_added_and_dropped() {
        let default = CapabilitySet::docker_default();
        let cap = |name: &str| name.parse().expect(name);
        for (words, expected) in [
            (&[][..], default),
            (&["--cap-drop", "ALL"], CapabilitySet::empty()),
            (&["--cap-drop", "all", "--cap-add", "CHOWN"], CapabilitySet::empty().with(cap("CHOWN"))),
            (&["--cap-add", "cap_sys_admin"], default.with(cap("SYS_ADMIN"))),
            (&["--cap-add=ALL", "--cap-drop=MKNOD"], CapabilitySet::all().without(cap("MKNOD"))),
            (&["--privileged"], CapabilitySet::all()),
        ] {
            assert_eq!(Rights::new(&options(words)).unwrap().capabilities, expected, "{words:?}");
        }
        assert!(Rights::new(&options(&["--cap-add", "FLY"])).is_err());
    }

    #[test]
    fn security_options_are_known_or_refused() {
        let rights =
            Rights::new(&options(&["--security-opt", "seccomp:unconfined", "--security-opt", "no-new-privileges"]));
        let rights = rights.unwrap();
        assert_eq!((rights.seccomp, rights.privileges), (Seccomp::Unconfined, Privileges::NoNew));
        assert!(Rights::new(&options(&["--security-opt", "seccomp=/profile.json"])).is_err());
    }

    #[test]
    fn limits() {
        let found = resources(&options(&["-m", "512m", "--cpus", "1.5", "--pids-limit", "100"])).unwrap();
        assert_eq!((found.memory, found.milli_cpus, found.pids), (Some(512 << 20), Some(1500), Some(100)));
        assert_eq!(resources(&options(&["--pids-limit", "-1"])).unwrap(), Resources::default());
        assert!(resources(&options(&["-m", "much"])).is_err());
        assert!(resources(&options(&["--cpus", "0"])).is_err());
    }
}
