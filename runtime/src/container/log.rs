//! A container's output on disk, in the format of Docker's json-file logs.
//!
//! One line of JSON for each line of output: `{"log":"text\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}`. A
//! line longer than 16 KiB is cut into several, of which only the last ends in a newline. Bytes that are no UTF-8
//! become U+FFFD.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::container::handle::Container;
use crate::container::state::now;
use crate::error::{Error, Result};

/// As many bytes of a line as are kept together.
const LONGEST: usize = 16 << 10;

/// How often a follower looks for more.
const INTERVAL: Duration = Duration::from_millis(40);

/// From which standard stream a line came. A terminal has only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of output, or a part of a very long one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// The text, with its newline if it had one.
    #[serde(rename = "log")]
    pub text: String,
    /// Where it came from.
    pub stream: LogStream,
    /// When it came, RFC 3339 in UTC.
    pub time: String,
}

/// Writes a log.
#[derive(Debug)]
pub(crate) struct LogWriter {
    file: File,
    partial: [Vec<u8>; 2],
}

impl LogWriter {
    /// Goes on at the end of the log in `directory`.
    pub(crate) fn open(directory: &Path) -> io::Result<Self> {
        let file = File::options().append(true).create(true).open(path_in(directory))?;
        Ok(Self { file, partial: Default::default() })
    }

    /// Takes output as it comes and writes the lines that are complete.
    pub(crate) fn write(&mut self, stream: LogStream, bytes: &[u8]) -> io::Result<()> {
        let mut lines = Vec::new();
        let partial = &mut self.partial[stream as usize];
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            for part in piece.chunks(LONGEST) {
                partial.extend_from_slice(part);
                if partial.ends_with(b"\n") || partial.len() >= LONGEST {
                    append_line(&mut lines, stream, &std::mem::take(partial))?;
                }
            }
        }
        self.file.write_all(&lines)
    }

    /// Writes what was left without a newline.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        let mut lines = Vec::new();
        for stream in [LogStream::Stdout, LogStream::Stderr] {
            let rest = std::mem::take(&mut self.partial[stream as usize]);
            if !rest.is_empty() {
                append_line(&mut lines, stream, &rest)?;
            }
        }
        self.file.write_all(&lines)
    }
}

fn append_line(lines: &mut Vec<u8>, stream: LogStream, text: &[u8]) -> io::Result<()> {
    let line = LogLine { text: String::from_utf8_lossy(text).into_owned(), stream, time: now() };
    serde_json::to_writer(&mut *lines, &line)?;
    lines.push(b'\n');
    Ok(())
}

fn path_in(directory: &Path) -> PathBuf {
    directory.join("log.json")
}

/// Which lines of a log to read.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Only so many of the last lines (`--tail`).
    pub tail: Option<usize>,
    /// Only lines of this time and later, RFC 3339 in UTC (`--since`).
    pub since: Option<String>,
    /// Only lines before this time, RFC 3339 in UTC (`--until`).
    pub until: Option<String>,
    /// Wait for more while the container runs (`--follow`).
    pub follow: Option<Container>,
}

/// Reads a log line by line.
#[derive(Debug)]
pub struct LogReader {
    file: BufReader<File>,
    path: PathBuf,
    query: LogQuery,
    line: Vec<u8>,
}

impl LogReader {
    pub(crate) fn open(directory: &Path, query: LogQuery) -> Result<Self> {
        let path = path_in(directory);
        let opened = File::open(&path).map(BufReader::new).and_then(|mut file| {
            let start = query.tail.map_or(Ok(0), |lines| start_of_tail(&mut file, lines))?;
            file.seek(SeekFrom::Start(start))?;
            Ok(file)
        });
        let file = opened.map_err(|error| Error::io("read", &path, error))?;
        Ok(Self { file, path, query, line: Vec::new() })
    }

