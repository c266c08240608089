//! What the two sides agree on before keys are exchanged (RFC 4253, 7.1).

use ring::agreement::{Algorithm, ECDH_P256, ECDH_P384, X25519};
use ring::digest::{self, SHA256, SHA384};
use ring::rand::{SecureRandom, SystemRandom};

use super::cipher::{self, needs_strict};
use super::error::SshError;
use super::host_key;
use super::known_hosts::KnownHost;
use super::message;
use super::packets::Packets;
use crate::ssh_agent::wire::{Reader, Writer};

const EXCHANGES: [&str; 4] =
    ["curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384"];
/// How each side says that it counts packets anew with new keys, and lets nothing in between before that (OpenSSH's PROTOCOL,
/// 1.10).
const STRICT: (&str, &str) = ("kex-strict-c-v00@openssh.com", "kex-strict-s-v00@openssh.com");
/// The ciphers tell forged packets themselves, so none of these is ever used; there are servers that want to read one.
const MACS: [&str; 2] = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-256"];

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Algorithms {
    /// How keys are exchanged.
    pub(super) exchange: String,
    /// How the host signs.
    pub(super) signature: String,
    /// The cipher to the server, and that from it.
    pub(super) ciphers: [String; 2],
    /// Whether packets are counted anew.
    pub(super) is_strict: bool,
    /// Whether the server's next packet was sent on a wrong guess.
    pub(super) is_wrongly_guessed: bool,
}

impl Algorithms {
    /// The curve and the digest of the exchange.
    pub(super) fn curve(&self) -> (&'static Algorithm, &'static digest::Algorithm) {
        match self.exchange.as_str() {
            "ecdh-sha2-nistp256" => (&ECDH_P256, &SHA256),
            "ecdh-sha2-nistp384" => (&ECDH_P384, &SHA384),
            _ => (&X25519, &SHA256),
        }
    }
}

/// The ways to sign, those first for which a key of the host is known.
fn signatures(known: &KnownHost) -> Vec<&'static str> {
    let (first, rest): (Vec<_>, Vec<_>) = host_key::ALGORITHMS.into_iter().partition(|(_, kind)| known.has_kind(kind));
    first.into_iter().chain(rest).map(|(name, _)| name).collect()
}

/// dhow's proposal.
pub(super) fn proposal(known: &KnownHost) -> Vec<u8> {
    let mut cookie = [0; 16];
    // The cookie only has to differ; without random numbers the exchange fails by itself.
    let _ = SystemRandom::new().fill(&mut cookie);
    let list = |names: &[&str]| names.join(",");
    let exchanges = [&EXCHANGES[..], &[STRICT.0]].concat();
    let mut writer = Writer::default().byte(message::KEXINIT).raw(&cookie);
    for names in [
        list(&exchanges),
        list(&signatures(known)),
        list(&cipher::NAMES),
        list(&cipher::NAMES),
        list(&MACS),
        list(&MACS),
        "none".to_owned(),
        "none".to_owned(),
        String::new(),
        String::new(),
    ] {
        writer = writer.string(names.as_bytes());
    }
    writer.byte(0).number(0).finish()
}

/// What both sides know, of the proposal that `known` gives and that of the server.
pub(super) fn agree(packets: &Packets, known: &KnownHost, theirs: &[u8]) -> Result<Algorithms, SshError> {
    let malformed = || packets.protocol("its proposal is cut short");
    let mut reader = Reader::new(theirs);
    reader
        .expect(&[message::KEXINIT])
        .and_then(|()| (0..16).try_for_each(|_| reader.byte().map(drop)))
        .ok_or_else(malformed)?;
    let lists = (0..10).map(|_| reader.text()).collect::<Option<Vec<_>>>().ok_or_else(malformed)?;
    let follows = reader.byte().ok_or_else(malformed)? != 0;
    let choose = |what, ours: &[&str], theirs: &str| {
        let both = ours.iter().find(|name| theirs.split(',').any(|other| other == **name));
        let host = packets.host().to_owned();
        both.map(|name| (*name).to_owned()).ok_or(SshError::NoCommon { host, what, offered: format!("`{theirs}`") })
    };
    let signatures = signatures(known);
    let agreed = Algorithms {
        exchange: choose("key exchange", &EXCHANGES, lists[0])?,
        signature: choose("kind of host key", &signatures, lists[1])?,
        ciphers: [choose("cipher", &cipher::NAMES, lists[2])?, choose("cipher", &cipher::NAMES, lists[3])?],
        is_strict: lists[0].split(',').any(|name| name == STRICT.1),
        is_wrongly_guessed: follows && (first(lists[0]) != EXCHANGES[0] || first(lists[1]) != signatures[0]),
    };
    choose("compression", &["none"], lists[6])?;
    choose("compression", &["none"], lists[7])?;
    if !agreed.is_strict && agreed.ciphers.iter().any(|name| needs_strict(name)) {
        let offered = format!("`{}` without strict key exchange", lists[2]);
        return Err(SshError::NoCommon { host: packets.host().to_owned(), what: "safe cipher", offered });
    }
    Ok(agreed)
}

fn first(list: &str) -> &str {
    list.split(',').next().unwrap_or_default()
}
