//! Parses the pieces of a Go template into a tree (the grammar of `text/template`, without `template`, `block` and
//! `define`). Evaluates nothing.

use std::vec::IntoIter;

use super::lexer::{Piece, Token};

/// One node of a template.
#[derive(Debug, PartialEq)]
pub(super) enum Node {
    Text(String),
    Output(Pipeline),
    /// `$name := pipeline`
    Assign(String, Pipeline),
    /// The branches in order, then what stands after the last `else`.
    If(Vec<(Pipeline, Vec<Node>)>, Vec<Node>),
    With(Pipeline, Vec<Node>, Vec<Node>),
    Range(Range),
}

/// `range $key, $value := over`
#[derive(Debug, PartialEq)]
pub(super) struct Range {
    pub(super) key: Option<String>,
    pub(super) value: Option<String>,
    pub(super) over: Pipeline,
    pub(super) body: Vec<Node>,
    pub(super) otherwise: Vec<Node>,
}

/// Commands joined by `|`; each one's value becomes the last argument of the next.
#[derive(Debug, PartialEq)]
pub(super) struct Pipeline(pub(super) Vec<Vec<Operand>>);

/// A function's name or an argument.
#[derive(Debug, PartialEq)]
pub(super) enum Operand {
    Field(Vec<String>),
    Variable(String, Vec<String>),
    Function(String),
    Text(String),
    Number(i64),
    Bool(bool),
    Nil,
    Group(Pipeline, Vec<String>),
}

/// How a list of nodes ended.
enum End {
    Template,
    Closed,
    Else(Vec<Token>),
}

/// Parses a whole template.
pub(super) fn parse(pieces: Vec<Piece>) -> Result<Vec<Node>, String> {
    let mut pieces = pieces.into_iter();
    match list(&mut pieces)? {
        (nodes, End::Template) => Ok(nodes),
        _ => Err("an `end` or `else` without `if`, `range` or `with`".to_owned()),
    }
}

fn list(pieces: &mut IntoIter<Piece>) -> Result<(Vec<Node>, End), String> {
    let mut nodes = Vec::new();
    while let Some(piece) = pieces.next() {
        let tokens = match piece {
            Piece::Text(text) => {
                nodes.push(Node::Text(text));
                continue;
            }
            Piece::Action(tokens) => tokens,
        };
        let keyword = match tokens.first() {
            Some(Token::Word(word)) => word.clone(),
            _ => String::new(),
        };
        match keyword.as_str() {
            "end" => return Ok((nodes, End::Closed)),
            "else" => return Ok((nodes, End::Else(tokens[1..].to_vec()))),
            "if" => nodes.push(conditional(&tokens[1..], pieces)?),
            "with" => {
                let (body, otherwise) = body(pieces, "with")?;
                nodes.push(Node::With(pipeline(&tokens[1..])?, body, otherwise));
            }
            "range" => nodes.push(range(&tokens[1..], pieces)?),
            "define" | "template" | "block" | "break" | "continue" => {
                return Err(format!("`{keyword}` is not supported in templates"));
            }
            _ => nodes.push(simple(&tokens)?),
        }
    }
    Ok((nodes, End::Template))
}

fn simple(tokens: &[Token]) -> Result<Node, String> {
    match tokens {
        [] => Err("an action is empty".to_owned()),
        [Token::Variable(name), Token::Assign, rest @ ..] => Ok(Node::Assign(name.clone(), pipeline(rest)?)),
        _ => Ok(Node::Output(pipeline(tokens)?)),
    }
}

fn conditional(condition: &[Token], pieces: &mut IntoIter<Piece>) -> Result<Node, String> {
    let mut branches = Vec::new();
    let mut condition = condition.to_vec();
    loop {
        let (nodes, end) = list(pieces)?;
        branches.push((pipeline(&condition)?, nodes));
        match end {
            End::Closed => return Ok(Node::If(branches, Vec::new())),
            End::Template => return Err("`if` without `end`".to_owned()),
            End::Else(rest) => match rest.split_first() {
                Some((Token::Word(word), rest)) if word == "if" => condition = rest.to_vec(),
                None => return Ok(Node::If(branches, otherwise(pieces, "if")?)),
                Some(_) => return Err("only `if` may follow `else`".to_owned()),
            },
        }
    }
}

