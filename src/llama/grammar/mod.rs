//! Grammars in GBNF that constrain which tokens may come next: [`parse`](parse::parse) reads the text, [`rules`] holds it,
//! [`automaton`] follows it character by character, and [`Grammar`] is what a sampler holds: it masks candidates and accepts
//! tokens, at once or once a trigger has been seen. The vocabulary's tokens come in through [`Words`].

mod automaton;
mod parse;
mod rules;
mod trigger;
mod utf8;

use std::ops::Range;
use std::sync::{Arc, Mutex};

use super::params::llama_token;
use super::sampling::Candidates;
use super::vocab::Vocab;
use crate::bail;
use crate::error::Result;
use automaton::{Automaton, StateId};
use rules::Rules;
use trigger::Trigger;
use utf8::Partial;

/// What a grammar needs to know of a vocabulary.
pub trait Words {
    /// The text of a token, special ones spelled out. It may begin or end within a character. Empty if there is no such token.
    fn piece(&self, token: llama_token) -> &[u8];
    /// Whether the token ends the generation.
    fn is_eog(&self, token: llama_token) -> bool;
    /// The token that this text, spelled with its angle brackets, is; `None` if it is not exactly one.
    fn token(&self, text: &[u8]) -> Option<llama_token>;
}

impl Words for Vocab {
    fn piece(&self, token: llama_token) -> &[u8] {
        match self.contains(token) {
            true => self.token_to_piece(token, 0, true),
            false => &[],
        }
    }

    fn is_eog(&self, token: llama_token) -> bool {
        Vocab::is_eog(self, token)
    }

    fn token(&self, text: &[u8]) -> Option<llama_token> {
        match self.tokenize(text, false, true)[..] {
            [token] => Some(token),
            _ => None,
        }
    }
}

/// What makes a lazy grammar begin.
#[derive(Clone, Debug, Default)]
pub struct Triggers {
    pub tokens: Vec<llama_token>,
    /// Regular expressions over the text so far. The grammar is fed from the first group that matched something on.
    pub patterns: Vec<String>,
}

/// A grammar and how far it has been followed.
#[derive(Debug)]
pub struct Grammar {
    rules: Arc<Rules>,
    /// Grows while masks are computed, which callers do on shared grammars.
    automaton: Mutex<Automaton>,
    state: StateId,
    /// A character that has begun.
    partial: Partial,
    /// Waiting for a trigger.
    awaiting: Option<Awaiting>,
    trigger_tokens: Vec<llama_token>,
    triggers: Vec<Trigger>,
}

/// What a lazy grammar has been given while it waits.
#[derive(Clone, Debug, Default)]
struct Awaiting {
    text: Vec<u8>,
    tokens: Vec<(llama_token, Range<usize>)>,
}

impl Grammar {
    /// Parses `text` and begins at the rule `root`; at once, or when one of the triggers has been seen if `lazy`.
    pub fn new(
        text: &[u8],
        root: &[u8],
        words: Option<&dyn Words>,
        lazy: bool,
        triggers: Triggers,
    ) -> Result<Grammar> {
        let rules = Arc::new(parse::parse(text, root, words)?);
        let (automaton, state) = Automaton::new(Arc::clone(&rules))?;
        let patterns = triggers.patterns.iter().map(|p| Trigger::new(p));
        Ok(Grammar {
            rules,
            automaton: Mutex::new(automaton),
            state,
            partial: Partial::default(),
            awaiting: lazy.then(Awaiting::default),
            trigger_tokens: triggers.tokens,
            triggers: patterns.collect::<Result<_>>()?,
        })
    }

    fn automaton(&self) -> std::sync::MutexGuard<'_, Automaton> {
        self.automaton.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Whether the grammar still waits for a trigger.
    pub fn is_awaiting(&self) -> bool {
        self.awaiting.is_some()
    }

    /// Makes candidates impossible that the grammar doesn't allow next.
    pub fn apply(&self, words: &dyn Words, candidates: &mut Candidates) -> Result<()> {
        if self.is_awaiting() {
            return Ok(());
        }
        let mut automaton = self.automaton();
        let may_end = automaton.is_final(self.state);
        for c in candidates.data.iter_mut() {
            if c.logit == f32::NEG_INFINITY {
                continue;
            }
            let allowed = if words.is_eog(c.id) {
                may_end
            } else {
                match words.piece(c.id) {
                    [] | [0, ..] => false,
                    piece => automaton.allows(self.state, self.partial, c.id, piece)?,
                }
            };
            if !allowed {
                c.logit = f32::NEG_INFINITY;
            }
        }
        Ok(())
    }

    /// Follows the grammar over a token that was chosen. If the grammar doesn't allow it, that is an error and the grammar stays
    /// where it was.
    pub fn accept(&mut self, words: &dyn Words, token: llama_token) -> Result<()> {
        let piece = words.piece(token);
        let Some(awaiting) = &mut self.awaiting else {
            if !words.is_eog(token) {
                return self.follow(token, piece);
            }
            if !self.automaton().is_final(self.state) {
                bail!("grammar: token {token} ends the generation where the grammar doesn't");
            }
            return Ok(());
        };
        if self.trigger_tokens.contains(&token) {
            self.awaiting = None;
            return self.follow(token, piece);
        }
        let start = awaiting.text.len();
        awaiting.text.extend_from_slice(piece);
        awaiting.tokens.push((token, start..awaiting.text.len()));
        let text = &awaiting.text;
        let Some(start) = self.triggers.iter().find_map(|t| t.find(text)) else {
            return Ok(());
        };
        let Awaiting { text, tokens } = self.awaiting.take().unwrap_or_default();
        for (token, range) in tokens {
            if range.end > start {
                self.follow(token, &text[range.start.max(start)..range.end])?;
            }
        }
        Ok(())
    }

    fn follow(&mut self, token: llama_token, piece: &[u8]) -> Result<()> {
        let automaton = self.automaton.get_mut().unwrap_or_else(|e| e.into_inner());
        automaton.trim(&mut self.state)?;
        match automaton.follow(self.state, self.partial, token, piece)? {
            Some((state, partial)) => (self.state, self.partial) = (state, partial),
            None => bail!(
                "grammar: token {token} ({:?}) is not allowed here",
                String::from_utf8_lossy(piece)
            ),
        }
        Ok(())
    }
}

impl Clone for Grammar {
    fn clone(&self) -> Grammar {
        Grammar {
            rules: Arc::clone(&self.rules),
            automaton: Mutex::new(self.automaton().clone()),
            state: self.state,
            partial: self.partial,
            awaiting: self.awaiting.clone(),
            trigger_tokens: self.trigger_tokens.clone(),
            triggers: self.triggers.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
