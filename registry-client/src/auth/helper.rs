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
