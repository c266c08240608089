//! Images for several platforms under one name: built, listed, inspected, pushed and taken again.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::peer::{needs_skopeo, skopeo};
use crate::registry::Registry;
use crate::skip::{self, need, program};

const CROSS: &str = "FROM --platform=$BUILDPLATFORM busybox AS build\nARG TARGETARCH\nRUN echo $TARGETARCH > /arch\n\
                     FROM scratch\nCOPY --from=build /arch /\nENV A=1\n";

fn inspect(dhow: &Dhow, arguments: &[&str]) -> String {
    let mut all = vec!["image", "inspect", "-f", "{{.Architecture}}"];
    all.extend(arguments);
    dhow.ok(&all).trim().to_owned()
}

#[test]
fn a_name_stands_for_an_image_of_each_platform() {
    let registry = need!(Registry::start());
    need!(needs_skopeo());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let folder = context(&dhow, "app", &[("Dockerfile", CROSS)]);
    let name = registry.image("team/multi:1");
    let platforms = "linux/s390x,linux/amd64,linux/arm64/v8";
    let said = dhow.ok(["build", "--platform", platforms, "-t", &name, "-t", "multi", text(&folder)]);
    assert_eq!(said.matches("Successfully built").count(), 3, "{said}");
    assert_eq!(said.matches("Successfully tagged").count(), 2, "{said}");
    assert_eq!(dhow.ok(["images", "-q", "multi"]).lines().count(), 1);
    assert_eq!(dhow.ok(["images", "-aq", "multi"]).lines().count(), 3);
    assert!(!dhow.ok(["images"]).contains("<none>"));
    assert_eq!(
        inspect(&dhow, &["multi"]),
        std::env::consts::ARCH.replace("x86_64", "amd64").replace("aarch64", "arm64")
    );
    assert_eq!(inspect(&dhow, &["--platform", "linux/s390x", "multi"]), "s390x");
    let error = dhow.fails(["image", "inspect", "--platform", "linux/riscv64", "multi"]);
    assert!(error.contains("linux/riscv64"), "{error}");

    dhow.ok(["push", &name]);
    let raw = skopeo(&["inspect", "--raw", "--tls-verify=false", &format!("docker://{name}")]);
    for part in ["application/vnd.oci.image.index.v1+json", "\"s390x\"", "\"amd64\"", "\"arm64\""] {
        assert!(raw.contains(part), "{raw}");
    }
    let reader = Dhow::new();
    for architecture in ["s390x", "arm64"] {
        reader.ok(["pull", "-q", "--platform", &format!("linux/{architecture}"), &name]);
        assert_eq!(inspect(&reader, &[&name]), architecture);
    }
    // All of it is one name: it stands for the same after another is given, and goes with the last.
    dhow.ok(["image", "prune", "-f"]);
    dhow.ok(["tag", "multi", "again"]);
    dhow.ok(["rmi", "multi", &name]);
    assert_eq!(inspect(&dhow, &["--platform", "linux/arm64", "again"]), "arm64");
    dhow.ok(["rmi", "again"]);
    assert_eq!(dhow.ok(["images", "-aq"]).lines().count(), 1, "busybox");
}

#[test]
fn what_cannot_be_is_refused() {
    let dhow = Dhow::new();
    let folder = context(&dhow, "app", &[("Dockerfile", "FROM scratch\nLABEL a=b\n")]);
    let error = dhow.fails(["build", "--platform", "linux/amd64,linux/arm64", "--push", text(&folder)]);
    assert!(error.contains("no name") && error.contains("hint"), "{error}");
    let error = dhow.fails(["build", "--platform", "linux/amd64,nonsense", text(&folder)]);
    assert!(error.contains("nonsense"), "{error}");
}

/// An emulator, registered while this lives under a name of its own.
struct Emulator(std::path::PathBuf);

impl Emulator {
    /// Registers Debian's emulator of arm64 with the flag F, or says why it cannot.
    fn register(folder: &Path) -> Result<Self, String> {
        skip::root()?;
        let interpreter = program("qemu-aarch64-static")?;
        let mount = folder.join("binfmt_misc");
        fs::create_dir(&mount).map_err(|error| error.to_string())?;
        let mounted = Command::new("mount").args(["-t", "binfmt_misc", "none"]).arg(&mount).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            return Err("binfmt_misc cannot be mounted".to_owned());
        }
        let emulator = Self(mount);
        let magic = "\\x7fELF\\x02\\x01\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\xb7\\x00";
        let mask =
            "\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\xfe\\xff\\xff\\xff";
        let line = format!(":dhow-test:M::{magic}:{mask}:{}:F", interpreter.display());
        fs::write(emulator.0.join("register"), line).map_err(|error| format!("cannot register: {error}"))?;
        Ok(emulator)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // What was never registered or mounted is no failure of the test.
        let _ = fs::write(self.0.join("dhow-test"), "-1");
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

/// The smallest program for arm64: it ends with code 0.
fn arm64_program() -> Vec<u8> {
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(16, 0);
    program.extend([2, 0, 0xb7, 0, 1, 0, 0, 0]);
    for value in [0x10078u64, 64, 0] {
        program.extend(value.to_le_bytes());
    }
    program.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0]);
    for value in [0u64, 0x10000, 0x10000, 132, 132, 0x10000] {
        program.extend(value.to_le_bytes());
    }
    program.extend(b"\xa8\x0b\x80\xd2\0\0\x80\xd2\x01\0\0\xd4");
    program
}

#[test]
fn a_foreign_step_runs_where_an_emulator_is_registered_and_stops_the_build_where_not() {
    if std::env::consts::ARCH == "aarch64" {
        return skip::skip("arm64 is not foreign here");
    }
    let dhow = Dhow::new();
    let folder = context(&dhow, "app", &[("Dockerfile", "FROM scratch\nCOPY program /program\nRUN [\"/program\"]\n")]);
    fs::write(folder.join("program"), arm64_program()).expect("writes a file");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(folder.join("program"), executable).expect("sets the mode");
    let arguments = ["build", "--progress=plain", "--platform", "linux/arm64", text(&folder)];
    let before = dhow.run(arguments);
    if before.code == Some(0) {
        return skip::skip("this machine runs programs for arm64 already");
    }
    let error = before.expect_failure();
    assert!(error.contains("cannot run programs for `linux/arm64`") && error.contains("binfmt_misc"), "{error}");
    assert!(!error.contains("COPY program") || !error.contains("DONE"), "nothing has begun: {error}");
    let _emulator = need!(Emulator::register(dhow.folder()));
    dhow.ok(arguments);
}

#[test]
fn a_failure_of_one_platform_is_told_once() {
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = "FROM --platform=$BUILDPLATFORM busybox\nRUN exit 3\n";
    let folder = context(&dhow, "app", &[("Dockerfile", dockerfile)]);
    let platforms = "linux/amd64,linux/arm64";
    let finished = dhow.run(["build", "--format", "json", "--platform", platforms, text(&folder)]);
    assert_eq!(finished.code, Some(4), "{}", finished.stderr);
    assert_eq!(finished.stdout.matches("exit code 3").count(), 1, "{}", finished.stdout);
    assert!(!finished.stderr.contains("digest"), "{}", finished.stderr);
}
