//! Steps as groups that fold in the logs of CI services. Groups cannot lie in each other, so that one step at a time is
//! shown as it goes on; what others write comes when it is done, whole.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Seek, Write};

use tempfile::SpooledTempFile;

use super::cells::one_line;
use crate::environment::Environment;
use crate::output;
use crate::random;

/// Whose logs they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ci {
    /// GitHub Actions, "workflow commands".
    GitHub,
    /// GitLab CI, "custom collapsible sections".
    GitLab,
}

impl Ci {
    /// The service that this process runs in.
    pub(crate) fn of(environment: &Environment) -> Option<Self> {
        if environment.get("GITHUB_ACTIONS") == Some("true") {
            return Some(Self::GitHub);
        }
        environment.get("GITLAB_CI").map(|_| Self::GitLab)
    }

    /// The line that opens a section of this name, which is not used again.
    fn begin(self, name: &str, title: &str) -> String {
        let title = one_line(title);
        match self {
            Self::GitHub => format!("::group::{}", escaped(&title)),
            Self::GitLab => format!("\x1b[0Ksection_start:{}:{name}[collapsed=true]\r\x1b[0K{title}", now()),
        }
    }

    fn end(self, name: &str) -> String {
        match self {
            Self::GitHub => "::endgroup::".to_owned(),
            Self::GitLab => format!("\x1b[0Ksection_end:{}:{name}\r\x1b[0K", now()),
        }
    }
}

/// A text as a workflow command may hold it.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

/// A step whose turn has not come.
#[derive(Debug)]
struct Waiting {
    title: String,
    lines: SpooledTempFile,
    ended: bool,
}

/// Memory that the lines of a waiting step may take, in bytes; more go to the disk.
const IN_MEMORY: usize = 1 << 20;

/// The groups of one build.
#[derive(Debug)]
pub(super) struct Groups {
    ci: Ci,
    /// The step that is shown.
    open: Option<usize>,
    waiting: BTreeMap<usize, Waiting>,
    /// Lines of no group, for the end of the one that is open.
    after: Vec<String>,
    /// What makes the names of sections this build's, and the end of what holds no commands unforeseeable.
    token: String,
    say: fn(&str),
}

impl Groups {
    pub(super) fn new(ci: Ci) -> Self {
        // A system without random bytes is no reason to show nothing.
        let token = random::hex(16).unwrap_or_else(|_| format!("{}", std::process::id()));
        Self { ci, open: None, waiting: BTreeMap::new(), after: Vec::new(), token, say: output::say }
    }

    /// What is written from now on is no command to the service, whatever it looks like.
    pub(super) fn stop_commands(&self) {
        if self.ci == Ci::GitHub {
            (self.say)(&format!("::stop-commands::{}", self.token));
        }
    }

    /// Commands are heard again.
    pub(super) fn resume_commands(&self) {
        if self.ci == Ci::GitHub {
            (self.say)(&format!("::{}::", self.token));
        }
    }

    /// A step begins.
    pub(super) fn begin(&mut self, step: usize, title: &str) {
        if self.open.is_none() {
            return self.show(step, title);
        }
        let lines = tempfile::spooled_tempfile(IN_MEMORY);
        self.waiting.insert(step, Waiting { title: title.to_owned(), lines, ended: false });
    }

    /// A line of a step's.
    pub(super) fn line(&mut self, step: usize, text: &str) {
        match (self.open, self.waiting.get_mut(&step)) {
            (_, Some(waiting)) => {
                // Where the disk is full, the log is the least of the troubles.
                let _ = writeln!(waiting.lines, "{text}");
            }
            (Some(open), None) if open != step => self.after.push(text.to_owned()),
            _ => (self.say)(text),
        }
    }

    /// A step is done.
    pub(super) fn end(&mut self, step: usize) {
        if let Some(waiting) = self.waiting.get_mut(&step) {
            waiting.ended = true;
            return;
        }
        if self.open != Some(step) {
            return;
        }
        self.close(step);
        let ended: Vec<usize> =
            self.waiting.iter().filter(|(_, waiting)| waiting.ended).map(|(step, _)| *step).collect();
        for step in ended {
            self.take_up(step);
            self.close(step);
        }
        if let Some(next) = self.waiting.keys().next().copied() {
            self.take_up(next);
        }
    }

    fn show(&mut self, step: usize, title: &str) {
        self.open = Some(step);
        (self.say)(&self.ci.begin(&self.section(step), title));
    }

    fn close(&mut self, step: usize) {
        self.open = None;
        (self.say)(&self.ci.end(&self.section(step)));
        std::mem::take(&mut self.after).iter().for_each(|line| (self.say)(line));
    }

    fn section(&self, step: usize) -> String {
        format!("dhow_{}_{}", self.token, step + 1)
    }

    /// Shows a step that had to wait, with all that it has written.
    fn take_up(&mut self, step: usize) {
        let Some(mut waiting) = self.waiting.remove(&step) else { return };
        self.show(step, &waiting.title);
        if waiting.lines.rewind().is_ok() {
            BufReader::new(waiting.lines).lines().map_while(Result::ok).for_each(|line| (self.say)(&line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Ci, Groups, escaped};
    use std::cell::RefCell;

    thread_local! {
        static SAID: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    }

    #[test]
    fn steps_at_the_same_time_come_one_after_the_other() {
        let mut groups =
            Groups { say: |text| SAID.with_borrow_mut(|said| said.push(text.to_owned())), ..Groups::new(Ci::GitHub) };
        groups.begin(0, "a");
        groups.begin(1, "b");
        groups.begin(2, "c");
        groups.line(1, "b1");
        groups.line(0, "a1");
        groups.line(7, "cached");
        groups.line(1, "b2");
        groups.end(1);
        groups.line(2, "c1");
        groups.end(0);
        groups.line(2, "c2");
        groups.end(2);
        let expected = "::group::a|a1|::endgroup::|cached|::group::b|b1|b2|::endgroup::|::group::c|c1|c2|::endgroup::";
        assert_eq!(SAID.with_borrow(|said| said.join("|")), expected);
        assert_eq!(escaped("50%\nx"), "50%25%0Ax");
    }
}
