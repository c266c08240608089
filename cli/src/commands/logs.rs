//! `dhow logs`: what a container has written.

use std::io::{self, Write};

use anyhow::Context;
use dhow_runtime::{LogQuery, LogStream};
use jiff::Timestamp;

use crate::app::App;
use crate::args::LogsArgs;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::span;

/// Runs the command.
pub(crate) fn run(app: &App, args: &LogsArgs) -> anyhow::Result<Exit> {
    let container = app.containers()?.find(&args.container)?;
    let query = LogQuery {
        tail: tail(&args.tail)?,
        since: time(args.since.as_deref())?,
        until: time(args.until.as_deref())?,
        follow: args.follow.then(|| container.clone()),
    };
    for line in container.logs(query)? {
        let line = line?;
        let text = match args.timestamps {
            true => format!("{} {}", line.time, line.text),
            false => line.text,
        };
        write(line.stream, text.as_bytes()).context("cannot write to standard output")?;
    }
    Ok(Exit::Success)
}

/// Each line goes where the program wrote it.
fn write(stream: LogStream, text: &[u8]) -> io::Result<()> {
    match stream {
        LogStream::Stdout => {
            let mut out = io::stdout().lock();
            out.write_all(text)?;
            out.flush()
        }
        LogStream::Stderr => io::stderr().lock().write_all(text),
    }
}

fn tail(text: &str) -> Result<Option<usize>, Problem> {
    match text {
        "all" => Ok(None),
        // Docker takes a negative number for all.
        _ if text.parse::<i64>().is_ok_and(|count| count < 0) => Ok(None),
        _ => {
            text.parse().map(Some).map_err(|_| Problem::usage(format!("`{text}` is not a number of lines, nor `all`")))
        }
    }
}

fn time(text: Option<&str>) -> Result<Option<String>, Problem> {
    text.map(|text| span::time(text, Timestamp::now()).map(|time| time.to_string())).transpose()
}

#[cfg(test)]
mod tests {
    use super::tail;

    #[test]
    fn numbers_of_lines() {
        for (text, expected) in
            [("all", Some(None)), ("-1", Some(None)), ("0", Some(Some(0))), ("7", Some(Some(7))), ("x", None)]
        {
            assert_eq!(tail(text).ok(), expected, "{text}");
        }
    }
}
