//! Builders of normalizations.

use super::context::Context;
use super::op::Op;
use super::params;
use super::tensor::Tensor;
use crate::ensure;
use crate::error::Result;
use crate::quant::Type;

impl Context {
    fn norm_node<const N: usize>(
        &self,
        t: Tensor,
        op: Op,
        eps: f32,
        srcs: [Option<Tensor>; N],
    ) -> Result<Tensor> {
        params::Norm { eps }.store(t);
        self.node(t, op, srcs)
    }

    fn norm_impl(&self, a: Tensor, eps: f32, inplace: bool) -> Result<Tensor> {
        self.norm_node(self.like_f32(a, inplace)?, Op::Norm, eps, [Some(a)])
    }
    /// Each row shifted to mean 0 and scaled to variance 1, as f32.
    pub fn norm(&self, a: Tensor, eps: f32) -> Result<Tensor> {
        self.norm_impl(a, eps, false)
    }
    pub fn norm_inplace(&self, a: Tensor, eps: f32) -> Result<Tensor> {
        self.norm_impl(a, eps, true)
    }

    fn rms_norm_impl(&self, a: Tensor, eps: f32, inplace: bool) -> Result<Tensor> {
        self.norm_node(self.like(a, inplace)?, Op::Rms_norm, eps, [Some(a)])
    }
    /// Each row divided by its root mean square.
    pub fn rms_norm(&self, a: Tensor, eps: f32) -> Result<Tensor> {
        self.rms_norm_impl(a, eps, false)
    }
    pub fn rms_norm_inplace(&self, a: Tensor, eps: f32) -> Result<Tensor> {
        self.rms_norm_impl(a, eps, true)
    }

    /// A norm times `b`, fused into one node where `b` is a single row; without `b` the norm alone.
    fn fused(
        &self,
        op: Op,
        norm: impl Fn() -> Result<Tensor>,
        a: Tensor,
        b: Option<Tensor>,
        eps: f32,
        inplace: bool,
    ) -> Result<Tensor> {
        let Some(b) = b else {
            return norm();
        };
        if b.nrows() > 1 || a.ne()[0] != b.ne()[0] {
            let normed = norm()?;
            return if inplace {
                self.mul_inplace(normed, b)
            } else {
                self.mul(normed, b)
            };
        }
        self.norm_node(self.like_f32(a, inplace)?, op, eps, [Some(a), Some(b)])
    }

    fn fused_rms_norm_impl(
        &self,
        a: Tensor,
        b: Option<Tensor>,
        eps: f32,
        inplace: bool,
    ) -> Result<Tensor> {
        let norm = || self.rms_norm_impl(a, eps, inplace);
        self.fused(Op::Fused_rms_norm, norm, a, b, eps, inplace)
    }
    /// `rms_norm(a) * b`.
    pub fn fused_rms_norm(&self, a: Tensor, b: Option<Tensor>, eps: f32) -> Result<Tensor> {
        self.fused_rms_norm_impl(a, b, eps, false)
    }
    pub fn fused_rms_norm_inplace(&self, a: Tensor, b: Option<Tensor>, eps: f32) -> Result<Tensor> {
        self.fused_rms_norm_impl(a, b, eps, true)
    }

    fn fused_norm_impl(
        &self,
        a: Tensor,
        b: Option<Tensor>,
        eps: f32,
        inplace: bool,
    ) -> Result<Tensor> {
        let norm = || self.norm_impl(a, eps, inplace);
        self.fused(Op::Fused_norm, norm, a, b, eps, inplace)
    }
    /// `norm(a) * b`.
    pub fn fused_norm(&self, a: Tensor, b: Option<Tensor>, eps: f32) -> Result<Tensor> {
        self.fused_norm_impl(a, b, eps, false)
    }
    pub fn fused_norm_inplace(&self, a: Tensor, b: Option<Tensor>, eps: f32) -> Result<Tensor> {
        self.fused_norm_impl(a, b, eps, true)
    }

    /// `rms_norm(x1) * c1 + rms_norm(x2) * c2`.
    pub fn fused_rms_rms_add(
        &self,
        x1: Tensor,
        c1: Tensor,
        x2: Tensor,
        c2: Tensor,
        eps: f32,
    ) -> Result<Tensor> {
        ensure!(
            x1.is_contiguous()
                && x2.is_contiguous()
                && x1.same_shape(x2)
                && x1.ty() == x2.ty()
                && matches!(x1.ty(), Type::F32 | Type::F16 | Type::Bf16),
            "fused_rms_rms_add: {x1} and {x2} do not fit"
        );
        for (x, c) in [(x1, c1), (x2, c2)] {
            ensure!(
                c.nrows() == 1 && x.ne()[0] == c.ne()[0] && c.ty() == Type::F32,
                "fused_rms_rms_add: {c} does not scale {x}"
            );
        }
        let t = self.new_tensor(Type::F32, &x1.ne())?;
        self.norm_node(
            t,
            Op::Fused_rms_rms_add,
            eps,
            [Some(x1), Some(c1), Some(x2), Some(c2)],
        )
    }

    pub fn rms_norm_back(&self, a: Tensor, b: Tensor, eps: f32) -> Result<Tensor> {
        self.norm_node(
            self.dup_tensor(a)?,
            Op::Rms_norm_back,
            eps,
            [Some(a), Some(b)],
        )
    }

    /// Norm over groups of channels (dimension 2).
    pub fn group_norm(&self, a: Tensor, n_groups: i32, eps: f32, inplace: bool) -> Result<Tensor> {
        let t = self.like(a, inplace)?;
        params::GroupNorm { n_groups, eps }.store(t);
        self.node(t, Op::Group_norm, [Some(a)])
    }

    /// Each row divided by its Euclidean length.
    pub fn l2_norm(&self, a: Tensor, eps: f32, inplace: bool) -> Result<Tensor> {
        self.norm_node(self.like(a, inplace)?, Op::L2_norm, eps, [Some(a)])
    }
}
