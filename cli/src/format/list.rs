//! A list of things in the style that `--format` asks for: a table, a template a line, or JSON a line. Does no I/O.

use serde_json::Value;

use super::table;
use super::template::{Template, TemplateError};

/// How each thing of a list is shown.
pub(crate) enum Style {
    /// Columns under headers.
    Table(Template),
    /// One line each.
    Lines(Template),
    /// One JSON object a line.
    Json,
}

impl Style {
    /// The style that `format` asks for (`table`, `table TEMPLATE`, `json` or a template), else a table of
    /// `columns`, a template.
    ///
    /// # Errors
    /// The template cannot be parsed.
    pub(crate) fn parse(format: Option<&str>, columns: &str) -> Result<Self, TemplateError> {
        let format = format.unwrap_or("table").replace("\\t", "\t").replace("\\n", "\n");
        match format.trim() {
            "" | "table" => Template::parse(columns).map(Self::Table),
            "json" => Ok(Self::Json),
            trimmed => match trimmed.strip_prefix("table ") {
                Some(columns) => Template::parse(columns.trim_start()).map(Self::Table),
                None => Template::parse(&format).map(Self::Lines),
            },
        }
    }

    /// One line each of only the template `line`.
    ///
    /// # Errors
    /// The template cannot be parsed.
    pub(crate) fn lines(line: &str) -> Result<Self, TemplateError> {
        Template::parse(line).map(Self::Lines)
    }
}

/// Rows to show: objects whose keys are the field names of docker's templates.
pub(crate) struct Listing<'a> {
    /// Header of each field; a field that is not listed has its name in capitals.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The rows.
    pub(crate) rows: Vec<Value>,
}

impl Listing<'_> {
    /// The whole text, each line with its end.
    ///
    /// # Errors
    /// The template does not fit the rows.
    pub(crate) fn render(&self, style: &Style) -> Result<String, TemplateError> {
        match style {
            Style::Json => Ok(self.rows.iter().map(|row| format!("{row}\n")).collect()),
            Style::Lines(template) => {
                let lines: Result<Vec<_>, _> = self.rows.iter().map(|row| template.render(row)).collect();
                Ok(lines?.iter().map(|line| format!("{line}\n")).collect())
            }
            Style::Table(template) => {
                let mut lines = vec![template.header(|field| self.header(field))];
                for row in &self.rows {
                    lines.push(template.render(row)?);
                }
                Ok(table::align(&lines))
            }
        }
    }

    fn header(&self, field: &str) -> String {
        let found = self.headers.iter().find(|(name, _)| *name == field);
        found.map_or_else(|| field.to_uppercase(), |(_, header)| (*header).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::{Listing, Style};
    use serde_json::json;

    fn check(format: Option<&str>, expected: &str) {
        let rows = vec![json!({"ID": "1", "Name": "one"}), json!({"ID": "2", "Name": "twotwotwo"})];
        let listing = Listing { headers: &[("ID", "IMAGE ID")], rows };
        let style = Style::parse(format, "{{.Name}}\t{{.ID}}").unwrap();
        assert_eq!(listing.render(&style).as_deref(), Ok(expected), "{format:?}");
    }

    #[test]
    fn styles() {
        let table = "NAME        IMAGE ID\none         1\ntwotwotwo   2\n";
        check(None, table);
        check(Some("table"), table);
        check(Some(r"table {{.Name}}\t{{.ID}}"), table);
        check(Some("{{.ID}}"), "1\n2\n");
        check(Some("json"), "{\"ID\":\"1\",\"Name\":\"one\"}\n{\"ID\":\"2\",\"Name\":\"twotwotwo\"}\n");
        check(Some("{{json .ID}}"), "\"1\"\n\"2\"\n");
    }
}
