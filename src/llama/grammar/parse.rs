//! The reader of GBNF: `name ::= alternatives`, of literals `"..."`, sets `[...]` `[^...]` `.`, tokens `<...>` `!<...>` `<[id]>`,
//! rule names, groups `(...)`, with repetitions `*` `+` `?` `{m}` `{m,}` `{m,n}`, and comments from `#` on.

use std::collections::HashMap;

use super::Words;
use super::rules::{CharSet, Item, Rules};
use super::utf8;
use crate::error::{Error, Result};
use crate::{bail, ensure};

/// The largest number in a repetition.
const MAX_REPETITIONS: usize = 2000;
/// How deep groups may nest.
const MAX_DEPTH: usize = 200;
/// How many items the rules may have once repetitions are written out.
const MAX_ITEMS: usize = 1 << 22;

/// Reads a grammar that begins at the rule `root`.
pub(super) fn parse(text: &[u8], root: &[u8], words: Option<&dyn Words>) -> Result<Rules> {
    let mut parser = Parser {
        text,
        at: 0,
        words,
        names: HashMap::new(),
        rules: Vec::new(),
        sets: Vec::new(),
        n_items: 0,
        depth: 0,
    };
    parser.grammar().map_err(|e| {
        let line = 1 + text[..parser.at.min(text.len())]
            .iter()
            .filter(|&&b| b == b'\n')
            .count();
        Error(format!("grammar: line {line}: {e}"))
    })?;
    parser.finish(root)
}

/// The alternatives of a rule.
type Alternatives = Vec<Vec<Item>>;

struct Parser<'a> {
    text: &'a [u8],
    at: usize,
    words: Option<&'a dyn Words>,
    names: HashMap<&'a [u8], u32>,
    /// `None` for those that have been named but not defined yet.
    rules: Vec<Option<Alternatives>>,
    sets: Vec<CharSet>,
    n_items: usize,
    depth: usize,
}

fn show(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(40)]).into_owned()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-'
}

impl<'a> Parser<'a> {
    /// The byte `ahead` of the next one, 0 after the end.
    fn peek(&self, ahead: usize) -> u8 {
        *self.text.get(self.at + ahead).unwrap_or(&0)
    }

    fn next_is(&mut self, text: &[u8]) -> bool {
        let found = self.text[self.at..].starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    fn expect(&mut self, text: &str) -> Result<()> {
        ensure!(
            self.next_is(text.as_bytes()),
            "expected '{text}' before '{}'",
            show(&self.text[self.at..])
        );
        Ok(())
    }

    fn space(&mut self, newlines: bool) {
        loop {
            match self.peek(0) {
                b' ' | b'\t' => self.at += 1,
                b'\r' | b'\n' if newlines => self.at += 1,
                b'#' => {
                    let rest = &self.text[self.at..];
                    let comment = rest.iter().position(|b| b"\r\n".contains(b));
                    self.at += comment.unwrap_or(rest.len());
                }
                _ => return,
            }
        }
    }

    fn take_while(&mut self, accept: impl Fn(u8) -> bool) -> &'a [u8] {
        let rest = &self.text[self.at..];
        let n = rest.iter().position(|&b| !accept(b)).unwrap_or(rest.len());
        self.at += n;
        &rest[..n]
    }

