//! An SSH client for one purpose: a command on a host that is known, with a key of an agent (RFC 4251 to 4254).
//!
//! Its cryptography is ring's. It offers only what OpenSSH and the hosts of repositories have had since 2014: elliptic
//! curves, AES-GCM and ChaCha20-Poly1305; no passwords, no compression, no SHA-1, no configuration files. Hosts that no list
//! of known hosts has are refused, and nothing is added to a list.

mod address;
mod agent;
mod algorithms;
mod cipher;
mod connection;
mod error;
mod host_key;
mod known_hosts;
mod login;
mod message;
mod packets;
mod stream;

use std::path::PathBuf;

pub(crate) use address::SshAddress;
pub(crate) use error::SshError;
pub(crate) use stream::SshStream;

use agent::Agent;
use connection::Connection;
use known_hosts::KnownHost;
use login::log_in;

/// With what other machines are reached.
#[derive(Debug, Clone, Default)]
pub(crate) struct SshAccess {
    /// The socket of an agent.
    pub(crate) agent: Option<PathBuf>,
    /// The lists of known hosts, the user's own first.
    pub(crate) known_hosts: Vec<PathBuf>,
}

impl SshAccess {
    /// Starts the command that serves the repository at `address`, with a variable in its environment.
    ///
    /// # Errors
    /// Everything in [`SshError`].
    pub(crate) fn serve(&self, address: &SshAddress, variable: (&str, &str)) -> Result<SshStream, SshError> {
        let agent = self.agent.as_ref().ok_or_else(|| SshError::NoAgent(address.host.clone()))?;
        let mut agent = Agent::connect(agent)?;
        let place = (address.host.as_str(), address.port);
        let mut connection = Connection::open(place, KnownHost::load(&self.known_hosts, place)?)?;
        log_in(&mut connection, &address.user, &mut agent)?;
        SshStream::start(connection, &address.command(), variable)
    }
}
