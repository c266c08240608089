//! Builds images from Dockerfiles: the language, the plan of a build, and the rules that look after both.
//!
//! The pure half reads texts and returns values: [`dockerfile::parse`] makes the tree, [`plan`] makes the graph.
//! Neither touches a file, prints, or reads the environment.

mod cache;
mod cancel;
mod context;
pub mod diagnostic;
pub mod dockerfile;
mod error;
mod event;
mod exec;
pub mod ignore;
pub mod pattern;
pub mod pattern_set;
pub mod plan;
pub mod source;
mod suggest;

pub use cancel::CancelToken;
pub use context::BuildContext;
pub use error::{BuildError, Result};
pub use event::{Event, EventSink, NoEvents, OutputStream, StepId, StepUsage};
