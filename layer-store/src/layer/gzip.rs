//! A gzip stream of one member (RFC 1952), compressed by several threads.
//!
//! The input is cut into blocks of 1 MiB, each compressed by itself with the 32 KiB before it as dictionary, and ended at
//! a byte boundary, so that the parts can be put together. The bytes do not depend on the number of threads.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use flate2::{Compress, Compression as Level, Crc, FlushCompress, Status};

/// What is compressed in one piece, in bytes.
const BLOCK: usize = 1 << 20;

/// How far back deflate can refer, in bytes.
const WINDOW: usize = 32 * 1024;

/// Magic, deflate, no flags, no time, no extra flags, unknown system.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];

/// Compresses what is written to it.
#[derive(Debug)]
pub(super) struct ParallelGzip<W> {
    out: W,
    block: Vec<u8>,
    dictionary: Vec<u8>,
    jobs: SyncSender<Job>,
    results: Receiver<Piece>,
    /// Pieces that came before their turn.
    early: BTreeMap<u64, Piece>,
    sent: u64,
    written: u64,
    /// Most pieces in the works at once.
    limit: u64,
    crc: Crc,
}

#[derive(Debug)]
struct Job {
    index: u64,
    block: Vec<u8>,
    dictionary: Vec<u8>,
    flush: FlushCompress,
}

#[derive(Debug)]
struct Piece {
    index: u64,
    deflated: io::Result<Vec<u8>>,
    crc: Crc,
}

impl<W: Write> ParallelGzip<W> {
    /// Compresses with `level` on `threads` threads.
    pub(super) fn new(mut out: W, level: u32, threads: usize) -> io::Result<Self> {
        out.write_all(&HEADER)?;
        let limit = threads + 1;
        let (jobs, queue) = sync_channel(limit);
        let (sender, results) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads {
            let (queue, sender) = (Arc::clone(&queue), sender.clone());
            thread::Builder::new().name("gzip".to_owned()).spawn(move || work(&queue, &sender, level))?;
        }
        Ok(Self {
            out,
            block: Vec::with_capacity(BLOCK),
            dictionary: Vec::new(),
            jobs,
            results,
            early: BTreeMap::new(),
            sent: 0,
            written: 0,
            limit: limit as u64,
            crc: Crc::new(),
        })
    }

    /// Writes what is left and the end of the stream.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.submit(FlushCompress::Finish)?;
        while self.written < self.sent {
            self.write_next()?;
        }
        self.out.write_all(&self.crc.sum().to_le_bytes())?;
        self.out.write_all(&self.crc.amount().to_le_bytes())?;
        Ok(self.out)
    }

    fn submit(&mut self, flush: FlushCompress) -> io::Result<()> {
        while self.sent - self.written >= self.limit {
            self.write_next()?;
        }
        let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
        let tail = block[block.len().saturating_sub(WINDOW)..].to_vec();
        let dictionary = std::mem::replace(&mut self.dictionary, tail);
        let job = Job { index: self.sent, block, dictionary, flush };
        self.jobs.send(job).map_err(|_| io::Error::other("the compressing threads have ended"))?;
        self.sent += 1;
        Ok(())
    }

    /// Waits for the piece whose turn it is, and writes it.
    fn write_next(&mut self) -> io::Result<()> {
        let piece = loop {
            if let Some(piece) = self.early.remove(&self.written) {
                break piece;
            }
            let piece = self.results.recv().map_err(|_| io::Error::other("the compressing threads have ended"))?;
            self.early.insert(piece.index, piece);
        };
        self.out.write_all(&piece.deflated?)?;
        self.crc.combine(&piece.crc);
        self.written += 1;
        Ok(())
    }
}

impl<W: Write> Write for ParallelGzip<W> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = buffer.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&buffer[..count]);
        if self.block.len() == BLOCK {
            self.submit(FlushCompress::Sync)?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Compresses blocks until there are no more, or nobody wants them.
fn work(queue: &Mutex<Receiver<Job>>, results: &Sender<Piece>, level: u32) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let mut crc = Crc::new();
        crc.update(&job.block);
        let piece = Piece { index: job.index, deflated: deflate(&job, level), crc };
        if results.send(piece).is_err() {
            return;
        }
    }
}

fn deflate(job: &Job, level: u32) -> io::Result<Vec<u8>> {
    let mut compress = Compress::new(Level::new(level), false);
    if !job.dictionary.is_empty() {
        compress.set_dictionary(&job.dictionary).map_err(io::Error::other)?;
    }
    let mut out = Vec::with_capacity(job.block.len() / 2 + 1024);
    loop {
        let done = usize::try_from(compress.total_in()).map_err(io::Error::other)?;
        let status = compress.compress_vec(&job.block[done..], &mut out, job.flush).map_err(io::Error::other)?;
        let consumed = compress.total_in() == job.block.len() as u64;
        // Room that is left says that nothing is held back.
        if status == Status::StreamEnd || consumed && job.flush == FlushCompress::Sync && out.len() < out.capacity() {
            return Ok(out);
        }
        out.reserve(job.block.len() / 2 + 1024);
    }
}
