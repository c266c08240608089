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
mod compress;
mod connect_failure;
mod download;
mod endpoint;
mod error;
mod event;
mod fetch;
mod hint;
mod options;
mod origin;
mod paging;
mod pull;
mod push;
mod push_index;
mod repository;
mod resolve;
mod retry;
mod send_blob;
mod server;
mod sink;
mod tls;
mod transfer;
mod transport;
mod upload;
mod web;

pub use api_error::ApiError;
pub use auth::{Credential, Credentials, LoggedOut, LoginStore, login, logout};
pub use blob_stream::BlobStream;
pub use client::Client;
pub use error::{ConnectFailure, Error, RequestLine, Result, StatusError};
pub use event::{Event, Events, Outcome, no_events};
pub use options::{ClientOptions, ProxyOptions, RetryPolicy, Timeouts, TlsOptions};
pub use pull::{Fetch, PullOptions, PullStatus, Pulled};
pub use push::{PushOptions, Pushed};
pub use repository::{ReceivedManifest, Repository, SubjectHandling};
pub use send_blob::UploadMode;
pub use server::{OnRequest, Served, Server, ServerHandle, ServerOptions};
pub use transfer::Transfer;
pub use upload::{Mount, Upload};
pub use web::{WebAnswer, WebFile, WebRequest};
