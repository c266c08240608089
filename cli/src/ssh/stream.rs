//! What a command on the other machine reads and writes (RFC 4254, 5 and 6).

use std::io::{self, Read, Write};

use super::connection::{Connection, shown};
use super::error::SshError;
use super::message;
use crate::ssh_agent::wire::{Reader, Writer};

/// dhow's number for the channel.
const CHANNEL: u32 = 0;
/// How many bytes the server may send before it has to wait, and the most at once.
const WINDOW: u32 = 2 << 20;
const PACKET: u32 = 32 * 1024;
/// The most that is kept of the command's errors.
const ERRORS: usize = 4096;

/// A command that runs there. It ends with the connection.
pub(crate) struct SshStream {
    connection: Connection,
    /// The server's number for the channel.
    channel: u32,
    /// How many bytes may be sent, and the most at once.
    window: u32,
    packet: u32,
    /// How many bytes came since the server was last told that it may go on.
    received: u32,
    inbox: Vec<u8>,
    at: usize,
    errors: Vec<u8>,
    has_ended: bool,
}

impl SshStream {
    /// Starts `command` with one variable in its environment, which the server may leave out.
    ///
    /// # Errors
    /// The server refuses.
    pub(super) fn start(
        mut connection: Connection,
        command: &str,
        (name, value): (&str, &str),
    ) -> Result<Self, SshError> {
        let open = Writer::default().byte(message::CHANNEL_OPEN).string(b"session");
        connection.write(&open.number(CHANNEL).number(WINDOW).number(PACKET).finish())?;
        let answer = connection.read()?;
        let mut reader = Reader::new(&answer[1..]);
        let mut number = || reader.number().unwrap_or_default();
        let (_own, channel, window, packet) = (number(), number(), number(), number());
        match answer[0] {
            message::CHANNEL_OPEN_CONFIRMATION if packet > 0 => {}
            message::CHANNEL_OPEN_FAILURE => return Err(SshError::NotExecuted(connection.host().to_owned())),
            _ => return Err(connection.protocol("no channel")),
        }
        let request = |kind: &[u8], wants_answer| {
            Writer::default().byte(message::CHANNEL_REQUEST).number(channel).string(kind).byte(wants_answer)
        };
        connection.write(&request(b"env", 0).string(name.as_bytes()).string(value.as_bytes()).finish())?;
        connection.write(&request(b"exec", 1).string(command.as_bytes()).finish())?;
        let (inbox, errors) = (Vec::new(), Vec::new());
        let mut stream =
            Self { connection, channel, window, packet, received: 0, inbox, at: 0, errors, has_ended: false };
        loop {
            match stream.step()? {
                Some(message::CHANNEL_SUCCESS) => return Ok(stream),
                Some(message::CHANNEL_FAILURE) => {
                    return Err(SshError::NotExecuted(stream.connection.host().to_owned()));
                }
                None if stream.has_ended => return Err(stream.connection.protocol("the channel ends at once")),
                _ => {}
            }
        }
    }

    /// The last words of the command for people.
    pub(crate) fn errors(&self) -> String {
        shown(&self.errors)
    }

    /// Takes one message in; its number, if it answers a request.
    fn step(&mut self) -> Result<Option<u8>, SshError> {
        let message = self.connection.read()?;
        let malformed = || self.connection.protocol("a message of a channel is cut short");
        let mut reader = Reader::new(&message[1..]);
        if reader.number().ok_or_else(malformed)? != CHANNEL {
            return Err(self.connection.protocol("a message of a channel that is not there"));
        }
        match message[0] {
            message::CHANNEL_DATA => self.take(reader.string().ok_or_else(malformed)?)?,
            message::CHANNEL_EXTENDED_DATA => {
                reader.number().ok_or_else(malformed)?;
                let bytes = reader.string().ok_or_else(malformed)?;
                self.errors.extend_from_slice(bytes);
                let too_much = self.errors.len().saturating_sub(ERRORS);
                self.errors.drain(..too_much);
                self.account(bytes.len())?;
            }
            message::CHANNEL_WINDOW_ADJUST => {
                self.window = self.window.saturating_add(reader.number().ok_or_else(malformed)?);
            }
            message::CHANNEL_EOF => {}
            message::CHANNEL_CLOSE => self.has_ended = true,
            message::CHANNEL_REQUEST => {
                if reader.string().is_some() && reader.byte() == Some(1) {
                    let failure = Writer::default().byte(message::CHANNEL_FAILURE).number(self.channel).finish();
                    self.connection.write(&failure)?;
                }
            }
            number @ (message::CHANNEL_SUCCESS | message::CHANNEL_FAILURE) => return Ok(Some(number)),
            _ => return Err(self.connection.protocol("a message that nobody waits for")),
        }
        Ok(None)
    }

    /// Puts data where it is read from; what is read already goes.
    fn take(&mut self, bytes: &[u8]) -> Result<(), SshError> {
        self.inbox.drain(..self.at);
        self.at = 0;
        if self.inbox.len() + bytes.len() > 2 * WINDOW as usize {
            return Err(self.connection.protocol("it sends more than it may"));
        }
        self.inbox.extend_from_slice(bytes);
        self.account(bytes.len())
    }

    /// Lets the server go on when half of what it may send has come.
    fn account(&mut self, length: usize) -> Result<(), SshError> {
        self.received = self.received.saturating_add(length as u32);
        if self.received < WINDOW / 2 {
            return Ok(());
        }
        let adjust = Writer::default().byte(message::CHANNEL_WINDOW_ADJUST).number(self.channel);
        self.connection.write(&adjust.number(self.received).finish())?;
        self.received = 0;
        Ok(())
    }
}

impl Read for SshStream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.inbox.len() && !self.has_ended {
            self.step().map_err(io::Error::other)?;
        }
        let count = buffer.len().min(self.inbox.len() - self.at);
        buffer[..count].copy_from_slice(&self.inbox[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

impl Write for SshStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        while self.window == 0 {
            if self.has_ended {
                return Err(io::ErrorKind::BrokenPipe.into());
            }
            self.step().map_err(io::Error::other)?;
        }
        let count = bytes.len().min(self.window as usize).min(self.packet.min(PACKET) as usize);
        let data = Writer::default().byte(message::CHANNEL_DATA).number(self.channel).string(&bytes[..count]).finish();
        self.connection.write(&data).map_err(io::Error::other)?;
        self.window -= count as u32;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
