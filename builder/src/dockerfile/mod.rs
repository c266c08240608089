//! The Dockerfile language: text to tree (the reference's frontend `docker/dockerfile` 1.26).
//!
//! [`parse`] is the way in. Lexer and parser are pure; nothing here expands variables but [`word`].

pub mod ast;
pub mod csv;
pub mod directive;
pub(crate) mod duration;
pub mod env;
mod flag;
pub mod format;
mod glob;
pub mod heredoc;
pub mod instruction;
mod json_form;
mod lexer;
mod line;
pub mod meaning;
pub mod mount;
mod parser;
mod shell;
mod split;
mod syntax;
pub mod word;

pub use ast::Dockerfile;
pub use format::format;
pub use parser::{Parsed, parse};
pub(crate) use parser::{parse_bool, parse_trigger};
pub use shell::{Expansion, WordError};
