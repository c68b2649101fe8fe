//! The texts of tokens, both ways: by number, and by hash of the text.

use std::ffi::CStr;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::token::{NULL, Token};
use crate::gguf::Strings;

/// Numbered texts that are found by their content. Texts are distinct.
#[derive(Default)]
pub struct Texts {
    all: Strings,
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Texts {
    /// Adds a text under the next number; false if it is already there.
    pub fn push(&mut self, text: &[u8]) -> bool {
        if self.find(text) != NULL {
            return false;
        }
        let number = self.all.len() as u32;
        self.all.push(text);
        let (all, hasher) = (&self.all, &self.hasher);
        let hash = |&i: &u32| hasher.hash_one(all.get(i as usize).unwrap_or_default());
        self.index
            .insert_unique(hasher.hash_one(text), number, hash);
        true
    }

    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// The number of a text, or [`NULL`].
    pub fn find(&self, text: &[u8]) -> Token {
        let same = |&i: &u32| self.all.get(i as usize) == Some(text);
        self.index
            .find(self.hasher.hash_one(text), same)
            .map_or(NULL, |&i| i as Token)
    }

    /// The text of a number; empty if there is none.
    pub fn get(&self, token: Token) -> &[u8] {
        usize::try_from(token)
            .ok()
            .and_then(|i| self.all.get(i))
            .unwrap_or_default()
    }

    pub fn get_c_str(&self, token: Token) -> Option<&CStr> {
        self.all.get_c_str(usize::try_from(token).ok()?)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        self.all.iter()
    }
}
