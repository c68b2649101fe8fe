//! A parsed grammar: rules of alternatives, each a sequence of items.

use crate::bail;
use crate::error::Result;

/// An element of an alternative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The alternative is over.
    End,
    /// A character.
    Char(u32),
    /// A character of the set with this number.
    Set(u32),
    /// A rule.
    Rule(u32),
    /// A whole token.
    Token(u32),
    /// Any whole token but this.
    NotToken(u32),
}

/// Some characters, or all others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CharSet {
    pub(super) negated: bool,
    /// First and last.
    pub(super) ranges: Vec<(u32, u32)>,
}

impl CharSet {
    fn contains(&self, c: u32) -> bool {
        self.ranges.iter().any(|&(a, b)| a <= c && c <= b) != self.negated
    }

    /// Whether it contains a character of `low..=high`.
    fn overlaps(&self, low: u32, high: u32) -> bool {
        if !self.negated {
            return self.ranges.iter().any(|&(a, b)| a <= high && low <= b);
        }
        // excluded are those within the ranges; the first one that is not is the end of the ranges around `low`
        let mut first = low;
        loop {
            let around = self.ranges.iter().filter(|r| r.0 <= first && first <= r.1);
            match around.map(|r| r.1).max() {
                None => return true,
                Some(last) if last >= high => return false,
                Some(last) => first = last + 1,
            }
        }
    }
}

/// The rules of a grammar.
#[derive(Debug)]
pub(super) struct Rules {
    items: Vec<Item>,
    /// Where the alternatives of each rule begin in `items`.
    alternatives: Vec<Vec<u32>>,
    sets: Vec<CharSet>,
    pub(super) root: u32,
}

impl Rules {
    /// `rules` has the alternatives of each rule, without [`Item::End`].
    pub(super) fn new(rules: Vec<Vec<Vec<Item>>>, sets: Vec<CharSet>, root: u32) -> Result<Rules> {
        if let Some(rule) = left_recursive(&rules) {
            bail!("grammar: left recursion in rule {rule}");
        }
        let mut items = Vec::new();
        let mut flatten = |alternative: Vec<Item>| {
            let start = items.len() as u32;
            items.extend(alternative);
            items.push(Item::End);
            start
        };
        let alternatives = rules
            .into_iter()
            .map(|r| r.into_iter().map(&mut flatten).collect())
            .collect();
        Ok(Rules {
            items,
            alternatives,
            sets,
            root,
        })
    }

    pub(super) fn item(&self, at: u32) -> Item {
        self.items[at as usize]
    }

    pub(super) fn alternatives(&self, rule: u32) -> &[u32] {
        &self.alternatives[rule as usize]
    }

    /// Whether this item is a character that `c` is.
    pub(super) fn matches(&self, item: Item, c: u32) -> bool {
        match item {
            Item::Char(d) => c == d,
            Item::Set(set) => self.sets[set as usize].contains(c),
            _ => false,
        }
    }

    /// Whether this item is a character that one of `low..=high` is.
    pub(super) fn matches_any(&self, item: Item, low: u32, high: u32) -> bool {
        match item {
            Item::Char(d) => low <= d && d <= high,
            Item::Set(set) => self.sets[set as usize].overlaps(low, high),
            _ => false,
        }
    }
}

/// Finds a rule that begins with itself, perhaps by way of others and after rules with an empty alternative.
fn left_recursive(rules: &[Vec<Vec<Item>>]) -> Option<usize> {
    let nullable = |rule: u32| rules[rule as usize].iter().any(Vec::is_empty);
    let firsts = |rule: usize| -> Vec<u32> {
        let mut firsts = Vec::new();
        for alternative in &rules[rule] {
            for item in alternative {
                let Item::Rule(r) = *item else { break };
                firsts.push(r);
                if !nullable(r) {
                    break;
                }
            }
        }
        firsts
    };
    #[derive(Clone, PartialEq)]
    enum Mark {
        New,
        Open,
        Done,
    }
    let mut marks = vec![Mark::New; rules.len()];
    for start in 0..rules.len() {
        if marks[start] != Mark::New {
            continue;
        }
        marks[start] = Mark::Open;
        let mut path = vec![(start, firsts(start).into_iter())];
        while let Some((rule, rest)) = path.last_mut() {
            match rest.next() {
                None => {
                    marks[*rule] = Mark::Done;
                    path.pop();
                }
                Some(next) => {
                    let next = next as usize;
                    match marks[next] {
                        Mark::Open => return Some(next),
                        Mark::Done => {}
                        Mark::New => {
                            marks[next] = Mark::Open;
                            path.push((next, firsts(next).into_iter()));
                        }
                    }
                }
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn negated_sets_know_what_remains() {
        let set = CharSet {
            negated: true,
            ranges: vec![(20, 30), (0, 9), (10, 12)],
        };
        assert!(set.contains(13) && !set.contains(9));
        assert!(set.overlaps(5, 13) && !set.overlaps(5, 12) && !set.overlaps(21, 30));
        assert!(set.overlaps(21, 31));
    }
}
