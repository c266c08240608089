//! Flags of docker that dhow knows of and cannot honour, with the reason: nothing that is typed is dropped silently.

/// Reasons that several flags share.
const NO_DAEMON: &str = "dhow has no daemon to connect to";
const NO_BRIDGE: &str = "containers use the host's network or none until dhow has a bridge";
const NO_SERVICE: &str = "dhow does not watch over containers yet";
const LATER: &str = "it is planned, but not there yet";

/// `(command, flag, reason)`; an empty command stands for any.
pub(super) const FLAGS: &[(&str, &str, &str)] = &[
    ("", "--host", NO_DAEMON),
    ("", "-H", NO_DAEMON),
    ("", "--context", NO_DAEMON),
    ("", "-c", NO_DAEMON),
    ("", "--tls", NO_DAEMON),
    ("", "--tlsverify", NO_DAEMON),
    ("", "--tlscacert", NO_DAEMON),
    ("", "--tlscert", NO_DAEMON),
    ("", "--tlskey", NO_DAEMON),
    ("", "--log-level", "use `--debug` to see more"),
    ("", "--disable-content-trust", "content trust is not supported"),
    ("build", "--cache-from", "the cache is local until it can be shared through registries"),
    ("build", "--cache-to", "the cache is local until it can be shared through registries"),
    ("build", "--security-opt", LATER),
    ("build", "--attest", "attestations are not written yet"),
    ("build", "--provenance", "attestations are not written yet"),
    ("build", "--sbom", "attestations are not written yet"),
    ("build", "--builder", NO_DAEMON),
    ("build", "--isolation", "it is an option of Windows"),
    ("build", "--compress", "the context is read in place and never sent"),
    ("run", "--sig-proxy", "signals are always passed on"),
    ("run", "--detach-keys", "a container in the foreground ends with its dhow; run it with `-d`"),
    ("exec", "--privileged", "a program has the rights that its container was given; `run --privileged` gives them"),
    ("exec", "--detach-keys", "end the program, or its terminal, to leave it"),
    ("run", "--link", NO_BRIDGE),
    ("run", "--ip", NO_BRIDGE),
    ("run", "--ip6", NO_BRIDGE),
    ("run", "--mac-address", NO_BRIDGE),
    ("run", "--network-alias", NO_BRIDGE),
    ("run", "--publish-all", NO_BRIDGE),
    ("run", "-P", NO_BRIDGE),
    ("run", "--expose", NO_BRIDGE),
    ("run", "--health-cmd", NO_SERVICE),
    ("run", "--health-interval", NO_SERVICE),
    ("run", "--health-retries", NO_SERVICE),
    ("run", "--health-timeout", NO_SERVICE),
    ("run", "--no-healthcheck", NO_SERVICE),
    ("run", "--log-driver", "logs are always files in docker's json-file format"),
    ("run", "--log-opt", "logs are always files in docker's json-file format"),
    ("run", "--volumes-from", LATER),
    ("run", "--device", LATER),
    ("run", "--gpus", LATER),
    ("run", "--ulimit", LATER),
    ("run", "--sysctl", LATER),
    ("run", "--memory-swap", LATER),
    ("run", "--cpuset-cpus", LATER),
    ("run", "--cpu-shares", LATER),
    ("run", "--userns", LATER),
    ("run", "--pid", LATER),
    ("run", "--ipc", LATER),
    ("run", "--uts", LATER),
    ("run", "--group-add", LATER),
    ("run", "--init", LATER),
    ("run", "--attach", LATER),
    ("run", "-a", LATER),
];

/// Why `flag` of `command` cannot be honoured, if it is one of docker's.
pub(crate) fn explain(command: &str, flag: &str) -> Option<&'static str> {
    let flag = flag.split('=').next().unwrap_or(flag);
    let command = if command == "create" { "run" } else { command };
    let hit = |entry: &&(&str, &str, &str)| entry.1 == flag && (entry.0 == command || entry.0.is_empty());
    FLAGS.iter().filter(hit).max_by_key(|entry| entry.0.len()).map(|entry| entry.2)
}

#[cfg(test)]
mod tests {
    use super::explain;

    #[test]
    fn reasons_are_found() {
        for (command, flag, expected) in [
            ("run", "--link=a:b", Some("bridge")),
            ("create", "--link", Some("bridge")),
            ("build", "--link", None),
            ("images", "-H", Some("daemon")),
            ("build", "--sbom", Some("attestations")),
        ] {
            let reason = explain(command, flag);
            assert_eq!(reason.is_some(), expected.is_some(), "{command} {flag}: {reason:?}");
            assert!(reason.unwrap_or_default().contains(expected.unwrap_or_default()), "{command} {flag}: {reason:?}");
        }
    }
}
