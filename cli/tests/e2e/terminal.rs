//! dhow on a terminal: a pty, and a model of a terminal that shows what a person would see.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A terminal on which a command runs.
pub(crate) struct Terminal {
    model: Arc<Mutex<avt::Terminal>>,
    master: File,
    child: Child,
    reader: Option<JoinHandle<()>>,
}

/// What was on a terminal when the command ended.
pub(crate) struct Left {
    /// All lines, also those that have left the screen; soft wrapped ones in pieces.
    pub(crate) lines: Vec<String>,
    /// How many lines ran over the edge.
    pub(crate) wrapped: usize,
    /// The column of the cursor, and whether it is seen.
    pub(crate) cursor: (usize, bool),
    /// The exit code.
    pub(crate) code: Option<i32>,
}

const PATIENCE: Duration = Duration::from_secs(20);

impl Terminal {
    /// Runs `command` on a terminal of (columns, rows), which is its controlling one.
    pub(crate) fn run(command: &Command, size: (usize, usize)) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pty");
        grantpt(&master).expect("grants");
        unlockpt(&master).expect("unlocks");
        let name = ptsname(&master, Vec::new()).expect("a name");
        let slave =
            rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("opens");
        tell_size(&slave, size);
        let mut with_terminal = Command::new("setsid");
        with_terminal.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => with_terminal.env(name, value),
                None => with_terminal.env_remove(name),
            };
        }
        let end = || slave.try_clone().expect("a descriptor");
        let child = with_terminal.stdin(end()).stdout(end()).stderr(end()).spawn().expect("starts");
        let mut model = avt::Terminal::with_scrollback(size.0, size.1, None).expect("a size");
        // Other commands have run before: the cursor is in the last line.
        model.feed("\r\n".repeat(size.1 - 1).as_str());
        let (model, master) = (Arc::new(Mutex::new(model)), File::from(master));
        let reader = thread::spawn({
            let (model, master) = (model.clone(), master.try_clone().expect("a descriptor"));
            move || read(master, &model)
        });
        Self { model, master, child, reader: Some(reader) }
    }

    /// The lines that are seen now.
    pub(crate) fn screen(&self) -> Vec<String> {
        let model = self.model.lock().expect("a model");
        model.screen().visible_lines().map(|line| line.text().trim_end().to_owned()).collect()
    }

    /// Waits until the screen is as `wanted`; the screen then.
    #[track_caller]
    pub(crate) fn until(&self, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let begin = Instant::now();
        loop {
            let screen = self.screen();
            if wanted(&screen) {
                return screen;
            }
            assert!(begin.elapsed() < PATIENCE, "waited in vain; the screen is\n{}", screen.join("\n"));
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Makes the terminal another size, as a person does who drags its edge.
    pub(crate) fn resize(&self, size: (usize, usize)) {
        self.model.lock().expect("a model").resize(size.0, size.1);
        tell_size(&self.master, size);
    }

    /// Types.
    pub(crate) fn type_in(&self, text: &str) {
        (&self.master).write_all(text.as_bytes()).expect("types");
    }

    /// Waits for the command's end.
    pub(crate) fn end(mut self) -> Left {
        let code = self.child.wait().expect("ends").code();
        self.reader.take().into_iter().for_each(|reader| reader.join().expect("reads"));
        let model = self.model.lock().expect("a model");
        let screen = model.screen();
        let lines = screen.all_lines().map(|line| line.text().trim_end().to_owned());
        let lines = lines.skip_while(String::is_empty).collect();
        let wrapped = screen.all_lines().filter(|line| line.is_wrapped()).count();
        let cursor = model.cursor();
        Left { lines, wrapped, cursor: (cursor.col, cursor.visible), code }
    }
}

impl Left {
    /// The lines as one text.
    pub(crate) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

fn tell_size(terminal: impl std::os::fd::AsFd, (columns, rows): (usize, usize)) {
    let number = |number: usize| u16::try_from(number).expect("a small terminal");
    let size = Winsize { ws_row: number(rows), ws_col: number(columns), ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).expect("sets the size");
}

/// Shows on the model what comes, until nobody has the terminal open any more.
fn read(mut master: File, model: &Mutex<avt::Terminal>) {
    let (mut buffer, mut pending) = (vec![0; 64 * 1024], Vec::new());
    while let Ok(count @ 1..) = master.read(&mut buffer) {
        pending.extend_from_slice(&buffer[..count]);
        let whole = match std::str::from_utf8(&pending) {
            Ok(_) => pending.len(),
            Err(error) => error.valid_up_to(),
        };
        let rest = pending.split_off(whole);
        let text = String::from_utf8(std::mem::replace(&mut pending, rest)).expect("UTF-8");
        model.lock().expect("a model").feed(text.as_str());
    }
}
