//! Files from the network for the builder, over the connections of the registry client.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use dhow_builder::{Checkout, DownloadRequest, Downloaded, GitCommit, GitRequest, RemoteSource, SourceError};
use dhow_layer_store::{Root, Store};
use dhow_registry_client::{Client, ClientOptions, WebAnswer, WebFile, WebRequest};

use super::client::client_options;
use super::network::Network;
use crate::app::App;
use crate::git::{Git, GitError};
use crate::ssh::SshAccess;

/// The hosts that all users of this machine know.
const KNOWN_HOSTS: &str = "/etc/ssh/ssh_known_hosts";

/// A server's answer as a stream.
pub(crate) struct Answer {
    connected: Arc<(Network, Client)>,
    file: Box<WebFile>,
    rest: Bytes,
}

impl Answer {
    /// Where it comes from, redirects followed.
    pub(crate) fn url(&self) -> &str {
        self.file.url()
    }

    /// When it last changed, as the server says.
    fn modified(&self) -> Option<SystemTime> {
        self.file.modified()
    }
}

impl Read for Answer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.connected.0.run(self.file.chunk()).map_err(io::Error::other)? {
                Some(bytes) => self.rest = bytes,
                None => return Ok(0),
            }
        }
        let count = buffer.len().min(self.rest.len());
        buffer[..count].copy_from_slice(&self.rest.split_to(count));
        Ok(count)
    }
}

/// Fulfils what the builder asks for.
pub(crate) struct Remote {
    options: ClientOptions,
    /// Where packs of git are while they are read.
    store: Store,
    ssh: SshAccess,
    /// Made for the first file that is asked for.
    made: Mutex<Option<Arc<(Network, Client)>>>,
}

impl Remote {
    /// The machines that `app` can reach, by SSH with the keys of `agent`.
    ///
    /// # Errors
    /// A setting is wrong.
    pub(crate) fn new(app: &App, agent: Option<&Path>) -> anyhow::Result<Self> {
        let (options, store) = (client_options(app)?, app.store()?);
        let own = app.environment.home().map(|home| home.join(".ssh/known_hosts"));
        let known_hosts = own.into_iter().chain([PathBuf::from(KNOWN_HOSTS)]).collect();
        let ssh = SshAccess { agent: agent.map(Path::to_owned), known_hosts };
        Ok(Self { options, store, ssh, made: Mutex::default() })
    }

    /// The way to machines by SSH.
    pub(crate) fn ssh(&self) -> &SshAccess {
        &self.ssh
    }

    /// Writes the file that `request` names to `into`, as it comes.
    ///
    /// # Errors
    /// The server's, an interrupt, or that `into` fails.
    pub(crate) fn get(&self, request: &WebRequest<'_>, into: &mut dyn Write) -> anyhow::Result<Downloaded> {
        let connected = self.connected()?;
        let (network, client) = &*connected;
        let mut file = match network.run(client.web_file(request))? {
            WebAnswer::Unchanged => return Ok(Downloaded::Unchanged),
            WebAnswer::File(file) => file,
        };
        while let Some(bytes) = network.run(file.chunk())? {
            into.write_all(&bytes)?;
        }
        Ok(Downloaded::New { etag: file.etag().map(str::to_owned), modified: file.modified() })
    }

    /// The answer to `request`, to be read as it comes.
    ///
    /// # Errors
    /// The server's, or an interrupt.
    pub(crate) fn open(&self, request: &WebRequest<'_>) -> anyhow::Result<Answer> {
        let connected = self.connected()?;
        match connected.0.run(connected.1.web_file(request))? {
            WebAnswer::Unchanged => anyhow::bail!("the server says that nothing changed, which it was not asked"),
            WebAnswer::File(file) => Ok(Answer { connected, file, rest: Bytes::new() }),
        }
    }

    /// The way to git's repositories.
    pub(crate) fn git(&self) -> Git<'_> {
        Git { remote: self, store: &self.store }
    }

    fn connected(&self) -> anyhow::Result<Arc<(Network, Client)>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = made.as_ref() {
            return Ok(made.clone());
        }
        let fresh = Arc::new((Network::start()?, Client::new(self.options.clone())?));
        Ok(made.insert(fresh).clone())
    }
}

impl RemoteSource for Remote {
    fn download(&self, request: &DownloadRequest<'_>, into: &mut dyn Write) -> Result<Downloaded, SourceError> {
        let DownloadRequest { url, etag, authorization } = *request;
        self.get(&WebRequest { url, etag, authorization, ..WebRequest::default() }, into).map_err(boxed)
    }

    fn modified(&self, request: &DownloadRequest<'_>) -> Result<Option<SystemTime>, SourceError> {
        let request = WebRequest { url: request.url, authorization: request.authorization, ..WebRequest::default() };
        self.open(&request).map(|answer| answer.modified()).map_err(boxed)
    }

    fn git_date(&self, request: &GitRequest<'_>, commit: &GitCommit) -> Result<i64, SourceError> {
        self.git().date(request, commit).map_err(boxed)
    }

    fn git_commit(&self, request: &GitRequest<'_>) -> Result<GitCommit, SourceError> {
        self.git().commit(request).map_err(boxed)
    }

    fn git_checkout(&self, request: &GitRequest<'_>, checkout: &Checkout<'_>, into: &Root) -> Result<(), SourceError> {
        self.git().checkout(request, checkout, into).map(drop).map_err(boxed)
    }
}

/// The error with its type, so that its hint and its code are found again.
pub(crate) fn boxed(error: anyhow::Error) -> SourceError {
    let error = match error.downcast::<dhow_registry_client::Error>() {
        Ok(error) => return Box::new(error),
        Err(error) => error,
    };
    match error.downcast::<GitError>() {
        Ok(error) => Box::new(error),
        Err(error) => error.into(),
    }
}
