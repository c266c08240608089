//! Getting in with a key of an agent (RFC 4252, "publickey"). No other way is tried.

use super::agent::Agent;
use super::connection::Connection;
use super::error::SshError;
use super::message;
use crate::ssh_agent::wire::{Reader, Writer};

/// Shows the server the agent's keys, one after the other, and signs with the first that it takes.
///
/// # Errors
/// It takes none.
pub(super) fn log_in(connection: &mut Connection, user: &str, agent: &mut Agent) -> Result<(), SshError> {
    let service = Writer::default().byte(message::SERVICE_REQUEST).string(b"ssh-userauth").finish();
    connection.write(&service)?;
    if connection.read()?[0] != message::SERVICE_ACCEPT {
        return Err(connection.protocol("nobody can log in"));
    }
    let keys = agent.keys()?;
    for key in &keys {
        let Some(algorithm) = algorithm(key) else { continue };
        connection.write(&request(user, 0).string(algorithm.as_bytes()).string(key).finish())?;
        match answer(connection)? {
            message::USERAUTH_SUCCESS => return Ok(()),
            message::USERAUTH_PK_OK => {}
            _ => continue,
        }
        let signed = request(user, 1).string(algorithm.as_bytes()).string(key).finish();
        let data = Writer::default().string(connection.session()).raw(&signed).finish();
        let Some(signature) = agent.sign(key, &data)? else { continue };
        connection.write(&Writer::default().raw(&signed).string(&signature).finish())?;
        if answer(connection)? == message::USERAUTH_SUCCESS {
            return Ok(());
        }
    }
    Err(SshError::Denied { host: connection.host().to_owned(), user: user.to_owned(), count: keys.len() })
}

/// The begin of a request; `signed` is 1 where a signature follows.
fn request(user: &str, signed: u8) -> Writer {
    let start = Writer::default().byte(message::USERAUTH_REQUEST).string(user.as_bytes());
    start.string(b"ssh-connection").string(b"publickey").byte(signed)
}

/// How a key signs: RSA not with SHA-1, which the type of the key would stand for.
fn algorithm(key: &[u8]) -> Option<&str> {
    match Reader::new(key).text()? {
        "ssh-rsa" => Some("rsa-sha2-512"),
        "ssh-rsa-cert-v01@openssh.com" => Some("rsa-sha2-512-cert-v01@openssh.com"),
        other => Some(other),
    }
}

/// The number of the server's answer.
fn answer(connection: &mut Connection) -> Result<u8, SshError> {
    loop {
        match connection.read()?[0] {
            message::USERAUTH_BANNER => {}
            number @ (message::USERAUTH_SUCCESS | message::USERAUTH_FAILURE | message::USERAUTH_PK_OK) => {
                return Ok(number);
            }
            _ => return Err(connection.protocol("no answer to a key")),
        }
    }
}
