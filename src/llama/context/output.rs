//! What a batch gave: logits or embeddings of the tokens that asked for them, kept until the next batch.

use std::collections::HashMap;

use crate::backend::tensor_get;
use crate::ensure;
use crate::error::{Error, Result};
use crate::graph::Tensor;
use crate::llama::params::{PoolingType, llama_pos, llama_seq_id};

/// Rows of floats, one for each output.
#[derive(Default)]
pub struct Rows {
    data: Vec<f32>,
    width: usize,
    n: usize,
}

impl Rows {
    /// Makes room for `n` rows of `width` values. The memory stays where it is unless it must grow.
    fn reserve(&mut self, n: usize, width: usize) -> Result<()> {
        let need = n
            .checked_mul(width)
            .ok_or_else(|| Error(format!("{n} outputs of {width} values are too many")))?;
        if self.data.len() < need {
            self.data = Vec::new();
            self.data
                .try_reserve_exact(need)
                .map_err(|_| Error(format!("failed to allocate {n} outputs of {width} values")))?;
            self.data.resize(need, 0.0);
        }
        self.width = width;
        self.n = n;
        Ok(())
    }

    /// All rows, one after the other; `None` if this batch gave none.
    pub fn all(&mut self) -> Option<&mut [f32]> {
        let len = self.n * self.width;
        (len > 0).then(|| &mut self.data[..len])
    }

    /// As [`Rows::all`], to read, and empty without rows.
    pub fn values(&self) -> &[f32] {
        &self.data[..self.n * self.width]
    }

    fn row(&mut self, i: usize) -> &mut [f32] {
        &mut self.data[i * self.width..][..self.width]
    }

    /// Copies the rows of a result to the rows from `at` on.
    pub fn store(&mut self, at: usize, n: usize, from: Tensor) -> Result<()> {
        let rows = &mut self.data[at * self.width..][..n * self.width];
        tensor_get(from, bytemuck::cast_slice_mut(rows), 0)
    }
}

/// The pooled embedding of a sequence: of the pieces of a batch so far.
pub struct Pooled {
    pub values: Vec<f32>,
    /// How many tokens of the sequence there were, and the first and the last of their positions.
    pub n_tokens: usize,
    pub first: llama_pos,
    pub last: llama_pos,
}

impl Pooled {
    /// Adds what the next piece gives.
    pub fn extend(&mut self, next: Pooled, pooling: PoolingType) {
        match pooling {
            PoolingType::Mean => {
                let n = (self.n_tokens + next.n_tokens) as f32;
                let (old, new) = (self.n_tokens as f32 / n, next.n_tokens as f32 / n);
                for (x, y) in self.values.iter_mut().zip(next.values) {
                    *x = *x * old + y * new;
                }
            }
            PoolingType::Cls if next.first < self.first => self.values = next.values,
            PoolingType::Last if next.last >= self.last => self.values = next.values,
            _ => {}
        }
        self.n_tokens += next.n_tokens;
        self.first = self.first.min(next.first);
        self.last = self.last.max(next.last);
    }
}

/// The outputs of the last batch.
#[derive(Default)]
pub struct Output {
    /// The row of each token of the batch, or -1.
    ids: Vec<i32>,
    n_outputs: usize,
    pub logits: Rows,
    pub embd: Rows,
    /// Pooled embeddings.
    pub by_sequence: HashMap<llama_seq_id, Pooled>,
}

/// Which tables a batch fills, and how wide they are.
#[derive(Clone, Copy)]
pub struct Widths {
    pub logits: Option<usize>,
    pub embd: Option<usize>,
}

