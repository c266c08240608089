//! What can go wrong with a repository of another machine.

use crate::ssh::SshError;

/// Why a repository's files cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// There is no way to it by SSH.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// Its transport is none that dhow knows.
    #[error("`{0}` is no address of a repository that dhow can reach")]
    Address(String),
    /// The connection failed.
    #[error("cannot {action} `{host}`")]
    Connection {
        /// What was tried, as a verb.
        action: &'static str,
        /// Host and port.
        host: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Nothing came for too long.
    #[error("the server has said nothing for a minute")]
    Silent,
    /// The connection broke.
    #[error("the connection to the server broke")]
    Stream(#[source] std::io::Error),
    /// What answers there is no server of git's, or only serves the files of a repository.
    #[error("what answers at `{0}` does not speak git's protocol")]
    NoGitServer(String),
    /// The server gives out an object only by the name of a reference.
    #[error("the server does not give out what no branch or tag names: {0}")]
    NotGivenByName(String),
    /// No branch and no tag leads to the commit.
    #[error("the repository `{remote}` has no commit `{commit}` that a branch or tag leads to")]
    NoCommit {
        /// Its name.
        commit: String,
        /// Where.
        remote: String,
    },
    /// The repository names its objects in another way.
    #[error("the repository has objects in the format `{0}`, dhow reads `sha1`")]
    ObjectFormat(String),
    /// The server's answer is not what the protocol asks for.
    #[error("the server's answer breaks git's protocol: {0}")]
    Protocol(String),
    /// The server refuses.
    #[error("the server says: {0}")]
    Refused(String),
    /// There is no such branch, tag or other reference.
    #[error("the repository `{remote}` has no branch or tag `{reference}`")]
    NoReference {
        /// As it was asked for.
        reference: String,
        /// Where.
        remote: String,
    },
    /// What was received is damaged.
    #[error("the objects that the server sent cannot be read: {0}")]
    Pack(String),
    /// An object that another one names was not sent.
    #[error("the server sent no object `{0}`")]
    MissingObject(String),
    /// The directory is not in the commit.
    #[error("the commit has no directory `{0}`")]
    NoDirectory(String),
    /// A name that would lead out of the checkout, or into `.git`.
    #[error("the commit has a file with the forbidden name `{0}`")]
    ForbiddenName(String),
    /// Submodules in submodules without end.
    #[error("the submodule `{0}` is too deep in others")]
    TooDeep(String),
}

impl GitError {
    /// What the user can do about it, where that is known.
    pub(crate) fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Ssh(error) => return error.hint(),
            Self::Connection { .. } | Self::Silent | Self::Stream(_) => {
                "check the address, and the network between this machine and the server"
            }
            Self::NoGitServer(_) => "check the address; a server that only has a repository's files cannot be asked",
            Self::NoCommit { .. } => "check the commit's name; name its branch or tag where the server hides it",
            Self::NoReference { .. } => "check its spelling, or name a commit with all its 40 digits",
            Self::Refused(_) => "check the repository's address, and that you may read it",
            Self::NoDirectory(_) => "what follows the colon in `#ref:directory` is a directory of the repository",
            _ => return None,
        };
        Some(text.to_owned())
    }
}
