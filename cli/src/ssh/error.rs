//! What can go wrong with a connection by SSH.

use std::path::PathBuf;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SshError {
    /// The machine cannot be reached.
    #[error("cannot connect to `{host}`")]
    Connect {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The connection broke.
    #[error("the connection to `{host}` broke")]
    Broken {
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// What came is not what the protocol asks for.
    #[error("`{host}` breaks the SSH protocol: {what}")]
    Protocol {
        /// Host and port.
        host: String,
        /// How.
        what: &'static str,
    },
    /// A packet was changed on its way, or is not from the server.
    #[error("a packet from `{0}` was changed on its way")]
    Forged(String),
    /// The server ends the connection.
    #[error("`{host}` ends the connection: {reason}")]
    Disconnected {
        /// Host and port.
        host: String,
        /// In the server's words.
        reason: String,
    },
    /// The two sides have nothing in common.
    #[error("`{host}` knows no {what} that dhow knows; it offers {offered}")]
    NoCommon {
        /// Host and port.
        host: String,
        /// Of what kind.
        what: &'static str,
        /// The server's list.
        offered: String,
    },
    /// The server has shown a key that no list of known hosts has.
    #[error("the host `{host}` is not known: its key is `{fingerprint}`")]
    UnknownHost {
        /// As a list has it.
        host: String,
        /// Of its key.
        fingerprint: String,
        /// What would have to stand in a list.
        line: String,
        /// The user's own list.
        list: PathBuf,
    },
    /// The server has shown another key than a list of known hosts has.
    #[error("the host `{host}` shows the key `{fingerprint}`, which is not the one in line {line} of `{}`", .list.display())]
    ChangedHost {
        /// As a list has it.
        host: String,
        /// Of its key.
        fingerprint: String,
        /// The list.
        list: PathBuf,
        /// From 1.
        line: usize,
    },
    /// A list says that the key must not be trusted.
    #[error("the host `{host}` shows a key that line {line} of `{}` revokes", .list.display())]
    RevokedHost {
        /// As a list has it.
        host: String,
        /// The list.
        list: PathBuf,
        /// From 1.
        line: usize,
    },
    /// A list of known hosts cannot be read.
    #[error("cannot read `{}`", .path.display())]
    List {
        /// The list.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No agent was given.
    #[error("`{0}` wants an SSH key, and none was given")]
    NoAgent(String),
    /// The agent fails.
    #[error("the SSH agent at `{}` fails", .path.display())]
    Agent {
        /// Its socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// None of the keys opens the door.
    #[error("`{host}` lets `{user}` in with none of the {count} keys of the agent")]
    Denied {
        /// Host and port.
        host: String,
        /// Who wants in.
        user: String,
        /// How many keys were shown.
        count: usize,
    },
    /// The server does not execute the command.
    #[error("`{0}` does not execute the command")]
    NotExecuted(String),
}

impl SshError {
    /// What the user can do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Connect { .. } | Self::Broken { .. } => {
                "check the address, and the network between this machine and the server"
            }
            Self::UnknownHost { line, list, .. } => {
                let list = list.display();
                return Some(format!(
                    "compare it with what the host's owner publishes; if it is the same, add to `{list}` the line: {line}"
                ));
            }
            Self::ChangedHost { host, list, .. } => {
                return Some(format!(
                    "someone may be listening in; if its owner says that the key is new, `ssh-keygen -R '{host}' -f {}` removes the old one",
                    list.display()
                ));
            }
            Self::Disconnected { reason, .. } if reason.contains("Too many authentication failures") => {
                "the agent has more keys than the host lets one try: give the right one with `--ssh default=KEYFILE`"
            }
            Self::NoAgent(_) => "give an agent with `--ssh default`, or a key with `--ssh default=KEYFILE`",
            Self::Denied { .. } => {
                "check `ssh-add -l`, the user before the `@` (`git` on most hosts), and that the host knows the key"
            }
            Self::NoCommon { .. } => {
                "a server with OpenSSH 6.5 or later does; or use the repository's `https://` address"
            }
            _ => return None,
        };
        Some(text.to_owned())
    }
}
