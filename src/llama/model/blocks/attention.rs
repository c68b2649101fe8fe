//! Self-attention with rotated positions over the KV cache, with as many or fewer key-value heads than heads.

use super::{Linear, Norm};
use crate::error::Result;
use crate::graph::Tensor;
use crate::llama::model::build::{Builder, CacheStore, hadamard};
use crate::llama::model::hparams::Hparams;
use crate::llama::model::load::Loader;

pub struct Attention {
    norm: Norm,
    q: Linear,
    k: Linear,
    v: Linear,
    out: Linear,
    /// Divisors of the rotation's frequencies, `[n_rot / 2]`.
    rope_factors: Option<Tensor>,
}

impl Attention {
    pub fn load(l: &mut Loader, hp: &Hparams, il: usize) -> Result<Attention> {
        let name = |part: &str| format!("blk.{il}.{part}");
        let n_embd = hp.n_embd;
        let n_embd_q = hp.n_head[il] * hp.n_embd_head_k;
        Ok(Attention {
            norm: Norm::load(l, &name("attn_norm"), n_embd)?,
            q: Linear::load(l, &name("attn_q"), n_embd, n_embd_q)?,
            k: Linear::load(l, &name("attn_k"), n_embd, hp.n_embd_k_gqa(il))?,
            v: Linear::load(l, &name("attn_v"), n_embd, hp.n_embd_v_gqa(il))?,
            out: Linear::load(
                l,
                &name("attn_output"),
                hp.n_head[il] * hp.n_embd_head_v,
                n_embd,
            )?,
            rope_factors: l.optional("rope_freqs.weight", &[hp.n_rot / 2])?,
        })
    }

    pub fn rope_factors(&self) -> Option<Tensor> {
        self.rope_factors
    }

    /// `input` plus what attention adds to it. In the last layer only tokens with an output go on; `None` if there are none,
    /// and then only keys and values are stored.
    pub fn build(
        &self,
        b: &mut Builder,
        input: Tensor,
        il: usize,
        last: bool,
    ) -> Result<Option<Tensor>> {
        let normed = self.norm.build(b, input)?;
        b.name(normed, "attn_norm", il);
        let (n_head_k, n_head_v) = (b.hp.n_embd_head_k.into(), i64::from(b.hp.n_embd_head_v));
        let n_head = i64::from(b.hp.n_head[il]);
        let n_head_kv = i64::from(b.hp.n_head_kv[il]);
        let n_tokens = b.n_tokens();

        let [q, k, v] = self.qkv(b, normed, il)?;
        let (pos, rope) = (b.pos()?, b.rope());
        let rotate = |x: Tensor, heads: i64, name: &str| -> Result<Tensor> {
            let x = b.ctx.reshape_3d(x, n_head_k, heads, n_tokens)?;
            let x = b.ctx.rope_ext(x, pos, self.rope_factors, rope)?;
            b.name(x, name, il);
            Ok(x)
        };
        let mut q = rotate(q, n_head, "Qcur_roped")?;
        let mut k = rotate(k, n_head_kv, "Kcur_roped")?;
        let mut v = v;
        if b.cp.k_cache_hadamard {
            q = hadamard(b.ctx, q, b.hp.n_embd_head_k)?;
            b.name(q, "Qcur_hadamard", il);
            k = hadamard(b.ctx, k, b.hp.n_embd_head_k)?;
            b.name(k, "Kcur_hadamard", il);
        }
        if b.cp.v_cache_hadamard {
            v = hadamard(b.ctx, v, b.hp.n_embd_head_v)?;
            b.name(v, "Vcur_hadamard", il);
        }
        // Together, so that nothing comes between them.
        b.expand(q)?;
        b.expand(k)?;
        b.expand(v)?;
        store(b, k, v, il)?;
        if last && b.batch.n_outputs == 0 {
            return Ok(None);
        }

        let mask = b.kq_mask()?;
        let mut attended = if b.cp.flash_attn {
            flash(b, q, mask, il)?
        } else {
            soft_max(b, q, mask, il)?
        };
        if b.cp.v_cache_hadamard {
            attended = hadamard(b.ctx, attended, b.hp.n_embd_head_v)?;
        }
        let heads = b.ctx.reshape_2d(attended, n_head_v * n_head, n_tokens)?;
        b.expand(heads)?;
        let mut out = self.out.build(b, heads)?;
        b.name(out, "kqv_out", il);
        let mut input = input;
        if last {
            out = b.output_rows(out)?;
            input = b.output_rows(input)?;
        }
        b.name(out, "attn_out", il);
        Ok(Some(b.ctx.add(out, input)?))
    }

    fn qkv(&self, b: &Builder, x: Tensor, il: usize) -> Result<[Tensor; 3]> {
        let parts = [(&self.q, "Qcur"), (&self.k, "Kcur"), (&self.v, "Vcur")];
        let mut made = [x; 3];
        for ((part, name), y) in parts.into_iter().zip(&mut made) {
            *y = b.mul_mat(part.w, x)?;
            b.name(*y, name, il);
            b.expand(*y)?;
        }
        for ((part, name), y) in parts.into_iter().zip(&mut made) {
            *y = part.bias(b, *y)?;
            b.name(*y, name, il);
        }
        Ok(made)
    }
}

