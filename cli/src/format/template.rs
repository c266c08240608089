//! A Go template over a JSON value, as docker's `--format` takes it. Does no I/O.

use serde_json::Value;

use super::func::{self, Argument};
use super::parser::{Node, Operand, Pipeline, Range};
use super::{go, lexer, parser};

/// Objects whose keys are data: a missing key has no value, where a missing field of other objects is an error.
const MAPS: &[&str] =
    &["Labels", "Volumes", "ExposedPorts", "Networks", "Ports", "PortBindings", "Options", "Sysctls", "Data", "Tmpfs"];

/// A parsed template.
#[derive(Debug)]
pub(crate) struct Template(Vec<Node>);

/// A template that cannot be parsed or evaluated; the text says why.
#[derive(Debug, thiserror::Error, PartialEq)]
#[error("the format template is not usable: {0}")]
pub(crate) struct TemplateError(String);

impl Template {
    /// Parses `text`.
    ///
    /// # Errors
    /// The text is not a template, or uses parts of the language that are not supported.
    pub(crate) fn parse(text: &str) -> Result<Self, TemplateError> {
        lexer::split(text).and_then(parser::parse).map(Self).map_err(TemplateError)
    }

    /// Fills in `data`.
    ///
    /// # Errors
    /// A field is missing, or a function has the wrong arguments.
    pub(crate) fn render(&self, data: &Value) -> Result<String, TemplateError> {
        let mut run = Run { root: data, variables: Vec::new(), out: String::new() };
        run.nodes(&self.0, Some(data)).map_err(TemplateError)?;
        Ok(run.out)
    }

    /// The fields that stand alone in outputs, in order: the columns of a `table` format.
    pub(crate) fn columns(&self) -> Vec<String> {
        let last = |operand: &Operand| match operand {
            Operand::Field(names) => names.last().cloned(),
            _ => None,
        };
        let column = |node: &Node| match node {
            Node::Output(Pipeline(commands)) => commands.iter().flatten().find_map(last),
            _ => None,
        };
        self.0.iter().filter_map(column).collect()
    }

    /// Renders the template with each output replaced by `header` of its column.
    pub(crate) fn header(&self, header: impl Fn(&str) -> String) -> String {
        let mut columns = self.columns().into_iter();
        let text = |node: &Node| match node {
            Node::Text(text) => text.clone(),
            Node::Output(_) => columns.next().map(|column| header(&column)).unwrap_or_default(),
            _ => String::new(),
        };
        self.0.iter().map(text).collect()
    }
}

/// One evaluation.
struct Run<'a> {
    root: &'a Value,
    variables: Vec<(String, Argument)>,
    out: String,
}

impl Run<'_> {
    fn nodes(&mut self, nodes: &[Node], dot: Option<&Value>) -> Result<(), String> {
        let scope = self.variables.len();
        for node in nodes {
            self.node(node, dot)?;
        }
        self.variables.truncate(scope);
        Ok(())
    }

    fn node(&mut self, node: &Node, dot: Option<&Value>) -> Result<(), String> {
        match node {
            Node::Text(text) => self.out.push_str(text),
            Node::Output(pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                self.out.push_str(&go::print(value.as_ref()));
            }
            Node::Assign(name, pipeline) => {
                let value = self.pipeline(pipeline, dot)?;
                self.variables.push((name.clone(), value));
            }
            Node::If(branches, otherwise) => {
                for (condition, body) in branches {
                    if go::truth(self.pipeline(condition, dot)?.as_ref()) {
                        return self.nodes(body, dot);
                    }
                }
                self.nodes(otherwise, dot)?;
            }
            Node::With(pipeline, body, otherwise) => {
                let value = self.pipeline(pipeline, dot)?;
                match go::truth(value.as_ref()) {
                    true => self.nodes(body, value.as_ref())?,
                    false => self.nodes(otherwise, dot)?,
                }
            }
            Node::Range(range) => self.range(range, dot)?,
        }
        Ok(())
    }

    fn range(&mut self, range: &Range, dot: Option<&Value>) -> Result<(), String> {
        let items: Vec<(Value, Value)> = match self.pipeline(&range.over, dot)? {
            Some(Value::Array(items)) => {
                items.into_iter().enumerate().map(|(i, item)| (Value::from(i), item)).collect()
            }
            Some(Value::Object(map)) => {
                let mut items: Vec<_> = map.into_iter().collect();
                items.sort_by(|left, right| left.0.cmp(&right.0));
                items.into_iter().map(|(key, item)| (Value::from(key), item)).collect()
            }
            None | Some(Value::Null) => Vec::new(),
            Some(other) => return Err(format!("`range` cannot go over `{}`", go::print(Some(&other)))),
        };
        if items.is_empty() {
            return self.nodes(&range.otherwise, dot);
        }
        let scope = self.variables.len();
        for (key, item) in items {
            if let Some(name) = &range.key {
                self.variables.push((name.clone(), Some(key)));
            }
            if let Some(name) = &range.value {
                self.variables.push((name.clone(), Some(item.clone())));
            }
            self.nodes(&range.body, Some(&item))?;
            self.variables.truncate(scope);
        }
        Ok(())
    }

    fn pipeline(&self, pipeline: &Pipeline, dot: Option<&Value>) -> Result<Argument, String> {
        let mut passed: Option<Argument> = None;
        for command in &pipeline.0 {
            passed = Some(self.command(command, passed, dot)?);
        }
        Ok(passed.flatten())
    }

    fn command(&self, command: &[Operand], passed: Option<Argument>, dot: Option<&Value>) -> Result<Argument, String> {
        if let [Operand::Function(name), arguments @ ..] = command {
            let mut values =
                arguments.iter().map(|operand| self.operand(operand, dot)).collect::<Result<Vec<_>, _>>()?;
            values.extend(passed);
            return func::call(name, &values);
        }
        match (command, passed) {
            ([operand], None) => self.operand(operand, dot),
            _ => Err("only a function takes arguments".to_owned()),
        }
    }

    fn operand(&self, operand: &Operand, dot: Option<&Value>) -> Result<Argument, String> {
        match operand {
            Operand::Field(names) => walk(dot.cloned(), names),
            Operand::Variable(name, names) if name.is_empty() => walk(Some(self.root.clone()), names),
            Operand::Variable(name, names) => {
                let found = self.variables.iter().rev().find(|(known, _)| known == name);
                let (_, value) = found.ok_or_else(|| format!("undefined variable `${name}`"))?;
                walk(value.clone(), names)
            }
            Operand::Function(name) => func::call(name, &[]),
            Operand::Text(text) => Ok(Some(Value::from(text.as_str()))),
            Operand::Number(number) => Ok(Some(Value::from(*number))),
            Operand::Bool(bool) => Ok(Some(Value::from(*bool))),
            Operand::Nil => Ok(Some(Value::Null)),
            Operand::Group(pipeline, names) => walk(self.pipeline(pipeline, dot)?, names),
        }
    }
}

