//! Which names of variables tell of a secret (rule `SecretsUsedInArgOrEnv` of the reference).

use super::observation::Fact;
use super::stage::StageLowering;
use crate::source::Span;

const SECRET: [&str; 10] =
    ["apikey", "auth", "credential", "credentials", "key", "password", "pword", "passwd", "secret", "token"];
const HARMLESS: [&str; 3] = ["public", "file", "version"];

impl StageLowering<'_, '_> {
    /// Keeps it for the rules if `name`, written at `span`, tells of a secret.
    pub(super) fn observe_secret(&mut self, name: &str, span: Span) {
        if is_secret(name) {
            self.observe(Fact::SecretName { name: name.to_owned() }, span);
        }
    }
}

/// Whole words between underscores count.
fn is_secret(name: &str) -> bool {
    let name = name.to_lowercase();
    let has = |words: &[&str]| name.split('_').any(|word| words.contains(&word));
    has(&SECRET) && !has(&HARMLESS)
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn names() {
        for name in ["TOKEN", "api_key", "MY_Password_2", "secret_x", "AUTH"] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["MONKEY", "PUBLIC_KEY", "KEY_FILE", "TOKENS", "TOKEN_VERSION", "AUTHOR"] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
