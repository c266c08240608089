//! Names of files as services that show a repository want them: from its top.

use std::path::{Path, PathBuf};

use crate::environment::Environment;

/// The variables in which GitHub and GitLab say where they checked the repository out.
const CHECKOUTS: [&str; 2] = ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"];

/// The name of a file from the top of the repository that it is in; a file that is in none, or that is not there, keeps
/// the name that it has.
pub(super) fn from_top(name: &str, environment: &Environment) -> String {
    let as_it_is = || name.strip_prefix("./").unwrap_or(name).to_owned();
    let Ok(file) = Path::new(name).canonicalize() else { return as_it_is() };
    let mut told = CHECKOUTS.iter().filter_map(|variable| environment.path(variable)?.canonicalize().ok());
    let top = told.find(|top| file.starts_with(top)).or_else(|| top_of(&file));
    let inside = top.as_deref().and_then(|top| file.strip_prefix(top).ok()?.to_str());
    inside.map_or_else(as_it_is, str::to_owned)
}

/// The nearest directory above that git has its own one in.
fn top_of(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).find(|directory| directory.join(".git").exists()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::from_top;
    use crate::environment::Environment;
    use std::fs;

    #[test]
    fn names_begin_at_the_top() {
        let folder = tempfile::tempdir().unwrap();
        let top = folder.path().join("checkout");
        fs::create_dir_all(top.join("a b/.deep")).unwrap();
        let file = top.join("a b/.deep/Dockerfile");
        fs::write(&file, "").unwrap();
        let name = file.to_str().unwrap();
        let nowhere = Environment::from([("GITHUB_WORKSPACE", "/usr")]);
        assert_eq!(from_top(name, &nowhere), name);
        let told = Environment::from([("CI_PROJECT_DIR", top.to_str().unwrap())]);
        assert_eq!(from_top(name, &told), "a b/.deep/Dockerfile");
        assert_eq!(
            from_top(&format!("{}/../.deep/Dockerfile", file.parent().unwrap().display()), &told),
            "a b/.deep/Dockerfile"
        );
        fs::create_dir(top.join(".git")).unwrap();
        assert_eq!(from_top(name, &nowhere), "a b/.deep/Dockerfile");
        assert_eq!(from_top("./not/there", &nowhere), "not/there");
    }
}
