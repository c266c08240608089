//! Builds images from Dockerfiles: the language, the plan of a build, and the rules that look after both.
//!
//! The pure half reads texts and returns values: [`dockerfile::parse`] makes the tree, [`plan`] makes the graph.
//! Neither touches a file, prints, or reads the environment.

mod assemble;
mod authorization;
mod build;
mod cache;
mod cancel;
mod context;
pub mod diagnostic;
pub mod dockerfile;
mod epoch;
mod error;
mod event;
mod exec;
mod finish;
pub mod ignore;
pub mod lint;
mod named_contexts;
pub mod outline;
pub mod pattern;
pub mod pattern_set;
pub mod plan;
mod remote_source;
mod request;
pub mod source;
mod source_image;
mod suggest;

pub use authorization::{git_authorization, web_authorization};
pub use build::{Built, BuiltLayer, build, build_platforms};
pub use cache::{Change, MissReason, why};
pub use cancel::CancelToken;
pub use context::{BuildContext, ContextDate};
pub use error::{BuildError, Result};
pub use event::{Event, EventSink, NoEvents, OutputStream, StepId, StepUsage};
pub use exec::decompressed;
pub use finish::{FileTimes, Finish, Squash};
pub use named_contexts::NamedContexts;
pub use remote_source::{Checkout, DownloadRequest, Downloaded, GitCommit, GitRequest, RemoteSource};
pub use request::{BuildEnv, BuildRequest, CacheUse, InsecureRuns, OnError, OwnShell, RunDefaults};
pub use source_image::{ImageSource, PullPolicy, ResolvedImage, SourceError};
pub use suggest::nearest;
