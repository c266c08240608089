//! Credential helpers: programs `docker-credential-NAME` with one operation and a text on standard input.
//!
//! They run only if a config file of the user names them.

use std::io::{self, Write as _};
use std::process::{Command, Output, Stdio};

use serde::Deserialize;
use serde_json::json;

use super::Credential;
use super::docker_config::key_of;
use crate::error::{Error, Result};

/// One helper program.
#[derive(Debug, Clone)]
pub(crate) struct Helper {
    program: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// The user name that marks the secret as an identity token.
const TOKEN_USER: &str = "<token>";

impl Helper {
    /// The helper that config files call `name`.
    pub(crate) fn new(name: &str) -> Self {
        Self { program: format!("docker-credential-{name}") }
    }

    /// The credential for a registry. Blocks.
    pub(crate) fn get(&self, registry: &str) -> Result<Option<Credential>> {
        let output = self.run("get", key_of(registry))?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            let nothing = ["credentials not found", "no credentials", "item not found"];
            let said = said.to_lowercase();
            return if nothing.iter().any(|text| said.contains(text)) {
                Ok(None)
            } else {
                Err(self.failed("get", &output))
            };
        }
        let wrong = |error: serde_json::Error| self.error("get", format!("its answer cannot be read: {error}"));
        let answer: Answer = serde_json::from_str(&said).map_err(wrong)?;
        Ok(Some(match answer.username.as_str() {
            TOKEN_USER => Credential::IdentityToken(answer.secret),
            _ => Credential::Basic { username: answer.username, password: answer.secret },
        }))
    }

    /// Keeps a credential. Blocks.
    pub(crate) fn store(&self, registry: &str, credential: &Credential) -> Result<()> {
        let (username, secret) = match credential {
            Credential::Basic { username, password } => (username.as_str(), password),
            Credential::IdentityToken(token) | Credential::RegistryToken(token) => (TOKEN_USER, token),
        };
        let input = json!({ "ServerURL": key_of(registry), "Username": username, "Secret": secret }).to_string();
        self.expect_success("store", &input)
    }

    /// Forgets a credential. Blocks.
    pub(crate) fn erase(&self, registry: &str) -> Result<()> {
        self.expect_success("erase", key_of(registry))
    }

    fn expect_success(&self, operation: &'static str, input: &str) -> Result<()> {
        let output = self.run(operation, input)?;
        if output.status.success() { Ok(()) } else { Err(self.failed(operation, &output)) }
    }

    fn run(&self, operation: &'static str, input: &str) -> Result<Output> {
        self.try_run(operation, input).map_err(|error| self.error(operation, error.to_string()))
    }

    fn try_run(&self, operation: &str, input: &str) -> io::Result<Output> {
        let mut command = Command::new(&self.program);
        command.arg(operation).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A helper that ends without reading says why in its answer.
            let _ = stdin.write_all(input.as_bytes());
        }
        child.wait_with_output()
    }

    fn failed(&self, operation: &'static str, output: &Output) -> Error {
        let said = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
        self.error(operation, format!("{}: {}", output.status, String::from_utf8_lossy(said).trim()))
    }

    fn error(&self, operation: &'static str, reason: String) -> Error {
        Error::CredentialHelper { program: self.program.clone(), operation, reason }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::path::Path;

    use super::{Credential, Helper};

    /// Keeps one secret in a file beside it, as the protocol of docker-credential-helpers wants.
    const SCRIPT: &str = r#"#!/bin/sh
kept="$0.kept"
case "$1" in
get) read -r server || true
     if [ -f "$kept" ]; then cat "$kept"; else echo "credentials not found in native keychain"; exit 1; fi ;;
store) cat > "$kept" ;;
erase) rm "$kept" || { echo "cannot erase"; exit 2; } ;;
esac
"#;

    fn helper(directory: &Path, script: &str) -> Helper {
        let path = directory.join("docker-credential-test");
        fs::write(&path, script).expect("a script");
        fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("a mode");
        Helper { program: path.display().to_string() }
    }

    #[test]
    fn a_credential_is_kept_found_and_forgotten() {
        let directory = tempfile::tempdir().expect("a directory");
        let helper = helper(directory.path(), SCRIPT);
        assert_eq!(helper.get("r.example").expect("get"), None);
        for credential in [
            Credential::Basic { username: "me".to_owned(), password: "s\"e".to_owned() },
            Credential::IdentityToken("token".to_owned()),
        ] {
            helper.store("r.example", &credential).expect("store");
            assert_eq!(helper.get("r.example").expect("get"), Some(credential));
        }
        helper.erase("r.example").expect("erase");
        let error = helper.erase("r.example").expect_err("nothing to erase");
        assert!(error.to_string().contains("cannot erase"), "{error}");
    }

    #[test]
    fn helpers_that_fail_are_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let error = helper(directory.path(), "#!/bin/sh\necho nonsense\n").get("r").expect_err("no JSON");
        assert!(error.to_string().contains("its answer cannot be read"), "{error}");
        let error = Helper::new("that-nobody-has").get("r").expect_err("no such program");
        assert!(error.to_string().contains("docker-credential-that-nobody-has"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("credHelpers")));
    }
}
