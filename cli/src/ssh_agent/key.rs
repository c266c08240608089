//! A private key: what an agent shows of it, and its signatures (RFC 8709 for Ed25519, RFC 8332 for RSA, RFC 5656 for
//! ECDSA).

use ring::rand::SystemRandom;
use ring::rsa::{KeyPairComponents, PublicKeyComponents};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA512, RsaKeyPair,
};

use super::remainder::{less_one, remainder};
use super::wire::{Reader, Writer};

/// Flags of a request to sign: which hash an RSA signature has. Without one it is SHA-1, which is not made.
const RSA_SHA2_256: u32 = 2;
const RSA_SHA2_512: u32 = 4;

/// A key that signs.
pub(crate) struct PrivateKey {
    public: Vec<u8>,
    comment: Vec<u8>,
    pair: Pair,
}

enum Pair {
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
    /// With the name of the curve.
    Ecdsa(EcdsaKeyPair, String),
}

/// Why a key of a file cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyProblem {
    /// Its fields do not fit together.
    Damaged,
    /// It is of this type.
    Type(String),
}

impl PrivateKey {
    /// Reads a key's type, its fields and its comment.
    ///
    /// # Errors
    /// It is of another type, or damaged.
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, KeyProblem> {
        let kind = reader.text().ok_or(KeyProblem::Damaged)?.to_owned();
        let read = match kind.as_str() {
            "ssh-ed25519" => ed25519(reader),
            "ssh-rsa" => rsa(reader),
            "ecdsa-sha2-nistp256" | "ecdsa-sha2-nistp384" => ecdsa(reader, &kind),
            _ => return Err(KeyProblem::Type(kind)),
        };
        let (public, pair) = read.ok_or(KeyProblem::Damaged)?;
        let comment = reader.string().ok_or(KeyProblem::Damaged)?.to_vec();
        Ok(Self { public, comment, pair })
    }

    /// The public key in the protocol's form.
    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// What its owner called it.
    pub(super) fn comment(&self) -> &[u8] {
        &self.comment
    }

    /// The signature of `data` in the protocol's form; `None` if the flags ask for one that is not made.
    pub(super) fn sign(&self, data: &[u8], flags: u32) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        let (name, signature) = match &self.pair {
            Pair::Ed25519(pair) => ("ssh-ed25519".to_owned(), pair.sign(data).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let (name, padding) = match flags {
                    flags if flags & RSA_SHA2_512 != 0 => ("rsa-sha2-512", &RSA_PKCS1_SHA512),
                    flags if flags & RSA_SHA2_256 != 0 => ("rsa-sha2-256", &RSA_PKCS1_SHA256),
                    _ => return None,
                };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(padding, &random, data, &mut signature).ok()?;
                (name.to_owned(), signature)
            }
            Pair::Ecdsa(pair, curve) => {
                let signature = pair.sign(&random, data).ok()?;
                let (r, s) = signature.as_ref().split_at(signature.as_ref().len() / 2);
                (format!("ecdsa-sha2-{curve}"), Writer::default().integer(r).integer(s).finish())
            }
        };
        Some(Writer::default().string(name.as_bytes()).string(&signature).finish())
    }
}

fn ed25519(reader: &mut Reader<'_>) -> Option<(Vec<u8>, Pair)> {
    let public = reader.string()?;
    // The seed, and the public key again.
    let (seed, _) = reader.string()?.split_at_checked(32)?;
    let pair = Ed25519KeyPair::from_seed_and_public_key(seed, public).ok()?;
    Some((Writer::default().string(b"ssh-ed25519").string(public).finish(), Pair::Ed25519(pair)))
}

fn rsa(reader: &mut Reader<'_>) -> Option<(Vec<u8>, Pair)> {
    let (n, e, d) = (reader.integer()?, reader.integer()?, reader.integer()?);
    let (q_inv, p, q) = (reader.integer()?, reader.integer()?, reader.integer()?);
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n, e },
        d,
        p,
        q,
        dP: &trimmed(remainder(d, &less_one(p))),
        dQ: &trimmed(remainder(d, &less_one(q))),
        qInv: q_inv,
    };
    let pair = RsaKeyPair::from_components(&components).ok()?;
    Some((Writer::default().string(b"ssh-rsa").integer(e).integer(n).finish(), Pair::Rsa(pair)))
}

fn trimmed(number: Vec<u8>) -> Vec<u8> {
    number.into_iter().skip_while(|byte| *byte == 0).collect()
}

fn ecdsa(reader: &mut Reader<'_>, kind: &str) -> Option<(Vec<u8>, Pair)> {
    let (curve, point, scalar) = (reader.text()?.to_owned(), reader.string()?, reader.integer()?);
    let (algorithm, length) = match curve.as_str() {
        "nistp256" => (&ECDSA_P256_SHA256_FIXED_SIGNING, 32),
        "nistp384" => (&ECDSA_P384_SHA384_FIXED_SIGNING, 48),
        _ => return None,
    };
    let mut padded = vec![0; usize::checked_sub(length, scalar.len())?];
    padded.extend_from_slice(scalar);
    let pair = EcdsaKeyPair::from_private_key_and_public_key(algorithm, &padded, point, &SystemRandom::new()).ok()?;
    let public = Writer::default().string(kind.as_bytes()).string(curve.as_bytes()).string(point).finish();
    Some((public, Pair::Ecdsa(pair, curve)))
}
