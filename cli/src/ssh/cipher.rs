//! The ciphers of packets: `chacha20-poly1305@openssh.com` (OpenSSH's PROTOCOL.chacha20poly1305) and AES-GCM as OpenSSH has
//! it (RFC 5647, its PROTOCOL 1.6). Each of them also tells forged packets.

use ring::aead::chacha20_poly1305_openssh::{OpeningKey, SealingKey};
use ring::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

/// Bytes of a packet's length.
pub(super) const LENGTH: usize = 4;
/// Bytes after a packet that tell whether it is genuine.
pub(super) const TAG: usize = 16;
/// The whole of this and of a chacha20-poly1305 key.
const CHACHA_KEY: usize = 64;

/// The names of the ciphers, what is liked best first. The first two do not depend on the count of packets, which someone in
/// between can shift where a server knows no strict key exchange.
pub(super) const NAMES: [&str; 3] =
    ["aes256-gcm@openssh.com", "aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com"];

/// Whether a cipher is only safe after a strict key exchange (CVE-2023-48795).
pub(super) fn needs_strict(name: &str) -> bool {
    name == NAMES[2]
}

/// The bytes of key and initial vector that a cipher takes.
pub(super) fn sizes(name: &str) -> (usize, usize) {
    match name {
        "aes256-gcm@openssh.com" => (32, 12),
        "aes128-gcm@openssh.com" => (16, 12),
        _ => (CHACHA_KEY, 0),
    }
}

/// A cipher with its key, for one direction.
pub(super) enum Cipher {
    /// None yet.
    Clear,
    /// With the nonce of the next packet.
    Gcm(Box<LessSafeKey>, [u8; 12]),
    Seal(Box<SealingKey>),
    Open(Box<OpeningKey>),
}

impl Cipher {
    /// The cipher `name` for packets that are written.
    pub(super) fn sealing(name: &str, key: &[u8], vector: &[u8]) -> Option<Self> {
        match Self::gcm(name, key, vector) {
            None => Some(Self::Seal(Box::new(SealingKey::new(key.try_into().ok()?)))),
            found => found,
        }
    }

    /// The cipher `name` for packets that are read.
    pub(super) fn opening(name: &str, key: &[u8], vector: &[u8]) -> Option<Self> {
        match Self::gcm(name, key, vector) {
            None => Some(Self::Open(Box::new(OpeningKey::new(key.try_into().ok()?)))),
            found => found,
        }
    }

    fn gcm(name: &str, key: &[u8], vector: &[u8]) -> Option<Self> {
        let algorithm = match name {
            "aes256-gcm@openssh.com" => &AES_256_GCM,
            "aes128-gcm@openssh.com" => &AES_128_GCM,
            _ => return None,
        };
        let key = LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?);
        Some(Self::Gcm(Box::new(key), vector.try_into().ok()?))
    }

    /// What the length of a packet is a multiple of, and whether its own four bytes count.
    pub(super) fn alignment(&self) -> (usize, usize) {
        match self {
            Self::Clear => (8, LENGTH),
            Self::Gcm(..) => (16, 0),
            Self::Seal(_) | Self::Open(_) => (8, 0),
        }
    }

    /// Bytes after each packet.
    pub(super) fn tag(&self) -> usize {
        if matches!(self, Self::Clear) { 0 } else { TAG }
    }

    /// Encrypts a packet with its length in front, and appends the tag.
    pub(super) fn seal(&mut self, sequence: u32, packet: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Clear => {}
            Self::Gcm(key, vector) => {
                let (length, rest) = packet.split_at_mut(LENGTH);
                let nonce = Nonce::assume_unique_for_key(*vector);
                let tag = key.seal_in_place_separate_tag(nonce, Aad::from(&*length), rest).ok()?;
                packet.extend_from_slice(tag.as_ref());
                count(vector)?;
            }
            Self::Seal(key) => {
                let mut tag = [0; TAG];
                key.seal_in_place(sequence, packet, &mut tag);
                packet.extend_from_slice(&tag);
            }
            Self::Open(_) => return None,
        }
        Some(())
    }

    /// The length that the first bytes of a packet tell.
    pub(super) fn length(&self, sequence: u32, bytes: [u8; LENGTH]) -> usize {
        let bytes = match self {
            Self::Open(key) => key.decrypt_packet_length(sequence, bytes),
            _ => bytes,
        };
        u32::from_be_bytes(bytes) as usize
    }

    /// Decrypts a packet with its length in front and its tag behind; what is between them, or nothing if it is forged.
    pub(super) fn open<'p>(&mut self, sequence: u32, packet: &'p mut [u8]) -> Option<&'p [u8]> {
        match self {
            Self::Clear => Some(&packet[LENGTH..]),
            Self::Gcm(key, vector) => {
                let (length, rest) = packet.split_at_mut(LENGTH);
                let opened =
                    key.open_in_place(Nonce::assume_unique_for_key(*vector), Aad::from(&*length), rest).ok()?;
                count(vector)?;
                Some(opened)
            }
            Self::Open(key) => {
                let (sealed, tag) = packet.split_at_mut(packet.len().checked_sub(TAG)?);
                key.open_in_place(sequence, sealed, (&*tag).try_into().ok()?).ok()
            }
            Self::Seal(_) => None,
        }
    }
}

/// The nonce of the next packet: its last eight bytes are a count.
fn count(vector: &mut [u8; 12]) -> Option<()> {
    let counter = u64::from_be_bytes(vector[4..].try_into().ok()?);
    vector[4..].copy_from_slice(&counter.checked_add(1)?.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{Cipher, NAMES, sizes};

    #[test]
    fn what_is_sealed_opens_unless_it_was_changed() {
        for name in NAMES {
            let (key, vector) = sizes(name);
            let (key, vector) = (vec![7; key], vec![1; vector]);
            let mut seal = Cipher::sealing(name, &key, &vector).unwrap();
            let mut open = Cipher::opening(name, &key, &vector).unwrap();
            for sequence in 3..6 {
                let plain = [&16u32.to_be_bytes()[..], b"0123456789abcdef"].concat();
                let mut packet = plain.clone();
                seal.seal(sequence, &mut packet).unwrap();
                assert_eq!(open.length(sequence, packet[..4].try_into().unwrap()), 16, "{name}");
                assert!(!packet.windows(4).any(|bytes| bytes == b"0123"), "{name}");
                assert_eq!(open.open(sequence, &mut packet).unwrap(), b"0123456789abcdef", "{name}");
            }
            let mut packet = [&16u32.to_be_bytes()[..], b"0123456789abcdef"].concat();
            seal.seal(6, &mut packet).unwrap();
            *packet.last_mut().unwrap() ^= 1;
            assert!(open.open(6, &mut packet).is_none(), "{name}");
        }
        assert!(Cipher::sealing(NAMES[0], &[0; 3], &[0; 12]).is_none());
    }
}
