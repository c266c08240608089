//! The bytes of a blob as they arrive.

use bytes::Bytes;
use reqwest::header::CONTENT_RANGE;
use reqwest::{Response, StatusCode};

use crate::client::Client;
use crate::error::{Error, RequestLine, Result};
use crate::repository::header;

/// The answer to a request for a blob or the rest of one.
#[derive(Debug)]
pub struct BlobStream {
    client: Client,
    request: RequestLine,
    answer: Response,
    start: u64,
}

impl BlobStream {
    pub(crate) fn new(client: Client, request: RequestLine, answer: Response) -> Result<Self> {
        let start = match answer.status() {
            StatusCode::PARTIAL_CONTENT => header(answer.headers(), CONTENT_RANGE.as_str()).and_then(range_start),
            _ => Some(0),
        };
        match start {
            Some(start) => Ok(Self { client, request, answer, start }),
            None => Err(Error::Protocol { request, reason: "a part without `Content-Range`".to_owned() }),
        }
    }

    /// The offset in the blob of the first byte: 0 if the registry does not serve ranges, whatever was asked for.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// The request that is being answered, for messages.
    pub fn request(&self) -> &RequestLine {
        &self.request
    }

    /// The next bytes; `None` at the end.
    ///
    /// # Errors
    /// The connection broke, or nothing came for too long.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>> {
        self.client.transport().chunk(&self.request, &mut self.answer).await
    }
}

/// `bytes 10-99/100` starts at 10.
fn range_start(text: &str) -> Option<u64> {
    text.trim().strip_prefix("bytes ")?.split_once('-')?.0.trim().parse().ok()
}
