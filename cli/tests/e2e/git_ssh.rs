//! Repositories that are reached by SSH, of a real server: who is let in, and which hosts are believed.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::context::{context, import_busybox, text};
use crate::dhow::{Dhow, Finished};
use crate::git_server::git;
use crate::skip::{need, program};
use crate::sshd::{Sshd, by_someone_who_knows, make_key};
use crate::user;

fn dockerfile(dhow: &Dhow, line: &str) -> PathBuf {
    context(dhow, "app", &[("Dockerfile", &format!("FROM busybox\nADD {line} /src\n"))])
}

fn key(path: &Path) -> String {
    format!("default={}", path.display())
}

/// Builds an ADD of the whole repository anew.
fn add(dhow: &Dhow, server: &Sshd, known: &str) -> Finished {
    let (folder, key) = (dockerfile(dhow, &server.url()), key(&server.file("user")));
    let arguments = ["build", "--no-cache", "-q", "-t", "made", "--ssh", &key, text(&folder)];
    // What was fetched before is not fetched again: a new store for each.
    Finished::from(by_someone_who_knows(dhow, known, &arguments).output().expect("dhow starts"))
}

fn fresh() -> Result<Dhow, String> {
    let dhow = Dhow::new();
    import_busybox(&dhow).map(|()| dhow)
}

fn check_files(dhow: &Dhow, below: &str) {
    let script =
        format!("cd {below} && cat libs/sub/lib && head -c 4 dir/deep/file && test -x dir/tool && readlink link");
    assert_eq!(dhow.ok(["run", "--rm", "made", "sh", "-c", &script]), "from the submodulemaindir/tool\n");
}

#[test]
fn repositories_are_added_and_are_contexts() {
    let server = need!(Sshd::start("AcceptEnv GIT_PROTOCOL"));
    let dhow = need!(fresh());
    let known = server.known_host("ed25519");
    add(&dhow, &server, &known).expect_success();
    check_files(&dhow, "/src");
    let (url, key) = (server.url(), key(&server.file("user")));
    let build = |arguments: &[&str]| {
        let arguments = [&["build", "-q", "-t", "made", "--ssh", &key], arguments].concat();
        Finished::from(by_someone_who_knows(&dhow, &known, &arguments).output().expect("dhow starts")).expect_success()
    };
    build(&[&format!("{url}#v1")]);
    check_files(&dhow, "/context");
    let folder = context(&dhow, "named", &[("Dockerfile", "FROM busybox\nCOPY --from=code tool /tool\n")]);
    build(&["--build-context", &format!("code={url}#side:dir"), text(&folder)]);
    dhow.ok(["run", "--rm", "made", "test", "-x", "/tool"]);
    let epoch =
        format!("ARG SOURCE_DATE_EPOCH=code\nFROM scratch AS code\nADD {url} /\nFROM busybox\nCOPY Dockerfile /\n");
    build(&[text(&context(&dhow, "dated", &[("Dockerfile", &epoch)]))]);
    assert_eq!(dhow.ok(["inspect", "--format", "{{.Created}}", "made"]).trim(), "2023-11-14T22:13:20Z");
}

#[test]
fn an_ordinary_user_has_keys_and_known_hosts_too() {
    let dhow = need!(Dhow::as_ordinary_user());
    need!(import_busybox(&dhow));
    let server = need!(Sshd::start("AcceptEnv GIT_PROTOCOL"));
    let own = dhow.folder().join("own");
    fs::copy(server.file("user"), &own).expect("copies a key");
    dhow.hand_over(&own);
    // The environment of the user's own is a new one.
    let known = by_someone_who_knows(&dhow, &server.known_host("ecdsa"), &[]);
    let home = known.get_envs().find(|(name, _)| *name == "HOME").and_then(|(_, home)| home).expect("a home");
    let mut command = user::command(user::NAME, Path::new("/usr/bin/env"));
    command.arg(format!("HOME={}", home.display())).arg(dhow.folder().join("dhow")).arg("--root").arg(dhow.store());
    command.args(["build", "-q", "-t", "made", "--ssh", &key(&own), &server.url()]).stdin(Stdio::null());
    Finished::from(command.output().expect("dhow starts")).expect_success();
    check_files(&dhow, "/context");
}

