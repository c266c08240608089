//! `--unset`: what the image is not to take over from its base.

use dhow_builder::nearest;
use dhow_builder::plan::Unset;

use crate::problem::Problem;

/// Kinds that there are.
const KINDS: [&str; 7] = ["env", "label", "volume", "expose", "healthcheck", "entrypoint", "cmd"];

/// Reads `KIND[=NAME]`.
///
/// # Errors
/// There is no such kind, or it has no names.
pub(super) fn parse(text: &str) -> Result<Unset, Problem> {
    let (kind, name) = text.split_once('=').map_or((text, None), |(kind, name)| (kind, Some(name.to_owned())));
    match (kind, name) {
        ("env", name) => Ok(Unset::Env(name)),
        ("label", name) => Ok(Unset::Label(name)),
        ("volume", path) => Ok(Unset::Volume(path)),
        ("expose", port) => Ok(Unset::Expose(port)),
        ("healthcheck", None) => Ok(Unset::Healthcheck),
        ("entrypoint", None) => Ok(Unset::Entrypoint),
        ("cmd", None) => Ok(Unset::Cmd),
        ("healthcheck" | "entrypoint" | "cmd", Some(_)) => {
            Err(Problem::usage(format!("`--unset {text}`: there is only one")).hint(format!("write `--unset {kind}`")))
        }
        _ => {
            let problem = Problem::usage(format!("`--unset {text}`: a base hands down no `{kind}`"));
            Err(match nearest(kind, KINDS) {
                Some(near) => problem.hint(format!("did you mean `{near}`?")),
                None => problem.hint(format!("it may be {}", KINDS.join(", "))),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use dhow_builder::plan::Unset;

    #[test]
    fn kinds_and_names() {
        assert_eq!(parse("env=A").unwrap(), Unset::Env(Some("A".to_owned())));
        assert_eq!(parse("label").unwrap(), Unset::Label(None));
        assert_eq!(parse("cmd").unwrap(), Unset::Cmd);
        for (text, hint) in [("cmd=x", "--unset cmd"), ("lable", "`label`"), ("everything", "env, label")] {
            let problem = parse(text).unwrap_err();
            assert!(problem.remedy().unwrap_or_default().contains(hint), "{text}: {problem}");
        }
    }
}