fn range(head: &[Token], pieces: &mut IntoIter<Piece>) -> Result<Node, String> {
    let (key, value, over) = match head {
        [Token::Variable(key), Token::Comma, Token::Variable(value), Token::Assign, rest @ ..] => {
            (Some(key.clone()), Some(value.clone()), rest)
        }
        [Token::Variable(value), Token::Assign, rest @ ..] => (None, Some(value.clone()), rest),
        rest => (None, None, rest),
    };
    let over = pipeline(over)?;
    let (body, otherwise) = body(pieces, "range")?;
    Ok(Node::Range(Range { key, value, over, body, otherwise }))
}

/// The nodes up to `end`, and those after an `else`.
fn body(pieces: &mut IntoIter<Piece>, keyword: &str) -> Result<(Vec<Node>, Vec<Node>), String> {
    match list(pieces)? {
        (nodes, End::Closed) => Ok((nodes, Vec::new())),
        (nodes, End::Else(rest)) if rest.is_empty() => Ok((nodes, otherwise(pieces, keyword)?)),
        (_, End::Else(_)) => Err(format!("nothing may follow the `else` of `{keyword}`")),
        (_, End::Template) => Err(format!("`{keyword}` without `end`")),
    }
}

fn otherwise(pieces: &mut IntoIter<Piece>, keyword: &str) -> Result<Vec<Node>, String> {
    match list(pieces)? {
        (nodes, End::Closed) => Ok(nodes),
        _ => Err(format!("the `else` of `{keyword}` without `end`")),
    }
}

/// Parses tokens that may hold no unbalanced bracket.
fn pipeline(tokens: &[Token]) -> Result<Pipeline, String> {
    let mut rest = tokens.iter().peekable();
    let mut commands = vec![Vec::new()];
    while let Some(token) = rest.next() {
        if *token == Token::Pipe {
            commands.push(Vec::new());
            continue;
        }
        let mut chain = || match rest.peek() {
            Some(Token::Chain(names)) => {
                rest.next();
                names.clone()
            }
            _ => Vec::new(),
        };
        let operand = match token {
            Token::Field(names) => Operand::Field(names.clone()),
            Token::Variable(name) => Operand::Variable(name.clone(), chain()),
            Token::Word(word) => word_operand(word),
            Token::Text(text) => Operand::Text(text.clone()),
            Token::Number(number) => Operand::Number(*number),
            Token::Open => group(&mut rest)?,
            other => return Err(format!("unexpected {other:?} in an action")),
        };
        if let Some(command) = commands.last_mut() {
            command.push(operand);
        }
    }
    if commands.iter().any(Vec::is_empty) {
        return Err("a command is missing in an action".to_owned());
    }
    Ok(Pipeline(commands))
}

fn word_operand(word: &str) -> Operand {
    match word {
        "true" => Operand::Bool(true),
        "false" => Operand::Bool(false),
        "nil" => Operand::Nil,
        _ => Operand::Function(word.to_owned()),
    }
}

/// What stands up to the matching `)`, and a chain of fields after it.
fn group(rest: &mut std::iter::Peekable<std::slice::Iter<'_, Token>>) -> Result<Operand, String> {
    let mut depth = 1;
    let mut inner = Vec::new();
    for token in rest.by_ref() {
        match token {
            Token::Open => depth += 1,
            Token::Close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            break;
        }
        inner.push(token.clone());
    }
    if depth > 0 {
        return Err("`(` without `)`".to_owned());
    }
    let inner = pipeline(&inner)?;
    let chain = match rest.peek() {
        Some(Token::Chain(names)) => names.clone(),
        _ => Vec::new(),
    };
    if !chain.is_empty() {
        rest.next();
    }
    Ok(Operand::Group(inner, chain))
}
