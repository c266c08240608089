//! Commands of docker that dhow has not, with the reason or with what does the same.

const NO_BUILDER: &str = "`dhow build` needs no builder to be made or chosen";
const ONE_MACHINE: &str = "dhow works on one machine";
const LATER: &str = "it is planned, but not there yet";

/// `(group, command, reason)`; an empty group stands for none and for `image`, `container` and `system`.
pub(super) const COMMANDS: &[(&str, &str, &str)] = &[
    ("", "attach", "`dhow logs -f` shows what a container writes, `dhow exec -it` opens a shell in it"),
    ("", "commit", "a Dockerfile makes images; `dhow build --on-error=keep` keeps the files of a step that failed"),
    ("", "compose", "dhow reads no compose files"),
    ("", "config", ONE_MACHINE),
    ("", "context", "dhow has no daemon to connect to"),
    (
        "",
        "cp",
        "`dhow exec CONTAINER tar -c PATH | tar -x` copies out of a container that runs, `dhow build -o DIR` out of an image",
    ),
    ("", "diff", LATER),
    ("", "events", "dhow has no daemon that sees all that happens"),
    ("", "export", "`dhow build -o type=tar,dest=FILE` writes an image's files, `dhow save` the image"),
    ("", "manifest", "`dhow inspect` shows an image's manifest, `dhow build --platform A,B --push` makes an index"),
    ("", "network", "containers use the host's network or none until dhow has a bridge"),
    ("", "node", ONE_MACHINE),
    ("", "pause", LATER),
    ("", "plugin", "dhow has no plugins"),
    ("", "port", "containers use the host's network: a port is what the program listens on"),
    ("", "rename", LATER),
    ("", "scout", "dhow looks for no vulnerabilities"),
    ("", "search", "registries are not searched; name the image to `dhow pull`"),
    ("", "secret", "`dhow build --secret` gives secrets to steps"),
    ("", "service", ONE_MACHINE),
    ("", "stack", ONE_MACHINE),
    ("", "stats", "`dhow exec CONTAINER top` shows what its programs use"),
    ("", "swarm", ONE_MACHINE),
    ("", "top", "`dhow exec CONTAINER ps` shows its programs"),
    ("", "trust", "content trust is not supported"),
    ("", "unpause", LATER),
    ("", "update", "limits are set when a container is made"),
    ("buildx", "bake", LATER),
    ("buildx", "create", NO_BUILDER),
    ("buildx", "history", "`dhow cache ls` and `dhow cache why` tell of steps"),
    ("buildx", "imagetools", "`dhow build --platform A,B --push` makes an index"),
    ("buildx", "inspect", NO_BUILDER),
    ("buildx", "install", "`dhow build` is what `buildx build` is"),
    ("buildx", "ls", NO_BUILDER),
    ("buildx", "rm", NO_BUILDER),
    ("buildx", "stop", NO_BUILDER),
    ("buildx", "use", NO_BUILDER),
    ("buildx", "version", "`dhow version` tells dhow's"),
];

/// Why there is no `command` in `group`, if it is one of docker's.
pub(crate) fn explain_command(group: &str, command: &str) -> Option<&'static str> {
    let group = match group {
        "image" | "container" | "system" => "",
        "builder" => "buildx",
        other => other,
    };
    COMMANDS.iter().find(|entry| (entry.0, entry.1) == (group, command)).map(|entry| entry.2)
}

#[cfg(test)]
mod tests {
    use super::{COMMANDS, explain_command};
    use crate::args::Cli;
    use clap::CommandFactory;

    #[test]
    fn what_is_told_to_be_missing_is_missing() {
        let mut cli = Cli::command();
        cli.build();
        for (group, name, _) in COMMANDS {
            let place = if group.is_empty() { &cli } else { cli.find_subcommand(group).expect(group) };
            assert!(place.find_subcommand(name).is_none(), "{group} {name} is there");
        }
        assert!(explain_command("builder", "use").is_some() && explain_command("container", "cp").is_some());
        assert_eq!(explain_command("", "frobnicate"), None);
    }
}
