//! What a token is for (distribution's token authentication, "Requesting a Token").

use std::collections::BTreeSet;

/// What is done in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Pull,
    Push,
    Delete,
}

impl Access {
    fn actions(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "pull,push",
            Self::Delete => "delete",
        }
    }
}

/// A set of scopes in text form, such as `repository:library/debian:pull`.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Scopes(BTreeSet<String>);

impl Scopes {
    /// No scope: the registry as such.
    pub(crate) fn none() -> Self {
        Self::default()
    }

    /// Access to one repository.
    pub(crate) fn repository(name: &str, access: Access) -> Self {
        Self::none().and(name, access)
    }

    /// The list of all repositories.
    pub(crate) fn catalog() -> Self {
        Self(BTreeSet::from(["registry:catalog:*".to_owned()]))
    }

    /// These and access to one more repository.
    pub(crate) fn and(mut self, name: &str, access: Access) -> Self {
        self.0.insert(format!("repository:{name}:{}", access.actions()));
        self
    }

    /// These and the ones that a challenge names, separated by spaces.
    pub(crate) fn with_challenged(&self, scopes: Option<&str>) -> Self {
        let mut all = self.clone();
        all.0.extend(scopes.unwrap_or_default().split_whitespace().map(str::to_owned));
        all
    }

    /// Each scope.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// All of them, separated by spaces.
    pub(crate) fn joined(&self) -> String {
        self.iter().collect::<Vec<_>>().join(" ")
    }
}