/// Stores the batch's keys and values in the cache.
fn store(b: &mut Builder, k: Tensor, v: Tensor, il: usize) -> Result<()> {
    let (cache_k, cache_v) = (b.kv.k[il], b.kv.v[il]);
    let (head, n_tokens) = (b.kv.head, b.n_tokens());
    let k_head = i64::from(b.hp.n_embd_head_k);
    let n_head_kv = i64::from(b.hp.n_head_kv[il]);
    let n_embd_v = i64::from(b.hp.n_embd_v_gqa(il));

    let head_size = cache_k.ty().row_size(k_head as usize);
    let k_step = head_size * n_head_kv as usize;
    let k_cells = b.ctx.view_2d(
        cache_k,
        k_head,
        n_tokens * n_head_kv,
        head_size,
        k_step * head,
    )?;

    let (v, v_cells, v_step) = if b.kv.v_trans {
        let step = cache_v.ty().row_size(1);
        let cells = b
            .ctx
            .view_2d(cache_v, n_tokens, n_embd_v, step * b.kv.size, step * head)?;
        (b.ctx.transpose(v)?, cells, step)
    } else {
        let step = cache_v.ty().row_size(n_embd_v as usize);
        (
            v,
            b.ctx.view_1d(cache_v, n_tokens * n_embd_v, step * head)?,
            step,
        )
    };
    b.name(v_cells, "v_cache_view", il);
    for (from, to, step) in [(k, k_cells, k_step), (v, v_cells, v_step)] {
        let copy = b.ctx.cpy(from, to)?;
        b.expand(copy)?;
        b.stores.push(CacheStore { copy, step });
    }
    Ok(())
}

/// A cache seen as heads: `[values per head, cells, heads]`.
fn cached_heads(
    b: &Builder,
    cache: Tensor,
    n_embd_head: u32,
    name: &str,
    il: usize,
) -> Result<Tensor> {
    let n_head_kv = b.hp.n_head_kv[il] as usize;
    let head_size = cache.ty().row_size(n_embd_head as usize);
    let t = b.ctx.view_3d(
        cache,
        n_embd_head.into(),
        b.kv.n_kv as i64,
        n_head_kv as i64,
        head_size * n_head_kv,
        head_size,
        0,
    )?;
    b.name(t, name, il);
    Ok(t)
}

fn scale(b: &Builder) -> f32 {
    1.0 / (b.hp.n_embd_head_k as f32).sqrt()
}

/// In one node: `[n_embd_head_v, heads, tokens]`.
fn flash(b: &Builder, q: Tensor, mask: Tensor, il: usize) -> Result<Tensor> {
    let q = b.ctx.permute(q, [0, 2, 1, 3])?;
    b.name(q, "q", il);
    let k = cached_heads(b, b.kv.k[il], b.hp.n_embd_head_k, "k", il)?;
    let v = cached_heads(b, b.kv.v[il], b.hp.n_embd_head_v, "v", il)?;
    let t = b
        .ctx
        .flash_attn_ext(q, k, v, Some(mask), scale(b), 0.0, 0.0)?;
    b.name(t, "fa", il);
    Ok(t)
}

/// Step by step: `[n_embd_head_v * heads, tokens]`.
fn soft_max(b: &Builder, q: Tensor, mask: Tensor, il: usize) -> Result<Tensor> {
    let q = b.ctx.permute(q, [0, 2, 1, 3])?;
    b.name(q, "q", il);
    let k = cached_heads(b, b.kv.k[il], b.hp.n_embd_head_k, "k", il)?;
    let cache_v = b.kv.v[il];
    let (n_head, v_head) = (i64::from(b.hp.n_head[il]), i64::from(b.hp.n_embd_head_v));
    let v_row = cache_v.ty().row_size(1) * b.kv.size;
    let v = b.ctx.view_3d(
        cache_v,
        b.kv.n_kv as i64,
        v_head,
        b.hp.n_head_kv[il].into(),
        v_row,
        v_row * v_head as usize,
        0,
    )?;
    b.name(v, "v", il);
    let kq = b.ctx.mul_mat(k, q)?;
    b.name(kq, "kq", il);
    let kq = b.ctx.soft_max_ext(kq, Some(mask), scale(b), 0.0)?;
    b.name(kq, "kq_soft_max_ext", il);
    let kqv = b.ctx.mul_mat(v, kq)?;
    b.name(kqv, "kqv", il);
    let merged = b.ctx.permute(kqv, [0, 2, 1, 3])?;
    b.name(merged, "kqv_merged", il);
    let t = b.ctx.cont_as(merged, &[v_head * n_head, b.n_tokens()])?;
    b.name(t, "kqv_merged_cont", il);
    Ok(t)
}
