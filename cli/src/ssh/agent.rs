//! The other side of an SSH agent: it lists its keys and signs with them (draft-ietf-sshm-ssh-agent).

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::error::SshError;
use crate::ssh_agent::wire::{Reader, Writer};

const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// An RSA signature with SHA-512.
const RSA_SHA2_512: u32 = 4;
/// No answer is longer, in bytes; OpenSSH's own limit.
const LONGEST: usize = 256 * 1024;

/// A connection to an agent.
pub(super) struct Agent {
    stream: UnixStream,
    path: PathBuf,
}

impl Agent {
    /// Connects to the agent with the socket `path`.
    ///
    /// # Errors
    /// Nobody listens there.
    pub(super) fn connect(path: &Path) -> Result<Self, SshError> {
        let connect = || -> io::Result<UnixStream> {
            // Addresses of sockets are short: the path may be too long for one.
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let (handle, name) = (File::open(folder)?, path.file_name().unwrap_or_default());
            UnixStream::connect(Path::new(&format!("/proc/self/fd/{}", handle.as_raw_fd())).join(name))
        };
        let path = path.to_owned();
        match connect() {
            Ok(stream) => Ok(Self { stream, path }),
            Err(source) => Err(SshError::Agent { path, source }),
        }
    }

    /// The public keys of the agent, in the protocol's form.
    pub(super) fn keys(&mut self) -> Result<Vec<Vec<u8>>, SshError> {
        let answer = self.ask(&[REQUEST_IDENTITIES])?;
        let read = || {
            let mut reader = Reader::new(&answer);
            reader.expect(&[IDENTITIES_ANSWER])?;
            let count = reader.number()?;
            let mut key = || Some((reader.string()?.to_vec(), reader.string()?).0);
            (0..count).map(|_| key()).collect::<Option<Vec<_>>>()
        };
        read().ok_or_else(|| self.failed(io::ErrorKind::InvalidData.into()))
    }

    /// The signature of `data` by `key`; nothing if the agent, or its owner, does not want to make it.
    pub(super) fn sign(&mut self, key: &[u8], data: &[u8]) -> Result<Option<Vec<u8>>, SshError> {
        let request = Writer::default().byte(SIGN_REQUEST).string(key).string(data).number(RSA_SHA2_512).finish();
        let answer = self.ask(&request)?;
        let mut reader = Reader::new(&answer);
        Ok(reader.expect(&[SIGN_RESPONSE]).and_then(|()| reader.string()).map(<[u8]>::to_vec))
    }

    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, SshError> {
        let mut converse = || -> io::Result<Vec<u8>> {
            self.stream.write_all(&Writer::default().string(request).finish())?;
            let mut length = [0; 4];
            self.stream.read_exact(&mut length)?;
            let length = u32::from_be_bytes(length) as usize;
            if length > LONGEST {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let mut answer = vec![0; length];
            self.stream.read_exact(&mut answer)?;
            Ok(answer)
        };
        converse().map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> SshError {
        SshError::Agent { path: self.path.clone(), source }
    }
}
