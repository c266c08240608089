//! Streams between threads with bounded memory: one thread writes, another reads.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::{Decompressor, pack};
use crate::oci::{Digest, DigestWriter};
use crate::root::Root;
use crate::{Error, Result};

/// What goes through at once, in bytes.
const CHUNK: usize = 256 * 1024;

/// How many chunks wait at most.
const DEPTH: usize = 8;

type Message = io::Result<Vec<u8>>;

/// The reading end. An error of the writing thread comes out of it as an error of reading.
#[derive(Debug)]
pub struct PipeReader {
    chunks: Receiver<Message>,
    current: io::Cursor<Vec<u8>>,
}

/// The writing end. Writing fails when nobody reads any more.
#[derive(Debug)]
pub(super) struct PipeWriter {
    chunks: SyncSender<Message>,
    buffer: Vec<u8>,
}

/// The digest and size of all that a thread sent through a pipe.
#[derive(Debug)]
pub(crate) struct Hashing(JoinHandle<Option<(Digest, u64)>>);

/// Runs `produce` in a thread; what it writes is read from the returned end.
pub(super) fn spawn(name: &str, produce: impl FnOnce(PipeWriter) -> Result<()> + Send + 'static) -> Result<PipeReader> {
    let (writer, reader, failures) = pipe();
    let run = move || {
        if let Err(error) = produce(writer) {
            // Nobody to tell it to, if this fails: the reader went first.
            let _ = failures.send(Err(io::Error::other(error)));
        }
    };
    start(name, run).map(|_| reader)
}

/// Decompresses `source` in a thread that also hashes what comes out.
pub(super) fn spawn_hashed(source: impl Read + Send + 'static) -> Result<(PipeReader, Hashing)> {
    let (writer, reader, failures) = pipe();
    let run = move || {
        let result = decompress(source, writer);
        result.map_err(|error| failures.send(Err(error))).ok()
    };
    Ok((reader, Hashing(start("decompress", run)?)))
}

/// Packs the tree under `root` in a thread that also hashes what it sends.
pub(crate) fn pack_hashed(root: Root) -> Result<(PipeReader, Hashing)> {
    let (writer, reader, failures) = pipe();
    let run = move || {
        let packed = pack(&root, DigestWriter::new(writer)).map_err(io::Error::other).and_then(|packed| {
            let (mut writer, digest, size) = packed.finish();
            writer.flush().map(|()| (digest, size))
        });
        packed.map_err(|error| failures.send(Err(error))).ok()
    };
    Ok((reader, Hashing(start("pack", run)?)))
}

impl Hashing {
    /// Waits for the end of the stream, which must have been read.
    pub(crate) fn join(self) -> Result<(Digest, u64)> {
        let ended = || Error::stream("read the layer's blob")(io::Error::other("the decompressing thread has failed"));
        self.0.join().ok().flatten().ok_or_else(ended)
    }
}

fn decompress(source: impl Read, writer: PipeWriter) -> io::Result<(Digest, u64)> {
    let mut decompressor = Decompressor::new(source)?;
    let mut writer = DigestWriter::new(writer);
    let mut buffer = vec![0; CHUNK];
    loop {
        match decompressor.read(&mut buffer)? {
            0 => break,
            count => writer.write_all(&buffer[..count])?,
        }
    }
    let (mut writer, digest, size) = writer.finish();
    writer.flush()?;
    Ok((digest, size))
}

fn pipe() -> (PipeWriter, PipeReader, SyncSender<Message>) {
    let (sender, chunks) = sync_channel(DEPTH);
    let failures = sender.clone();
    let writer = PipeWriter { chunks: sender, buffer: Vec::with_capacity(CHUNK) };
    (writer, PipeReader { chunks, current: io::Cursor::default() }, failures)
}

fn start<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> Result<JoinHandle<T>> {
    thread::Builder::new().name(name.to_owned()).spawn(run).map_err(Error::stream("start a thread"))
}

impl Read for PipeReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.current.read(buffer)?;
            if count > 0 || buffer.is_empty() {
                return Ok(count);
            }
            match self.chunks.recv() {
                Ok(chunk) => self.current = io::Cursor::new(chunk?),
                Err(_) => return Ok(0),
            }
        }
    }
}

impl Write for PipeWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == CHUNK {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.chunks.send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
