//! The header `Range` of requests for blobs (RFC 9110, 14.2): one range of bytes.

/// What part of a blob is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it: also when the header is of a form that need not be served.
    Whole,
    /// From one offset up to, without, another.
    Bytes(u64, u64),
    /// Nothing that the blob has.
    Unsatisfiable,
}

/// The part of a blob of `size` bytes.
pub(crate) fn parse(header: Option<&str>, size: u64) -> Part {
    let Some(spec) = header.and_then(|text| text.trim().strip_prefix("bytes=")) else { return Part::Whole };
    let Some((first, last)) = spec.split_once('-') else { return Part::Whole };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let (start, end) = match (first.trim(), last.trim()) {
        ("", suffix) => match number(suffix) {
            Some(length) => (size.saturating_sub(length), size),
            None => return Part::Whole,
        },
        (first, "") => match number(first) {
            Some(start) => (start, size),
            None => return Part::Whole,
        },
        (first, last) => match (number(first), number(last)) {
            (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(size)),
            _ => return Part::Whole,
        },
    };
    if start < end { Part::Bytes(start, end) } else { Part::Unsatisfiable }
}

#[cfg(test)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::{Part, parse};

    #[test]
    fn one_range_is_served_and_odd_ones_are_ignored() {
        for (header, expected) in [
            (None, Part::Whole),
            (Some("bytes=0-9"), Part::Bytes(0, 10)),
            (Some("bytes=5-"), Part::Bytes(5, 100)),
            (Some("bytes=-10"), Part::Bytes(90, 100)),
            (Some("bytes=-1000"), Part::Bytes(0, 100)),
            (Some("bytes=90-1000"), Part::Bytes(90, 100)),
            (Some("bytes=100-"), Part::Unsatisfiable),
            (Some("bytes=-0"), Part::Unsatisfiable),
            (Some("bytes=9-5"), Part::Whole),
            (Some("bytes=0-1,3-4"), Part::Whole),
            (Some("lines=0-1"), Part::Whole),
        ] {
            assert_eq!(parse(header, 100), expected, "{header:?}");
        }
        assert_eq!(parse(Some("bytes=0-"), 0), Part::Unsatisfiable);
    }

    proptest! {
        #[test]
        fn a_part_is_never_outside_of_the_blob(header in "(bytes=)?[0-9,-]{0,24}", size: u64) {
            if let Part::Bytes(start, end) = parse(Some(&header), size) {
                prop_assert!(start < end && end <= size);
            }
        }
    }
}
