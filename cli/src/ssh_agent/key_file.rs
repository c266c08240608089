//! Private keys in OpenSSH's own format (its `PROTOCOL.key`): the only one that ssh-keygen writes unless asked.

use std::fs;
use std::path::Path;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::key::{KeyProblem, PrivateKey};
use super::wire::Reader;
use crate::problem::Problem;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

impl PrivateKey {
    /// The keys in the file at `path`, usually one.
    ///
    /// # Errors
    /// It is in another format, encrypted, of a type that is not supported, or damaged.
    pub(crate) fn load(path: &Path) -> anyhow::Result<Vec<Self>> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("cannot read the SSH key `{shown}`"))?;
        let body = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
        let Some((body, _)) = body else {
            return Err(Problem::usage(format!("`{shown}` is not a private key in OpenSSH's format"))
                .hint(format!("`ssh-keygen -p -f {shown}` writes a key of another format anew"))
                .into());
        };
        let body: String = body.split_whitespace().collect();
        let bytes = STANDARD.decode(body).map_err(|_| damaged(path))?;
        keys(&bytes).map_err(|unusable| unusable.explain(path).into())
    }
}

/// Why a file cannot be used.
#[derive(Debug, PartialEq, Eq)]
enum Unusable {
    Encrypted,
    Key(KeyProblem),
}

impl Unusable {
    fn explain(self, path: &Path) -> Problem {
        let shown = path.display();
        match self {
            Self::Encrypted => Problem::usage(format!("the SSH key `{shown}` is encrypted"))
                .hint(format!("add it to an agent (`ssh-add {shown}`) and pass that on with `--ssh default`")),
            Self::Key(KeyProblem::Type(kind)) => {
                Problem::usage(format!("the SSH key `{shown}` is of the type `{kind}`, which is not supported"))
                    .hint("use an Ed25519, RSA, or ECDSA (P-256, P-384) key, or an agent with `--ssh default`")
            }
            Self::Key(KeyProblem::Damaged) => damaged(path),
        }
    }
}

fn damaged(path: &Path) -> Problem {
    Problem::usage(format!("the SSH key `{}` is damaged, or an RSA key of less than 2048 bits", path.display()))
}

fn keys(bytes: &[u8]) -> Result<Vec<PrivateKey>, Unusable> {
    let short = || Unusable::Key(KeyProblem::Damaged);
    let mut reader = Reader::new(bytes);
    reader.expect(MAGIC).ok_or_else(short)?;
    let cipher = reader.string().ok_or_else(short)?;
    let (_kdf, _options) = (reader.string().ok_or_else(short)?, reader.string().ok_or_else(short)?);
    if cipher != b"none" {
        return Err(Unusable::Encrypted);
    }
    let count = reader.number().ok_or_else(short)?;
    for _ in 0..count {
        reader.string().ok_or_else(short)?;
    }
    let mut private = Reader::new(reader.string().ok_or_else(short)?);
    let (check, again) = (private.number(), private.number());
    if check.is_none() || check != again {
        return Err(short());
    }
    (0..count).map(|_| PrivateKey::read(&mut private).map_err(Unusable::Key)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::wire::Writer;
    use super::{KeyProblem, MAGIC, Unusable, keys};

    fn file(cipher: &[u8], private: &[u8]) -> Vec<u8> {
        let body = Writer::default().string(cipher).string(b"none").string(b"").number(1).string(b"public");
        [MAGIC, &body.string(private).finish()].concat()
    }

    #[test]
    fn unusable_files_are_told_apart() {
        let checked = |fields: Writer| [&[0, 0, 0, 1, 0, 0, 0, 1][..], &fields.finish()].concat();
        let dsa = checked(Writer::default().string(b"ssh-dss").string(b"x"));
        let bad = checked(Writer::default().string(b"ssh-ed25519").string(b"x").string(b"y").string(b"z"));
        for (bytes, expected) in [
            (file(b"aes256-ctr", b""), Unusable::Encrypted),
            (file(b"none", &dsa), Unusable::Key(KeyProblem::Type("ssh-dss".to_owned()))),
            (file(b"none", &bad), Unusable::Key(KeyProblem::Damaged)),
            (file(b"none", &[0; 7]), Unusable::Key(KeyProblem::Damaged)),
            (b"something else".to_vec(), Unusable::Key(KeyProblem::Damaged)),
        ] {
            assert_eq!(keys(&bytes).err(), Some(expected));
        }
    }
}