    fn name(&mut self) -> Result<&'a [u8]> {
        let name = self.take_while(is_word);
        ensure!(
            !name.is_empty(),
            "expected a name before '{}'",
            show(&self.text[self.at..])
        );
        Ok(name)
    }

    fn number(&mut self) -> Result<u32> {
        let digits = self.take_while(|b| b.is_ascii_digit());
        let digits = std::str::from_utf8(digits).unwrap_or_default();
        match digits.parse() {
            Ok(n) => Ok(n),
            Err(_) => bail!("expected a number, got '{digits}'"),
        }
    }

    fn new_rule(&mut self) -> u32 {
        self.rules.push(None);
        (self.rules.len() - 1) as u32
    }

    fn rule_named(&mut self, name: &'a [u8]) -> u32 {
        match self.names.get(name) {
            Some(&rule) => rule,
            None => {
                let rule = self.new_rule();
                self.names.insert(name, rule);
                rule
            }
        }
    }

    fn count(&mut self, items: usize) -> Result<()> {
        self.n_items += items;
        ensure!(self.n_items <= MAX_ITEMS, "the repetitions are too many");
        Ok(())
    }

    fn grammar(&mut self) -> Result<()> {
        self.space(true);
        while self.at < self.text.len() {
            let name = self.name()?;
            let rule = self.rule_named(name);
            self.space(false);
            self.expect("::=")?;
            self.space(true);
            let alternatives = self.alternatives(false)?;
            self.rules[rule as usize] = Some(alternatives);
            ensure!(
                self.at == self.text.len() || b"\r\n".contains(&self.peek(0)),
                "expected the end of the line before '{}'",
                show(&self.text[self.at..])
            );
            self.space(true);
        }
        Ok(())
    }

    fn alternatives(&mut self, nested: bool) -> Result<Alternatives> {
        let mut all = vec![self.sequence(nested)?];
        while self.next_is(b"|") {
            self.space(true);
            all.push(self.sequence(nested)?);
        }
        self.count(all.len())?;
        Ok(all)
    }

    fn sequence(&mut self, nested: bool) -> Result<Vec<Item>> {
        let mut items = Vec::new();
        // where what a repetition repeats begins
        let mut last = 0;
        loop {
            let n = items.len();
            match self.peek(0) {
                b'"' => self.literal(&mut items)?,
                b'[' => self.set(&mut items)?,
                b'.' => {
                    self.at += 1;
                    items.push(self.new_set(CharSet {
                        negated: true,
                        ranges: Vec::new(),
                    }));
                }
                b'<' => items.push(Item::Token(self.token()?)),
                b'!' => {
                    self.at += 1;
                    items.push(Item::NotToken(self.token()?));
                }
                b'(' => {
                    let rule = self.group()?;
                    items.push(Item::Rule(rule));
                }
                byte if is_word(byte) => {
                    let name = self.name()?;
                    items.push(Item::Rule(self.rule_named(name)));
                }
                b'*' | b'+' | b'?' | b'{' => {
                    let (min, max) = self.repetition(nested)?;
                    self.space(nested);
                    ensure!(last < items.len(), "there is nothing to repeat");
                    self.repeat(&mut items, last, min, max)?;
                    continue;
                }
                _ => return Ok(items),
            }
            last = n;
            self.count(items.len() - n)?;
            self.space(nested);
        }
    }

    fn group(&mut self) -> Result<u32> {
        self.at += 1;
        ensure!(
            self.depth < MAX_DEPTH,
            "groups nest deeper than {MAX_DEPTH}"
        );
        self.depth += 1;
        self.space(true);
        let rule = self.new_rule();
        let alternatives = self.alternatives(true)?;
        self.rules[rule as usize] = Some(alternatives);
        self.expect(")")?;
        self.depth -= 1;
        Ok(rule)
    }

    fn literal(&mut self, items: &mut Vec<Item>) -> Result<()> {
        self.at += 1;
        while !self.next_is(b"\"") {
            items.push(Item::Char(self.char()?));
        }
        Ok(())
    }

    fn new_set(&mut self, set: CharSet) -> Item {
        self.sets.push(set);
        Item::Set((self.sets.len() - 1) as u32)
    }

    fn set(&mut self, items: &mut Vec<Item>) -> Result<()> {
        self.at += 1;
        let mut set = CharSet {
            negated: self.next_is(b"^"),
            ranges: Vec::new(),
        };
        while !self.next_is(b"]") {
            let first = self.char()?;
            let mut last = first;
            if self.peek(0) == b'-' && self.peek(1) != b']' {
                self.at += 1;
                last = self.char()?;
            }
            set.ranges.push((first, last));
        }
        // an empty set stands for nothing, as it always has
        if !set.ranges.is_empty() {
            let item = self.new_set(set);
            items.push(item);
        }
        Ok(())
    }

    fn char(&mut self) -> Result<u32> {
        let rest = &self.text[self.at..];
        let (c, len) = match rest {
            [] => bail!("the grammar ends within a literal"),
            [b'\\', escape, ..] => {
                let digits = match escape {
                    b'x' => 2,
                    b'u' => 4,
                    b'U' => 8,
                    _ => 0,
                };
                let c = match escape {
                    b't' => Some(9),
                    b'r' => Some(13),
                    b'n' => Some(10),
                    b'\\' | b'"' | b'[' | b']' => Some(u32::from(*escape)),
                    _ if digits == 0 => None,
                    _ => rest
                        .get(2..2 + digits)
                        .filter(|hex| hex.iter().all(u8::is_ascii_hexdigit))
                        .and_then(|hex| std::str::from_utf8(hex).ok())
                        .and_then(|hex| u32::from_str_radix(hex, 16).ok()),
                };
                (c, 2 + digits)
            }
            _ => match utf8::decode(rest) {
                Some((c, len)) => (Some(c), len),
                None => bail!("the grammar is not UTF-8"),
            },
        };
        let Some(c) = c else {
            bail!("unknown escape '{}'", show(rest));
        };
        self.at += len;
        Ok(c)
    }

    fn token(&mut self) -> Result<u32> {
        let start = self.at;
        self.expect("<")?;
        if self.next_is(b"[") {
            let token = self.number()?;
            self.expect("]>")?;
            return Ok(token);
        }
        self.take_while(|b| b != b'>');
        self.expect(">")?;
        let text = &self.text[start..self.at];
        let Some(words) = self.words else {
            bail!(
                "token '{}' cannot be looked up without a vocabulary",
                show(text)
            );
        };
        match words.token(text).map(u32::try_from) {
            Some(Ok(token)) => Ok(token),
            _ => bail!("'{}' is not exactly one token", show(text)),
        }
    }

    /// At least and at most how many; `None` for no limit.
    fn repetition(&mut self, nested: bool) -> Result<(usize, Option<usize>)> {
        let operator = self.peek(0);
        self.at += 1;
        match operator {
            b'*' => return Ok((0, None)),
            b'+' => return Ok((1, None)),
            b'?' => return Ok((0, Some(1))),
            _ => {}
        }
        let number = |parser: &mut Self| -> Result<usize> {
            let n = parser.number()? as usize;
            parser.space(nested);
            ensure!(
                n <= MAX_REPETITIONS,
                "{n} repetitions are more than {MAX_REPETITIONS}"
            );
            Ok(n)
        };
        self.space(nested);
        let min = number(self)?;
        let mut max = Some(min);
        if self.next_is(b",") {
            self.space(nested);
            max = match self.peek(0) {
                b'0'..=b'9' => Some(number(self)?),
                _ => None,
            };
        }
        self.expect("}")?;
        ensure!(
            max.is_none_or(|max| min <= max),
            "repetitions {{m,n}} with m > n"
        );
        Ok((min, max))
    }

    /// Replaces `items[last..]` by its repetitions: as often as it must be there, then a rule for the others.
    fn repeat(
        &mut self,
        items: &mut Vec<Item>,
        last: usize,
        min: usize,
        max: Option<usize>,
    ) -> Result<()> {
        let once = items.split_off(last);
        let written = min + max.map_or(1, |max| max - min);
        self.count(once.len().saturating_add(2).saturating_mul(written))?;
        (0..min).for_each(|_| items.extend(&once));
        let mut rest = None;
        for _ in 0..max.map_or(1, |max| max - min) {
            let rule = self.new_rule();
            let then = if max.is_none() { Some(rule) } else { rest };
            let some = once.iter().copied().chain(then.map(Item::Rule));
            self.rules[rule as usize] = Some(vec![some.collect(), Vec::new()]);
            rest = Some(rule);
        }
        items.extend(rest.map(Item::Rule));
        Ok(())
    }

    fn finish(self, root: &[u8]) -> Result<Rules> {
        let name_of = |rule: usize| {
            let name = self.names.iter().find(|(_, r)| **r as usize == rule);
            name.map_or(String::new(), |(name, _)| show(name))
        };
        if let Some(rule) = self.rules.iter().position(Option::is_none) {
            bail!("grammar: rule '{}' is not defined", name_of(rule));
        }
        let Some(&root) = self.names.get(root) else {
            bail!("grammar: there is no rule '{}'", show(root));
        };
        let rules = self.rules.into_iter().flatten().collect();
        Rules::new(rules, self.sets, root)
    }
}
