//! The input of a decode call: checked tokens, and the pieces that are computed at once.

use std::ops::Range;

use crate::error::Result;
use crate::llama::params::{llama_pos, llama_seq_id, llama_token};
use crate::{bail, ensure};

/// What the model reads.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    Tokens(&'a [llama_token]),
    /// `n_embd` values per token.
    Embd(&'a [f32]),
}

/// The positions of the tokens.
#[derive(Clone, Copy, Debug)]
pub enum Positions<'a> {
    Each(&'a [llama_pos]),
    /// From the first number on in steps of the second.
    Steps(llama_pos, llama_pos),
}

/// The sequences that the tokens belong to.
#[derive(Clone, Debug)]
pub enum Sequences<'a> {
    Each(Vec<&'a [llama_seq_id]>),
    All([llama_seq_id; 1]),
}

/// `n_tokens` tokens for the model. What is in it agrees in number; [`Batch::check`] says whether it makes sense.
#[derive(Clone, Debug)]
pub struct Batch<'a> {
    pub n_tokens: usize,
    pub input: Input<'a>,
    pub positions: Positions<'a>,
    pub sequences: Sequences<'a>,
    /// Not zero where an output is wanted; `None` leaves it to the context.
    pub wanted: Option<&'a [i8]>,
}

impl<'a> Batch<'a> {
    /// The position of a token. Steps that leave the range of positions give -1, which `check` refuses.
    pub fn pos(&self, i: usize) -> llama_pos {
        match self.positions {
            Positions::Each(all) => all[i],
            Positions::Steps(first, step) => i32::try_from(i)
                .ok()
                .and_then(|i| i.checked_mul(step)?.checked_add(first))
                .unwrap_or(-1),
        }
    }

    /// The sequences of a token; the first counts where only one can.
    pub fn seqs(&self, i: usize) -> &[llama_seq_id] {
        match &self.sequences {
            Sequences::Each(all) => all[i],
            Sequences::All(one) => one,
        }
    }

    pub fn is_embd(&self) -> bool {
        matches!(self.input, Input::Embd(_))
    }

    /// Says what is wrong with the batch, for a vocabulary of `n_vocab` tokens.
    pub fn check(&self, n_vocab: u32) -> Result<()> {
        ensure!(self.n_tokens > 0, "the batch has no tokens");
        if let Input::Tokens(tokens) = self.input {
            let bad = tokens
                .iter()
                .position(|&t| u32::try_from(t).map_or(true, |t| t >= n_vocab));
            if let Some(i) = bad {
                bail!(
                    "token {i} of the batch is {}, but the vocabulary has {n_vocab} tokens",
                    tokens[i]
                );
            }
        }
        for i in 0..self.n_tokens {
            let pos = self.pos(i);
            // The largest number stands for the end of all positions.
            ensure!(
                (0..llama_pos::MAX).contains(&pos),
                "token {i} of the batch is at position {pos}"
            );
            let seqs = self.seqs(i);
            ensure!(
                !seqs.is_empty() && seqs.iter().all(|&s| s >= 0),
                "token {i} of the batch belongs to sequences {seqs:?}"
            );
        }
        Ok(())
    }
}

/// A piece of a batch that is computed at once.
pub struct Ubatch<'b, 'a> {
    pub batch: &'b Batch<'a>,
    pub range: Range<usize>,
}

impl Ubatch<'_, '_> {
    pub fn n_tokens(&self) -> usize {
        self.range.len()
    }

    pub fn pos(&self, i: usize) -> llama_pos {
        self.batch.pos(self.range.start + i)
    }

    pub fn seqs(&self, i: usize) -> &[llama_seq_id] {
        self.batch.seqs(self.range.start + i)
    }

    /// The input's share of this piece.
    pub fn input(&self) -> Input<'_> {
        match self.batch.input {
            Input::Tokens(all) => Input::Tokens(&all[self.range.clone()]),
            Input::Embd(all) => {
                let n_embd = all.len() / self.batch.n_tokens;
                Input::Embd(&all[self.range.start * n_embd..self.range.end * n_embd])
            }
        }
    }
}
