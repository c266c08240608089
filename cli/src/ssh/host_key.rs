//! Keys of hosts: Ed25519 (RFC 8709), ECDSA on P-256 and P-384 (RFC 5656), RSA (RFC 8332; never with SHA-1).

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::digest::{SHA256, digest};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    RsaPublicKeyComponents, UnparsedPublicKey,
};

use crate::ssh_agent::wire::Reader;

/// The names of the ways to sign, with the type of key that each needs; what is liked best first.
pub(super) const ALGORITHMS: [(&str, &str); 5] = [
    ("ssh-ed25519", "ssh-ed25519"),
    ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp256"),
    ("ecdsa-sha2-nistp384", "ecdsa-sha2-nistp384"),
    ("rsa-sha2-512", "ssh-rsa"),
    ("rsa-sha2-256", "ssh-rsa"),
];

/// The public key of a host, in the protocol's form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HostKey(pub(super) Vec<u8>);

impl HostKey {
    /// The key's type.
    pub(super) fn kind(&self) -> &str {
        Reader::new(&self.0).text().unwrap_or_default()
    }

    /// As it is shown: `SHA256:` and the digest.
    pub(super) fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD_NO_PAD.encode(digest(&SHA256, &self.0)))
    }

    /// As a list of known hosts has it.
    pub(super) fn line(&self) -> String {
        format!("{} {}", self.kind(), STANDARD.encode(&self.0))
    }

    /// Whether `signature`, in the protocol's form, is one of `data` by this key, made in the way `algorithm`.
    pub(super) fn has_signed(&self, algorithm: &str, data: &[u8], signature: &[u8]) -> bool {
        self.verify(algorithm, data, signature).is_some()
    }

    fn verify(&self, algorithm: &str, data: &[u8], signature: &[u8]) -> Option<()> {
        let mut reader = Reader::new(signature);
        let (name, signature) = (reader.text()?, reader.string()?);
        let kind = ALGORITHMS.iter().find(|(known, _)| *known == algorithm)?.1;
        let mut key = Reader::new(&self.0);
        if name != algorithm || key.text()? != kind {
            return None;
        }
        match algorithm {
            "ssh-ed25519" => UnparsedPublicKey::new(&ED25519, key.string()?).verify(data, signature).ok(),
            "rsa-sha2-512" | "rsa-sha2-256" => {
                let (e, n) = (key.integer()?, key.integer()?);
                let way =
                    if name == "rsa-sha2-512" { &RSA_PKCS1_2048_8192_SHA512 } else { &RSA_PKCS1_2048_8192_SHA256 };
                RsaPublicKeyComponents { n, e }.verify(way, data, signature).ok()
            }
            _ => {
                let (way, width) = match key.text()? {
                    "nistp256" => (&ECDSA_P256_SHA256_FIXED, 32),
                    _ => (&ECDSA_P384_SHA384_FIXED, 48),
                };
                let mut numbers = Reader::new(signature);
                let fixed = [padded(numbers.integer()?, width)?, padded(numbers.integer()?, width)?].concat();
                UnparsedPublicKey::new(way, key.string()?).verify(data, &fixed).ok()
            }
        }
    }
}

fn padded(number: &[u8], width: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; width.checked_sub(number.len())?];
    bytes.extend_from_slice(number);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

    use super::HostKey;
    use crate::ssh_agent::wire::Writer;

    #[test]
    fn only_the_keys_own_signature_of_the_same_data_counts() {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
        let key = HostKey(Writer::default().string(b"ssh-ed25519").string(pair.public_key().as_ref()).finish());
        let sign = |name: &[u8]| Writer::default().string(name).string(pair.sign(b"data").as_ref()).finish();
        assert!(key.has_signed("ssh-ed25519", b"data", &sign(b"ssh-ed25519")));
        assert!(!key.has_signed("ssh-ed25519", b"date", &sign(b"ssh-ed25519")));
        assert!(!key.has_signed("ssh-ed25519", b"data", &sign(b"rsa-sha2-512")));
        assert!(!key.has_signed("rsa-sha2-512", b"data", &sign(b"rsa-sha2-512")));
        assert!(!key.has_signed("ssh-ed25519", b"data", b""));
        assert!(!HostKey(Vec::new()).has_signed("ssh-ed25519", b"data", &sign(b"ssh-ed25519")));
        assert!(key.fingerprint().starts_with("SHA256:") && key.fingerprint().len() == 50);
    }

    #[test]
    fn numbers_of_ecdsa_signatures_have_no_fixed_length() {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).unwrap();
        let point = pair.public_key().as_ref();
        let key = Writer::default().string(b"ecdsa-sha2-nistp256").string(b"nistp256").string(point).finish();
        // Some of them have zeros in front.
        for _ in 0..300 {
            let signature = pair.sign(&random, b"data").unwrap();
            let (r, s) = signature.as_ref().split_at(32);
            let numbers = Writer::default().integer(r).integer(s).finish();
            let blob = Writer::default().string(b"ecdsa-sha2-nistp256").string(&numbers).finish();
            assert!(HostKey(key.clone()).has_signed("ecdsa-sha2-nistp256", b"data", &blob));
        }
    }
}
