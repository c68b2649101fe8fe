//! Filling the input tensors of a graph for one piece of a batch.

use std::collections::HashMap;

use super::batch::{Input, Ubatch};
use super::cells::Cells;
use crate::backend::tensor_set;
use crate::error::Result;
use crate::graph::Tensor;
use crate::llama::cparams::Cparams;
use crate::llama::model::build::Inputs;
use crate::llama::params::{PoolingType, llama_pos, llama_seq_id};
use crate::quant::Type;

/// Memory that is kept from batch to batch.
#[derive(Default)]
pub struct Scratch {
    ints: Vec<i32>,
    floats: Vec<f32>,
    halves: Vec<u16>,
    /// For one sequence: the position in each cell, or `i32::MAX` where the sequence is not.
    seen: Vec<llama_pos>,
}

/// An element of the mask.
trait MaskValue: bytemuck::Pod {
    const VISIBLE: Self;
    const HIDDEN: Self;
}

impl MaskValue for f32 {
    const VISIBLE: f32 = 0.0;
    const HIDDEN: f32 = f32::NEG_INFINITY;
}

/// The bits of a half.
impl MaskValue for u16 {
    const VISIBLE: u16 = 0;
    const HIDDEN: u16 = 0xFC00;
}

impl Scratch {
    /// Fills all inputs of a graph. `out_ids` are the tokens of the piece that have an output; `n_kv` cells are visible.
    pub fn fill(
        &mut self,
        inputs: &Inputs,
        ubatch: &Ubatch,
        out_ids: &[i32],
        cells: &Cells,
        n_kv: usize,
        cp: &Cparams,
    ) -> Result<()> {
        match (ubatch.input(), inputs.tokens, inputs.embd) {
            (Input::Tokens(tokens), Some(t), _) => set(t, tokens)?,
            (Input::Embd(embd), _, Some(t)) => set(t, embd)?,
            _ => {}
        }
        if let Some(t) = inputs.pos {
            self.ints.clear();
            self.ints
                .extend((0..ubatch.n_tokens()).map(|i| ubatch.pos(i)));
            set(t, &self.ints)?;
        }
        if let Some(t) = inputs.out_ids {
            set(t, out_ids)?;
        }
        if let Some(t) = inputs.kq_mask {
            let Scratch {
                floats,
                halves,
                seen,
                ..
            } = self;
            if t.ty() == Type::F16 {
                mask(halves, seen, ubatch, cells, n_kv, cp.causal_attn);
                set(t, halves)?;
            } else {
                mask(floats, seen, ubatch, cells, n_kv, cp.causal_attn);
                set(t, floats)?;
            }
        }
        if let Some(t) = inputs.mean {
            self.mean(ubatch);
            set(t, &self.floats)?;
        }
        if let Some(t) = inputs.cls {
            self.representatives(ubatch, cp.pooling);
            set(t, &self.ints)?;
        }
        Ok(())
    }

    /// A row for each sequence (see [`pooled_sequences`]) with the weights of its tokens.
    fn mean(&mut self, ubatch: &Ubatch) {
        let n = ubatch.n_tokens();
        self.floats.clear();
        self.floats.resize(n * n, 0.0);
        for (row, (_, tokens)) in pooled_sequences(ubatch).into_iter().enumerate() {
            let weight = 1.0 / tokens.len() as f32;
            for i in tokens {
                self.floats[row * n + i] = weight;
            }
        }
    }

    /// The token that stands for each sequence: the one at position 0, or the last.
    fn representatives(&mut self, ubatch: &Ubatch, pooling: PoolingType) {
        self.ints.clear();
        self.ints.resize(ubatch.n_tokens(), 0);
        for (row, (_, tokens)) in pooled_sequences(ubatch).into_iter().enumerate() {
            let tokens = tokens.into_iter();
            let token = if pooling == PoolingType::Cls {
                tokens.min_by_key(|&i| ubatch.pos(i))
            } else {
                tokens.max_by_key(|&i| ubatch.pos(i))
            };
            self.ints[row] = token.unwrap_or(0) as i32;
        }
    }
}

/// The sequences of a piece in the order in which they occur, with their tokens; their pooled embeddings are in the rows of that order.
pub fn pooled_sequences(ubatch: &Ubatch) -> Vec<(llama_seq_id, Vec<usize>)> {
    let mut rows = HashMap::new();
    let mut sequences: Vec<(llama_seq_id, Vec<usize>)> = Vec::new();
    for i in 0..ubatch.n_tokens() {
        let id = ubatch.seqs(i)[0];
        let row = *rows.entry(id).or_insert(sequences.len());
        if row == sequences.len() {
            sequences.push((id, Vec::new()));
        }
        sequences[row].1.push(i);
    }
    sequences
}

/// Fills a row of `n_kv` values for each token: a token sees the cells of its sequence, those of later positions only if
/// attention is not causal.
fn mask<T: MaskValue>(
    out: &mut Vec<T>,
    seen: &mut Vec<llama_pos>,
    ubatch: &Ubatch,
    cells: &Cells,
    n_kv: usize,
    causal: bool,
) {
    // Room for a token that sees the whole cache, so that a loop over tokens needs no more.
    out.clear();
    out.reserve((ubatch.n_tokens() * n_kv).max(cells.size()));
    out.resize(ubatch.n_tokens() * n_kv, T::HIDDEN);
    seen.reserve(cells.size().saturating_sub(seen.len()));
    let mut seen_by = None;
    for (i, row) in out.chunks_exact_mut(n_kv.max(1)).enumerate() {
        let id = ubatch.seqs(i)[0];
        if seen_by != Some(id) {
            seen.clear();
            let of_sequence = |c: &super::cells::Cell| match c.seqs.contains(id) {
                true => c.pos,
                false => llama_pos::MAX,
            };
            seen.extend(cells.cells()[..n_kv].iter().map(of_sequence));
            seen_by = Some(id);
        }
        // The last position there can be is below MAX, see `Batch::check`.
        let last = if causal {
            ubatch.pos(i)
        } else {
            llama_pos::MAX - 1
        };
        for (value, &pos) in row.iter_mut().zip(&*seen) {
            *value = if pos <= last { T::VISIBLE } else { T::HIDDEN };
        }
    }
}

fn set<T: bytemuck::NoUninit>(t: Tensor, values: &[T]) -> Result<()> {
    tensor_set(t, bytemuck::cast_slice(values), 0)
}
