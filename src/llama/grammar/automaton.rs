//! Follows a grammar as a pushdown automaton. A stack is what remains to be matched; stacks share their lower parts and are
//! found by number, so equal ones are one. A state is the set of all stacks that the input so far allows, each with a
//! character or a token on top. States and the steps between them are remembered, which makes the automaton a lazily built
//! deterministic one: masking a vocabulary mostly follows steps that are known.

use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::rules::{Item, Rules};
use super::utf8::{Fed, Partial};
use crate::error::Result;
use crate::llama::params::llama_token;
use crate::{bail, ensure};

/// A stack: an item that is not [`Item::End`], above another stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Stack {
    item: u32,
    below: StackId,
}
type StackId = u32;

/// The stack on which nothing remains to be matched.
const EMPTY: StackId = 0;

/// The number of a state; valid until the next [`Automaton::trim`].
pub(super) type StateId = u32;

/// The state that allows nothing.
const DEAD: StateId = 0;
const UNKNOWN: StateId = StateId::MAX;

/// Stacks that may be looked at in one step, so that hostile grammars end in an error.
const MAX_STEP: usize = 1 << 14;
/// When states and stacks that are not in use are dropped.
const TRIM_STATES: usize = 1 << 13;
const TRIM_STACKS: usize = 1 << 18;
/// How many may come together until they can be dropped.
const MAX_STATES: usize = 1 << 16;
const MAX_STACKS: usize = 1 << 21;

#[derive(Clone, Debug)]
struct State {
    /// Ascending.
    stacks: Box<[StackId]>,
    /// Where ASCII characters lead, once one has been asked for.
    ascii: Option<Box<[StateId; 128]>>,
}

#[derive(Clone, Debug)]
pub(super) struct Automaton {
    rules: Arc<Rules>,
    stacks: Vec<Stack>,
    stack_ids: FxHashMap<Stack, StackId>,
    states: Vec<State>,
    state_ids: FxHashMap<Box<[StackId]>, StateId>,
    /// Where other characters lead.
    steps: FxHashMap<(StateId, u32), StateId>,
}

impl Automaton {
    /// The automaton, and the state that begins with the rules' root.
    pub(super) fn new(rules: Arc<Rules>) -> Result<(Automaton, StateId)> {
        let mut automaton = Automaton::empty(rules);
        let mut stacks = Vec::new();
        for &start in automaton
            .rules
            .alternatives(automaton.rules.root)
            .to_vec()
            .iter()
        {
            stacks.push(automaton.push(start, EMPTY)?);
        }
        let start = automaton.state_of(stacks)?;
        ensure!(start != DEAD, "grammar: nothing matches it");
        Ok((automaton, start))
    }

    fn empty(rules: Arc<Rules>) -> Automaton {
        let bottom = Stack {
            item: u32::MAX,
            below: EMPTY,
        };
        let dead = State {
            stacks: Box::default(),
            ascii: Some(Box::new([DEAD; 128])),
        };
        Automaton {
            rules,
            stacks: vec![bottom],
            stack_ids: FxHashMap::default(),
            states: vec![dead],
            state_ids: FxHashMap::from_iter([(Box::default(), DEAD)]),
            steps: FxHashMap::default(),
        }
    }

    /// The stack with the items from `item` to the end of its alternative above `below`.
    fn push(&mut self, item: u32, below: StackId) -> Result<StackId> {
        if self.rules.item(item) == Item::End {
            return Ok(below);
        }
        let stack = Stack { item, below };
        if let Some(&id) = self.stack_ids.get(&stack) {
            return Ok(id);
        }
        ensure!(
            self.stacks.len() < MAX_STACKS,
            "grammar: too ambiguous or nested too deeply"
        );
        let id = self.stacks.len() as StackId;
        self.stacks.push(stack);
        self.stack_ids.insert(stack, id);
        Ok(id)
    }

    /// The state of these stacks, after rules on top have been replaced by what they begin with.
    fn state_of(&mut self, mut open: Vec<StackId>) -> Result<StateId> {
        let rules = Arc::clone(&self.rules);
        let mut seen: FxHashSet<StackId> = open.iter().copied().collect();
        let mut found = Vec::new();
        while let Some(id) = open.pop() {
            let Stack { item, below } = self.stacks[id as usize];
            let rule = match id {
                EMPTY => None,
                _ => match rules.item(item) {
                    Item::Rule(rule) => Some(rule),
                    _ => None,
                },
            };
            let Some(rule) = rule else {
                found.push(id);
                continue;
            };
            let after = self.push(item + 1, below)?;
            for &start in rules.alternatives(rule) {
                let begun = self.push(start, after)?;
                if seen.insert(begun) {
                    open.push(begun);
                }
            }
            if seen.len() > MAX_STEP {
                bail!("grammar: too ambiguous");
            }
        }
        found.sort_unstable();
        found.dedup();
        self.state(found.into())
    }

    /// The state of these stacks, which are in order and have no rule on top.
    fn state(&mut self, stacks: Box<[StackId]>) -> Result<StateId> {
        if let Some(&id) = self.state_ids.get(&stacks) {
            return Ok(id);
        }
        ensure!(
            self.states.len() < MAX_STATES,
            "grammar: too ambiguous for this vocabulary"
        );
        let id = self.states.len() as StateId;
        self.states.push(State {
            stacks: stacks.clone(),
            ascii: None,
        });
        self.state_ids.insert(stacks, id);
        Ok(id)
    }

    /// Whether the input may end here.
    pub(super) fn is_final(&self, state: StateId) -> bool {
        self.states[state as usize].stacks.first() == Some(&EMPTY)
    }

