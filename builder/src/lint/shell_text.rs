//! A rough reading of shell text: the commands in it and their words. Enough for rules, which may miss things and must
//! not invent them.

/// The commands of `text`, each as its words; assignments and `sudo` in front are left out.
pub(super) fn commands(text: &str) -> Vec<Vec<&str>> {
    text.split([';', '&', '|', '\n', '(', ')', '{', '}'])
        .map(|command| command.split_whitespace().skip_while(|word| is_prefix(word)).collect::<Vec<_>>())
        .filter(|words| !words.is_empty())
        .collect()
}

fn is_prefix(word: &str) -> bool {
    let assignment = word
        .split_once('=')
        .is_some_and(|(name, _)| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
    assignment || matches!(word, "sudo" | "then" | "do" | "else" | "if" | "!" | "exec" | "time" | "env")
}

/// Whether one of `commands` is `program` with `subcommand` as its first word that is no option.
pub(super) fn runs(commands: &[Vec<&str>], program: &str, subcommand: &str) -> bool {
    commands.iter().any(|words| {
        words[0].rsplit('/').next() == Some(program)
            && words[1..].iter().find(|word| !word.starts_with('-')).is_some_and(|word| *word == subcommand)
    })
}

/// Whether `commands` run `apt-get` or `apt` with `subcommand`.
pub(super) fn runs_apt(commands: &[Vec<&str>], subcommand: &str) -> bool {
    runs(commands, "apt-get", subcommand) || runs(commands, "apt", subcommand)
}

#[cfg(test)]
mod tests {
    use super::{commands, runs, runs_apt};

    #[test]
    fn commands_of_texts() {
        let found = commands("set -x; A=1 sudo apt-get -y install vim && (make || true)\necho done");
        assert_eq!(found[1], ["apt-get", "-y", "install", "vim"]);
        assert!(runs_apt(&found, "install") && !runs_apt(&found, "update"));
        assert!(runs(&commands("/usr/bin/npm ci"), "npm", "ci"));
        assert!(!runs(&commands("echo npm ci"), "npm", "ci"));
    }
}
