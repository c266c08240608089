//! Files from the network for the builder, over the connections of the registry client.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use dhow_builder::{DownloadRequest, Downloaded, RemoteSource, SourceError};
use dhow_registry_client::{Client, ClientOptions, WebAnswer, WebRequest};

use super::client::client_options;
use super::network::Network;
use crate::app::App;

/// Fulfils what the builder asks for.
pub(crate) struct Remote {
    options: ClientOptions,
    /// Made for the first file that is asked for.
    made: Mutex<Option<Arc<(Network, Client)>>>,
}

impl Remote {
    /// The machines that `app` can reach.
    ///
    /// # Errors
    /// A setting is wrong.
    pub(crate) fn new(app: &App) -> anyhow::Result<Self> {
        Ok(Self { options: client_options(app)?, made: Mutex::default() })
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
        self.get(&WebRequest { url, etag, authorization }, into).map_err(boxed)
    }
}

/// The error with its type, so that its hint and its code are found again.
pub(super) fn boxed(error: anyhow::Error) -> SourceError {
    match error.downcast::<dhow_registry_client::Error>() {
        Ok(error) => Box::new(error),
        Err(error) => error.into(),
    }
}
