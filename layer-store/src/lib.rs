//! Content, layers, snapshots, images and archives of dhow, in plain files.
//!
//! This crate knows nothing of registries, Dockerfiles and processes.

pub mod oci;
