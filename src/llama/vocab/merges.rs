//! Merging neighbours in a sequence of symbols, best pair first: what SPM and BPE have in common.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

/// A symbol: a stretch of the text, linked with its neighbours that are left.
#[derive(Clone, Copy, Debug)]
pub struct Symbol<S> {
    /// What the tokenizer knows it by.
    pub id: S,
    pub start: usize,
    pub end: usize,
    previous: u32,
    next: u32,
}

const END: u32 = u32::MAX;

/// A possible merge. Ordered so that the heap gives the best first: by key, then from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate<S> {
    key: i64,
    left: u32,
    right: u32,
    /// Where the pair ends, and where it began: what is left of an outdated pair does not match these.
    end: usize,
    merged: S,
}

/// Merges symbols until no pair can be merged. Kept between texts to reuse its memory.
pub struct Merger<S> {
    symbols: Vec<Symbol<S>>,
    queue: BinaryHeap<Reverse<Candidate<S>>>,
}

impl<S: Copy + Ord> Merger<S> {
    pub fn new() -> Merger<S> {
        Merger {
            symbols: Vec::new(),
            queue: BinaryHeap::new(),
        }
    }

    pub fn clear(&mut self) {
        self.symbols.clear();
        self.queue.clear();
    }

    /// Appends a symbol behind the last one.
    pub fn push(&mut self, id: S, range: Range<usize>) {
        let at = self.symbols.len() as u32;
        if let Some(last) = self.symbols.last_mut() {
            last.next = at;
        }
        self.symbols.push(Symbol {
            id,
            start: range.start,
            end: range.end,
            previous: at.wrapping_sub(1),
            next: END,
        });
    }

    /// Merges. `pair` says what two neighbours become and how good that is: the smallest key is merged first. Linear in
    /// the symbols but for the heap.
    pub fn merge(&mut self, pair: impl Fn(&Symbol<S>, &Symbol<S>) -> Option<(i64, S)>) {
        for right in 1..self.symbols.len() as u32 {
            self.try_pair(right - 1, right, &pair);
        }
        while let Some(Reverse(best)) = self.queue.pop() {
            let left = self.symbols[best.left as usize];
            // An emptied symbol ends where it starts. A symbol only ever grows, so that the pair is as it was when it still
            // ends in the same place and its right half is alive.
            let right = self.symbols[best.right as usize];
            if left.start == left.end
                || right.start == right.end
                || right.end != best.end
                || left.next != best.right
            {
                continue;
            }
            let merged = &mut self.symbols[best.left as usize];
            merged.id = best.merged;
            merged.end = right.end;
            merged.next = right.next;
            self.symbols[best.right as usize].end = right.start;
            if right.next != END {
                self.symbols[right.next as usize].previous = best.left;
            }
            if left.previous != END {
                self.try_pair(left.previous, best.left, &pair);
            }
            if right.next != END {
                self.try_pair(best.left, right.next, &pair);
            }
        }
    }

    fn try_pair(
        &mut self,
        left: u32,
        right: u32,
        pair: &impl Fn(&Symbol<S>, &Symbol<S>) -> Option<(i64, S)>,
    ) {
        let (l, r) = (&self.symbols[left as usize], &self.symbols[right as usize]);
        if let Some((key, merged)) = pair(l, r) {
            self.queue.push(Reverse(Candidate {
                key,
                left,
                right,
                end: r.end,
                merged,
            }));
        }
    }

    /// The symbols that are left.
    pub fn symbols(&self) -> impl Iterator<Item = &Symbol<S>> {
        self.symbols.iter().filter(|s| s.start < s.end)
    }
}
