//! The build cache as people see it: its budget, its commands, and why steps miss.

use std::path::Path;
use std::process::Command;

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::skip::{self, need};

/// Kilobytes that `path` takes on disk.
fn kilobytes(path: &Path) -> u64 {
    let du = Command::new("du").args(["-sk", text(path)]).output().expect("du runs");
    let line = String::from_utf8_lossy(&du.stdout).into_owned();
    line.split_whitespace().next().and_then(|word| word.parse().ok()).expect("a number")
}

/// Builds an image of one step that writes four megabytes, and takes the image away again.
fn build_and_drop(dhow: &Dhow, number: u32, options: &[&str]) {
    let dockerfile = format!("FROM {BUSYBOX}\nRUN head -c 4000000 /dev/urandom > /big # {number}\n");
    let folder = context(dhow, &format!("c{number}"), &[("Dockerfile", dockerfile.as_str())]);
    dhow.ok([&["build", "-q", "-t", "dropped"], options, &[text(&folder)]].concat());
    dhow.ok(["rmi", "dropped"]);
}

#[test]
fn the_budget_holds_over_many_builds() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let before = kilobytes(&dhow.store());
    for number in 0..6 {
        build_and_drop(&dhow, number, &["--keep-storage", "10m"]);
        let taken = kilobytes(&dhow.store()) - before;
        // The step just made belonged to an image when the build ended: it counts from the next build on.
        assert!(taken < 10 * 1024 + 5000, "{taken} kB after build {number}");
    }
    let listed = dhow.ok(["cache", "ls", "--format", "{{.Description}} {{.Bytes}}"]);
    assert!(listed.contains("# 5 ") && !listed.contains("# 0 "), "{listed}");
    let bytes: Vec<u64> = listed.lines().filter_map(|line| line.rsplit(' ').next()?.parse().ok()).collect();
    assert!(bytes.iter().any(|size| (4_000_000..4_200_000).contains(size)), "{listed}");
}

#[test]
fn the_budget_counts_cache_mounts_and_images_that_lost_their_name() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let before = kilobytes(&dhow.store());
    let build = |name: &str, step: &str| {
        let folder = context(&dhow, "mounts", &[("Dockerfile", &format!("FROM {BUSYBOX}\nRUN {step}\n"))]);
        dhow.ok(["build", "-q", "-t", name, "--keep-storage", "5m", text(&folder)]);
        kilobytes(&dhow.store()) - before
    };
    for number in 0..5 {
        let write = format!("head -c 2000000 /dev/zero > /c/{number}");
        let taken = build("mounting", &format!("--mount=type=cache,id={},target=/c {write}", number / 2));
        assert!(taken < 5 * 1024 + 500, "{taken} kB after mount {number}");
    }
    let growing = build("mounting", "--mount=type=cache,id=2,target=/c head -c 9000000 /dev/zero > /c/big");
    assert!(growing < 500, "one that outgrows the budget goes with the build that let it: {growing} kB");
    for number in 0..6 {
        let taken = build("renamed", &format!("head -c 2000000 /dev/urandom > /big # {number}"));
        // The image that has the name is not the cache's.
        assert!(taken < 7 * 1024 + 500, "{taken} kB after image {number}");
    }
    let images = dhow.ok(["images", "-a", "-q"]).lines().count();
    assert!((3..6).contains(&images), "{images}");
}