    /// The state after taking off the top items that `accept`.
    fn take(&mut self, state: StateId, accept: impl Fn(&Rules, Item) -> bool) -> Result<StateId> {
        let mut rest = Vec::new();
        for i in 0..self.states[state as usize].stacks.len() {
            let id = self.states[state as usize].stacks[i];
            let Stack { item, below } = self.stacks[id as usize];
            if id != EMPTY && accept(&self.rules, self.rules.item(item)) {
                rest.push(self.push(item + 1, below)?);
            }
        }
        self.state_of(rest)
    }

    /// Where a character leads.
    fn step(&mut self, state: StateId, c: u32) -> Result<StateId> {
        let ascii = self.states[state as usize].ascii.as_ref();
        let known = match (c, ascii) {
            (0..128, Some(ascii)) => ascii[c as usize],
            (0..128, None) => UNKNOWN,
            _ => *self.steps.get(&(state, c)).unwrap_or(&UNKNOWN),
        };
        if known != UNKNOWN {
            return Ok(known);
        }
        let next = self.take(state, |rules, item| rules.matches(item, c))?;
        if c < 128 {
            let ascii = &mut self.states[state as usize].ascii;
            ascii.get_or_insert_with(|| Box::new([UNKNOWN; 128]))[c as usize] = next;
        } else {
            self.steps.insert((state, c), next);
        }
        Ok(next)
    }

    /// Where the characters of `text` lead, and the character that is incomplete then; `None` if the grammar doesn't allow them.
    fn walk(
        &mut self,
        mut state: StateId,
        mut partial: Partial,
        text: &[u8],
    ) -> Result<Option<(StateId, Partial)>> {
        for &byte in text {
            match partial.feed(byte) {
                Fed::Begun(more) => partial = more,
                Fed::Invalid => return Ok(None),
                Fed::Char(c) => {
                    partial = Partial::default();
                    state = self.step(state, c)?;
                    if state == DEAD {
                        return Ok(None);
                    }
                }
            }
        }
        let possible = !partial.is_pending()
            || partial.range().is_some_and(|(low, high)| {
                let stacks = self.states[state as usize].stacks.iter();
                let mut items = stacks
                    .filter(|id| **id != EMPTY)
                    .map(|id| self.rules.item(self.stacks[*id as usize].item));
                items.any(|item| self.rules.matches_any(item, low, high))
            });
        Ok(possible.then_some((state, partial)))
    }

    /// Where the token leads as a whole.
    fn take_token(&mut self, state: StateId, token: llama_token) -> Result<StateId> {
        let is = |id: u32| u32::try_from(token) == Ok(id);
        self.take(state, |_, item| match item {
            Item::Token(id) => is(id),
            Item::NotToken(id) => !is(id),
            _ => false,
        })
    }

    fn wants_tokens(&self, state: StateId) -> bool {
        let mut stacks = self.states[state as usize].stacks.iter();
        stacks.any(|&id| {
            let item = self.stacks[id as usize].item;
            id != EMPTY && matches!(self.rules.item(item), Item::Token(_) | Item::NotToken(_))
        })
    }

    /// Whether a token with this text may come next.
    pub(super) fn allows(
        &mut self,
        state: StateId,
        partial: Partial,
        token: llama_token,
        text: &[u8],
    ) -> Result<bool> {
        if self.walk(state, partial, text)?.is_some() {
            return Ok(true);
        }
        Ok(!partial.is_pending()
            && self.wants_tokens(state)
            && self.take_token(state, token)? != DEAD)
    }

    /// Where a token with this text leads; `None` if it is not allowed.
    pub(super) fn follow(
        &mut self,
        state: StateId,
        partial: Partial,
        token: llama_token,
        text: &[u8],
    ) -> Result<Option<(StateId, Partial)>> {
        let walked = self.walk(state, partial, text)?;
        if partial.is_pending() || !self.wants_tokens(state) {
            return Ok(walked);
        }
        let taken = self.take_token(state, token)?;
        Ok(match walked {
            None => (taken != DEAD).then_some((taken, Partial::default())),
            // an incomplete character is none of the token's
            Some((_, partial)) if partial.is_pending() => walked,
            Some((state, _)) => {
                let stacks = [state, taken].map(|s| self.states[s as usize].stacks.to_vec());
                Some((self.state_of(stacks.concat())?, Partial::default()))
            }
        })
    }

    /// Forgets what is not needed to go on from `state`, if that is a lot; `state` gets its new number.
    pub(super) fn trim(&mut self, state: &mut StateId) -> Result<()> {
        if self.states.len() < TRIM_STATES && self.stacks.len() < TRIM_STACKS {
            return Ok(());
        }
        let mut trimmed = Automaton::empty(Arc::clone(&self.rules));
        // stacks have higher numbers than those below them
        let mut needed = vec![false; self.stacks.len()];
        for &id in &self.states[*state as usize].stacks {
            needed[id as usize] = true;
        }
        for id in (1..self.stacks.len()).rev() {
            if needed[id] {
                needed[self.stacks[id].below as usize] = true;
            }
        }
        let mut new_ids = vec![EMPTY; self.stacks.len()];
        for id in 1..self.stacks.len() {
            if needed[id] {
                let Stack { item, below } = self.stacks[id];
                new_ids[id] = trimmed.push(item, new_ids[below as usize])?;
            }
        }
        // renumbering keeps the order
        let stacks = self.states[*state as usize].stacks.iter();
        *state = trimmed.state(stacks.map(|&id| new_ids[id as usize]).collect())?;
        *self = trimmed;
        Ok(())
    }
}
