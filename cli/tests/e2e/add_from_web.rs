//! `ADD` of files that a real server has: revalidation, dates, redirects, TLS, and what is said when it fails.

use std::fs;
use std::path::PathBuf;

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::need;
use crate::web::WebServer;

fn dockerfile(dhow: &Dhow, line: &str) -> PathBuf {
    context(dhow, "app", &[("Dockerfile", &format!("FROM busybox\n{line}\n"))])
}

#[test]
fn a_file_is_sent_once_and_keeps_its_date() {
    let server = need!(WebServer::start());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let file = server.files().join("tool.txt");
    fs::write(&file, "first").expect("writes a file");
    let date = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_600_000_000);
    fs::File::options().write(true).open(&file).and_then(|file| file.set_modified(date)).expect("sets the date");
    let folder = dockerfile(&dhow, &format!("ADD {} /opt/", server.url("moved/tool.txt")));
    let first = dhow.ok(["build", "-q", "-t", "made", text(&folder)]);
    let said = dhow.ok(["run", "--rm", "made", "stat", "-c", "%n %a %u:%g %Y", "/opt/tool.txt"]);
    assert_eq!(said.trim(), "/opt/tool.txt 600 0:0 1600000000");
    assert_eq!(dhow.ok(["build", "-q", text(&folder)]), first);
    let requests = server.requests();
    let expected = ["GET /moved/tool.txt 301", "GET /tool.txt 200", "GET /moved/tool.txt 301", "GET /tool.txt 304"];
    assert_eq!(requests, expected);
    fs::write(&file, "second").expect("writes a file");
    assert_ne!(dhow.ok(["build", "-q", "-t", "made", text(&folder)]), first);
    assert_eq!(dhow.ok(["run", "--rm", "made", "cat", "/opt/tool.txt"]), "second");
}

#[test]
fn a_large_file_goes_through_little_memory() {
    let server = need!(WebServer::start());
    let file = fs::File::create(server.files().join("large")).expect("a file");
    file.set_len(300 << 20).expect("sets the size");
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let folder = dockerfile(&dhow, &format!("ADD {} /large", server.url("large")));
    let out = dhow.folder().join("time");
    let mut command = std::process::Command::new("python3");
    command.args(["-c", "import resource,subprocess,sys\nsubprocess.run(sys.argv[2:],check=True,stdout=subprocess.DEVNULL)\nopen(sys.argv[1],'w').write(str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss))"]);
    command.arg(&out).arg(env!("CARGO_BIN_EXE_dhow")).arg("--root").arg(dhow.store()).args([
        "build",
        "-q",
        text(&folder),
    ]);
    assert!(command.status().expect("python3 runs").success());
    let kilobytes: u64 = fs::read_to_string(&out).expect("the figure").parse().expect("a number");
    assert!(kilobytes < 100 << 10, "{kilobytes} KiB");
}

#[test]
fn tls_needs_a_known_authority() {
    let server = need!(WebServer::start_tls());
    fs::write(server.files().join("tool"), "tool").expect("writes a file");
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let folder = dockerfile(&dhow, &format!("ADD {} /opt/", server.url("tool")));
    let error = dhow.fails(["build", "-q", text(&folder)]);
    assert!(error.contains("unknown authority") && error.contains("certs.d/localhost"), "{error}");
    let mut command = dhow.command(["build", "-q", text(&folder)]);
    let output = command.env("SSL_CERT_FILE", server.authority()).output().expect("dhow starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_secret_opens_what_is_closed_and_is_nowhere_afterwards() {
    let auth = "auth.backend = \"plain\"\nauth.backend.plain.userfile = \"FOLDER/users\"\n\
                auth.require = (\"/\" => (\"method\" => \"basic\", \"realm\" => \"r\", \"require\" => \"valid-user\"))\n";
    let modules = "server.modules += (\"mod_authn_file\")\n";
    let server = need!(WebServer::with("http", &format!("{modules}{auth}")));
    fs::write(server.files().join("../users"), "me:hunter2secret\n").expect("writes a file");
    fs::write(server.files().join("tool"), "tool").expect("writes a file");
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let folder = dockerfile(&dhow, &format!("ADD {} /opt/", server.url("tool")));
    let error = dhow.fails(["build", "-q", text(&folder)]);
    assert!(error.contains("401") && error.contains("--secret"), "{error}");
    // `me:hunter2secret`
    let header = dhow.folder().join("header");
    fs::write(&header, "Basic bWU6aHVudGVyMnNlY3JldA==").expect("writes a file");
    let secret = format!("id=HTTP_AUTH_HEADER_127.0.0.1,src={}", header.display());
    dhow.ok(["build", "-q", "--secret", &secret, text(&folder)]);
    let found = std::process::Command::new("grep").args(["-r", "bWU6aHVu"]).arg(dhow.store()).output().expect("grep");
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[test]
fn what_goes_wrong_is_named() {
    let server = need!(WebServer::start());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let nobody = format!("http://127.0.0.1:{}/x", crate::registry::free_port());
    for (url, expected) in [
        (server.url("nowhere"), &["404", "check the URL"][..]),
        (nobody, &["connection was refused"]),
        ("http://no-such-host.invalid/x".to_owned(), &["no address", "no-such-host.invalid"]),
        (server.url("x").replace("http:", "https:"), &["does not speak TLS", "http://"]),
    ] {
        let folder = dockerfile(&dhow, &format!("ADD {url} /opt/"));
        let error = dhow.fails(["build", "-q", text(&folder)]);
        assert!(error.contains(&url) && error.contains("Dockerfile:2"), "{error}");
        assert!(expected.iter().all(|part| error.contains(part)), "{url}: {error}");
        assert!(!error.contains("registry"), "{error}");
    }
}
