//! An SSH agent inside dhow, for key files that were given with `--ssh id=KEYFILE`.
//!
//! It lists its keys and signs with them, over a socket in a directory of its own (draft-ietf-sshm-ssh-agent); it adds,
//! removes and shows no key. Private keys stay in this process.

mod key;
mod key_file;
mod remainder;
pub(crate) mod wire;

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::Context;

pub(crate) use key::PrivateKey;
use wire::{Reader, Writer};

/// Message numbers of the protocol.
const FAILURE: u8 = 5;
const REQUEST_IDENTITIES: u8 = 11;
const IDENTITIES_ANSWER: u8 = 12;
const SIGN_REQUEST: u8 = 13;
const SIGN_RESPONSE: u8 = 14;
/// No message of a client is longer, in bytes; OpenSSH's own limit.
const LONGEST: usize = 256 * 1024;
/// The socket's name in its directory.
const SOCKET: &str = "agent";

/// Serves `keys` on a socket in `directory` for as long as this process lives; where the socket is.
///
/// # Errors
/// The socket cannot be made.
pub(crate) fn serve(keys: Vec<PrivateKey>, directory: &Path) -> anyhow::Result<PathBuf> {
    let open = || -> io::Result<UnixListener> {
        // Addresses of sockets are short: the directory's own path may be too long for one.
        let handle = std::fs::File::open(directory)?;
        UnixListener::bind(format!("/proc/self/fd/{}/{SOCKET}", handle.as_raw_fd()))
    };
    let listener = open().context("cannot serve the keys of `--ssh`")?;
    let keys = Arc::new(keys);
    let accept = move || {
        for stream in listener.incoming().flatten() {
            let keys = Arc::clone(&keys);
            // A client that cannot be talked to has gone.
            thread::spawn(move || drop(converse(stream, &keys)));
        }
    };
    thread::Builder::new().name("ssh-agent".to_owned()).spawn(accept).context("cannot serve the keys of `--ssh`")?;
    Ok(directory.join(SOCKET))
}

fn converse(mut stream: UnixStream, keys: &[PrivateKey]) -> io::Result<()> {
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let length = u32::from_be_bytes(length) as usize;
        if length == 0 || length > LONGEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut message = vec![0; length];
        stream.read_exact(&mut message)?;
        stream.write_all(&Writer::default().string(&answer(&message, keys)).finish())?;
    }
}

fn answer(message: &[u8], keys: &[PrivateKey]) -> Vec<u8> {
    match message.split_first() {
        Some((&REQUEST_IDENTITIES, _)) => {
            let count = Writer::default().byte(IDENTITIES_ANSWER).number(keys.len() as u32);
            keys.iter().fold(count, |list, key| list.string(key.public()).string(key.comment())).finish()
        }
        Some((&SIGN_REQUEST, request)) => sign(request, keys).unwrap_or_else(|| vec![FAILURE]),
        _ => vec![FAILURE],
    }
}

/// The signature that is asked for, if one of the keys can make it.
fn sign(request: &[u8], keys: &[PrivateKey]) -> Option<Vec<u8>> {
    let mut reader = Reader::new(request);
    let (public, data, flags) = (reader.string()?, reader.string()?, reader.number()?);
    let key = keys.iter().find(|key| key.public() == public)?;
    Some(Writer::default().byte(SIGN_RESPONSE).string(&key.sign(data, flags)?).finish())
}

#[cfg(test)]
mod tests {
    use super::{FAILURE, IDENTITIES_ANSWER, answer};

    #[test]
    fn what_an_agent_without_keys_answers() {
        assert_eq!(answer(&[11], &[]), [IDENTITIES_ANSWER, 0, 0, 0, 0]);
        for message in [&[][..], &[13], &[13, 0, 0, 0, 9], &[17, 1, 2], &[27]] {
            assert_eq!(answer(message, &[]), [FAILURE], "{message:?}");
        }
    }
}
