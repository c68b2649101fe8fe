//! Builders of soft-max, attention and rotary positions.

use super::context::Context;
use super::op::Op;
use super::params;
use super::tensor::Tensor;
use crate::ensure;
use crate::error::Result;
use crate::quant::Type;

/// The mask of flash attention has at least this many rows, and a multiple of it (`GGML_KQ_MASK_PAD`).
pub const KQ_MASK_PAD: i64 = 16;

/// Bits of the `mode` of rope (`GGML_ROPE_TYPE_*`): without any, neighbouring values are rotated together.
pub mod rope_mode {
    /// Values half a head apart are rotated together.
    pub const NEOX: i32 = 2;
    /// Several positions per token, for sections of the head.
    pub const MROPE: i32 = 8;
    pub const VISION: i32 = 24;
    pub const IMROPE: i32 = 40;
}

impl Context {
    fn check_mask(&self, name: &str, a: Tensor, mask: Option<Tensor>, max_bias: f32) -> Result<()> {
        ensure!(a.is_contiguous(), "{name}: {a} must be contiguous");
        if let Some(mask) = mask {
            ensure!(
                matches!(mask.ty(), Type::F16 | Type::F32)
                    && mask.is_contiguous()
                    && mask.is_matrix()
                    && mask.ne()[0] == a.ne()[0]
                    && mask.ne()[1] >= a.ne()[1],
                "{name}: {mask} does not mask {a}"
            );
        }
        ensure!(
            max_bias <= 0.0 || mask.is_some(),
            "{name}: ALiBi needs a mask"
        );
        Ok(())
    }

    fn soft_max_impl(
        &self,
        a: Tensor,
        mask: Option<Tensor>,
        scale: f32,
        max_bias: f32,
        inplace: bool,
    ) -> Result<Tensor> {
        self.check_mask("soft_max", a, mask, max_bias)?;
        let t = self.like(a, inplace)?;
        params::SoftMax { scale, max_bias }.store(t);
        self.node(t, Op::Soft_max, [Some(a), mask])
    }
    /// Soft-max of each row.
    pub fn soft_max(&self, a: Tensor) -> Result<Tensor> {
        self.soft_max_impl(a, None, 1.0, 0.0, false)
    }
    pub fn soft_max_inplace(&self, a: Tensor) -> Result<Tensor> {
        self.soft_max_impl(a, None, 1.0, 0.0, true)
    }
    /// Soft-max of `a * scale + mask`, the mask times ALiBi's slope of the head if `max_bias` is above 0.
    pub fn soft_max_ext(
        &self,
        a: Tensor,
        mask: Option<Tensor>,
        scale: f32,
        max_bias: f32,
    ) -> Result<Tensor> {
        self.soft_max_impl(a, mask, scale, max_bias, false)
    }

    pub fn soft_max_back(&self, a: Tensor, b: Tensor, inplace: bool) -> Result<Tensor> {
        self.node(
            self.like(a, inplace)?,
            Op::Soft_max_back,
            [Some(a), Some(b)],
        )
    }

    /// Soft-cap, then soft-max with mask.
    pub fn softcap_max(
        &self,
        a: Tensor,
        mask: Option<Tensor>,
        p: params::SoftcapMax,
        inplace: bool,
    ) -> Result<Tensor> {
        self.check_mask("softcap_max", a, mask, p.max_bias)?;
        let t = self.like(a, inplace)?;
        p.store(t);
        self.node(t, Op::Soft_cap_max, [Some(a), mask])
    }

    /// Attention of `q` `[d, tokens, heads, n]` over `k` `[d, kv, heads_kv, n]` and `v` `[dv, kv, heads_kv, n]`: `[dv, heads, tokens, n]`
    /// in f32. The mask has a row for each token, rounded up to [`KQ_MASK_PAD`].
    pub fn flash_attn_ext(
        &self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        mask: Option<Tensor>,
        scale: f32,
        max_bias: f32,
        softcap: f32,
    ) -> Result<Tensor> {
        ensure!(k.can_mul_mat(q), "flash_attn: {k} does not fit {q}");
        if let Some(mask) = mask {
            let rows = q.ne()[1].saturating_add(KQ_MASK_PAD - 1) / KQ_MASK_PAD * KQ_MASK_PAD;
            ensure!(
                mask.is_contiguous() && mask.is_matrix() && mask.ne()[1] >= rows,
                "flash_attn: the mask {mask} needs {rows} contiguous rows"
            );
        }
        ensure!(
            max_bias <= 0.0 || mask.is_some(),
            "flash_attn: ALiBi needs a mask"
        );
        let nq = q.ne();
        let t = self.new_tensor(Type::F32, &[v.ne()[0], nq[2], nq[1], nq[3]])?;
        params::FlashAttn {
            scale,
            max_bias,
            softcap,
            prec: 0,
        }
        .store(t);
        self.node(t, Op::Flash_attn_ext, [Some(q), Some(k), Some(v), mask])
    }

    fn diag_mask(&self, op: Op, a: Tensor, n_past: i32, inplace: bool) -> Result<Tensor> {
        let t = self.like(a, inplace)?;
        t.set_param(0, n_past);
        self.node(t, op, [Some(a)])
    }
    /// Sets what each token must not see, the columns right of `n_past` plus its row, to minus infinity.
    pub fn diag_mask_inf(&self, a: Tensor, n_past: i32, inplace: bool) -> Result<Tensor> {
        self.diag_mask(Op::Diag_mask_inf, a, n_past, inplace)
    }
    /// As [`Context::diag_mask_inf`] with zeros.
    pub fn diag_mask_zero(&self, a: Tensor, n_past: i32, inplace: bool) -> Result<Tensor> {
        self.diag_mask(Op::Diag_mask_zero, a, n_past, inplace)
    }

