//! Splits a Go template into text and the tokens of its actions (`text/template` of Go's library). The meaning of
//! the tokens is the parser's.

/// A stretch of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Piece {
    /// Copied as it is.
    Text(String),
    /// What stood between `{{` and `}}`.
    Action(Vec<Token>),
}

/// A word of an action.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// `.` or `.A.B`: the names, none for the bare dot.
    Field(Vec<String>),
    /// `.A.B` directly after `)` or a variable.
    Chain(Vec<String>),
    /// `$` or `$name`, without the dollar sign.
    Variable(String),
    /// A keyword or the name of a function.
    Word(String),
    /// A quoted string.
    Text(String),
    /// A whole number.
    Number(i64),
    /// `|`
    Pipe,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `:=` or `=`
    Assign,
    /// `,`
    Comma,
}

/// Cuts `template` into pieces; an error says what is wrong.
pub(super) fn split(template: &str) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut rest = template;
    let mut trim_next = false;
    while let Some(start) = rest.find("{{") {
        let mut text = &rest[..start];
        let mut inside = &rest[start + 2..];
        if trim_next {
            text = text.trim_start();
        }
        if let Some(trimmed) = inside.strip_prefix("- ") {
            text = text.trim_end();
            inside = trimmed;
        }
        let end = action_end(inside).ok_or("an action is not closed with `}}`")?;
        let action = &inside[..end];
        trim_next = action.ends_with(" -");
        push_text(&mut pieces, text);
        push_action(&mut pieces, action.strip_suffix(" -").unwrap_or(action))?;
        rest = &inside[end + 2..];
    }
    push_text(&mut pieces, if trim_next { rest.trim_start() } else { rest });
    Ok(pieces)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

fn push_action(pieces: &mut Vec<Piece>, action: &str) -> Result<(), String> {
    if action.trim().starts_with("/*") {
        return Ok(());
    }
    pieces.push(Piece::Action(tokens(action)?));
    Ok(())
}

/// Where `}}` stands outside of strings.
fn action_end(text: &str) -> Option<usize> {
    let mut quote = None;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match quote {
            Some('"') if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if c == '"' || c == '`' => quote = Some(c),
            None if text[index..].starts_with("}}") => return Some(index),
            None => {}
        }
    }
    None
}

fn tokens(action: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = action;
    let mut joined = false;
    while let Some(first) = rest.chars().next() {
        if first.is_whitespace() {
            rest = &rest[first.len_utf8()..];
            joined = false;
            continue;
        }
        let (token, length) = token(rest, joined)?;
        joined = matches!(token, Token::Close | Token::Variable(_));
        tokens.push(token);
        rest = &rest[length..];
    }
    Ok(tokens)
}

fn token(rest: &str, joined: bool) -> Result<(Token, usize), String> {
    let first = rest.chars().next().unwrap_or(' ');
    let simple = match first {
        '|' => Some((Token::Pipe, 1)),
        '(' => Some((Token::Open, 1)),
        ')' => Some((Token::Close, 1)),
        ',' => Some((Token::Comma, 1)),
        '=' => Some((Token::Assign, 1)),
        ':' if rest.starts_with(":=") => Some((Token::Assign, 2)),
        _ => None,
    };
    if let Some(found) = simple {
        return Ok(found);
    }
    match first {
        '.' => Ok(fields(rest, joined)),
        '$' => {
            let name = name(&rest[1..]);
            Ok((Token::Variable(name.to_owned()), name.len() + 1))
        }
        '"' | '`' => string(rest, first),
        '-' | '0'..='9' => number(rest),
        _ if !name(rest).is_empty() => Ok((Token::Word(name(rest).to_owned()), name(rest).len())),
        _ => Err(format!("unexpected `{first}` in an action")),
    }
}

/// `.A.B`, or the bare dot.
fn fields(rest: &str, joined: bool) -> (Token, usize) {
    let mut names = Vec::new();
    let mut length = 0;
    while rest[length..].starts_with('.') {
        let field = name(&rest[length + 1..]);
        if field.is_empty() {
            break;
        }
        names.push(field.to_owned());
        length += 1 + field.len();
    }
    let token = if joined && !names.is_empty() { Token::Chain(names) } else { Token::Field(names) };
    (token, length.max(1))
}

fn name(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    &text[..end]
}

fn number(rest: &str) -> Result<(Token, usize), String> {
    let end = rest[1..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| end + 1);
    let number = rest[..end].parse().map_err(|_| format!("`{}` is not a whole number", &rest[..end]))?;
    Ok((Token::Number(number), end))
}

fn string(rest: &str, quote: char) -> Result<(Token, usize), String> {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1);
    while let Some((index, c)) = chars.next() {
        match c {
            _ if c == quote => return Ok((Token::Text(text), index + 1)),
            '\\' if quote == '"' => match chars.next().map(|(_, c)| c) {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some(c @ ('\\' | '"' | '\'')) => text.push(c),
                other => return Err(format!("unknown escape `\\{}` in a string", other.unwrap_or(' '))),
            },
            _ => text.push(c),
        }
    }
    Err("a string is not closed".to_owned())
}
