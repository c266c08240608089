//! The functions of templates: those of `text/template` and those that docker adds (`json`, `join`, `split`, `lower`,
//! `upper`, `title`, `pad`, `truncate`). Does no I/O.

use serde_json::Value;

use super::go;

/// A value, or none for a missing key.
pub(super) type Argument = Option<Value>;

/// All names, for messages.
pub(super) const NAMES: &[&str] = &[
    "and", "eq", "ge", "gt", "index", "join", "json", "le", "len", "lower", "lt", "ne", "not", "or", "pad", "print",
    "printf", "println", "slice", "split", "title", "truncate", "upper",
];

/// Calls the function `name`; an error says what is wrong.
pub(super) fn call(name: &str, arguments: &[Argument]) -> Result<Argument, String> {
    match (name, arguments) {
        ("json", [value]) => Ok(Some(Value::String(value.clone().unwrap_or(Value::Null).to_string()))),
        ("lower", [value]) => text(go::print(value.as_ref()).to_lowercase()),
        ("upper", [value]) => text(go::print(value.as_ref()).to_uppercase()),
        ("title", [value]) => text(title(&go::print(value.as_ref()))),
        ("join", [Some(Value::Array(items)), separator]) => {
            let items: Vec<_> = items.iter().map(|item| go::print(Some(item))).collect();
            text(items.join(&go::print(separator.as_ref())))
        }
        ("join", [None | Some(Value::Null), _]) => text(String::new()),
        ("split", [value, separator]) => Ok(Some(split(value, separator))),
        ("len", [Some(value)]) => len(value),
        ("len", [None]) => Ok(Some(Value::from(0))),
        ("index", [value, keys @ ..]) => index(value, keys),
        ("slice", [value, bounds @ ..]) => slice(value, bounds),
        ("pad", [value, before, after]) => {
            let blanks = |count: &Argument| " ".repeat(integer(count).unwrap_or(0).max(0) as usize);
            text(blanks(before) + &go::print(value.as_ref()) + &blanks(after))
        }
        ("truncate", [value, limit]) => {
            let limit = integer(limit).ok_or("`truncate` wants a length")?.max(0) as usize;
            text(go::print(value.as_ref()).chars().take(limit).collect())
        }
        ("print", values) => text(values.iter().map(|value| go::print(value.as_ref())).collect()),
        ("println", values) => {
            let words: Vec<_> = values.iter().map(|value| go::print(value.as_ref())).collect();
            text(words.join(" ") + "\n")
        }
        ("printf", [format, values @ ..]) => printf(&go::print(format.as_ref()), values),
        ("not", [value]) => truth(!go::truth(value.as_ref())),
        ("and", [.., last]) => Ok(arguments.iter().find(|value| !go::truth(value.as_ref())).unwrap_or(last).clone()),
        ("or", [.., last]) => Ok(arguments.iter().find(|value| go::truth(value.as_ref())).unwrap_or(last).clone()),
        ("eq", [first, others @ ..]) if !others.is_empty() => truth(others.iter().any(|other| other == first)),
        ("ne", [left, right]) => truth(left != right),
        ("lt" | "le" | "gt" | "ge", [left, right]) => compare(name, left, right),
        _ if NAMES.contains(&name) => Err(format!("wrong arguments for the function `{name}`")),
        _ => Err(format!("there is no function `{name}`; there are {}", NAMES.join(", "))),
    }
}

fn text(text: String) -> Result<Argument, String> {
    Ok(Some(Value::String(text)))
}

fn truth(truth: bool) -> Result<Argument, String> {
    Ok(Some(Value::Bool(truth)))
}

fn integer(value: &Argument) -> Option<i64> {
    value.as_ref().and_then(Value::as_i64)
}

fn title(text: &str) -> String {
    let mut start = true;
    let capital = |c: char| {
        let result = if start { c.to_uppercase().to_string() } else { c.to_string() };
        start = c.is_whitespace();
        result
    };
    text.chars().map(capital).collect()
}

