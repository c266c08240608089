//! Builds that are killed at random moments, one alone or one of two that share steps, with a budget that is exceeded and a
//! prune beside them that is killed too: afterwards dhow builds the right image, and neither mounts nor control groups nor
//! processes nor staged files are left.
//!
//! `DHOW_CHAOS_ROUNDS=300` runs the long form. The seed is printed; `DHOW_CHAOS_SEED` repeats a run as far as the
//! machine's own timing lets it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::context::{BUSYBOX, context, import_busybox, text};
use crate::dhow::Dhow;
use crate::run::wait_for;
use crate::skip::{self, need};

const ROUNDS: u64 = 20;
/// After so many rounds the cache is emptied, so that every step is executed again.
const PRUNE_EVERY: u64 = 8;
const FILES: usize = 40;
/// Less than the steps take, so that builds sweep at their ends.
const SMALL_BUDGET: &str = "200k";
/// In the environment of every process of the test's builds.
const MARK: &str = "DHOW_CHAOS_MARK";

/// Small random numbers (xorshift64).
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// One store, and the builds that are killed in it.
struct Chaos {
    dhow: Dhow,
    mark: String,
    /// Options that make control groups, where these can be made.
    limits: &'static [&'static str],
    /// The builds' budget, if they have one.
    budget: &'static str,
    killed: Vec<u32>,
}

