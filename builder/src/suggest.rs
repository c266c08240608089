//! "Did you mean": the known word that is nearest to a mistyped one.

/// Words further away than this many edits are no help.
const MAX_DISTANCE: usize = 3;

/// The candidate nearest to `word` by edits of one letter, case aside; `None` if all are too far, or one is equal.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = word.to_lowercase();
    let limit = MAX_DISTANCE.min(wanted.chars().count().saturating_sub(1)).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *candidate != word)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance: insertions, deletions and replacements of a character that turn `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (a, b, expected) in [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("RNU", "RUN", 2)] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn nearest_words() {
        let words = ["RUN", "COPY", "CMD", "EXPOSE"];
        for (word, expected) in [
            ("RNU", Some("RUN")),
            ("copi", Some("COPY")),
            ("EXPOSED", Some("EXPOSE")),
            ("INCLUDE", None),
            ("RUN", None),
        ] {
            assert_eq!(nearest(word, words), expected, "{word}");
        }
    }
}
