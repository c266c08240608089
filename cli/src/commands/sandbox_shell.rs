//! `dhow sandbox-shell`: a shell for sandboxes of images without one. It looks at files and starts programs; there are
//! neither pipes nor variables nor jobs in it.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;
use std::process::Command;

use crate::exit::Exit;

const HELP: &str = "cd DIR, pwd, ls [DIR], cat FILE..., env, exit [CODE]; anything else is a program to run\n";
/// What shells answer for a program that is not there.
const NOT_FOUND: u8 = 127;

/// Runs the command: reads lines until `exit` or the end of the input.
pub(crate) fn run() -> anyhow::Result<Exit> {
    let prompt = if io::stdin().is_terminal() { "dhow> " } else { "" };
    converse(&mut io::stdin().lock(), &mut io::stdout(), prompt)
}

fn converse(input: &mut dyn BufRead, output: &mut dyn Write, prompt: &str) -> anyhow::Result<Exit> {
    let mut code = 0;
    loop {
        write!(output, "{prompt}")?;
        output.flush()?;
        let mut line = String::new();
        if input.read_line(&mut line)? == 0 {
            // What comes next shall not stand behind the prompt.
            output.write_all(if prompt.is_empty() { b"" } else { b"\n" })?;
            return Ok(Exit::Program(code));
        }
        let words = split(&line);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            [] => {}
            ["exit"] => return Ok(Exit::Program(code)),
            ["exit", number] => return Ok(Exit::Program(number.parse().unwrap_or(code))),
            words => {
                code = match execute(words, output) {
                    Ok(code) => code,
                    Err(error) => {
                        writeln!(output, "{}: {error}", words[0])?;
                        if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { 1 }
                    }
                };
            }
        }
    }
}

fn execute(words: &[&str], output: &mut dyn Write) -> io::Result<u8> {
    match words {
        ["help"] => output.write_all(HELP.as_bytes())?,
        ["cd"] => std::env::set_current_dir("/")?,
        ["cd", directory] => std::env::set_current_dir(directory)?,
        ["pwd"] => writeln!(output, "{}", std::env::current_dir()?.display())?,
        ["ls"] => list(Path::new("."), output)?,
        ["ls", directory] => list(Path::new(directory), output)?,
        ["cat", files @ ..] => {
            for file in files {
                io::copy(&mut std::fs::File::open(file)?, output)?;
            }
        }
        ["env"] => std::env::vars().try_for_each(|(name, value)| writeln!(output, "{name}={value}"))?,
        [program, arguments @ ..] => {
            let status = Command::new(program).args(arguments).status()?;
            return Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX));
        }
        [] => {}
    }
    Ok(0)
}

fn list(directory: &Path, output: &mut dyn Write) -> io::Result<()> {
    let mut names: Vec<String> = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let mark = if entry.file_type()?.is_dir() { "/" } else { "" };
        names.push(format!("{}{mark}", entry.file_name().to_string_lossy()));
    }
    names.sort();
    names.iter().try_for_each(|name| writeln!(output, "{name}"))
}

/// The words of a line; quotes of either kind keep blanks.
fn split(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.trim_end_matches('\n').chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::{converse, split};
    use crate::exit::Exit;

    #[test]
    fn words() {
        for (line, expected) in
            [("", &[][..]), ("  ls  /etc \n", &["ls", "/etc"]), ("cat 'a b' \"c\"d \"\"", &["cat", "a b", "cd", ""])]
        {
            assert_eq!(split(line), expected, "{line}");
        }
    }

    #[test]
    fn a_conversation() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        std::fs::write(dir.path().join("file"), "content\n").unwrap();
        let path = dir.path().display();
        let lines = format!("ls {path}\ncat {path}/file\n/no/such/program\nhelp\nexit 3\npwd\n");
        let mut output = Vec::new();
        let exit = converse(&mut lines.as_bytes(), &mut output, "> ").unwrap();
        let text = String::from_utf8(output).unwrap();
        assert_eq!(exit, Exit::Program(3));
        assert!(text.starts_with("> file\nsub/\n> content\n> /no/such/program: "), "{text}");
        let mut output = Vec::new();
        assert_eq!(converse(&mut &b""[..], &mut output, "> ").unwrap(), Exit::Program(0));
        assert_eq!(output, b"> \n");
        assert_eq!(converse(&mut &b"/no/such\n"[..], &mut Vec::new(), "").unwrap(), Exit::Program(127));
    }
}
