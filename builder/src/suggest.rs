//! "Did you mean": the known word that is nearest to a mistyped one.

/// Words further away than this many edits are no help.
const MAX_DISTANCE: usize = 3;

/// The candidate nearest to `word` by edits of one letter, case aside; `None` if all are too far, or one is equal.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = word.to_lowercase();
    let limit = MAX_DISTANCE.min(wanted.chars().count().saturating_sub(1)).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|(distance, candidate)| *distance <= limit && *candidate != word)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein's distance, swapped neighbours counting as one edit: what turns `a` into `b`.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{distance, nearest};

    #[test]
    fn distances() {
        for (a, b, expected) in
            [("", "", 0), ("a", "", 1), ("kitten", "sitting", 3), ("RNU", "RUN", 1), ("abcd", "badc", 2)]
        {
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
