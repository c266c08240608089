//! The distribution protocol both ways: pulls, pushes, and a registry of its own.
//!
//! This crate knows registries and the local store; it knows nothing of Dockerfiles and processes, prints nothing, and
//! reads no environment: settings are passed in as [`ClientOptions`]. It is asynchronous (tokio), and everything that
//! blocks runs on tokio's threads for that.

mod api_error;
mod auth;
mod blob_stream;
mod blocking;
mod body;
mod client;
mod connect_failure;
mod endpoint;
mod error;
mod event;
mod hint;
mod options;
mod paging;
mod repository;
mod retry;
mod tls;
mod transport;
mod upload;

pub use api_error::ApiError;
pub use auth::{Credential, Credentials, LoggedOut, LoginStore, login, logout};
pub use blob_stream::BlobStream;
pub use client::Client;
pub use error::{ConnectFailure, Error, RequestLine, Result, StatusError};
pub use event::{Event, Events, Outcome, no_events};
pub use options::{ClientOptions, ProxyOptions, RetryPolicy, Timeouts, TlsOptions};
pub use repository::{ReceivedManifest, Repository, SubjectHandling};
pub use upload::{Mount, Upload};