#[test]
fn every_way_to_talk_is_understood() {
    let mut server = need!(Sshd::start(""));
    for (config, kind) in [
        // Without AcceptEnv the server speaks an old version of git's protocol.
        ("Ciphers aes128-gcm@openssh.com", "ed25519"),
        ("Ciphers aes256-gcm@openssh.com\nKexAlgorithms ecdh-sha2-nistp256\nAcceptEnv GIT_*", "ecdsa"),
        ("Ciphers chacha20-poly1305@openssh.com\nKexAlgorithms ecdh-sha2-nistp384\nAcceptEnv GIT_*", "rsa"),
        ("HostKeyAlgorithms rsa-sha2-256\nKexAlgorithms curve25519-sha256@libssh.org", "rsa"),
    ] {
        server = server.restart(config);
        let dhow = need!(fresh());
        add(&dhow, &server, &server.known_host(kind)).expect_success();
        check_files(&dhow, "/src");
    }
    let server = server.restart("Ciphers aes256-ctr");
    let error = add(&need!(fresh()), &server, &server.known_host("rsa")).expect_failure();
    assert!(error.contains("no cipher") && error.contains("aes256-ctr") && error.contains("hint: "), "{error}");
}

#[test]
fn large_repositories_come_through_new_keys() {
    for cipher in ["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com"] {
        let server = need!(Sshd::start(&format!("LogLevel DEBUG1\nRekeyLimit 256K\nCiphers {cipher}")));
        let dhow = need!(fresh());
        let work = dhow.folder().join("work");
        git(dhow.folder(), &["clone", "-q", text(&server.file("repo.git")), "work"]);
        let noise = Command::new("head").args(["-c", "6000000", "/dev/urandom"]).output().expect("head runs").stdout;
        fs::write(work.join("noise"), &noise).expect("writes a file");
        git(&work, &["add", "."]);
        git(&work, &["commit", "-qm", "noise"]);
        git(&work, &["push", "-q", "origin", "HEAD:main"]);
        add(&dhow, &server, &server.known_host("ed25519")).expect_success();
        let sum = dhow.ok(["run", "--rm", "made", "sha256sum", "/src/noise"]);
        let expected = Command::new("sha256sum").arg(work.join("noise")).output().expect("sha256sum runs").stdout;
        assert_eq!(sum[..64], String::from_utf8_lossy(&expected)[..64]);
        let log = fs::read_to_string(server.file("log")).expect("the log");
        assert!(log.matches("SSH2_MSG_NEWKEYS received").count() > 10, "{log}");
    }
}

#[test]
fn hosts_that_are_not_known_are_refused() {
    let server = need!(Sshd::start(""));
    let dhow = need!(fresh());
    let error = add(&dhow, &server, "").expect_failure();
    let shown = Command::new("ssh-keygen").args(["-lf", text(&server.file("host-ed25519.pub"))]).output();
    let shown = String::from_utf8(shown.expect("ssh-keygen runs").stdout).expect("UTF-8");
    let fingerprint = shown.split(' ').nth(1).expect("a fingerprint");
    assert!(error.contains(fingerprint) && error.contains("not known"), "{error}");
    // The line that the hint names, hashed, with a comment or for all hosts, opens the way.
    let line = server.known_host("ed25519");
    let words: Vec<&str> = line.split(' ').collect();
    let line = words[..3].join(" ");
    assert!(error.contains(&line), "{error}");
    let hashed = dhow.folder().join("hashed");
    fs::write(&hashed, format!("{line}\n")).expect("writes a list");
    let made = Command::new("ssh-keygen").args(["-q", "-H", "-f", text(&hashed)]).stderr(Stdio::null()).status();
    assert!(made.expect("ssh-keygen runs").success());
    let hashed = fs::read_to_string(hashed).expect("a list");
    assert!(hashed.starts_with("|1|"), "{hashed}");
    for known in [format!("{line}\n"), hashed, format!("[127.0.0.*]:* {} {} a comment\n", words[1], words[2])] {
        add(&need!(fresh()), &server, &known).expect_success();
    }
    for (known, reason) in [
        (line.replace(words[2], other_key(&dhow).split(' ').nth(1).expect("a key")), "is not the one in line 1"),
        (format!("@revoked {line}"), "revokes"),
        (format!("@cert-authority {line}"), "not known"),
    ] {
        let error = add(&need!(fresh()), &server, &known).expect_failure();
        assert!(error.contains(reason), "{reason} in {error}");
    }
}

fn other_key(dhow: &Dhow) -> String {
    let path = dhow.folder().join("other");
    make_key(&path, &["-t", "ed25519", "-N", ""]);
    fs::read_to_string(path.with_extension("pub")).expect("a key")
}

