//! The server as its caller sees it: bound, running, shut down.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::handler::{self, Registry};
use super::storage::Storage;
use super::uploads_store::Uploads;
use crate::blocking;
use crate::error::{Error, Result};

/// How long a shutdown waits for requests that are under way.
const GRACE: Duration = Duration::from_secs(10);

/// Uploads that nobody has written to for so long are removed at the start.
const FORGOTTEN: Duration = Duration::from_secs(7 * 24 * 3600);

/// A request that was answered, for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Served {
    /// The method.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
    /// Until the answer's body began.
    pub duration: Duration,
}

/// Is told of every request.
pub type OnRequest = Arc<dyn Fn(Served) + Send + Sync>;

/// What to serve and where.
#[derive(Clone)]
pub struct ServerOptions {
    /// The address to listen on; port 0 takes any that is free.
    pub address: SocketAddr,
    /// The directory, which is made if it is missing. Its layout is that of distribution's registry.
    pub root: PathBuf,
    /// Is told of every request.
    pub on_request: Option<OnRequest>,
}

impl fmt::Debug for ServerOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerOptions")
            .field("address", &self.address)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}

/// A registry that is bound to its address. It speaks plain HTTP and lets everybody do everything.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    router: Router,
}

impl Server {
    /// Opens the directory and the address. Requests wait until the server runs.
    ///
    /// # Errors
    /// The directory cannot be written, or the address is taken.
    pub async fn bind(options: ServerOptions) -> Result<Self> {
        let ServerOptions { address, root, on_request } = options;
        let subject = root.display().to_string();
        let opened = move || {
            let storage = Storage::open(&root)?;
            let uploads = Uploads::new(storage.clone());
            uploads.purge(FORGOTTEN)?;
            Ok((storage, uploads))
        };
        let opened = move || opened().map_err(|source| Error::Io { operation: "open", subject, source });
        let (storage, uploads) = blocking::run(opened).await?;
        let failed = |source| Error::Io { operation: "listen on", subject: address.to_string(), source };
        let listener = TcpListener::bind(address).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let registry = Registry { uploads, storage, on_request };
        let router =
            Router::new().fallback(handler::handle).layer(DefaultBodyLimit::disable()).with_state(Arc::new(registry));
        Ok(Self { listener, address, router })
    }

    /// The address with the port that was taken.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `end`, and then until the requests under way are answered, for a short time.
    ///
    /// # Errors
    /// The listening socket fails.
    pub async fn run(self, end: impl Future<Output = ()> + Send + 'static) -> Result<()> {
        let address = self.address;
        // Without this, short answers wait for the client's acknowledgement of earlier ones.
        let listener = self.listener.tap_io(|connection| drop(connection.set_nodelay(true)));
        let (ended, ending) = oneshot::channel();
        let end = async move {
            end.await;
            // The receiver is there as long as the server runs.
            let _ = ended.send(());
        };
        let serving = axum::serve(listener, self.router).with_graceful_shutdown(end).into_future();
        let given_up = async {
            match ending.await {
                Ok(()) => tokio::time::sleep(GRACE).await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            result = serving => result.map_err(|source| Error::Io { operation: "serve on", subject: address.to_string(), source }),
            () = given_up => Ok(()),
        }
    }

    /// Serves in the background until the handle is shut down or dropped.
    pub fn start(self) -> ServerHandle {
        let (stop, stopped) = oneshot::channel::<()>();
        let address = self.address;
        let task = tokio::spawn(self.run(async move {
            // A handle that was dropped ends the server too.
            let _ = stopped.await;
        }));
        ServerHandle { address, stop, task }
    }
}

/// A server that runs in the background.
#[derive(Debug)]
pub struct ServerHandle {
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<()>>,
}

impl ServerHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it, after the requests that are under way.
    ///
    /// # Errors
    /// The listening socket failed.
    pub async fn shutdown(self) -> Result<()> {
        // A server that has ended already needs no message.
        let _ = self.stop.send(());
        match self.task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Ok(()),
        }
    }
}
