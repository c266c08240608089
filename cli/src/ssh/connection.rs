//! A connection with a host that is known: versions, key exchange (RFC 4253, RFC 5656, RFC 8731), and new keys whenever
//! the server wants them.

use std::io::{self, Read, Write};

use ring::agreement::{EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::digest::{Algorithm, digest};
use ring::rand::SystemRandom;

use super::algorithms::{Algorithms, agree, proposal};
use super::cipher::{Cipher, sizes};
use super::error::SshError;
use super::host_key::HostKey;
use super::known_hosts::KnownHost;
use super::message;
use super::packets::Packets;
use crate::ssh_agent::wire::{Reader, Writer};
use crate::wiring::Socket;

const VERSION: &str = concat!("SSH-2.0-dhow_", env!("CARGO_PKG_VERSION"));
/// Lines that a server may send before its version, and the longest of them in bytes.
const GREETING: (usize, usize) = (1000, 8192);

/// A connection.
pub(super) struct Connection {
    packets: Packets,
    known: KnownHost,
    /// What the server calls itself.
    version: Vec<u8>,
    /// The digest of the first exchange: the session's name.
    session: Option<Vec<u8>>,
    /// The key that the host showed then.
    host_key: Option<HostKey>,
    is_strict: bool,
}

impl Connection {
    /// Connects to a host whose key is one of `known`.
    ///
    /// # Errors
    /// It cannot be reached, or is not the one that it should be.
    pub(super) fn open((host, port): (&str, u16), known: KnownHost) -> Result<Self, SshError> {
        let name = format!("{host}:{port}");
        let mut stream =
            Socket::connect((host, port)).map_err(|source| SshError::Connect { host: name.clone(), source })?;
        let broken = |source| SshError::Broken { host: name.clone(), source };
        stream.write_all(format!("{VERSION}\r\n").as_bytes()).map_err(broken)?;
        let version = read_version(&mut stream).map_err(broken)?;
        let packets = Packets::new(stream, name);
        if !version.starts_with(b"SSH-2.0-") && !version.starts_with(b"SSH-1.99-") {
            return Err(packets.protocol("it does not speak version 2"));
        }
        let mut connection = Self { packets, known, version, session: None, host_key: None, is_strict: false };
        let first = connection.packets.read()?;
        connection.exchange(first)?;
        Ok(connection)
    }

    /// Host and port.
    pub(super) fn host(&self) -> &str {
        self.packets.host()
    }

    /// The session's name.
    pub(super) fn session(&self) -> &[u8] {
        self.session.as_deref().unwrap_or_default()
    }

    pub(super) fn protocol(&self, what: &'static str) -> SshError {
        self.packets.protocol(what)
    }

    /// Writes a message.
    pub(super) fn write(&mut self, message: &[u8]) -> Result<(), SshError> {
        self.packets.write(message)
    }

    /// The next message that is not about the transport itself.
    pub(super) fn read(&mut self) -> Result<Vec<u8>, SshError> {
        loop {
            let message = self.packets.read()?;
            match message[0] {
                message::IGNORE | message::DEBUG | message::UNIMPLEMENTED | message::EXT_INFO => {}
                message::DISCONNECT => return Err(self.disconnected(&message)),
                message::KEXINIT => self.exchange(message)?,
                message::GLOBAL_REQUEST => {
                    let mut reader = Reader::new(&message[1..]);
                    if reader.string().is_some() && reader.byte() == Some(1) {
                        self.write(&[message::REQUEST_FAILURE])?;
                    }
                }
                _ => return Ok(message),
            }
        }
    }

    fn disconnected(&self, message: &[u8]) -> SshError {
        let mut reader = Reader::new(&message[1..]);
        let reason = reader.number().and_then(|_| reader.string()).unwrap_or_default();
        SshError::Disconnected { host: self.host().to_owned(), reason: shown(reason) }
    }

    /// The next message of an exchange. In the first one of a strict server nothing else may come.
    fn read_exchange(&mut self) -> Result<Vec<u8>, SshError> {
        loop {
            let message = self.packets.read()?;
            match message[0] {
                message::DISCONNECT => return Err(self.disconnected(&message)),
                message::IGNORE | message::DEBUG if !self.is_strict || self.session.is_some() => {}
                _ => return Ok(message),
            }
        }
    }

    /// Exchanges keys; `theirs` is the server's proposal.
    fn exchange(&mut self, mut theirs: Vec<u8>) -> Result<(), SshError> {
        let is_first = self.session.is_none();
        // A server that is not strict may say something before.
        while is_first && matches!(theirs[0], message::IGNORE | message::DEBUG) {
            theirs = self.packets.read()?;
        }
        if theirs[0] == message::DISCONNECT {
            return Err(self.disconnected(&theirs));
        }
        let ours = proposal(&self.known);
        self.packets.write(&ours)?;
        let agreed = agree(self.packets.host(), &self.known, &theirs)?;
        if is_first {
            self.is_strict = agreed.is_strict;
            if self.is_strict && self.packets.count() != 1 {
                return Err(self.protocol("something came before its proposal"));
            }
        }
        if agreed.is_wrongly_guessed {
            self.read_exchange()?;
        }
        let secrets = self.agree_on_secret(&agreed, (&ours, &theirs))?;
        self.packets.write(&[message::NEWKEYS])?;
        let counted_from = self.is_strict.then_some(0);
        let cipher = |letters, name| secrets.cipher(letters, name).ok_or_else(|| self.protocol("no keys"));
        let (sealing, opening) = (
            cipher([b'A', b'C'], (&agreed.ciphers[0], Cipher::sealing))?,
            cipher([b'B', b'D'], (&agreed.ciphers[1], Cipher::opening))?,
        );
        self.packets.write_with(sealing, counted_from);
        match self.read_exchange()?.as_slice() {
            [message::NEWKEYS] => self.packets.read_with(opening, counted_from),
            _ => return Err(self.protocol("no new keys where they should begin")),
        }
        self.session.get_or_insert(secrets.session);
        Ok(())
    }

    fn agree_on_secret(&mut self, agreed: &Algorithms, (ours, theirs): (&[u8], &[u8])) -> Result<Secrets, SshError> {
        let (curve, hash) = agreed.curve();
        let failed = || self.packets.protocol("the key exchange fails");
        let own = EphemeralPrivateKey::generate(curve, &SystemRandom::new()).map_err(|_| failed())?;
        let public = own.compute_public_key().map_err(|_| failed())?;
        let request = Writer::default().byte(message::KEX_ECDH_INIT).string(public.as_ref()).finish();
        self.packets.write(&request)?;
        let reply = self.read_exchange()?;
        let failed = || self.packets.protocol("the key exchange fails");
        let mut reader = Reader::new(&reply);
        reader.expect(&[message::KEX_ECDH_REPLY]).ok_or_else(failed)?;
        let mut field = || reader.string().ok_or_else(failed);
        let (host_key, point, signature) = (field()?, field()?, field()?);
        let secret = agree_ephemeral(own, &UnparsedPublicKey::new(curve, point), |secret| {
            Writer::default().integer(secret).finish()
        });
        let secret = secret.map_err(|_| failed())?;
        let transcript = Writer::default()
            .string(VERSION.as_bytes())
            .string(&self.version)
            .string(ours)
            .string(theirs)
            .string(host_key)
            .string(public.as_ref())
            .string(point)
            .raw(&secret)
            .finish();
        let exchange = digest(hash, &transcript).as_ref().to_vec();
        self.trust(HostKey(host_key.to_vec()), (&agreed.signature, &exchange, signature))?;
        let session = self.session.clone().unwrap_or_else(|| exchange.clone());
        Ok(Secrets { hash, secret, exchange, session })
    }

    /// Whether it is the host: it has signed the exchange, with a key that is known, which stays the same.
    fn trust(&mut self, key: HostKey, (algorithm, exchange, signature): (&str, &[u8], &[u8])) -> Result<(), SshError> {
        if !key.has_signed(algorithm, exchange, signature) {
            return Err(SshError::Forged(self.host().to_owned()));
        }
        match &self.host_key {
            Some(known) if *known == key => Ok(()),
            Some(_) => Err(self.protocol("it shows another key than before")),
            None => {
                self.known.check(&key)?;
                self.host_key = Some(key);
                Ok(())
            }
        }
    }
}

/// What both sides know after an exchange.
struct Secrets {
    hash: &'static Algorithm,
    /// As the protocol writes an integer.
    secret: Vec<u8>,
    exchange: Vec<u8>,
    session: Vec<u8>,
}

type MakeCipher = fn(&str, &[u8], &[u8]) -> Option<Cipher>;

impl Secrets {
    /// The cipher of one direction: the letters name its vector and its key (RFC 4253, 7.2).
    fn cipher(&self, [vector, key]: [u8; 2], (name, make): (&str, MakeCipher)) -> Option<Cipher> {
        let (key_size, vector_size) = sizes(name);
        make(name, &self.derive(key, key_size), &self.derive(vector, vector_size))
    }

    fn derive(&self, letter: u8, size: usize) -> Vec<u8> {
        let start = [self.secret.as_slice(), &self.exchange].concat();
        let mut derived = digest(self.hash, &[&start, &[letter][..], &self.session].concat()).as_ref().to_vec();
        while derived.len() < size {
            let more = digest(self.hash, &[&start, derived.as_slice()].concat());
            derived.extend_from_slice(more.as_ref());
        }
        derived.truncate(size);
        derived
    }
}

/// The line with the server's version, without its end.
fn read_version(stream: &mut Socket) -> io::Result<Vec<u8>> {
    let (lines, longest) = GREETING;
    for _ in 0..lines {
        let mut line = Vec::new();
        let mut byte = [0];
        while line.len() < longest {
            stream.read_exact(&mut byte)?;
            match byte[0] {
                b'\n' => break,
                byte => line.push(byte),
            }
        }
        if line.starts_with(b"SSH-") {
            line.truncate(line.strip_suffix(b"\r").unwrap_or(&line).len());
            return Ok(line);
        }
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "what answers is no SSH server"))
}

/// Words of a server, without characters that a terminal obeys.
pub(super) fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.trim().chars().map(|c| if c.is_control() && c != '\n' { '?' } else { c }).collect()
}