#[test]
fn who_may_not_come_in_is_told_so() {
    let server = need!(Sshd::start(""));
    let dhow = need!(fresh());
    let known = server.known_host("ed25519");
    let run = |arguments: &[&str]| {
        let arguments = [&["build"], arguments].concat();
        Finished::from(by_someone_who_knows(&dhow, &known, &arguments).output().expect("dhow starts")).expect_failure()
    };
    let folder = dockerfile(&dhow, &server.url());
    let error = run(&[text(&folder)]);
    assert!(error.contains("wants an SSH key") && error.contains("--ssh default"), "{error}");
    let stranger = dhow.folder().join("stranger");
    make_key(&stranger, &["-t", "rsa", "-N", ""]);
    let error = run(&["--ssh", &key(&stranger), text(&folder)]);
    assert!(error.contains("none of the 1 keys") && error.contains("hint: "), "{error}");
    let locked = dhow.folder().join("locked");
    make_key(&locked, &["-t", "ed25519", "-N", "pass phrase"]);
    let error = run(&["--ssh", &key(&locked), text(&folder)]);
    assert!(error.contains("encrypted") && error.contains("ssh-add"), "{error}");
    let url = server.url().replace("repo.git", "no\\'where.git");
    let error = run(&["--ssh", &key(&server.file("user")), text(&dockerfile(&dhow, &url))]);
    assert!(error.contains("no'where.git") && error.contains("the server says: "), "{error}");
    let url = server.url();
    drop(server);
    let error = run(&["--ssh", &key(&stranger), text(&dockerfile(&dhow, &url))]);
    assert!(error.contains("cannot connect to `127.0.0.1:"), "{error}");
}

#[test]
fn an_agent_with_many_keys_opens_the_door() {
    let server = need!(Sshd::start(""));
    need!(program("ssh-agent"));
    let dhow = need!(fresh());
    let socket = dhow.folder().join("agent.sock");
    let mut agent = Command::new("ssh-agent").args(["-D", "-a", text(&socket)]).stdout(Stdio::null()).spawn().unwrap();
    crate::run::wait_for("the agent", || socket.exists());
    let keys = [("p256", ["-t", "ecdsa", "-N", ""]), ("rsa", ["-t", "rsa", "-N", ""])];
    for (name, options) in keys {
        make_key(&dhow.folder().join(name), &options);
        let added = Command::new("ssh-add").arg(dhow.folder().join(name)).env("SSH_AUTH_SOCK", &socket).output();
        assert!(added.expect("ssh-add runs").status.success());
    }
    fs::copy(dhow.folder().join("rsa.pub"), server.file("authorized")).expect("copies a key");
    let folder = dockerfile(&dhow, &server.url());
    let known = server.known_host("ed25519");
    let mut command =
        by_someone_who_knows(&dhow, &known, &["build", "-q", "-t", "made", "--ssh", "default", text(&folder)]);
    let built = Finished::from(command.env("SSH_AUTH_SOCK", &socket).output().expect("dhow starts"));
    agent.kill().expect("the agent ends");
    agent.wait().expect("the agent ended");
    built.expect_success();
    check_files(&dhow, "/src");
}

/// Carries connections to `port`, and changes the byte at `place` of what comes from there.
fn carry_with_a_changed_byte(port: u16, place: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let own = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        let (client, _) = listener.accept().expect("a connection");
        let server = TcpStream::connect(("127.0.0.1", port)).expect("the server");
        let (mut from_client, mut to_server) =
            (client.try_clone().expect("a handle"), server.try_clone().expect("a handle"));
        std::thread::spawn(move || {
            // Whoever ends the connection first, the test looks at what dhow says.
            let _ = std::io::copy(&mut from_client, &mut to_server);
            let _ = to_server.shutdown(std::net::Shutdown::Both);
        });
        let (mut from_server, mut to_client, mut seen, mut buffer) = (server, client, 0, [0; 4096]);
        while let Ok(count @ 1..) = from_server.read(&mut buffer) {
            if (seen..seen + count).contains(&place) {
                buffer[place - seen] ^= 0x10;
            }
            seen += count;
            if to_client.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(std::net::Shutdown::Both);
    });
    own
}

#[test]
fn a_byte_that_is_changed_on_the_way_ends_the_connection() {
    for cipher in ["aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com"] {
        let server = need!(Sshd::start(&format!("Ciphers {cipher}\nAcceptEnv GIT_*")));
        let dhow = need!(fresh());
        let list = server.known_host("ed25519");
        let key = key(&server.file("user"));
        // Version, proposal, exchange, and what is encrypted.
        for place in (9..2600).step_by(150) {
            let port = carry_with_a_changed_byte(server.port(), place);
            let (url, known) =
                (server.url_at(port), list.replace(&format!("]:{}", server.port()), &format!("]:{port}")));
            let folder = dockerfile(&dhow, &format!("{url}?submodules=0"));
            let mut command = by_someone_who_knows(&dhow, &known, &["build", "--ssh", &key, text(&folder)]);
            let error = Finished::from(command.output().expect("dhow starts")).expect_failure();
            assert!(error.contains("cannot get `ssh://"), "{place}: {error}");
        }
    }
}
