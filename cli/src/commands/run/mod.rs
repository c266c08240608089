//! `dhow run`: makes a container of an image and runs it.

mod mounts;
mod network;
mod process;
mod rights;
