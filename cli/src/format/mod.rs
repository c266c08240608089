//! How results look: tables, human sizes, Go templates and filters. Does no I/O.

mod filter;
mod func;
mod go;
pub(crate) mod human;
mod lexer;
mod list;
mod parser;
mod table;
mod template;
mod time;

pub(crate) use filter::{Filters, glob};
pub(crate) use list::{Listing, Style};
pub(crate) use table::ellipsis;
pub(crate) use template::Template;
pub(crate) use time::{ago, calendar, seconds_since};
