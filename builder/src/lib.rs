//! Builds images from Dockerfiles: the language, the plan of a build, and the rules that look after both.
//!
//! The pure half reads texts and returns values: [`dockerfile::parse`] makes the tree, [`plan`] makes the graph.
//! Neither touches a file, prints, or reads the environment.

pub mod diagnostic;
pub mod dockerfile;
pub mod ignore;
pub mod pattern;
pub mod pattern_set;
pub mod source;
mod suggest;
