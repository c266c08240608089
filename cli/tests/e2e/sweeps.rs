//! Sweeps beside everything else: builds, runs, saves, loads, pushes and pulls in loops on one store with a small budget, with
//! prunes in between, and a container behind all of it. No command fails, no image is wrong, and the store stays within the
//! budget and what is in use.
//!
//! `DHOW_SWEEP_ROUNDS=100` runs the long form. The seed is printed; `DHOW_SWEEP_SEED` repeats its choices.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::chaos::{Random, number_from};
use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::registry::Registry;
use crate::skip::{self, need};

const WORKERS: u64 = 4;
const ROUNDS: u64 = 8;
/// Different images of each worker: few enough that a build finds some of its steps, more than the budget keeps.
const VARIANTS: u64 = 6;
const MEGABYTE: u64 = 1_000_000;
const BUDGET: u64 = 6 << 20;
/// What one build or one image of the test takes beside the base: three layers of a megabyte, one in a cache mount.
const BUILD: u64 = 4 * MEGABYTE;
const BUDGET_TEXT: &str = "6m";

/// Bytes on disk below `path`, whatever comes and goes meanwhile.
fn disk_usage(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => metadata.blocks() * 512 + disk_usage(&entry.path()),
        // A file that goes at this moment has no name any more.
        Ok(metadata) => (metadata.blocks() * 512).checked_div(metadata.nlink()).unwrap_or(0),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// The steps of a worker's variant: one that all builds share, one with a cache mount, a copy of each, and one more.
fn dockerfile(worker: u64, variant: u64) -> String {
    let write = |text: &str, path: &str| format!("yes {text} | head -c 1000000 > {path}");
    format!(
        "FROM {BUSYBOX} AS a\nRUN {}\nFROM {BUSYBOX} AS b\nRUN --mount=type=cache,target=/c {} && cp /b /c/{worker}\n\
         FROM {BUSYBOX}\nCOPY --from=a /shared /\nCOPY --from=b /b /\nCOPY tree /tree/\n\
         RUN echo {worker}-{variant} > /done && cat /shared /b | md5sum > /sum\n",
        write("shared", "/shared"),
        write(&format!("{worker}-{variant}"), "/b"),
    )
}

/// One of those who work on the store.
struct Worker<'a> {
    dhow: &'a Dhow,
    number: u64,
    random: Random,
    image: String,
    /// The name of its image in a registry.
    remote: String,
}

impl Worker<'_> {
    fn round(&mut self) {
        let variant = self.random.below(VARIANTS);
        let (dockerfile, changing) = (dockerfile(self.number, variant), format!("{variant}\n"));
        let files = [("Dockerfile", dockerfile.as_str()), ("tree/a", "constant\n"), ("tree/b", changing.as_str())];
        let folder = context(self.dhow, &format!("w{}", self.number), &files);
        self.dhow.ok(["build", "-q", "--keep-storage", BUDGET_TEXT, "-t", &self.image, text(&folder)]);
        self.check(&self.image, variant);
        self.disturb(variant);
        if self.random.below(2) == 0 && !self.dhow.ok(["images", "-q", &self.image]).is_empty() {
            self.check(&self.image, variant);
        }
    }

    fn check(&self, image: &str, variant: u64) {
        let script = "cat /done /tree/a /tree/b; head -n 1 /shared /b; cat /shared /b | wc -c; cat /shared /b | md5sum | cmp - /sum";
        let found = self.dhow.ok(["run", "--rm", image, "sh", "-c", script]);
        let name = format!("{}-{variant}", self.number);
        let expected = format!("{name}\nconstant\n{variant}\n==> /shared <==\nshared\n\n==> /b <==\n{name}\n2000000\n");
        assert_eq!(found, expected);
    }

    /// Takes something away, or reads what others may be taking away.
    fn disturb(&mut self, variant: u64) {
        let archive = self.dhow.folder().join(format!("{}.tar", self.image));
        match self.random.below(10) {
            0 => drop(self.dhow.ok(["rmi", &self.image])),
            1 => drop(self.dhow.ok(["image", "prune", "-f"])),
            2 => drop(self.dhow.ok(["cache", "prune", "-f"])),
            3 => drop(self.dhow.ok(["cache", "prune", "-f", "--all", "--keep-storage", "2m"])),
            4 => drop(self.dhow.ok(["system", "prune", "-f"])),
            5 => {
                self.dhow.ok(["save", "-o", text(&archive), &self.image]);
                self.dhow.ok(["rmi", &self.image]);
                self.dhow.ok(["load", "-q", "-i", text(&archive)]);
            }
            6 => drop((self.dhow.ok(["images", "-a"]), self.dhow.ok(["system", "df"]))),
            7 => drop(self.dhow.ok(["cache", "ls"])),
            8 => {
                self.dhow.ok(["tag", &self.image, &self.remote]);
                self.dhow.ok(["push", "-q", &self.remote]);
                self.dhow.ok(["rmi", &self.remote, &self.image]);
                self.dhow.ok(["pull", "-q", &self.remote]);
                self.check(&self.remote, variant);
                self.dhow.ok(["rmi", &self.remote]);
            }
            _ => {}
        }
    }
}