    fn rope_impl(
        &self,
        a: Tensor,
        pos: Tensor,
        factors: Option<Tensor>,
        mut p: params::Rope,
        inplace: bool,
    ) -> Result<Tensor> {
        check_rope(pos, factors, &p)?;
        let multi = p.mode & rope_mode::MROPE != 0;
        let per_token = if multi { 4 } else { 1 };
        ensure!(
            a.ne()[2].checked_mul(per_token) == Some(pos.ne()[0]),
            "rope: {pos} does not give the positions of {a}"
        );
        if !multi {
            p.sections = [0; 4];
        }
        let t = self.like(a, inplace)?;
        p.store(t);
        self.node(t, Op::Rope, [Some(a), Some(pos), factors])
    }

    /// Rotates the first `n_dims` values of each head of `a` `[d, heads, tokens]` by the token's position in `pos` (i32);
    /// `factors` divide the frequencies.
    pub fn rope_ext(
        &self,
        a: Tensor,
        pos: Tensor,
        factors: Option<Tensor>,
        p: params::Rope,
    ) -> Result<Tensor> {
        self.rope_impl(a, pos, factors, p, false)
    }
    pub fn rope_ext_inplace(
        &self,
        a: Tensor,
        pos: Tensor,
        factors: Option<Tensor>,
        p: params::Rope,
    ) -> Result<Tensor> {
        self.rope_impl(a, pos, factors, p, true)
    }

    /// The inverse rotation.
    pub fn rope_back(&self, a: Tensor, pos: Tensor, mut p: params::Rope) -> Result<Tensor> {
        ensure!(
            pos.is_vector() && pos.ty() == Type::I32 && a.ne()[2] == pos.ne()[0],
            "rope_back: {pos} does not give the positions of {a}"
        );
        ensure!(p.mode & 4 == 0, "rope_back: mode {} has none", p.mode);
        p.sections = [0; 4];
        let t = self.dup_tensor(a)?;
        p.store(t);
        t.set_op(Op::Rope_back);
        t.set_src(0, Some(a));
        t.set_src(1, Some(pos));
        Ok(t)
    }

    /// Cosines and sines for heads of `ne0` values at the positions `pos`: `[ne0, tokens]`, for [`Context::rope_fast`].
    pub fn rope_cache(
        &self,
        pos: Tensor,
        factors: Option<Tensor>,
        ne0: i64,
        mut p: params::Rope,
    ) -> Result<Tensor> {
        check_rope(pos, factors, &p)?;
        ensure!(
            p.mode & rope_mode::MROPE == 0,
            "rope_cache: only one position per token"
        );
        p.sections = [0; 4];
        let t = self.new_tensor(Type::F32, &[ne0, pos.ne()[0]])?;
        p.store(t);
        self.node(t, Op::Rope_cache, [Some(pos), factors])
    }

    /// Rotates `a` by the angles in `cache`.
    pub fn rope_fast(&self, a: Tensor, cache: Tensor) -> Result<Tensor> {
        let (na, nc) = (a.ne(), cache.ne());
        ensure!(
            na[0] <= nc[0] && na[2] <= nc[1] && a.ty() == Type::F32 && cache.ty() == Type::F32,
            "rope_fast: {cache} does not hold the angles of {a}"
        );
        let t = self.dup_tensor(a)?;
        let from = params::Rope::load(cache);
        params::RopeFast {
            n_dims: from.n_dims,
            mode: from.mode,
        }
        .store(t);
        self.node(t, Op::Rope_fast, [Some(a), Some(cache)])
    }
}

fn check_rope(pos: Tensor, factors: Option<Tensor>, p: &params::Rope) -> Result<()> {
    ensure!(p.mode & 1 == 0, "rope: mode {} is not supported", p.mode);
    ensure!(
        pos.is_vector() && pos.ty() == Type::I32,
        "rope: positions are a vector of i32, not {pos}"
    );
    if let Some(f) = factors {
        ensure!(
            f.ty() == Type::F32 && f.ne()[0] >= i64::from(p.n_dims / 2),
            "rope: {f} does not hold {} factors",
            p.n_dims / 2
        );
    }
    Ok(())
}

impl Tensor {
    /// Gives a soft-max (`Op::Soft_max`) or attention (`Op::Flash_attn_ext`) node a logit per head that takes part in the sum
    /// without a value; `None` takes it away.
    pub fn add_sinks(self, sinks: Option<Tensor>) -> Result<()> {
        let slot = match self.op() {
            Op::Soft_max => 2,
            Op::Flash_attn_ext => 4,
            _ => crate::bail!("add_sinks: {self} is neither soft-max nor attention"),
        };
        if let Some(sinks) = sinks {
            let heads = self.src(0).map(|q| q.ne()[2]);
            ensure!(
                self.src(slot).is_none() && heads == Some(sinks.ne()[0]) && sinks.ty() == Type::F32,
                "add_sinks: {sinks} does not fit {self}"
            );
        }
        self.set_src(slot, sinks);
        Ok(())
    }
}