pub(crate) fn number_from(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

impl Chaos {
    fn dockerfile(&self) -> String {
        let from = |name: &str| format!("FROM {BUSYBOX} AS {name}\nENV {MARK}={}\n", self.mark);
        let write = |name: &str| {
            format!(
                "COPY seed /seed\nRUN --mount=type=cache,target=/c mkdir /out && i=0 && while [ $i -lt {FILES} ]; do \
                 echo $(cat /seed)-{name}-$i > /out/{name}$i; i=$((i+1)); done && sleep 0.05 && touch /c/x\n"
            )
        };
        format!(
            "{}{}{}{}{}COPY tree /tree/\nCOPY --from=a /out /out\nCOPY --from=b /out /out\nCOPY seed /\n\
             RUN rm /out/a0 && sleep 0.03 && cp /seed /out/done\n",
            from("a"),
            write("a"),
            from("b"),
            write("b"),
            from("last")
        )
    }

    /// What the right image prints when it is asked for all its files.
    fn expected(seed: u64) -> String {
        let mut lines: Vec<String> = vec![format!("/out/done {seed}")];
        for name in ["a", "b"] {
            lines.extend((0..FILES).map(|file| format!("/out/{name}{file} {seed}-{name}-{file}")));
        }
        lines.retain(|line| !line.starts_with("/out/a0 "));
        lines.extend((0..FILES).map(|file| format!("/tree/file-{file} static")));
        lines.sort();
        lines.join("\n") + "\n"
    }

    fn start(&self, folder: &Path, name: &str) -> Child {
        let mut command = self.dhow.command(["build", "--progress=plain", "-t", name]);
        if !self.budget.is_empty() {
            command.args(["--keep-storage", self.budget]);
        }
        command.args(self.limits).arg(folder).env(MARK, &self.mark).stdout(Stdio::null());
        command.stderr(fs::File::create(self.log(name)).expect("a log")).spawn().expect("dhow starts")
    }

    fn log(&self, name: &str) -> PathBuf {
        self.dhow.folder().join(format!("log-{name}"))
    }

    /// A prune that takes away whatever the builds do not use at the moment.
    fn start_prune(&self) -> Child {
        let mut command = self.dhow.command(["cache", "prune", "--all", "--force"]);
        command.env(MARK, &self.mark).stdout(Stdio::null());
        command.stderr(fs::File::create(self.log("prune")).expect("a log")).spawn().expect("dhow starts")
    }

    fn kill(&mut self, child: &mut Child) {
        // It may have ended by itself already.
        let _ = child.kill();
        child.wait().expect("it ends");
        self.killed.push(child.id());
    }

    fn finish(&self, name: &str, child: &mut Child) {
        let status = child.wait().expect("dhow ends");
        assert!(status.success(), "{name}: {}", fs::read_to_string(self.log(name)).unwrap_or_default());
    }

    fn check_image(&self, name: &str, seed: u64) {
        let list = "for f in $(find /out /tree -type f); do echo $f $(cat $f); done | sort";
        let found = self.dhow.ok(["run", "--rm", "-e", &format!("{MARK}="), name, "sh", "-c", list]);
        assert_eq!(found, Self::expected(seed), "{name} of round {seed}");
    }

    /// Processes with the mark in their environment, or the store in their arguments.
    fn processes(&self) -> Vec<PathBuf> {
        let wanted = format!("{MARK}={}", self.mark);
        let store = self.dhow.store();
        let processes = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
        let has = |path: &PathBuf, file: &str, text: &str| {
            let content = fs::read(path.join(file)).unwrap_or_default();
            content.split(|byte| *byte == 0).any(|part| part == text.as_bytes())
        };
        processes.filter(|path| has(path, "environ", &wanted) || has(path, "cmdline", text(&store))).collect()
    }

    /// Nothing is left of those that were killed, once another build is done.
    fn check_leftovers(&self) {
        wait_for("the killed builds' processes to end", || self.processes().is_empty());
        let mounts = fs::read_to_string("/proc/self/mountinfo").expect("mountinfo");
        assert!(!mounts.contains(text(self.dhow.folder())), "{mounts}");
        let staged: Vec<_> = fs::read_dir(self.dhow.store().join("tmp")).expect("tmp").flatten().collect();
        assert!(staged.is_empty(), "{staged:?}");
        let locks = fs::read_dir(self.dhow.store().join("steps")).map_or(0, |steps| steps.count());
        assert!(locks <= self.killed.len(), "{locks} locks of steps");
        let groups = cgroups();
        let theirs = |path: &&PathBuf| {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            self.killed.iter().any(|pid| name.starts_with(&format!("{pid}-")) || name.starts_with(&format!("{pid}.")))
        };
        assert_eq!(groups.iter().find(theirs), None);
    }
}

/// The control groups that dhow made, of anybody.
fn cgroups() -> Vec<PathBuf> {
    let found = Command::new("find").args(["/sys/fs/cgroup", "-type", "d", "-path", "*/dhow/*"]).output();
    let found = String::from_utf8_lossy(&found.expect("find runs").stdout).into_owned();
    found.lines().map(PathBuf::from).collect()
}

/// Whether limits of memory can be set here.
fn can_limit() -> bool {
    let probe = Path::new("/sys/fs/cgroup/memory/dhow-probe-chaos");
    skip::root().is_ok() && fs::create_dir(probe).and_then(|()| fs::remove_dir(probe)).is_ok()
}

fn round(chaos: &mut Chaos, seed: u64, random: &mut Random) {
    let files: Vec<(String, String)> = (0..FILES).map(|n| (format!("tree/file-{n}"), "static\n".to_owned())).collect();
    let (dockerfile, content) = (chaos.dockerfile(), format!("{seed}\n"));
    let mut all: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    all.extend([("Dockerfile", dockerfile.as_str()), ("seed", content.as_str())]);
    let folder = context(&chaos.dhow, "chaos", &all);
    let delay = Duration::from_millis(random.below(450));
    chaos.budget = ["", SMALL_BUDGET][random.below(2) as usize];
    let mut first = chaos.start(&folder, "first");
    let mut prune = (random.below(3) == 0).then(|| {
        std::thread::sleep(delay / 2);
        chaos.start_prune()
    });
    if random.below(2) == 0 {
        std::thread::sleep(delay);
        chaos.kill(&mut first);
        prune.iter_mut().for_each(|prune| chaos.kill(prune));
    } else {
        let mut second = chaos.start(&folder, "second");
        std::thread::sleep(delay);
        chaos.kill(&mut first);
        prune.iter_mut().for_each(|prune| chaos.finish("prune", prune));
        chaos.finish("second", &mut second);
        chaos.check_image("second", seed);
    }
    let mut last = chaos.start(&folder, "last");
    chaos.finish("last", &mut last);
    chaos.check_image("last", seed);
    chaos.check_leftovers();
}

fn run(dhow: Dhow, (limits, usual_rounds): (&'static [&'static str], u64)) {
    need!(import_busybox(&dhow));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_nanos() as u64;
    let start = number_from("DHOW_CHAOS_SEED").unwrap_or(now | 1);
    let rounds = number_from("DHOW_CHAOS_ROUNDS").unwrap_or(usual_rounds);
    eprintln!("DHOW_CHAOS_SEED={start} DHOW_CHAOS_ROUNDS={rounds}");
    let mark = format!("{}-{start}", std::process::id());
    let mut chaos = Chaos { dhow, mark, limits, budget: "", killed: Vec::new() };
    let (mut random, began) = (Random(start), Instant::now());
    for seed in 1..=rounds {
        round(&mut chaos, seed, &mut random);
        if seed % PRUNE_EVERY == 0 {
            chaos.dhow.ok(["cache", "prune", "--all", "--force"]);
        }
    }
    eprintln!("{rounds} rounds in {:?}", began.elapsed());
}

#[test]
fn killed_builds_leave_nothing_and_break_nothing() {
    let limits: &[&str] = if can_limit() { &["--memory", "200m"] } else { &[] };
    run(Dhow::new(), (limits, ROUNDS));
}

#[test]
fn nor_do_those_of_an_ordinary_user() {
    run(need!(Dhow::as_ordinary_user()), (&[], ROUNDS / 4));
}
