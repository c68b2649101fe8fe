//! Finding special tokens in a text, before anything else happens to it.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::memmem;

use super::token::{Attrs, Token, TokenAttr};
use crate::error::{Error, Result};

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fragment<'a> {
    Text(&'a [u8]),
    Token(Token),
}

/// The special tokens of a vocabulary, by two ways to look for them.
pub struct Specials {
    /// Longest first.
    tokens: Vec<Special>,
    all: AhoCorasick,
    /// Control and unknown tokens left out, and which of `tokens` the others are.
    unparsed: AhoCorasick,
    unparsed_tokens: Vec<usize>,
}

struct Special {
    token: Token,
    text: Box<[u8]>,
    lstrip: bool,
    rstrip: bool,
}

impl Specials {
    /// From texts and attributes of the special tokens.
    pub fn new<'a>(tokens: impl Iterator<Item = (Token, &'a [u8], Attrs)>) -> Result<Specials> {
        let mut tokens: Vec<_> = tokens.collect();
        tokens.sort_by_key(|&(token, text, _)| (std::cmp::Reverse(text.len()), token));
        let unparsed_tokens: Vec<usize> = (0..tokens.len())
            .filter(|&i| {
                !tokens[i]
                    .2
                    .has_any(&[TokenAttr::Control, TokenAttr::Unknown])
            })
            .collect();
        Ok(Specials {
            all: automaton(tokens.iter().map(|t| t.1))?,
            unparsed: automaton(unparsed_tokens.iter().map(|&i| tokens[i].1))?,
            unparsed_tokens,
            tokens: tokens
                .into_iter()
                .map(|(token, text, attrs)| Special {
                    token,
                    text: text.into(),
                    lstrip: attrs.has(TokenAttr::Lstrip),
                    rstrip: attrs.has(TokenAttr::Rstrip),
                })
                .collect(),
        })
    }

    /// Cuts a text at special tokens, or only at user-defined ones. Of tokens that overlap the longest wins, wherever it is.
    pub fn partition<'a>(&self, text: &'a [u8], parse_special: bool) -> Vec<Fragment<'a>> {
        // One pass finds out which tokens occur at all; there are few of them, and they are then searched for one by one.
        let mut present: Vec<usize> = if parse_special {
            occurring(&self.all, text)
        } else {
            let found = occurring(&self.unparsed, text).into_iter();
            found.map(|i| self.unparsed_tokens[i]).collect()
        };
        present.sort_unstable();
        let mut fragments = match text {
            [] => Vec::new(),
            _ => vec![Fragment::Text(text)],
        };
        for special in present.into_iter().map(|i| &self.tokens[i]) {
            let finder = memmem::Finder::new(&special.text);
            let mut cut = Vec::with_capacity(fragments.len() + 2);
            for fragment in fragments {
                match fragment {
                    Fragment::Text(text) => special.cut(&finder, text, &mut cut),
                    Fragment::Token(_) => cut.push(fragment),
                }
            }
            fragments = cut;
        }
        fragments
    }
}

impl Special {
    fn cut<'a>(&self, finder: &memmem::Finder, mut text: &'a [u8], out: &mut Vec<Fragment<'a>>) {
        while let Some(at) = finder.find(text) {
            let (mut left, mut right) = (&text[..at], &text[at + self.text.len()..]);
            if self.lstrip {
                left = trim_end(left);
            }
            if self.rstrip {
                right = trim_start(right);
            }
            if !left.is_empty() {
                out.push(Fragment::Text(left));
            }
            out.push(Fragment::Token(self.token));
            text = right;
        }
        if !text.is_empty() {
            out.push(Fragment::Text(text));
        }
    }
}

/// White space as C's `isspace` has it.
fn is_space(byte: u8) -> bool {
    matches!(byte, b'\t'..=b'\r' | b' ')
}

fn trim_end(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|&b| !is_space(b));
    &text[..end.map_or(0, |i| i + 1)]
}

fn trim_start(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&b| !is_space(b));
    &text[start.unwrap_or(text.len())..]
}

fn automaton<'a>(texts: impl Iterator<Item = &'a [u8]>) -> Result<AhoCorasick> {
    // A DFA would be faster by little, and for long tokens that repeat themselves takes the square of their length to build.
    AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(texts)
        .map_err(|e| Error(format!("cannot index the special tokens: {e}")))
}

/// Which patterns occur in a text.
fn occurring(automaton: &AhoCorasick, text: &[u8]) -> Vec<usize> {
    let mut seen = vec![false; automaton.patterns_len()];
    let mut found = Vec::new();
    if seen.is_empty() {
        return found;
    }
    for m in automaton.find_overlapping_iter(text) {
        let i = m.pattern().as_usize();
        if !std::mem::replace(&mut seen[i], true) {
            found.push(i);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn specials(tokens: &[(&str, Attrs)]) -> Specials {
        let numbered = tokens.iter().zip(0..);
        Specials::new(numbered.map(|(&(text, attrs), i)| (i, text.as_bytes(), attrs))).unwrap()
    }

    fn control() -> Attrs {
        TokenAttr::Control.into()
    }

    #[test]
    fn the_longest_wins_wherever_it_is() {
        let s = specials(&[("abc", control()), ("bcdef", control())]);
        assert_eq!(
            s.partition(b"xabcdefabcabc", true),
            [
                Fragment::Text(b"xa"),
                Fragment::Token(1),
                Fragment::Token(0),
                Fragment::Token(0),
            ]
        );
    }

    #[test]
    fn white_space_goes_where_attributes_say() {
        let s = specials(&[
            ("<l>", control().with(TokenAttr::Lstrip)),
            ("<r>", control().with(TokenAttr::Rstrip)),
        ]);
        assert_eq!(
            s.partition(b"a \n<l> b<r> \t<r> c", true),
            [
                Fragment::Text(b"a"),
                Fragment::Token(0),
                Fragment::Text(b" b"),
                Fragment::Token(1),
                Fragment::Token(1),
                Fragment::Text(b"c"),
            ]
        );
    }

    #[test]
    fn a_long_token_takes_no_longer_than_its_length() {
        let long = "x".repeat(100_000);
        let s = specials(&[(&long, control()), ("<c>", control())]);
        assert_eq!(
            s.partition(b"xx<c>", true),
            [Fragment::Text(b"xx"), Fragment::Token(1)]
        );
    }

    #[test]
    fn user_defined_tokens_are_always_found() {
        let s = specials(&[("<c>", control()), ("<u>", TokenAttr::UserDefined.into())]);
        assert_eq!(
            s.partition(b"<c><u>", false),
            [Fragment::Text(b"<c>"), Fragment::Token(1)]
        );
        assert_eq!(s.partition(b"", true), []);
        assert_eq!(
            specials(&[]).partition(b"text", true),
            [Fragment::Text(b"text")]
        );
    }
}
