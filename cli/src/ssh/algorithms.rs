//! What the two sides agree on before keys are exchanged (RFC 4253, 7.1).

use ring::agreement::{Algorithm, ECDH_P256, ECDH_P384, X25519};
use ring::digest::{self, SHA256, SHA384};
use ring::rand::{SecureRandom, SystemRandom};

use super::cipher::{self, needs_strict};
use super::error::SshError;
use super::host_key;
use super::known_hosts::KnownHost;
use super::message;
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

/// What both sides know, of the proposal that `known` gives and that of the server `host`.
pub(super) fn agree(host: &str, known: &KnownHost, theirs: &[u8]) -> Result<Algorithms, SshError> {
    let malformed = || SshError::Protocol { host: host.to_owned(), what: "its proposal is cut short" };
    let mut reader = Reader::new(theirs);
    reader
        .expect(&[message::KEXINIT])
        .and_then(|()| (0..16).try_for_each(|_| reader.byte().map(drop)))
        .ok_or_else(malformed)?;
    let lists = (0..10).map(|_| reader.text()).collect::<Option<Vec<_>>>().ok_or_else(malformed)?;
    let follows = reader.byte().ok_or_else(malformed)? != 0;
    let choose = |what, ours: &[&str], theirs: &str| {
        let both = ours.iter().find(|name| theirs.split(',').any(|other| other == **name));
        let host = host.to_owned();
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
        return Err(SshError::NoCommon { host: host.to_owned(), what: "safe cipher", offered });
    }
    Ok(agreed)
}

fn first(list: &str) -> &str {
    list.split(',').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Algorithms, agree, proposal};
    use crate::ssh::host_key::HostKey;
    use crate::ssh::known_hosts::KnownHost;
    use crate::ssh::{SshError, message};
    use crate::ssh_agent::wire::{Reader, Writer};

    const CHACHA: &str = "chacha20-poly1305@openssh.com";
    const STRICT: &str = "curve25519-sha256,kex-strict-s-v00@openssh.com";

    fn nobody() -> KnownHost {
        KnownHost::load(&[], ("host", 22)).unwrap()
    }

    /// What comes of a server's lists of exchanges, kinds of keys and ciphers.
    fn agreed([exchanges, keys, ciphers]: [&str; 3], follows: u8) -> Result<Algorithms, SshError> {
        let lists = [exchanges, keys, ciphers, ciphers, "", "", "zlib,none", "none", "", ""];
        let start = Writer::default().byte(message::KEXINIT).raw(&[0; 16]);
        let lists = lists.iter().fold(start, |writer, list| writer.string(list.as_bytes()));
        agree("host", &nobody(), &lists.byte(follows).number(0).finish())
    }

    #[test]
    fn the_clients_wishes_decide() {
        let keys = "rsa-sha2-512,ssh-ed25519";
        let found = agreed([STRICT, keys, "aes128-gcm@openssh.com,aes256-gcm@openssh.com"], 0).unwrap();
        assert_eq!((found.signature.as_str(), found.ciphers[1].as_str()), ("ssh-ed25519", "aes256-gcm@openssh.com"));
        assert!(found.is_strict && !found.is_wrongly_guessed);
        assert!(agreed([STRICT, keys, CHACHA], 1).unwrap().is_wrongly_guessed);
        assert!(!agreed([STRICT, "ssh-ed25519", CHACHA], 1).unwrap().is_wrongly_guessed);
        // Nobody promises that packets are counted anew: only a cipher that does not depend on it will do.
        assert!(matches!(agreed(["curve25519-sha256", keys, CHACHA], 0), Err(SshError::NoCommon { .. })));
        assert!(!agreed(["curve25519-sha256", keys, "aes256-gcm@openssh.com"], 0).unwrap().is_strict);
        for lists in [["x", keys, CHACHA], [STRICT, "ssh-rsa,ssh-dss", CHACHA], [STRICT, keys, "aes256-ctr"]] {
            assert!(matches!(agreed(lists, 0), Err(SshError::NoCommon { .. })), "{lists:?}");
        }
        assert!(matches!(agree("host", &nobody(), &[message::KEXINIT; 20]), Err(SshError::Protocol { .. })));
    }

    #[test]
    fn no_bytes_of_a_server_make_anything_of_it_panic() {
        // Small numbers, so that lengths often fit.
        let mut state = 1u64;
        let mut byte = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if state >> 60 < 9 { 0 } else { (state >> 40) as u8 % 24 }
        };
        for round in 0..20_000 {
            let bytes: Vec<u8> = (0..round % 90).map(|_| byte()).collect();
            let proposal = [&[message::KEXINIT; 17][..], &bytes].concat();
            assert!(agree("host", &nobody(), &proposal).is_err());
            let key = HostKey(Writer::default().string(b"ssh-rsa").raw(&bytes).finish());
            let signature = Writer::default().string(b"rsa-sha2-512").raw(&bytes).finish();
            assert!(!key.has_signed("rsa-sha2-512", b"data", &signature));
        }
    }

    #[test]
    fn kinds_of_keys_that_are_known_are_asked_for_first() {
        let folder = tempfile::tempdir().unwrap();
        let list = folder.path().join("list");
        let key = HostKey(Writer::default().string(b"ssh-rsa").string(b"x").finish());
        fs::write(&list, format!("host {}\n", key.line())).unwrap();
        let kinds = |known: &KnownHost| {
            let proposal = proposal(known);
            let mut reader = Reader::new(&proposal[17..]);
            (reader.text().unwrap().to_owned(), reader.text().unwrap().to_owned())
        };
        let (exchanges, unknown) = kinds(&nobody());
        assert!(exchanges.ends_with(",kex-strict-c-v00@openssh.com") && unknown.starts_with("ssh-ed25519,"));
        let known = kinds(&KnownHost::load(&[list], ("host", 22)).unwrap()).1;
        assert!(known.starts_with("rsa-sha2-512,rsa-sha2-256,ssh-ed25519"), "{known}");
    }
}
