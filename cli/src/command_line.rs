//! The command line as docker lets it be spelled: a switch may have a value (`--pull=false`), and what asks to leave out
//! something that dhow does not do anyway may stand there (`--provenance=false`).

use std::ffi::OsString;

use clap::Parser;
use clap::error::{ContextKind, ContextValue, Error, ErrorKind};

use crate::args::Cli;

/// What CI systems leave out by default, and so does dhow.
const NEVER_DONE: [&str; 2] = ["--provenance=false", "--sbom=false"];

/// What was typed.
///
/// # Errors
/// It means nothing, or help was asked for.
pub(crate) fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Cli, Box<Error>> {
    let mut words: Vec<OsString> = words.into_iter().collect();
    loop {
        let error = match Cli::try_parse_from(&words) {
            Ok(cli) => return Ok(cli),
            Err(error) => error,
        };
        // Each turn has one word less that an error could be about.
        words = match respelled(&words, &error) {
            Some(words) => words,
            None => return Err(Box::new(error)),
        };
    }
}

/// The same without the word that `error` is about, or with it spelled as clap wants it; none if it is really wrong.
fn respelled(words: &[OsString], error: &Error) -> Option<Vec<OsString>> {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = text(ContextKind::InvalidArg)?;
    let (typed, instead) = match error.kind() {
        ErrorKind::TooManyValues => {
            let value = text(ContextKind::InvalidValue)?;
            (format!("{flag}={value}"), is_on(value)?.then_some(flag))
        }
        ErrorKind::UnknownArgument => {
            let flag = flag.split('=').next().unwrap_or(flag);
            let typed = NEVER_DONE.iter().find(|known| known.split('=').next() == Some(flag))?;
            ((*typed).to_owned(), None)
        }
        _ => return None,
    };
    let place = words.iter().position(|word| word.to_str() == Some(typed.as_str()))?;
    let (before, after) = (&words[..place], &words[place + 1..]);
    Some(before.iter().cloned().chain(instead.map(OsString::from)).chain(after.iter().cloned()).collect())
}

/// What docker takes for a switch's value.
fn is_on(value: &str) -> Option<bool> {
    match value {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::args::Command;

    fn words(text: &str) -> impl Iterator<Item = std::ffi::OsString> {
        text.split(' ').map(std::ffi::OsString::from)
    }

    #[test]
    fn switches_may_have_values() {
        let typed = "dhow build --pull=false --no-cache=true --push=0 --provenance=false --sbom=false --rm=false .";
        let Command::Build(args) = parse(words(typed)).unwrap().command else { panic!("a build") };
        assert_eq!((args.pull, args.no_cache, args.push, args.rm), (false, true, false, Some(false)));
        let Command::Run(args) = parse(words("dhow run --rm=true -it x --rm=maybe --pull=false")).unwrap().command
        else {
            panic!("a run")
        };
        assert_eq!((args.rm, args.create.command()), (true, &["--rm=maybe".to_owned(), "--pull=false".to_owned()][..]));
        for wrong in ["dhow build --pull=maybe .", "dhow build --provenance=true .", "dhow build --frob=false ."] {
            assert!(parse(words(wrong)).is_err(), "{wrong}");
        }
    }
}
