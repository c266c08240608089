//! `RUN --mount=type=ssh` with Debian's OpenSSH client: running agents, and key files that dhow serves itself.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::context::{context, text};
use crate::dhow::Dhow;
use crate::skip::{self, need, program};

/// The image with OpenSSH's client.
const CLIENT: &str = "ssh-client";

/// Makes the image [`CLIENT`] of this machine's programs, or says what is missing.
fn import_client(dhow: &Dhow) -> Result<(), String> {
    let mut arguments = vec!["image".to_owned(), "from-host".to_owned(), "--tag".to_owned(), CLIENT.to_owned()];
    for name in ["sh", "cat", "ls", "ssh-add", "ssh-keygen"] {
        arguments.push(text(&program(name)?).to_owned());
    }
    dhow.ok(arguments);
    Ok(())
}

fn make_key(dhow: &Dhow, name: &str, options: &[&str]) -> PathBuf {
    let path = dhow.folder().join(name);
    let made = Command::new("ssh-keygen").args(["-q", "-C", name, "-f", text(&path)]).args(options).status();
    assert!(made.expect("ssh-keygen runs").success(), "{name}");
    dhow.hand_over(&path);
    path
}

/// A Dockerfile that signs a text with the key whose public half is `key.pub`.
const SIGN: &str = "FROM ssh-client\nRUN echo 'root:x:0:0:root:/:/bin/sh' > /etc/passwd\nCOPY key.pub text /\n\
    RUN --mount=type=ssh ssh-add -l && ssh-keygen -Y sign -f /key.pub -n dhow /text && cat /text.sig\n\
    RUN if [ -n \"$SSH_AUTH_SOCK\" ] || [ -e /run/buildkit ]; then exit 1; fi\n";

fn check_signature(dhow: &Dhow, key: &str, options: &[&str]) {
    let path = make_key(dhow, key, options);
    let public = fs::read_to_string(path.with_extension("pub")).expect("the public key");
    let files = [("Dockerfile", SIGN), ("key.pub", public.as_str()), ("text", "signed text\n")];
    let folder = context(dhow, &format!("context-{key}"), &files);
    let agent = format!("default={}", text(&path));
    let built = dhow.run(["build", "--progress=plain", "--ssh", &agent, "-t", "signed", text(&folder)]);
    assert_eq!(built.code, Some(0), "{key}: {}", built.stderr);
    assert!(built.stderr.contains(key), "{key} is listed: {}", built.stderr);
    let signature = dhow.ok(["run", "--rm", "signed", "cat", "/text.sig"]);
    let (sig, signers) = (folder.join("sig"), folder.join("signers"));
    fs::write(&sig, signature).expect("writes");
    fs::write(&signers, format!("dhow {public}")).expect("writes");
    let text_file = fs::File::open(folder.join("text")).expect("the text");
    let verified = Command::new("ssh-keygen")
        .args(["-Y", "verify", "-f", text(&signers), "-I", "dhow", "-n", "dhow", "-s", text(&sig)])
        .stdin(Stdio::from(text_file))
        .output()
        .expect("ssh-keygen runs");
    assert!(verified.status.success(), "{key}: {}", String::from_utf8_lossy(&verified.stderr));
}

#[test]
fn keys_of_every_type_sign() {
    let dhow = Dhow::new();
    need!(program("ssh-add"));
    need!(import_client(&dhow));
    check_signature(&dhow, "ed25519", &["-N", "", "-t", "ed25519"]);
    check_signature(&dhow, "rsa3072", &["-N", "", "-t", "rsa", "-b", "3072"]);
    check_signature(&dhow, "p256", &["-N", "", "-t", "ecdsa", "-b", "256"]);
    check_signature(&dhow, "p384", &["-N", "", "-t", "ecdsa", "-b", "384"]);
}

#[test]
fn a_key_of_an_ordinary_user_signs() {
    let dhow = need!(Dhow::as_ordinary_user());
    need!(program("ssh-add"));
    need!(import_client(&dhow));
    check_signature(&dhow, "ed25519", &["-N", "", "-t", "ed25519"]);
}

#[test]
fn several_keys_a_running_agent_and_their_owner() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(program("ssh-agent"));
    need!(import_client(&dhow));
    let keys = [make_key(&dhow, "one", &["-N", ""]), make_key(&dhow, "two", &["-N", ""])];
    let dockerfile = "FROM ssh-client\nRUN echo 'nobody:x:99:99::/:/bin/sh' > /etc/passwd\nUSER 99\n\
        RUN --mount=type=ssh,id=git,uid=99,required ssh-add -l && ls -l $SSH_AUTH_SOCK\n";
    let folder = context(&dhow, "context", &[("Dockerfile", dockerfile)]);
    let both = format!("git={},{}", text(&keys[0]), text(&keys[1]));
    let built = dhow.run(["build", "--progress=plain", "--ssh", &both, text(&folder)]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    assert!(built.stderr.contains(" one (") && built.stderr.contains(" two ("), "{}", built.stderr);

    let socket = dhow.folder().join("agent.sock");
    let mut agent = Command::new("ssh-agent").args(["-D", "-a", text(&socket)]).stdout(Stdio::null()).spawn().unwrap();
    crate::run::wait_for("the agent", || socket.exists());
    let added = Command::new("ssh-add").arg(&keys[0]).env("SSH_AUTH_SOCK", &socket).output().expect("ssh-add runs");
    assert!(added.status.success());
    let running = format!("git={}", text(&socket));
    let built = dhow.run(["build", "--no-cache", "--progress=plain", "--ssh", &running, text(&folder)]);
    agent.kill().expect("the agent ends");
    agent.wait().expect("the agent ended");
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    assert!(built.stderr.contains(" one (") && !built.stderr.contains(" two ("), "{}", built.stderr);
}

#[test]
fn keys_that_cannot_be_used_are_named() {
    let dhow = Dhow::new();
    need!(program("ssh-keygen"));
    let folder = context(&dhow, "context", &[("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")]);
    let pem = make_key(&dhow, "pem", &["-N", "", "-t", "rsa", "-m", "PEM"]);
    let locked = make_key(&dhow, "locked", &["-N", "pass phrase"]);
    let other = make_key(&dhow, "p521", &["-N", "", "-t", "ecdsa", "-b", "521"]);
    for (key, words) in [
        (&pem, ["OpenSSH's format", "ssh-keygen -p"]),
        (&locked, ["encrypted", "ssh-add"]),
        (&other, ["nistp521", "ECDSA"]),
    ] {
        let error = dhow.fails(["build", "--ssh", &format!("default={}", text(key)), text(&folder)]);
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
    }
    let error = dhow.fails(["build", "--ssh", "default=/no/such/key", text(&folder)]);
    assert!(error.contains("/no/such/key"), "{error}");
}
