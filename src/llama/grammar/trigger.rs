//! Regular expressions that start a lazy grammar.

use regex::bytes::{Regex, RegexBuilder};

use crate::error::{Error, Result};

/// Memory that a compiled pattern may take.
const SIZE_LIMIT: usize = 16 << 20;

#[derive(Clone, Debug)]
pub(super) struct Trigger {
    regex: Regex,
    /// The pattern between line anchors, which is tried first.
    whole: Option<Regex>,
}

impl Trigger {
    /// `pattern` is matched against bytes; letters outside ASCII stand for themselves.
    pub(super) fn new(pattern: &str) -> Result<Trigger> {
        let compile = |pattern: &str| {
            let build = |unicode| {
                RegexBuilder::new(pattern)
                    .unicode(unicode)
                    .size_limit(SIZE_LIMIT)
                    .build()
            };
            build(false)
                .or_else(|_| build(true))
                .map_err(|e| Error(format!("grammar: bad trigger pattern: {e}")))
        };
        let anchored = pattern.starts_with('^') && pattern.ends_with('$');
        Ok(Trigger {
            regex: compile(pattern)?,
            whole: anchored
                .then(|| compile(&format!("^(?:{pattern})$")))
                .transpose()?,
        })
    }

    /// Where what the grammar is fed begins: at the first group that is not empty, else at the match.
    pub(super) fn find(&self, text: &[u8]) -> Option<usize> {
        let groups = self
            .whole
            .iter()
            .chain([&self.regex])
            .find_map(|r| r.captures(text))?;
        let group = groups.iter().flatten().skip(1).find(|g| !g.is_empty());
        group.or(groups.get(0)).map(|g| g.start())
    }
}
