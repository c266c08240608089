//! The digest of a stream that is written nowhere, as of a layer's tar. A stream of some length is hashed by a second
//! thread while the first one reads files: neither waits for the other's work.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use sha2::{Digest as _, Sha256};

use crate::oci::Digest;

/// What is hashed at once, in bytes. A shorter stream costs no thread.
const CHUNK: usize = 512 * 1024;
/// How many chunks wait for the hashing thread at most.
const DEPTH: usize = 4;

/// Computes the SHA-256 of what is written to it, and its size in bytes.
#[derive(Debug)]
pub(crate) struct HashSink {
    chunk: Vec<u8>,
    size: u64,
    helper: Option<Helper>,
}

/// The hashing thread: full chunks go to it, empty ones come back.
#[derive(Debug)]
struct Helper {
    full: SyncSender<Vec<u8>>,
    empty: Receiver<Vec<u8>>,
    thread: JoinHandle<Sha256>,
}

impl HashSink {
    pub(crate) fn new() -> Self {
        Self { chunk: Vec::new(), size: 0, helper: None }
    }

    /// The digest of all that was written, and how many bytes it was.
    pub(crate) fn finish(self) -> (Digest, u64) {
        let mut hash = match self.helper {
            None => Sha256::new(),
            Some(Helper { full, thread, .. }) => {
                drop(full);
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }
        };
        hash.update(&self.chunk);
        (Digest::from_sha256(hash.finalize().into()), self.size)
    }

    /// Gives a full chunk away.
    fn hand_over(&mut self) -> io::Result<()> {
        let helper = match &mut self.helper {
            Some(helper) => helper,
            none => none.insert(Helper::start()?),
        };
        let mut next = helper.empty.try_recv().unwrap_or_else(|_| Vec::with_capacity(CHUNK));
        next.clear();
        let full = std::mem::replace(&mut self.chunk, next);
        helper.full.send(full).map_err(|_| io::Error::other("the hashing thread has failed"))
    }
}

impl Helper {
    fn start() -> io::Result<Self> {
        let (full, chunks) = sync_channel::<Vec<u8>>(DEPTH);
        let (back, empty) = channel();
        let thread = thread::Builder::new().name("hash".to_owned()).spawn(move || {
            let mut hash = Sha256::new();
            for chunk in chunks {
                hash.update(&chunk);
                // Nobody waits for empty chunks once all is written.
                let _ = back.send(chunk);
            }
            hash
        })?;
        Ok(Self { full, empty, thread })
    }
}

impl Write for HashSink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..count]);
        self.size += count as u64;
        if self.chunk.len() == CHUNK {
            self.hand_over()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::{CHUNK, HashSink};
    use crate::oci::Digest;

    #[test]
    fn the_digest_is_that_of_the_whole_however_long_it_is() {
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 11 * CHUNK + 77] {
            let bytes: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
            let mut sink = HashSink::new();
            for part in bytes.chunks(100_003) {
                sink.write_all(part).unwrap();
            }
            assert_eq!(sink.finish(), (Digest::of(&bytes), size as u64), "{size}");
        }
    }
}
