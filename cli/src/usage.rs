//! Command lines that do not parse: clap's message, and the reason where docker has the flag and dhow has not.

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::args;
use crate::exit::Exit;
use crate::output;

/// Prints what is wrong, or the help that was asked for, and returns the exit code.
pub(crate) fn report(error: &clap::Error) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe after `--help | head` is nobody's mistake.
            let _ = error.print();
            Exit::Success
        }
        ErrorKind::UnknownArgument => {
            match docker_flag(error) {
                Some(text) => output::say(&text),
                None => drop(error.print()),
            }
            Exit::Usage
        }
        ErrorKind::MissingRequiredArgument => {
            let _ = error.print();
            if lacks(error, "<CONTEXT>") {
                output::say("hint: `.` is the context for the directory that you are in");
            }
            Exit::Usage
        }
        ErrorKind::InvalidSubcommand => {
            match docker_command(error) {
                Some(text) => output::say(&text),
                None => drop(error.print()),
            }
            Exit::Usage
        }
        _ => {
            let _ = error.print();
            Exit::Usage
        }
    }
}

/// The message for a flag of docker that dhow knows but cannot honour.
fn docker_flag(error: &clap::Error) -> Option<String> {
    let flag = match error.get(ContextKind::InvalidArg)? {
        ContextValue::String(flag) => flag.as_str(),
        _ => return None,
    };
    let command = std::env::args().skip(1).find(|word| !word.starts_with('-')).unwrap_or_default();
    let command = match command.as_str() {
        "image" | "container" | "buildx" | "builder" => std::env::args().skip_while(|word| *word != command).nth(1)?,
        _ => command,
    };
    let reason = args::explain(&command, flag)?;
    let name = flag.split('=').next().unwrap_or(flag);
    Some(format!("error: docker's `{name}` is not supported: {reason}"))
}

/// The message for a command of docker that dhow has not.
fn docker_command(error: &clap::Error) -> Option<String> {
    let ContextValue::String(name) = error.get(ContextKind::InvalidSubcommand)? else { return None };
    let before: Vec<String> = std::env::args().skip(1).take_while(|word| word != name).collect();
    let group = before.iter().rev().find(|word| !word.starts_with('-'));
    let groups = ["image", "container", "system", "builder", "buildx"];
    let group = group.map(String::as_str).filter(|word| groups.contains(word)).unwrap_or_default();
    let reason = args::explain_command(group, name)?;
    Some(format!("error: docker's `{name}` is not supported: {reason}"))
}

fn lacks(error: &clap::Error, argument: &str) -> bool {
    match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(missing)) => missing.iter().any(|name| name == argument),
        _ => false,
    }
}
