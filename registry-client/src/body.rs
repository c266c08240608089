//! Bodies of requests that can be sent again: bytes, or a range of a file that is never in memory as a whole.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::{self, Stream};

/// Called with the number of bytes that were just handed to the connection.
pub(crate) type OnBytes = Arc<dyn Fn(u64) + Send + Sync>;

/// How much of a file is read at once.
const CHUNK: u64 = 512 << 10;

/// What a request carries.
#[derive(Clone)]
pub(crate) enum Body {
    /// Nothing.
    Empty,
    /// A short document.
    Bytes(Bytes),
    /// A range of a file.
    File(FileRange),
}

/// A range of an open file.
#[derive(Clone)]
pub(crate) struct FileRange {
    pub(crate) file: Arc<File>,
    pub(crate) start: u64,
    pub(crate) length: u64,
    pub(crate) on_bytes: OnBytes,
}

impl Body {
    /// The size in bytes.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(range) => range.length,
        }
    }

    /// A fresh body for one try.
    pub(crate) fn to_reqwest(&self) -> reqwest::Body {
        match self {
            Self::Empty => reqwest::Body::default(),
            Self::Bytes(bytes) => reqwest::Body::from(bytes.clone()),
            Self::File(range) => reqwest::Body::wrap_stream(range.clone().stream()),
        }
    }
}

impl FileRange {
    /// The bytes in chunks, read on the threads for blocking work.
    pub(crate) fn stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        stream::try_unfold(self, |mut rest| async move {
            if rest.length == 0 {
                return Ok(None);
            }
            let count = rest.length.min(CHUNK);
            let (file, start) = (Arc::clone(&rest.file), rest.start);
            let read = tokio::task::spawn_blocking(move || read_at(&file, start, count));
            let bytes = read.await.map_err(io::Error::other)??;
            (rest.on_bytes)(count);
            rest.start += count;
            rest.length -= count;
            Ok(Some((bytes, rest)))
        })
    }
}

fn read_at(file: &File, start: u64, count: u64) -> io::Result<Bytes> {
    let mut buffer = vec![0; count as usize];
    file.read_exact_at(&mut buffer, start)?;
    Ok(Bytes::from(buffer))
}
