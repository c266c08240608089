//! Tables in the layout of Go's tab writer, as `docker` prints them: cells at least ten columns wide, three
//! blanks between them, nothing after the last one. Does no I/O.

/// Narrowest cell, padding included.
const MIN_WIDTH: usize = 10;
/// Blanks after the widest text of a column.
const PADDING: usize = 3;

/// Lines up rows; the cells of a row are separated by tabs.
pub(crate) fn align(rows: &[String]) -> String {
    let rows: Vec<Vec<&str>> = rows.iter().map(|row| row.split('\t').collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(|column| width(&rows, column)).collect();
    let mut out = String::new();
    for row in &rows {
        for (column, cell) in row.iter().enumerate() {
            out.push_str(cell);
            if column + 1 < row.len() {
                let blanks = widths[column] - cell.chars().count();
                out.extend(std::iter::repeat_n(' ', blanks));
            }
        }
        out.push('\n');
    }
    out
}

/// The last cell of a row is not part of the column.
fn width(rows: &[Vec<&str>], column: usize) -> usize {
    let cells = rows.iter().filter(|row| column + 1 < row.len()).map(|row| row[column].chars().count());
    cells.max().map_or(0, |widest| (widest + PADDING).max(MIN_WIDTH))
}

/// Shortens `text` to `limit` characters, the last one an ellipsis.
pub(crate) fn ellipsis(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::{align, ellipsis};

    #[test]
    fn columns_line_up() {
        let rows = ["REPOSITORY\tTAG\tIMAGE ID", "alpine\tlatest\t0123456789ab", "a\tb\tc"].map(str::to_owned);
        let expected = "REPOSITORY   TAG       IMAGE ID\n\
                        alpine       latest    0123456789ab\n\
                        a            b         c\n";
        assert_eq!(align(&rows), expected);
    }

    #[test]
    fn long_text_ends_in_an_ellipsis() {
        assert_eq!(ellipsis("\"/bin/sh -c 'sleep 1'\"", 20), "\"/bin/sh -c 'sleep …");
        assert_eq!(ellipsis("short", 20), "short");
    }
}