fn split(value: &Argument, separator: &Argument) -> Value {
    let text = go::print(value.as_ref());
    text.split(&go::print(separator.as_ref())).map(Value::from).collect()
}

fn len(value: &Value) -> Result<Argument, String> {
    let length = match value {
        Value::String(text) => text.len(),
        Value::Array(items) => items.len(),
        Value::Object(map) => map.len(),
        Value::Null => 0,
        other => return Err(format!("`{other}` has no length")),
    };
    Ok(Some(Value::from(length)))
}

fn index(value: &Argument, keys: &[Argument]) -> Result<Argument, String> {
    let mut current = value.clone();
    for key in keys {
        current = match (&current, key) {
            (Some(Value::Array(items)), Some(Value::Number(at))) => {
                let at = at.as_u64().unwrap_or(u64::MAX);
                let item = items.get(at as usize);
                Some(
                    item.ok_or_else(|| format!("index {at} is out of range, there are {} items", items.len()))?.clone(),
                )
            }
            (Some(Value::Object(map)), Some(Value::String(key))) => map.get(key).cloned(),
            (None | Some(Value::Null), _) => return Err("cannot index a missing value".to_owned()),
            (Some(value), key) => {
                return Err(format!("cannot index `{}` with `{}`", go::print(Some(value)), go::print(key.as_ref())));
            }
        };
    }
    Ok(current)
}

fn slice(value: &Argument, bounds: &[Argument]) -> Result<Argument, String> {
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(value) => integer(value).and_then(|v| usize::try_from(v).ok()).ok_or("`slice` wants whole numbers"),
    };
    match value {
        Some(Value::String(text)) => {
            let (from, to) = (bound(0, 0)?, bound(1, text.len())?);
            let part = text.get(from..to).ok_or_else(|| format!("`slice` {from}..{to} is out of range"))?;
            Ok(Some(Value::from(part)))
        }
        Some(Value::Array(items)) => {
            let (from, to) = (bound(0, 0)?, bound(1, items.len())?);
            let part = items.get(from..to).ok_or_else(|| format!("`slice` {from}..{to} is out of range"))?;
            Ok(Some(Value::from(part.to_vec())))
        }
        _ => Err("`slice` wants a string or a list".to_owned()),
    }
}

fn compare(name: &str, left: &Argument, right: &Argument) -> Result<Argument, String> {
    let order = match (left, right) {
        (Some(Value::Number(left)), Some(Value::Number(right))) => {
            left.as_f64().partial_cmp(&right.as_f64()).ok_or("numbers that cannot be compared")?
        }
        (Some(Value::String(left)), Some(Value::String(right))) => left.cmp(right),
        _ => return Err(format!("`{name}` compares two numbers or two strings")),
    };
    truth(match name {
        "lt" => order.is_lt(),
        "le" => order.is_le(),
        "gt" => order.is_gt(),
        _ => order.is_ge(),
    })
}

/// `%s`, `%v`, `%d`, `%q` and `%%`, with a width (`%-20s`).
fn printf(format: &str, values: &[Argument]) -> Result<Argument, String> {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let end =
            rest.find(|c: char| c != '-' && !c.is_ascii_digit()).ok_or("`printf` ends in the middle of a verb")?;
        let (flags, verb) = (&rest[..end], &rest[end..end + rest[end..].chars().next().map_or(1, char::len_utf8)]);
        rest = &rest[end + verb.len()..];
        if verb == "%" {
            out.push('%');
            continue;
        }
        let value = values.next().ok_or("`printf` has more verbs than values")?.as_ref();
        let word = match verb {
            "s" | "v" | "d" => go::print(value),
            "q" => format!("{:?}", go::print(value)),
            other => return Err(format!("`printf` has no verb `%{other}`")),
        };
        let width: usize = flags.trim_start_matches('-').parse().unwrap_or(0);
        match flags.starts_with('-') {
            true => out.push_str(&format!("{word:<width$}")),
            false => out.push_str(&format!("{word:>width$}")),
        }
    }
    text(out + rest)
}
