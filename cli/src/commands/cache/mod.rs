//! `dhow cache`: what the build cache has, what it takes, and how to get rid of it.

mod du;
mod filter;
mod ls;
mod prune;
mod row;
mod why;

pub(crate) use du::run as du;
pub(crate) use ls::run as ls;
pub(crate) use prune::run as prune;
pub(crate) use why::run as why;