fn run(dhow: &Dhow, usual_rounds: u64) {
    need!(import_busybox(dhow));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos() as u64;
    let seed = number_from("DHOW_SWEEP_SEED").unwrap_or(now | 1);
    let rounds = number_from("DHOW_SWEEP_ROUNDS").unwrap_or(usual_rounds);
    eprintln!("DHOW_SWEEP_SEED={seed} DHOW_SWEEP_ROUNDS={rounds}");
    let registry = need!(Registry::start());
    let base = disk_usage(&dhow.store());
    let lasting = Lasting::start(dhow);
    let (most, working, began) = (AtomicU64::new(0), AtomicUsize::new(WORKERS as usize), Instant::now());
    std::thread::scope(|scope| {
        for number in 0..WORKERS {
            let (random, image) = (Random(seed + number * 7919), format!("image{number}"));
            let remote = registry.image(&image);
            let mut worker = Worker { dhow, number, random, image, remote };
            let _done = Done(&working);
            scope.spawn(move || {
                let _done = _done;
                (0..rounds).for_each(|_| worker.round());
            });
        }
        while working.load(Ordering::Relaxed) > 0 {
            most.fetch_max(disk_usage(&dhow.store()).saturating_sub(base), Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let most = most.into_inner();
    eprintln!("{rounds} rounds of {WORKERS} in {:?}, at most {most} bytes", began.elapsed());
    // In use are the named images, and what each worker is making; a build that is over the budget removes things at its end.
    assert!(most < BUDGET + (2 * WORKERS + 1) * BUILD, "{most}");
    lasting.check();
    drop(lasting);
    let folder = context(dhow, "last", &[("Dockerfile", &format!("FROM {BUSYBOX}\nRUN echo last\n"))]);
    (0..WORKERS).for_each(|number| drop(dhow.run(["rmi", &format!("image{number}")])));
    dhow.ok(["build", "-q", "--keep-storage", BUDGET_TEXT, text(&folder)]);
    assert!(rest(dhow, base) < BUDGET + MEGABYTE / 2, "{}", kept(dhow));
    dhow.ok(["image", "prune", "-f"]);
    dhow.ok(["cache", "prune", "--all", "-f"]);
    assert!(rest(dhow, base) < MEGABYTE / 2, "{}", kept(dhow));
}

/// Bytes beside the base, which saving, loading and pushing have left with a tar, plain and compressed.
fn rest(dhow: &Dhow, base: u64) -> u64 {
    let tars = disk_usage(&dhow.store().join("blobs")).min(base * 7 / 4);
    disk_usage(&dhow.store()).saturating_sub(base + tars)
}

/// A container in the background whose image has lost its name.
struct Lasting<'a> {
    dhow: &'a Dhow,
    id: String,
}

impl<'a> Lasting<'a> {
    fn start(dhow: &'a Dhow) -> Self {
        let build = |variant: u64| {
            let text_of_it = dockerfile(WORKERS, variant);
            let folder = context(dhow, "lasting", &[("Dockerfile", text_of_it.as_str()), ("tree/a", "a")]);
            dhow.ok(["build", "-q", "-t", "lasting", text(&folder)]);
        };
        build(0);
        let watch = "while cat /shared /b | md5sum | cmp - /sum; do sleep 0.1; done";
        let id = dhow.ok(["run", "-d", "lasting", "sh", "-c", watch]).trim().to_owned();
        build(1);
        dhow.ok(["rmi", "lasting"]);
        Self { dhow, id }
    }

    /// It still runs, and all its layers are there.
    fn check(&self) {
        let store = self.dhow.store();
        let noted = fs::read_to_string(store.join("containers").join(&self.id).join("layers")).expect("layers");
        assert!(noted.lines().count() > 3, "{noted}");
        for id in noted.lines() {
            assert!(store.join("layers").join(id).join("fs").is_dir(), "{id} is gone");
        }
        assert_eq!(self.dhow.ok(["ps", "-q", "--no-trunc"]).trim(), self.id);
    }
}

impl Drop for Lasting<'_> {
    fn drop(&mut self) {
        self.dhow.run(["rm", "-f", &self.id]);
    }
}

/// What there is, for messages.
fn kept(dhow: &Dhow) -> String {
    let du = std::process::Command::new("du").args(["-ak", text(&dhow.store())]).output().expect("du runs");
    dhow.ok(["images", "-a"]) + &dhow.ok(["cache", "ls"]) + &String::from_utf8_lossy(&du.stdout)
}

/// Counts down when its thread ends, also by a panic.
struct Done<'a>(&'a AtomicUsize);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn nothing_breaks_beside_sweeps_and_the_budget_holds() {
    need!(skip::root());
    run(&Dhow::new(), ROUNDS);
}

#[test]
fn nor_for_an_ordinary_user() {
    run(&need!(Dhow::as_ordinary_user()), ROUNDS / 4);
}
