//! The progress of a build on a terminal, as a person sees it.

use std::process::Command;

use crate::context::{context, import_busybox, text};
use crate::dhow::Dhow;
use crate::terminal::{Left, Terminal};

/// Steps that write what spoils screens, at the same time, and one that fails.
const RUDE: &str = "FROM busybox AS a
RUN echo a1; sleep 1; echo 0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890; sleep 1; touch /a
FROM busybox AS b
RUN printf '\\033[31m日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語\\033[0m\\n\\033[2J\\033[H\\007'; sleep 2; touch /b
FROM busybox AS c
RUN printf '10%%\\r20%%\\r'; sleep 1; head -c 3000 /bin/busybox; printf '\\033[?1049h\\033[?25l'; sleep 1; touch /c
FROM busybox
COPY --from=a /a /
COPY --from=b /b /
COPY --from=c /c /
RUN echo last words; exit 3
";

fn build(dhow: &Dhow, dockerfile: &str) -> Option<Command> {
    if let Err(reason) = import_busybox(dhow).and_then(|()| crate::skip::program("setsid").map(drop)) {
        crate::skip::skip(&reason);
        return None;
    }
    let folder = context(dhow, "site", &[("Dockerfile", dockerfile)]);
    let mut command = dhow.command(["build", "--no-cache", "--jobs=40", text(&folder)]);
    for name in ["GITHUB_ACTIONS", "GITLAB_CI", "BUILDKIT_PROGRESS", "BUILDKIT_COLORS", "NO_COLOR", "COLUMNS"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color");
    Some(command)
}

/// Whether all of the words are on the screen.
fn has(screen: &[String], words: &[&str]) -> bool {
    words.iter().all(|word| screen.iter().any(|line| line.contains(word)))
}

/// What a build that fails leaves: a line for each step that ended, and its log and the error, which alone may wrap.
fn check_left(left: &Left) {
    let text = left.text();
    assert_eq!(left.code, Some(4), "{text}");
    let end = left.lines.iter().position(|line| line == "------").expect("the log of the failed step");
    let marks = &left.lines[..end];
    for step in ["[a 2/2]", "[b 2/2]", "[c 2/2]", "2/5]", "3/5]", "4/5]", "ERROR"] {
        assert_eq!(marks.iter().filter(|line| line.contains(step)).count(), 1, "{step}\n{text}");
    }
    assert_eq!(marks.len(), 7, "nothing else is left\n{text}");
    assert!(text.contains("\nlast words\n------\nerror[build]: "), "{text}");
    assert_eq!(left.cursor, (0, true), "the cursor is at the begin of a line\n{text}");
}

#[test]
fn steps_have_a_line_each_whatever_they_write() {
    for size in [(80, 24), (40, 10), (200, 50)] {
        let dhow = Dhow::new();
        let Some(command) = build(&dhow, RUDE) else { return };
        let terminal = Terminal::run(&command, size);
        let screen = terminal.until(|screen| has(screen, &["a1", "日本", "20%", "0 of 7 steps"]));
        let rows = screen.iter().filter(|line| !line.is_empty()).count();
        assert_eq!(rows, 4, "three steps and their sum:\n{}", screen.join("\n"));
        let screen = terminal.until(|screen| has(screen, &["  0123", "0 of 7 steps"]));
        assert!(screen.iter().filter(|line| !line.is_empty()).count() == 4, "{}", screen.join("\n"));
        let left = terminal.end();
        check_left(&left);
        let error = left.lines.iter().position(|line| line.starts_with(" > [")).unwrap_or_default();
        assert!(left.wrapped <= left.lines.len() - error, "{}", left.text());
    }
}

#[test]
fn a_terminal_may_change_its_size() {
    let dhow = Dhow::new();
    let Some(command) = build(&dhow, RUDE) else { return };
    let terminal = Terminal::run(&command, (120, 24));
    terminal.until(|screen| has(screen, &["a1", "日本", "0 of 7 steps"]));
    terminal.resize((40, 12));
    terminal.until(|screen| has(screen, &["0123"]) && screen.iter().all(|line| line.chars().count() < 40));
    let rows = terminal.screen();
    assert_eq!(rows.iter().filter(|line| !line.is_empty()).count(), 4, "{}", rows.join("\n"));
    terminal.resize((100, 30));
    check_left(&terminal.end());
}

#[test]
fn there_may_be_more_steps_than_lines() {
    let dhow = Dhow::new();
    let stages: String = (0..20).map(|n| format!("FROM busybox AS s{n}\nRUN sleep 1; echo {n} > /f\n")).collect();
    let copies: String = (0..20).map(|n| format!("COPY --from=s{n} /f /f{n}\n")).collect();
    let Some(command) = build(&dhow, &format!("{stages}FROM busybox\n{copies}")) else { return };
    let terminal = Terminal::run(&command, (60, 10));
    let screen = terminal.until(|screen| has(screen, &["and 13 more"]));
    assert_eq!(screen.iter().filter(|line| line.contains("sleep 1")).count(), 7, "{}", screen.join("\n"));
    assert!(screen[8].contains("0 of 40 steps") && screen[9].is_empty(), "{}", screen.join("\n"));
    let left = terminal.end();
    assert_eq!(left.code, Some(0), "{}", left.text());
    let table = left.lines.iter().position(|line| line.contains("TIME")).expect("a table");
    assert_eq!(
        left.lines[..table].iter().filter(|line| line.contains("2/2] RUN sleep")).count(),
        20,
        "{}",
        left.text()
    );
    assert_eq!((table, left.wrapped), (40, 0), "{}", left.text());
}

#[test]
fn after_an_interrupt_the_message_is_last() {
    let dhow = Dhow::new();
    let Some(command) = build(&dhow, RUDE) else { return };
    let terminal = Terminal::run(&command, (80, 24));
    terminal.until(|screen| has(screen, &["a1", "0 of 7 steps"]));
    terminal.type_in("\x03");
    let left = terminal.end();
    assert_eq!(left.code, Some(130), "{}", left.text());
    let lines: Vec<&String> = left.lines.iter().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.iter().filter(|line| line.starts_with("CANCELED  [")).count(), 3, "{}", left.text());
    assert_eq!((lines.len(), lines[3].as_str()), (4, "error: interrupted"), "{}", left.text());
    assert_eq!(left.cursor, (0, true));
}

#[test]
fn buildkits_variables_are_honoured() {
    let dhow = Dhow::new();
    let dockerfile = "FROM busybox\nRUN echo one; echo two; echo three; sleep 1\n";
    let Some(mut command) = build(&dhow, dockerfile) else { return };
    command.env("BUILDKIT_TTY_LOG_LINES", "2").env("BUILDKIT_COLORS", "run=light-green:error=pink");
    let terminal = Terminal::run(&command, (80, 24));
    let screen = terminal.until(|screen| has(screen, &["two", "three", "0 of 1 steps"]));
    assert!(!has(&screen, &["          one"]), "{}", screen.join("\n"));
    let left = terminal.end();
    assert!(left.text().contains("warning: `error=pink` in BUILDKIT_COLORS"), "{}", left.text());
    for (name, value) in [("TERM", "dumb"), ("BUILDKIT_PROGRESS", "plain")] {
        let left = Terminal::run(command.env(name, value), (80, 24)).end();
        assert!(has(&left.lines, &["#2 [2/2] RUN", "#2 DONE"]), "{}", left.text());
    }
}
