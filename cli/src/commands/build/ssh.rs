//! `--ssh`: agents that `RUN --mount=type=ssh` reaches, running ones or key files.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use dhow_layer_store::{StagingDir, Store};

use crate::environment::Environment;
use crate::problem::Problem;
use crate::ssh_agent::{PrivateKey, serve};

/// The agents of a build, by id.
#[derive(Default)]
pub(super) struct Agents {
    /// Where each listens.
    pub(super) sockets: BTreeMap<String, PathBuf>,
    /// The directories of those that are dhow's own.
    _directories: Vec<StagingDir>,
}

impl Agents {
    /// Takes `default`, `ID=SOCKET` and `ID=KEYFILE[,KEYFILE]`; keys are served from here on.
    ///
    /// # Errors
    /// There is no agent, or a key cannot be used.
    pub(super) fn open(
        typed: &[String],
        environment: &Environment,
        store: &dyn Fn() -> anyhow::Result<Store>,
    ) -> anyhow::Result<Self> {
        let mut agents = Self::default();
        for text in typed {
            let (id, paths) = text.split_once('=').map_or((text.as_str(), ""), |(id, paths)| (id, paths));
            let paths: Vec<&Path> = paths.split(',').filter(|path| !path.is_empty()).map(Path::new).collect();
            let socket = match paths.as_slice() {
                [] => environment.path("SSH_AUTH_SOCK").ok_or_else(no_agent)?,
                [socket] if is_socket(socket)? => socket.to_path_buf(),
                files => {
                    let directory = store()?.staging()?;
                    let keys: Vec<Vec<PrivateKey>> =
                        files.iter().map(|file| PrivateKey::load(file)).collect::<Result<_, _>>()?;
                    let socket = serve(keys.into_iter().flatten().collect(), directory.path())?;
                    agents._directories.push(directory);
                    socket
                }
            };
            agents.sockets.insert(id.to_owned(), socket);
        }
        Ok(agents)
    }
}

fn is_socket(path: &Path) -> anyhow::Result<bool> {
    let metadata = fs::metadata(path).with_context(|| format!("cannot find `{}` of `--ssh`", path.display()))?;
    Ok(metadata.file_type().is_socket())
}

fn no_agent() -> Problem {
    Problem::usage("there is no SSH agent: `SSH_AUTH_SOCK` is not set")
        .hint("start one with ssh-agent, or give a key with `--ssh default=KEYFILE`")
}

#[cfg(test)]
mod tests {
    use super::Agents;
    use crate::environment::Environment;
    use std::os::unix::net::UnixListener;

    fn open(typed: &str, environment: &Environment) -> anyhow::Result<Agents> {
        Agents::open(&[typed.to_owned()], environment, &|| anyhow::bail!("no store"))
    }

    #[test]
    fn agents_are_sockets() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("agent");
        let _listener = UnixListener::bind(&socket).unwrap();
        let environment = Environment::from([("SSH_AUTH_SOCK", "/agent")]);
        assert_eq!(open("default", &environment).unwrap().sockets["default"].to_str(), Some("/agent"));
        let typed = format!("git={}", socket.display());
        assert_eq!(open(&typed, &environment).unwrap().sockets["git"], socket);
        assert!(open("default", &Environment::default()).is_err());
        assert!(open("default=/no/such", &environment).is_err());
    }
}