    /// The next whole line of the file; waits for it if asked to.
    fn next_record(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            // Whether it still runs is asked before reading, so that its last words are not missed.
            let may_grow = self.query.follow.as_ref().is_some_and(Container::is_running);
            if self.file.read_until(b'\n', &mut self.line)? > 0 && self.line.ends_with(b"\n") {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
            if !may_grow {
                return Ok(None);
            }
            std::thread::sleep(INTERVAL);
        }
    }

    fn wants(&self, line: &LogLine) -> bool {
        let time = |text: &str| text.parse::<jiff::Timestamp>().ok();
        let at = time(&line.time);
        self.query.since.as_deref().is_none_or(|since| at >= time(since))
            && self.query.until.as_deref().is_none_or(|until| at < time(until))
    }
}

impl Iterator for LogReader {
    type Item = Result<LogLine>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let record = match self.next_record() {
                Ok(record) => record?,
                Err(error) => return Some(Err(Error::io("read", &self.path, error))),
            };
            match serde_json::from_slice::<LogLine>(&record) {
                Ok(line) if self.wants(&line) => return Some(Ok(line)),
                Ok(_) => {}
                Err(source) => return Some(Err(Error::Corrupt { path: self.path.clone(), source })),
            }
        }
    }
}

/// Where the last `count` lines begin.
fn start_of_tail(file: &mut BufReader<File>, count: usize) -> io::Result<u64> {
    let mut starts = VecDeque::from([0]);
    let mut position = 0;
    loop {
        let length = file.skip_until(b'\n')? as u64;
        if length == 0 {
            starts.pop_back();
            return Ok(starts.front().copied().unwrap_or(position));
        }
        position += length;
        starts.push_back(position);
        if starts.len() > count + 1 {
            starts.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LogQuery, LogReader, LogStream, LogWriter};

    fn read(dir: &std::path::Path, query: LogQuery) -> Vec<(String, LogStream)> {
        LogReader::open(dir, query).unwrap().map(|line| line.map(|line| (line.text, line.stream)).unwrap()).collect()
    }

    #[test]
    fn lines_come_back_as_they_were_said() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogWriter::open(dir.path()).unwrap();
        log.write(LogStream::Stdout, b"one\ntw").unwrap();
        log.write(LogStream::Stderr, b"oops\n").unwrap();
        log.write(LogStream::Stdout, b"o\n\xff\nlast").unwrap();
        log.finish().unwrap();
        let all: Vec<(String, LogStream)> = [
            ("one\n", LogStream::Stdout),
            ("oops\n", LogStream::Stderr),
            ("two\n", LogStream::Stdout),
            ("\u{fffd}\n", LogStream::Stdout),
            ("last", LogStream::Stdout),
        ]
        .map(|(text, stream)| (text.to_owned(), stream))
        .to_vec();
        assert_eq!(read(dir.path(), LogQuery::default()), all);
        for (tail, first) in [(0, 5), (1, 4), (2, 3), (5, 0), (9, 0)] {
            let query = LogQuery { tail: Some(tail), ..LogQuery::default() };
            assert_eq!(read(dir.path(), query), all[first..], "--tail {tail}");
        }
        let future = LogQuery { since: Some("2999-01-01T00:00:00Z".to_owned()), ..LogQuery::default() };
        assert_eq!(read(dir.path(), future), []);
        let past = LogQuery { until: Some("2999-01-01T00:00:00Z".to_owned()), ..LogQuery::default() };
        assert_eq!(read(dir.path(), past), all);
    }

    #[test]
    fn a_line_without_end_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogWriter::open(dir.path()).unwrap();
        log.write(LogStream::Stdout, &[b'x'; 40_000]).unwrap();
        log.write(LogStream::Stdout, b"\n").unwrap();
        log.finish().unwrap();
        let lines = read(dir.path(), LogQuery::default());
        assert_eq!(lines.iter().map(|(text, _)| text.len()).sum::<usize>(), 40_001);
        assert_eq!(lines.len(), 3);
        assert!(lines.iter().all(|(text, _)| text.len() <= 16_384));
    }
}