impl Output {
    /// Makes room for the outputs of a batch of which `wanted` says which tokens have one.
    pub fn begin(
        &mut self,
        n_tokens: usize,
        wanted: impl Fn(usize) -> bool,
        widths: Widths,
    ) -> Result<()> {
        self.ids.clear();
        self.n_outputs = 0;
        for i in 0..n_tokens {
            if wanted(i) {
                self.ids.push(self.n_outputs as i32);
                self.n_outputs += 1;
            } else {
                self.ids.push(-1);
            }
        }
        self.by_sequence.clear();
        for (rows, width) in [
            (&mut self.logits, widths.logits),
            (&mut self.embd, widths.embd),
        ] {
            match width {
                Some(width) => rows.reserve(self.n_outputs, width)?,
                None => rows.n = 0,
            }
        }
        Ok(())
    }

    /// The tokens in a range that have an output, counted from its start.
    pub fn tokens_in(&self, range: std::ops::Range<usize>, out: &mut Vec<i32>) {
        out.clear();
        let ids = self.ids[range].iter().enumerate();
        out.extend(ids.filter(|(_, id)| **id >= 0).map(|(i, _)| i as i32));
    }

    /// The token of each output.
    pub fn tokens(&self) -> Vec<i32> {
        let mut tokens = Vec::new();
        self.tokens_in(0..self.ids.len(), &mut tokens);
        tokens
    }

    /// Puts back saved outputs: their tokens, below `n_batch`, and the tables with their widths.
    pub fn restore(
        &mut self,
        tokens: &[i32],
        n_batch: usize,
        (logits, n_vocab): (&[f32], usize),
        (embd, n_embd): (&[f32], usize),
    ) -> Result<()> {
        let is_increasing = tokens.windows(2).all(|t| t[0] < t[1]);
        let in_range = |&t: &i32| usize::try_from(t).is_ok_and(|t| t < n_batch);
        ensure!(
            is_increasing && tokens.iter().all(in_range),
            "the outputs of the state are not those of a batch of up to {n_batch} tokens"
        );
        let n = tokens.len();
        let fits =
            |values: &[f32], width| values.is_empty() || Some(values.len()) == n.checked_mul(width);
        ensure!(
            fits(logits, n_vocab) && fits(embd, n_embd),
            "the outputs of the state are not {n} rows of {n_vocab} logits or {n_embd} values"
        );
        let n_tokens = tokens.last().map_or(0, |&t| t as usize + 1);
        let widths = Widths {
            logits: (!logits.is_empty()).then_some(n_vocab),
            embd: (!embd.is_empty()).then_some(n_embd),
        };
        self.begin(
            n_tokens,
            |i| tokens.binary_search(&(i as i32)).is_ok(),
            widths,
        )?;
        for (rows, values) in [(&mut self.logits, logits), (&mut self.embd, embd)] {
            rows.data[..values.len()].copy_from_slice(values);
        }
        Ok(())
    }

    /// Forgets the outputs of a batch that failed.
    pub fn fail(&mut self) {
        self.ids.clear();
        self.n_outputs = 0;
        self.logits.n = 0;
        self.embd.n = 0;
        self.by_sequence.clear();
    }

    /// The row of token `i`, or for negative `i` of an output counted from the last.
    fn index(&self, i: i32) -> Result<usize> {
        if i < 0 {
            let from_end = i.unsigned_abs() as usize;
            ensure!(
                from_end <= self.n_outputs,
                "output {i} of {} does not exist",
                self.n_outputs
            );
            return Ok(self.n_outputs - from_end);
        }
        match self.ids.get(i as usize) {
            Some(&id) if id >= 0 => Ok(id as usize),
            Some(_) => Err(Error(format!("no output was asked for token {i}"))),
            None => Err(Error(format!(
                "token {i} is not in the last batch of {}",
                self.ids.len()
            ))),
        }
    }

    pub fn logits_of(&mut self, i: i32) -> Result<&mut [f32]> {
        let i = self.index(i)?;
        ensure!(self.logits.n > 0, "the last batch gave no logits");
        Ok(self.logits.row(i))
    }

    pub fn embd_of(&mut self, i: i32) -> Result<&mut [f32]> {
        let i = self.index(i)?;
        ensure!(
            self.embd.n > 0,
            "the last batch gave no embeddings by token"
        );
        Ok(self.embd.row(i))
    }
}
