//! The KV cache: its tensors, and the graphs that keep them in step with the cells: rotating keys to shifted positions, and
//! moving cells to close holes.

use super::cells::Cells;
use crate::backend::{Buffer, alloc_tensors, cpu_buffer_type};
use crate::error::{Error, Result};
use crate::graph::{Context, Graph, TENSOR_FLAG_INPUT, Tensor};
use crate::llama::cparams::Cparams;
use crate::llama::model::arch::Architecture;
use crate::llama::model::build::{KvView, hadamard, rope_params};
use crate::llama::model::hparams::Hparams;
use crate::quant::Type;

pub struct Cache {
    pub cells: Cells,
    /// Holes shall be closed before the next batch.
    pub do_defrag: bool,
    k: Vec<Tensor>,
    v: Vec<Tensor>,
    /// Values lie transposed, cell by cell, as soft-max attention wants them.
    v_trans: bool,
    _arena: Context,
    buffer: Option<Box<Buffer>>,
}

impl Cache {
    pub fn new(hp: &Hparams, cp: &Cparams) -> Result<Cache> {
        let n_layer = hp.n_layer as usize;
        let size = i64::from(cp.n_ctx);
        let arena = Context::for_tensors(2 * n_layer, 0)?;
        let tensor = |name: &str, ty, n: u32, il| -> Result<Tensor> {
            let n = i64::from(n)
                .checked_mul(size)
                .ok_or_else(|| Error("the KV cache is too large".into()))?;
            Ok(arena
                .new_tensor_1d(ty, n)?
                .set_name(format!("cache_{name}_l{il}")))
        };
        let (mut k, mut v) = (Vec::new(), Vec::new());
        for il in 0..n_layer {
            k.push(tensor(
                "k",
                cp.type_k.of(il, n_layer),
                hp.n_embd_k_gqa(il),
                il,
            )?);
            v.push(tensor(
                "v",
                cp.type_v.of(il, n_layer),
                hp.n_embd_v_gqa(il),
                il,
            )?);
        }
        let all = k.iter().chain(&v).copied();
        let buffer = alloc_tensors(all, cpu_buffer_type())?;
        Ok(Cache {
            cells: Cells::new(cp.n_ctx as usize)?,
            do_defrag: false,
            k,
            v,
            v_trans: !cp.flash_attn,
            _arena: arena,
            buffer,
        })
    }

    /// Keys per layer, cell by cell.
    pub fn k(&self) -> &[Tensor] {
        &self.k
    }

    /// Values per layer, cell by cell or transposed.
    pub fn v(&self) -> &[Tensor] {
        &self.v
    }

    pub fn v_trans(&self) -> bool {
        self.v_trans
    }

    /// Bytes of all keys and of all values.
    pub fn bytes(&self) -> (usize, usize) {
        let sum = |all: &[Tensor]| all.iter().map(|t| t.nbytes()).sum();
        (sum(&self.k), sum(&self.v))
    }

    /// Empties all cells and zeroes the data.
    pub fn clear(&mut self) {
        self.cells.clear();
        self.do_defrag = false;
        if let Some(buffer) = &self.buffer {
            buffer.memory().clear(0);
        }
    }

    /// The cache for a batch that begins at cell `head` and sees `n_kv` cells.
    pub fn view(&self, head: usize, n_kv: usize) -> KvView<'_> {
        KvView {
            k: &self.k,
            v: &self.v,
            v_trans: self.v_trans,
            size: self.cells.size(),
            head,
            n_kv,
        }
    }

    /// The tensors that keys and values of layer `i / 2` are in, in the order in which a graph stores to them.
    pub fn store_target(&self, i: usize) -> Tensor {
        let all = if i.is_multiple_of(2) {
            &self.k
        } else {
            &self.v
        };
        all[i / 2]
    }

    /// Adds nodes that rotate the keys of each cell by what was added to its position. Returns the input for that, I32 `[cells]`.
    pub fn build_shift(
        &self,
        ctx: &Context,
        graph: Graph,
        hp: &Hparams,
        cp: &Cparams,
        arch: &dyn Architecture,
    ) -> Result<Tensor> {
        let size = self.cells.size() as i64;
        let shift = ctx.new_tensor_1d(Type::I32, size)?.set_name("K_shift");
        shift.set_flags(shift.flags() | TENSOR_FLAG_INPUT);
        let mut rope = rope_params(hp, cp);
        // The keys have YaRN's magnitude already: undo what the rotation would multiply them with once more.
        rope.attn_factor = if rope.ext_factor == 0.0 {
            1.0
        } else {
            1.0 / (1.0 + 0.1 * (1.0 / rope.freq_scale).ln())
        };
        for (il, &cache) in self.k.iter().enumerate() {
            let head_size = cache.ty().row_size(hp.n_embd_head_k as usize);
            let n_head_kv = hp.n_head_kv[il];
            let k = ctx.view_3d(
                cache,
                hp.n_embd_head_k.into(),
                n_head_kv.into(),
                size,
                head_size,
                head_size * n_head_kv as usize,
                0,
            )?;
            let factors = arch.rope_factors(il);
            let shifted = match cache.ty() {
                Type::F32 | Type::F16 if !cp.k_cache_hadamard => {
                    ctx.rope_ext_inplace(k, shift, factors, rope)?
                }
                _ => {
                    let mut plain = ctx.cast(k, Type::F32)?;
                    // The transform is its own inverse.
                    if cp.k_cache_hadamard {
                        plain = hadamard(ctx, plain, hp.n_embd_head_k)?;
                    }
                    plain = ctx.rope_ext_inplace(plain, shift, factors, rope)?;
                    if cp.k_cache_hadamard {
                        plain = hadamard(ctx, plain, hp.n_embd_head_k)?;
                    }
                    ctx.cpy(plain, k)?
                }
            };
            graph.build_forward_expand(shifted.set_name(format!("K_shifted-{il}")))?;
        }
        Ok(shift)
    }

    /// The nodes that one moved run of cells takes in a graph.
    pub fn nodes_per_move(&self) -> usize {
        6 * self.k.len()
    }

    /// Adds nodes that move runs of cells: from, to, length.
    pub fn build_moves(
        &self,
        ctx: &Context,
        graph: Graph,
        hp: &Hparams,
        moves: &[(usize, usize, usize)],
    ) -> Result<()> {
        for &(from, to, n) in moves {
            for (il, (&k, &v)) in self.k.iter().zip(&self.v).enumerate() {
                let rows = |t: Tensor, width: u32, at: usize| {
                    let step = t.ty().row_size(width as usize);
                    ctx.view_2d(t, width.into(), n as i64, step, step * at)
                };
                let columns = |t: Tensor, width: u32, at: usize| {
                    let step = t.ty().row_size(1);
                    ctx.view_2d(
                        t,
                        n as i64,
                        width.into(),
                        step * self.cells.size(),
                        step * at,
                    )
                };
                let width = hp.n_embd_k_gqa(il);
                graph.build_forward_expand(ctx.cpy(rows(k, width, from)?, rows(k, width, to)?)?)?;
                let width = hp.n_embd_v_gqa(il);
                let copy = if self.v_trans {
                    ctx.cpy(columns(v, width, from)?, columns(v, width, to)?)?
                } else {
                    ctx.cpy(rows(v, width, from)?, rows(v, width, to)?)?
                };
                graph.build_forward_expand(copy)?;
            }
        }
        Ok(())
    }
}
