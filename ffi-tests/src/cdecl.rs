//! Reads the declarations of a C header: enough of C for the public headers, ours and the reference's.

use std::path::Path;
use std::process::Command;

use crate::stdout;

/// What a header declares itself, without what it includes.
#[derive(Default)]
pub struct Declarations {
    /// Name and text of each prototype.
    pub functions: Vec<(String, String)>,
    pub enumerators: Vec<String>,
    /// How C names the type (`struct x`, or a typedef's name), and its fields (`f`, or `f.g` inside a nested struct).
    pub structs: Vec<(String, Vec<String>)>,
    pub typedefs: Vec<String>,
    /// Object-like macros and what they stand for, white space normalized.
    pub constants: Vec<(String, String)>,
    /// Function-like macros.
    pub macros: Vec<String>,
}

/// Reads `header` of the folder `include`.
pub fn read(include: &Path, header: &str) -> Declarations {
    let mut out = Declarations::default();
    for text in split(&own_text(include, header), ';') {
        declaration(text.trim(), &mut out);
    }
    let path = include.join(header);
    let source =
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let named: Vec<&str> = source
        .lines()
        .filter_map(|line| {
            line.trim_start()
                .strip_prefix('#')?
                .trim_start()
                .strip_prefix("define ")
        })
        .map(|rest| leading_name(rest.trim_start()))
        .collect();
    let all = stdout(gcc(include).args(["-E", "-dM"]).arg(&path));
    for line in all.lines().filter_map(|l| l.strip_prefix("#define ")) {
        let name = leading_name(line);
        if named.contains(&name) {
            match line[name.len()..].strip_prefix('(') {
                Some(_) => out.macros.push(name.to_string()),
                None => {
                    let words: Vec<&str> = line[name.len()..].split_whitespace().collect();
                    out.constants.push((name.to_string(), words.join(" ")));
                }
            }
        }
    }
    out
}

fn gcc(include: &Path) -> Command {
    let mut gcc = Command::new("gcc");
    gcc.args(["-x", "c", "-std=c11", "-I"]).arg(include);
    gcc
}

/// The preprocessed lines that come from the header itself.
fn own_text(include: &Path, header: &str) -> String {
    let mut own = false;
    let mut out = String::new();
    for line in stdout(gcc(include).arg("-E").arg(include.join(header))).lines() {
        match line.strip_prefix("# ") {
            Some(marker) => own = marker.contains(&format!("/{header}\"")),
            None if own => {
                out.push_str(line);
                out.push('\n');
            }
            None => {}
        }
    }
    out
}

/// Splits at separators that are outside of brackets.
fn split(text: &str, separator: char) -> Vec<&str> {
    let (mut depth, mut start, mut out) = (0, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '(' | '{' | '[' => depth += 1,
            ')' | '}' | ']' => depth -= 1,
            c if c == separator && depth == 0 => {
                out.push(&text[start..i]);
                start = i + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out.retain(|part| !part.trim().is_empty());
    out
}

fn declaration(text: &str, out: &mut Declarations) {
    let typedef = text.starts_with("typedef");
    let bare = text.trim_start_matches("typedef").trim_start();
    if let (Some(open), Some(close)) = (text.find('{'), text.rfind('}')) {
        let (body, after) = (&text[open + 1..close], text[close + 1..].trim());
        let head: Vec<&str> = bare[..bare.find('{').unwrap_or(0)]
            .split_whitespace()
            .collect();
        match head.first().copied() {
            Some("enum") => out.enumerators.extend(
                split(body, ',')
                    .iter()
                    .map(|part| leading_name(part.trim()).to_string()),
            ),
            Some("struct") => {
                let name = match head.get(1) {
                    Some(tag) => format!("struct {tag}"),
                    None => after.to_string(),
                };
                let mut fields = Vec::new();
                add_fields(body, "", &mut fields);
                out.structs.push((name, fields));
            }
            _ => panic!("cannot read {text:?}"),
        }
        if typedef {
            out.typedefs.push(after.to_string());
        }
    } else if typedef {
        out.typedefs.push(declared_name(bare));
    } else if !text.starts_with("static") && text.contains('(') {
        let plain = strip_attributes(text);
        let name = plain[..plain.find('(').unwrap_or(0)].trim_end();
        let name = name
            .rsplit(|c: char| !is_word(c))
            .next()
            .unwrap_or_default();
        out.functions.push((name.to_string(), plain.clone()));
    }
}

fn add_fields(body: &str, prefix: &str, out: &mut Vec<String>) {
    for field in split(body, ';') {
        let field = field.trim();
        if let (Some(open), Some(close)) = (field.find('{'), field.rfind('}')) {
            // A nested struct or union; without a name its fields count as the outer struct's.
            let prefix = match field[close + 1..].trim() {
                "" => prefix.to_string(),
                name => {
                    out.push(format!("{prefix}{name}"));
                    format!("{prefix}{name}.")
                }
            };
            add_fields(&field[open + 1..close], &prefix, out);
        } else {
            for part in split(field, ',') {
                out.push(format!("{prefix}{}", declared_name(part)));
            }
        }
    }
}

/// The name that a declarator declares: `x` of `int x[4]` and of `void (*x)(int)`.
fn declared_name(text: &str) -> String {
    let text = match text.find("(*") {
        Some(at) => &text[..at + text[at..].find(')').unwrap_or(0)],
        None => text.split('[').next().unwrap_or_default(),
    };
    let name = text.trim_end().rsplit(|c: char| !is_word(c)).next();
    name.unwrap_or_default().to_string()
}

/// Without `__attribute__((...))`.
fn strip_attributes(text: &str) -> String {
    let mut text = text.to_string();
    while let Some(start) = text.find("__attribute__") {
        let mut depth = 0;
        let end = text[start..]
            .char_indices()
            .find(|(_, c)| {
                depth += i32::from(*c == '(') - i32::from(*c == ')');
                *c == ')' && depth == 0
            })
            .map_or(text.len(), |(i, _)| start + i + 1);
        text.replace_range(start..end, "");
    }
    text
}

fn leading_name(text: &str) -> &str {
    text.split(|c: char| !is_word(c)).next().unwrap_or_default()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
