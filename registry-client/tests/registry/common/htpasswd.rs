//! registry:2 with a password file.

use dhow_registry_client::Credential;

use super::debian_registry::DebianRegistry;

/// bcrypt of `secret`, made once.
const ENTRY: &str = "me:$2b$05$AOkWuQqRHDx.YAMr4.NVNuC92h1qCQwO6ABBOZ6VVm8Y.efs8aeNK\n";

pub fn registry() -> Option<(DebianRegistry, Credential)> {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("htpasswd");
    std::fs::write(&file, ENTRY).expect("a file");
    let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}", file.display());
    let registry = DebianRegistry::start_in(directory, &auth)?;
    let credential = Credential::Basic { username: "me".to_owned(), password: "secret".to_owned() };
    Some((registry, credential))
}