/// Goes down the fields `names` from `value`.
fn walk(value: Argument, names: &[String]) -> Result<Argument, String> {
    let mut current = value;
    let mut parent = "";
    for name in names {
        current = match current {
            Some(Value::Object(mut map)) => match map.remove(name) {
                Some(found) => Some(found),
                None if MAPS.contains(&parent) => None,
                None => return Err(no_field(name, map.keys())),
            },
            None | Some(Value::Null) => None,
            Some(other) => return Err(format!("`{}` has no field `{name}`", go::print(Some(&other)))),
        };
        parent = name;
    }
    Ok(current)
}

fn no_field<'a>(name: &str, known: impl Iterator<Item = &'a String>) -> String {
    let mut known: Vec<_> = known.map(|key| format!("`.{key}`")).collect();
    known.sort();
    format!("there is no field `.{name}`; there are {}", known.join(", "))
}

#[cfg(test)]
mod tests {
    use super::Template;
    use serde_json::{Value, json};

    fn data() -> Value {
        json!({
            "Id": "sha256:abc", "Size": 5, "Env": ["A=1", "B=2"], "Nothing": null,
            "Config": {"Labels": {"a": "x", "b": "y"}, "Cmd": ["sh", "-c"]},
            "NetworkSettings": {"Networks": {"host": {"IPAddress": "10.0.0.1"}}},
            "State": {"Running": true, "ExitCode": 0},
        })
    }

    fn check(template: &str, expected: &str) {
        let rendered = Template::parse(template).and_then(|template| template.render(&data()));
        assert_eq!(rendered.as_deref(), Ok(expected), "{template}");
    }

    #[test]
    fn templates_that_are_typed_at_docker() {
        check("{{.Id}}", "sha256:abc");
        check("{{ json .Config.Cmd }}", r#"["sh","-c"]"#);
        check("{{.Env}}", "[A=1 B=2]");
        check("{{.Config.Labels}}", "map[a:x b:y]");
        check("{{range .Env}}{{println .}}{{end}}", "A=1\nB=2\n");
        check("{{range $i, $e := .Env}}{{$i}}={{$e}};{{end}}", "0=A=1;1=B=2;");
        check("{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}", "10.0.0.1");
        check("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}} {{end}}", "a:x b:y ");
        check("{{if .State.Running}}up{{else}}down{{end}}", "up");
        check("{{if eq .Size 4}}four{{else if gt .Size 4}}more{{else}}less{{end}}", "more");
        check("{{index .Env 1}}", "B=2");
        check("{{index .Config.Labels \"b\"}}", "y");
        check("{{(index .NetworkSettings.Networks \"host\").IPAddress}}", "10.0.0.1");
        check("{{join .Config.Cmd \" \"}}", "sh -c");
        check("{{.Id | printf \"%-12s|\"}}", "sha256:abc  |");
        check("{{slice .Id 7}}{{upper \"x\"}}{{len .Env}}", "abcX2");
        check("{{.Config.Labels.missing}}", "<no value>");
        check("a {{- .Size -}} b", "a5b");
        check("{{with .Config}}{{.Cmd}}{{end}}{{with .Nothing}}x{{else}}none{{end}}", "[sh -c]none");
        check("{{$s := .Size}}{{$s}}{{/* comment */}}{{$.Id}}", "5sha256:abc");
        check("{{not (and .State.Running .State.ExitCode)}}", "true");
    }

    #[test]
    fn mistakes_are_named() {
        for (template, expected) in [
            ("{{.Idd}}", "there is no field `.Idd`"),
            ("{{.Id", "not closed"),
            ("{{if .Id}}x", "`if` without `end`"),
            ("{{end}}", "without `if`"),
            ("{{frob .Id}}", "no function `frob`"),
            ("{{index .Env 9}}", "out of range"),
            ("{{$x}}", "undefined variable `$x`"),
            ("{{template \"x\"}}", "not supported"),
        ] {
            let error = Template::parse(template).and_then(|template| template.render(&data())).unwrap_err();
            assert!(error.to_string().contains(expected), "{template}: {error}");
        }
    }
}