#[test]
fn the_cache_is_listed_measured_and_pruned() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    build_and_drop(&dhow, 1, &[]);
    let dockerfile = format!("FROM {BUSYBOX}\nRUN --mount=type=cache,target=/c head -c 2000000 /dev/zero > /c/x\n");
    let folder = context(&dhow, "kept", &[("Dockerfile", dockerfile.as_str())]);
    dhow.ok(["build", "-t", "kept", text(&folder)]);

    let table = dhow.ok(["cache", "ls"]);
    assert!(table.starts_with("ID") && table.contains("LAST USED") && table.contains("exec.cachemount"), "{table}");
    let json = dhow.ok(["cache", "ls", "--format", "json", "--filter", "type=regular"]);
    let rows: Vec<serde_json::Value> = json.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(rows.len(), 2, "{json}");
    assert_eq!(rows[0]["Shared"], true);
    assert_eq!(rows[0]["ID"].as_str().map(str::len), Some(64));
    let du = dhow.ok(["buildx", "du"]);
    assert!(du.contains("RECLAIMABLE") && du.contains("Reclaimable:   6MB") && du.contains("Total:"), "{du}");
    assert!(dhow.ok(["builder", "du", "--verbose"]).contains("Description:"));
    let df = dhow.ok(["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"]);
    assert!(df.contains("Build Cache 3 6MB"), "{df}");

    assert!(dhow.fails(["cache", "ls", "--filter", "color=red"]).contains("color"));
    assert!(dhow.fails(["cache", "prune", "-f", "--keep-storage", "much"]).contains("much"));
    assert!(dhow.ok(["builder", "prune", "-f", "--filter", "until=24h"]).contains("reclaimed space: 0B"));
    let pruned = dhow.ok(["builder", "prune", "-f", "--keep-storage", "3m"]);
    assert!(pruned.contains("reclaimed space: 4MB"), "{pruned}");
    let pruned = dhow.ok(["buildx", "prune", "--force"]);
    assert!(pruned.contains("reclaimed space: 2MB"), "{pruned}");
    assert_eq!(dhow.ok(["cache", "ls", "-q"]).lines().count(), 1, "the image's own step stays");
    dhow.ok(["build", "-t", "kept", text(&folder)]);
    dhow.ok(["cache", "prune", "--all", "--force"]);
    assert_eq!(dhow.ok(["cache", "ls", "-q"]), "");
    dhow.ok(["run", "--rm", "kept", "true"]);
}

#[test]
fn misses_are_explained_in_words_and_as_json() {
    need!(skip::root());
    let dhow = Dhow::new();
    need!(import_busybox(&dhow));
    let dockerfile = format!("FROM {BUSYBOX}\nCOPY a /\nRUN echo 1\n");
    let folder = context(&dhow, "why", &[("Dockerfile", dockerfile.as_str()), ("a", "A")]);
    dhow.ok(["build", "-t", "why", text(&folder)]);
    context(&dhow, "why", &[("a", "B")]);
    let built = dhow.run(["build", "--progress=plain", "--explain", "-t", "why", text(&folder)]);
    assert!(built.stderr.contains("NOT CACHED: `a` changed"), "{}", built.stderr);
    assert!(built.stdout.contains("Successfully tagged why"), "{}", built.stdout);

    context(&dhow, "why", &[("Dockerfile", dockerfile.replace("echo 1", "exit 3").as_str())]);
    let failed = dhow.run(["build", "--explain=json", "-t", "why", text(&folder)]);
    assert_eq!(failed.code, Some(4));
    let report: serde_json::Value = serde_json::from_str(&failed.stdout).expect("JSON and nothing else");
    assert_eq!(report["image"], serde_json::Value::Null);
    assert_eq!(report["steps"][0]["outcome"], "cached");
    assert_eq!(report["steps"][1]["outcome"], "failed");
    assert_eq!(report["steps"][1]["reasons"][0]["reason"], "command");
    assert_eq!(report["steps"][1]["reasons"][0]["text"], "the command changed from `echo 1` to `exit 3`");

    let why = dhow.ok(["cache", "why", "COPY a /"]);
    assert!(why.contains("why:         `a` changed") && why.contains("never built before"), "{why}");
    let key = dhow.ok(["cache", "ls", "--format", "{{.ID}}", "--filter", "description=RUN echo 1"]);
    let json = dhow.ok(["cache", "why", "--format", "json", key.lines().next().expect("a key")]);
    let step: serde_json::Value = serde_json::from_str(&json).expect("one step");
    assert_eq!(step["Name"], "[3/3] RUN echo 1");
    assert_eq!(step["Inputs"]["argv"][2], "echo 1");
    assert!(dhow.fails(["cache", "why", "RUN nothing"]).contains("hint"));
}
