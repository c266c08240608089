//! The variables that words are expanded with.

use std::collections::HashMap;

/// Variables in the order in which they were last set. Cheap to look up, whatever their number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Env {
    values: HashMap<String, (u64, String)>,
    next: u64,
}

impl Env {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets `name`; a variable that is set again moves to the end.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.values.insert(name.into(), (self.next, value.into()));
        self.next += 1;
    }

    /// Takes `name` away.
    pub fn unset(&mut self, name: &str) {
        self.values.remove(name);
    }

    /// The value of `name`, if it is set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(|(_, value)| value.as_str())
    }

    /// The names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Names and values, in the order in which they were last set.
    pub fn to_vec(&self) -> Vec<(String, String)> {
        let mut entries: Vec<_> = self.values.iter().collect();
        entries.sort_by_key(|(_, (order, _))| *order);
        entries.into_iter().map(|(name, (_, value))| (name.clone(), value.clone())).collect()
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Env {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut env = Self::new();
        entries.into_iter().for_each(|(name, value)| env.set(name, value));
        env
    }
}

#[cfg(test)]
mod tests {
    use super::Env;

    #[test]
    fn setting_again_moves_to_the_end() {
        let env: Env = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        assert_eq!(env.get("a"), Some("3"));
        assert_eq!(env.to_vec(), [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "3".to_owned())]);
    }
}
