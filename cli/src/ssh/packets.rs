//! Packets of the transport (RFC 4253, 6), read and written.

use std::io::{self, Read, Write};

use ring::rand::{SecureRandom, SystemRandom};

use super::cipher::{Cipher, LENGTH};
use super::error::SshError;
use crate::wiring::Socket;

/// The largest packet; OpenSSH's own limit.
const LARGEST: usize = 256 * 1024;
/// The least padding of a packet.
const PADDING: usize = 4;

/// One direction.
struct Direction {
    cipher: Cipher,
    /// The number of the next packet.
    sequence: u32,
}

/// A stream of packets.
pub(super) struct Packets {
    stream: Socket,
    host: String,
    reading: Direction,
    writing: Direction,
}

impl Packets {
    /// Packets over `stream`, not encrypted yet; `host` is for messages.
    pub(super) fn new(stream: Socket, host: String) -> Self {
        let direction = || Direction { cipher: Cipher::Clear, sequence: 0 };
        Self { stream, host, reading: direction(), writing: direction() }
    }

    /// Host and port.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// How many packets were read.
    pub(super) fn count(&self) -> u32 {
        self.reading.sequence
    }

    pub(super) fn protocol(&self, what: &'static str) -> SshError {
        SshError::Protocol { host: self.host.clone(), what }
    }

    fn broken(&self, source: io::Error) -> SshError {
        SshError::Broken { host: self.host.clone(), source }
    }

    /// What is read from here on is encrypted with `cipher`. Packets are counted anew after a strict key exchange.
    pub(super) fn read_with(&mut self, cipher: Cipher, counted_from: Option<u32>) {
        let sequence = counted_from.unwrap_or(self.reading.sequence);
        self.reading = Direction { cipher, sequence };
    }

    /// The same for what is written.
    pub(super) fn write_with(&mut self, cipher: Cipher, counted_from: Option<u32>) {
        let sequence = counted_from.unwrap_or(self.writing.sequence);
        self.writing = Direction { cipher, sequence };
    }

    /// Writes the packet of one message.
    pub(super) fn write(&mut self, message: &[u8]) -> Result<(), SshError> {
        let (block, counted) = self.writing.cipher.alignment();
        let mut padding = block - (counted + 1 + message.len()) % block;
        if padding < PADDING {
            padding += block;
        }
        let mut packet = Vec::with_capacity(LENGTH + 1 + message.len() + padding + 16);
        packet.extend_from_slice(&((1 + message.len() + padding) as u32).to_be_bytes());
        packet.push(padding as u8);
        packet.extend_from_slice(message);
        let start = packet.len();
        packet.resize(start + padding, 0);
        let failed = |_| io::Error::other("no random numbers");
        SystemRandom::new().fill(&mut packet[start..]).map_err(failed).map_err(|error| self.broken(error))?;
        let sealed = self.writing.cipher.seal(self.writing.sequence, &mut packet);
        sealed.ok_or_else(|| self.protocol("too many packets with one key"))?;
        self.writing.sequence = self.next(self.writing.sequence)?;
        self.stream.write_all(&packet).map_err(|error| self.broken(error))
    }

    /// Reads the message of the next packet; it is never empty.
    pub(super) fn read(&mut self) -> Result<Vec<u8>, SshError> {
        let mut first = [0; LENGTH];
        self.stream.read_exact(&mut first).map_err(|error| self.broken(error))?;
        let Direction { cipher, sequence } = &self.reading;
        let (length, (block, counted)) = (cipher.length(*sequence, first), cipher.alignment());
        if !(1 + PADDING..=LARGEST).contains(&length) || !(length + counted).is_multiple_of(block) {
            return Err(self.protocol("a packet has an impossible length"));
        }
        let mut packet = vec![0; LENGTH + length + self.reading.cipher.tag()];
        packet[..LENGTH].copy_from_slice(&first);
        self.stream.read_exact(&mut packet[LENGTH..]).map_err(|error| self.broken(error))?;
        let sequence = self.reading.sequence;
        let Some(opened) = self.reading.cipher.open(sequence, &mut packet) else {
            return Err(SshError::Forged(self.host.clone()));
        };
        let padding = usize::from(opened[0]);
        let message = opened.get(1..length.saturating_sub(padding)).filter(|message| !message.is_empty());
        let message = message.map(<[u8]>::to_vec).ok_or_else(|| self.protocol("a packet without a message"))?;
        self.reading.sequence = self.next(sequence)?;
        Ok(message)
    }

    fn next(&self, sequence: u32) -> Result<u32, SshError> {
        sequence.checked_add(1).ok_or_else(|| self.protocol("too many packets with one key"))
    }
}
