//! The old tutorials' web server: a Debian root from debootstrap, packages installed by RUN, a page served.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::context::{context, text};
use crate::dhow::Dhow;
use crate::registry::{Registry, free_port};
use crate::run::wait_for;
use crate::skip::{self, need, program};

/// The package mirror that this machine's own apt uses.
fn mirror() -> Result<String, String> {
    let script = r#"cat /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null |
        awk '$1 == "URIs:" && $2 !~ /security/ { print $2; exit } $1 == "deb" && $2 !~ /security/ { print $2; exit }'"#;
    let found = Command::new("sh").args(["-c", script]).output().expect("sh runs");
    match String::from_utf8_lossy(&found.stdout).trim() {
        "" => Err("apt knows no package mirror".to_owned()),
        mirror => Ok(mirror.to_owned()),
    }
}

/// A minimal Debian root made with debootstrap; kept in the target folder, as making it takes a minute.
fn debian_root() -> Result<PathBuf, String> {
    skip::root()?;
    program("debootstrap")?;
    let mirror = mirror()?;
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("debian");
    let lock = fs::File::create(root.with_extension("lock")).expect("creates a lock file");
    lock.lock().expect("locks a file");
    let done = root.join(".done");
    if !done.exists() {
        let _ = fs::remove_dir_all(&root);
        let made = Command::new("debootstrap").args(["--variant=minbase", "bookworm"]).arg(&root).arg(&mirror).output();
        let made = made.expect("debootstrap starts");
        if !made.status.success() {
            return Err(format!("no package mirror in reach: {}", String::from_utf8_lossy(&made.stdout)));
        }
        fs::write(&done, "").expect("writes a file");
    }
    Ok(root)
}

const NGINX_CONF: &str = "events {}\nhttp { server { listen 127.0.0.1:PORT; root /srv; } }\n";

const DOCKERFILE: &str = "FROM BASE
RUN apt-get update && apt-get install -y --no-install-recommends nginx-light && rm -rf /var/lib/apt/lists/*
COPY nginx.conf /etc/nginx/nginx.conf
COPY index.html /srv/
EXPOSE 80
CMD [\"nginx\", \"-g\", \"daemon off;\"]
";

#[test]
fn a_web_server_on_debian_is_built_run_and_stopped() {
    need!(program("curl"));
    let root = need!(debian_root());
    let registry = need!(Registry::start());
    let dhow = Dhow::new();
    let base = registry.image("library/debian");
    dhow.ok(["import", text(&root), &base]);
    dhow.ok(["push", &base]);
    dhow.ok(["rmi", &base]);

    let port = free_port().to_string();
    let files = [
        ("Dockerfile", DOCKERFILE.replace("BASE", &base)),
        ("nginx.conf", NGINX_CONF.replace("PORT", &port)),
        ("index.html", "Hello from a dhow\n".to_owned()),
    ];
    let files = files.each_ref().map(|(name, content)| (*name, content.as_str()));
    let folder = context(&dhow, "web", &files);
    dhow.ok(["build", "-t", "web", text(&folder)]);
    let id = dhow.ok(["run", "-d", "--name", "web", "--network", "host", "web"]);
    let url = format!("http://127.0.0.1:{port}/");
    let page = || Command::new("curl").args(["-fsS", &url]).output().expect("curl runs");
    wait_for("the page", || page().status.success());
    assert_eq!(String::from_utf8_lossy(&page().stdout), "Hello from a dhow\n");
    dhow.ok(["stop", id.trim()]);
    assert!(!page().status.success(), "the server was stopped");
    dhow.ok(["rm", "web"]);

    // Everything again comes out of the cache, and the tar of the second image is the first one's.
    let image = |name: &str| dhow.ok(["inspect", "--format", "{{.Id}}", name]);
    let first = image("web");
    dhow.ok(["build", "-t", "web:again", text(&folder)]);
    assert_eq!(image("web:again"), first);
}
