//! The directive `syntax`: dhow has the one frontend that it has, and says so where a file asks for another.

use super::directive::{Directive, DirectiveName};
use crate::diagnostic::Diagnostic;

/// The language version that is known here: that of `docker/dockerfile`.
const KNOWN: (u32, u32) = (1, 26);

/// A warning if `directive` asks for what is not known here.
pub(crate) fn check(directive: &Directive) -> Option<Diagnostic> {
    if directive.name != DirectiveName::Syntax {
        return None;
    }
    let reference = directive.value.value.split_whitespace().next()?;
    let (name, tag) = split(reference);
    let warn = |message: String| Some(Diagnostic::warning("other-syntax", directive.value.span, message));
    if !is_dockerfile(name) {
        return warn(format!("the frontend `{name}` is not used: the file is read as a Dockerfile"));
    }
    let mut numbers = tag.split(['.', '-']);
    let major = numbers.next().and_then(|text| text.parse().ok())?;
    let minor = numbers.next().and_then(|text| text.parse().ok()).unwrap_or(0);
    if (major, minor) > KNOWN {
        let (known_major, known_minor) = KNOWN;
        return warn(format!(
            "the file asks for version {major}.{minor} of the language, and {known_major}.{known_minor} is known"
        ));
    }
    None
}

/// Name and tag of a reference, the digest left out.
fn split(reference: &str) -> (&str, &str) {
    let reference = reference.split('@').next().unwrap_or_default();
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (reference, ""),
    }
}

/// Mirrors keep the last two parts of the name.
fn is_dockerfile(name: &str) -> bool {
    let known = ["docker/dockerfile", "docker/dockerfile-upstream", "moby/dockerfile", "dockerfile.v0"];
    known.iter().any(|known| name == *known || name.ends_with(&format!("/{known}")))
}

#[cfg(test)]
mod tests {
    use crate::dockerfile::parse;
    use crate::source::SourceFile;

    #[test]
    fn frontends() {
        for (syntax, known) in [
            ("docker/dockerfile:1", true),
            ("docker/dockerfile:1.26", true),
            ("docker.io/docker/dockerfile:1.4.0-labs@sha256:00", true),
            ("registry:5000/mirror/docker/dockerfile", true),
            ("docker/dockerfile", true),
            ("docker/dockerfile-upstream:master", true),
            ("docker/dockerfile:1.27", false),
            ("docker/dockerfile:2", false),
            ("somebody/frontend:1", false),
        ] {
            let parsed = parse(&SourceFile::new("Dockerfile", format!("# syntax={syntax}\nFROM scratch\n")));
            assert_eq!(parsed.diagnostics.is_empty(), known, "{syntax}");
        }
    }
}
