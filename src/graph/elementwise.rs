//! Builders of operators that work element by element.

use super::context::Context;
use super::op::{Op, UnaryOp};
use super::params::{self, GluOp, TriType};
use super::tensor::Tensor;
use crate::ensure;
use crate::error::Result;
use crate::quant::Type;

impl Context {
    /// The result of an operator that keeps the shape of `a`: a view of it if `inplace`, else a new tensor.
    pub(super) fn like(&self, a: Tensor, inplace: bool) -> Result<Tensor> {
        if inplace {
            self.view_tensor(a)
        } else {
            self.dup_tensor(a)
        }
    }

    /// As [`Context::like`] for operators that always give f32.
    pub(super) fn like_f32(&self, a: Tensor, inplace: bool) -> Result<Tensor> {
        if inplace {
            ensure!(
                a.ty() == Type::F32,
                "only f32 can be changed in place, not {a}"
            );
            self.view_tensor(a)
        } else {
            self.new_tensor(Type::F32, &a.ne())
        }
    }

    /// Makes `t` the node that applies `op` to `srcs`. If a source needs a gradient, so does the node.
    pub(super) fn node<const N: usize>(
        &self,
        t: Tensor,
        op: Op,
        srcs: [Option<Tensor>; N],
    ) -> Result<Tensor> {
        t.set_op(op);
        let mut grad = false;
        for (i, src) in srcs.into_iter().enumerate() {
            t.set_src(i, src);
            grad |= src.is_some_and(|s| s.grad().is_some());
        }
        // What is changed in place has no gradient; pure views do.
        let inplace = t.is_view()
            && !matches!(
                op,
                Op::Reshape | Op::View | Op::Permute | Op::Transpose | Op::Cpy
            );
        if grad && !inplace {
            t.set_grad(Some(self.dup_tensor(t)?));
        }
        Ok(t)
    }

    fn map(&self, op: Op, a: Tensor, inplace: bool) -> Result<Tensor> {
        self.node(self.like(a, inplace)?, op, [Some(a)])
    }

    /// `op` of `a` and `b`, where `b` may be repeated to the shape of `a`.
    fn zip(&self, op: Op, name: &str, a: Tensor, b: Tensor, inplace: bool) -> Result<Tensor> {
        ensure!(b.can_repeat(a), "{name}: cannot repeat {b} to {a}");
        self.node(self.like(a, inplace)?, op, [Some(a), Some(b)])
    }

    pub fn dup(&self, a: Tensor) -> Result<Tensor> {
        self.map(Op::Dup, a, false)
    }
    pub fn dup_inplace(&self, a: Tensor) -> Result<Tensor> {
        self.map(Op::Dup, a, true)
    }

    /// `a + b`, with `b` repeated.
    pub fn add(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.zip(Op::Add, "add", a, b, false)
    }
    pub fn add_inplace(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.zip(Op::Add, "add", a, b, true)
    }
    /// `a * b` element by element, with `b` repeated.
    pub fn mul(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.zip(Op::Mul, "mul", a, b, false)
    }
    pub fn mul_inplace(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.zip(Op::Mul, "mul", a, b, true)
    }
    /// `a / b`, with `b` repeated.
    pub fn div(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.zip(Op::Div, "div", a, b, false)
    }
    pub fn div_inplace(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.zip(Op::Div, "div", a, b, true)
    }

    fn sub_impl(&self, a: Tensor, b: Tensor, inplace: bool) -> Result<Tensor> {
        ensure!(a.same_shape(b), "sub: {a} and {b} differ in shape");
        self.zip(Op::Sub, "sub", a, b, inplace)
    }
    /// `a - b`, of equal shapes.
    pub fn sub(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.sub_impl(a, b, false)
    }
    pub fn sub_inplace(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.sub_impl(a, b, true)
    }

    /// `a + b` with `a` of a type other than f32, as type `ty`.
    pub fn add_cast(&self, a: Tensor, b: Tensor, ty: Type) -> Result<Tensor> {
        ensure!(b.can_repeat_rows(a), "add_cast: cannot repeat {b} to {a}");
        ensure!(
            a.ty() != Type::F32 && a.ty().info().is_some(),
            "add_cast: {a} is not quantized or half precision"
        );
        let t = self.new_tensor(ty, &a.ne())?;
        self.node(t, Op::Add, [Some(a), Some(b)])
    }

    /// Adds to each row of `a` `[n, used, tokens]` the row of `b` that `ids` `[used, tokens]` names.
    pub fn add_id(&self, a: Tensor, b: Tensor, ids: Tensor) -> Result<Tensor> {
        let (na, ni) = (a.ne(), ids.ne());
        ensure!(
            na[0] == b.ne()[0] && na[1] == ni[0] && na[2] == ni[1] && ids.ty() == Type::I32,
            "add_id: {a}, {b} and ids {ids} do not fit"
        );
        self.node(
            self.dup_tensor(a)?,
            Op::Add_id,
            [Some(a), Some(b), Some(ids)],
        )
    }

    fn add1_impl(&self, a: Tensor, b: Tensor, inplace: bool) -> Result<Tensor> {
        ensure!(
            b.is_scalar() && a.is_padded_1d(),
            "add1: {b} is not one value, or {a} is not dense"
        );
        self.node(self.like(a, inplace)?, Op::Add1, [Some(a), Some(b)])
    }
    /// `a + b` for a single value `b`.
    pub fn add1(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.add1_impl(a, b, false)
    }
    pub fn add1_inplace(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.add1_impl(a, b, true)
    }

    /// The sum over the first `n` planes: adds up the contributions of the experts in dimension 1.
    pub fn multi_add(&self, a: Tensor, n: i32) -> Result<Tensor> {
        ensure!(n >= 1, "multi_add: {n} is not a number of experts");
        let t = self.dup_tensor(a)?;
        t.set_param(0, n);
        self.node(t, Op::Multi_add, [Some(a)])
    }

    /// The sum over dimension 1 of `a` `[n, used, tokens]`, weighted by `b` `[1, used, tokens]`.
    pub fn mul_multi_add(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        let (na, nb) = (a.ne(), b.ne());
        ensure!(
            na[1..] == nb[1..] && na[3] == 1 && nb[0] == 1,
            "mul_multi_add: {b} does not weight {a}"
        );
        let t = self.new_tensor(Type::F32, &[na[0], na[2]])?;
        self.node(t, Op::Mul_multi_add, [Some(a), Some(b)])
    }

    fn fused_mul_unary_impl(
        &self,
        a: Tensor,
        b: Tensor,
        op: UnaryOp,
        inplace: bool,
    ) -> Result<Tensor> {
        ensure!(a.is_contiguous(), "fused_mul_unary: {a} must be contiguous");
        let t = if a.same_shape(b) {
            ensure!(
                matches!(op, UnaryOp::Gelu | UnaryOp::Relu | UnaryOp::Silu),
                "fused_mul_unary: {op:?} cannot be fused"
            );
            self.like(a, inplace)?
        } else {
            ensure!(
                a.ne()[0] == 1 && a.ne()[1..] == b.ne()[1..],
                "fused_mul_unary: {a} and {b} do not fit"
            );
            ensure!(
                matches!(op, UnaryOp::Silu | UnaryOp::Sigmoid),
                "fused_mul_unary: {op:?} cannot be fused with a scale per row"
            );
            self.like(b, inplace)?
        };
        t.set_param(0, op as i32);
        self.node(t, Op::Fused_mul_unary, [Some(a), Some(b)])
    }
    /// `op(a) * b`, of equal shapes; or with one `a` per row of `b`.
    pub fn fused_mul_unary(&self, a: Tensor, b: Tensor, op: UnaryOp) -> Result<Tensor> {
        self.fused_mul_unary_impl(a, b, op, false)
    }
    pub fn fused_mul_unary_inplace(&self, a: Tensor, b: Tensor, op: UnaryOp) -> Result<Tensor> {
        self.fused_mul_unary_impl(a, b, op, true)
    }

    pub fn sqr(&self, a: Tensor) -> Result<Tensor> {
        self.map(Op::Sqr, a, false)
    }
    pub fn sqr_inplace(&self, a: Tensor) -> Result<Tensor> {
        self.map(Op::Sqr, a, true)
    }
    pub fn sqrt(&self, a: Tensor) -> Result<Tensor> {
        self.map(Op::Sqrt, a, false)
    }
    pub fn sqrt_inplace(&self, a: Tensor) -> Result<Tensor> {
        self.map(Op::Sqrt, a, true)
    }
    pub fn log(&self, a: Tensor) -> Result<Tensor> {
        self.map(Op::Log, a, false)
    }
    pub fn log_inplace(&self, a: Tensor) -> Result<Tensor> {
        self.map(Op::Log, a, true)
    }

    fn unary_impl(&self, a: Tensor, op: UnaryOp, inplace: bool) -> Result<Tensor> {
        ensure!(
            a.is_contiguous_1(),
            "{op:?}: the rows of {a} must be contiguous"
        );
        let t = self.like(a, inplace)?;
        t.set_param(0, op as i32);
        self.node(t, Op::Unary, [Some(a)])
    }
    /// `op` of each element.
    pub fn unary(&self, a: Tensor, op: UnaryOp) -> Result<Tensor> {
        self.unary_impl(a, op, false)
    }
    pub fn unary_inplace(&self, a: Tensor, op: UnaryOp) -> Result<Tensor> {
        self.unary_impl(a, op, true)
    }

    pub fn relu(&self, a: Tensor) -> Result<Tensor> {
        self.unary(a, UnaryOp::Relu)
    }
    pub fn gelu(&self, a: Tensor) -> Result<Tensor> {
        self.unary(a, UnaryOp::Gelu)
    }
    pub fn silu(&self, a: Tensor) -> Result<Tensor> {
        self.unary(a, UnaryOp::Silu)
    }
    pub fn tanh(&self, a: Tensor) -> Result<Tensor> {
        self.unary(a, UnaryOp::Tanh)
    }
    pub fn sigmoid(&self, a: Tensor) -> Result<Tensor> {
        self.unary(a, UnaryOp::Sigmoid)
    }

    /// `x` where positive, `slope * x` elsewhere.
    pub fn leaky_relu(&self, a: Tensor, slope: f32, inplace: bool) -> Result<Tensor> {
        let t = self.like(a, inplace)?;
        t.set_param(0, slope);
        self.node(t, Op::Leaky_relu, [Some(a)])
    }

    /// `silu(first half of the row) * second half`.
    pub fn swiglu(&self, a: Tensor) -> Result<Tensor> {
        let t = self.half_rows("swiglu", a, None)?;
        t.set_param(0, UnaryOp::Swiglu as i32);
        self.node(t, Op::Unary, [Some(a)])
    }

    /// The gated unit of gpt-oss: clamped to `limit`, with slope `alpha`; gate and up in the halves of `a`'s rows, or in `a` and `b`.
    pub fn swiglu_oai(
        &self,
        a: Tensor,
        b: Option<Tensor>,
        alpha: f32,
        limit: f32,
    ) -> Result<Tensor> {
        let t = self.half_rows("swiglu_oai", a, b)?;
        params::SwigluOai {
            op: UnaryOp::Swiglu_oai as i32,
            alpha,
            limit,
        }
        .store(t);
        self.node(t, Op::Unary, [Some(a), b])
    }

    /// A gated linear unit: gate and up in the halves of `a`'s rows (the other way round if `swapped`), or in `a` and `b`.
    pub fn glu(&self, a: Tensor, b: Option<Tensor>, op: GluOp, swapped: bool) -> Result<Tensor> {
        let t = self.half_rows("glu", a, b)?;
        params::Glu {
            op: op as i32,
            swapped,
        }
        .store(t);
        self.node(t, Op::Glu, [Some(a), b])
    }

    fn half_rows(&self, name: &str, a: Tensor, b: Option<Tensor>) -> Result<Tensor> {
        ensure!(
            a.is_contiguous_1(),
            "{name}: the rows of {a} must be contiguous"
        );
        let mut ne = a.ne();
        match b {
            None => ne[0] /= 2,
            Some(b) => ensure!(
                b.is_contiguous_1() && a.same_shape(b) && a.ty() == b.ty(),
                "{name}: {a} and {b} do not fit"
            ),
        }
        self.new_tensor(a.ty(), &ne)
    }

    pub fn silu_back(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.node(self.dup_tensor(a)?, Op::Silu_back, [Some(a), Some(b)])
    }

    fn scale_impl(&self, a: Tensor, scale: f32, bias: f32, inplace: bool) -> Result<Tensor> {
        ensure!(a.is_padded_1d(), "scale: {a} must be dense");
        let t = self.like(a, inplace)?;
        params::Scale { scale, bias }.store(t);
        self.node(t, Op::Scale, [Some(a)])
    }
    /// `scale * a`.
    pub fn scale(&self, a: Tensor, scale: f32) -> Result<Tensor> {
        self.scale_impl(a, scale, 0.0, false)
    }
    pub fn scale_inplace(&self, a: Tensor, scale: f32) -> Result<Tensor> {
        self.scale_impl(a, scale, 0.0, true)
    }
    /// `scale * a + bias`.
    pub fn scale_bias(&self, a: Tensor, scale: f32, bias: f32) -> Result<Tensor> {
        self.scale_impl(a, scale, bias, false)
    }
    pub fn scale_bias_inplace(&self, a: Tensor, scale: f32, bias: f32) -> Result<Tensor> {
        self.scale_impl(a, scale, bias, true)
    }

    fn softcap_impl(&self, a: Tensor, before: f32, after: f32, inplace: bool) -> Result<Tensor> {
        ensure!(a.is_padded_1d(), "softcap: {a} must be dense");
        let t = self.like(a, inplace)?;
        params::Softcap { before, after }.store(t);
        self.node(t, Op::Softcap, [Some(a)])
    }
    /// `after * tanh(before * a)`.
    pub fn softcap(&self, a: Tensor, before: f32, after: f32) -> Result<Tensor> {
        self.softcap_impl(a, before, after, false)
    }
    pub fn softcap_inplace(&self, a: Tensor, before: f32, after: f32) -> Result<Tensor> {
        self.softcap_impl(a, before, after, true)
    }

    /// Limits each element to `min..=max`; in place.
    pub fn clamp(&self, a: Tensor, min: f32, max: f32) -> Result<Tensor> {
        let t = self.view_tensor(a)?;
        params::Clamp { min, max }.store(t);
        self.node(t, Op::Clamp, [Some(a)])
    }

    /// The Walsh–Hadamard transform of each run of `n` values (a power of two).
    pub fn hadamard(&self, a: Tensor, n: i32) -> Result<Tensor> {
        ensure!(a.ty() == Type::F32, "hadamard: {a} must be f32");
        ensure!(
            n > 1 && n.count_ones() == 1 && a.ne()[0] % i64::from(n) == 0,
            "hadamard: {n} is not a power of two that divides the rows of {a}"
        );
        let t = self.new_tensor(Type::F32, &a.ne())?;
        t.set_param(0, n);
        self.node(t, Op::Hadamard, [Some(a)])
    }

    /// A tensor like `a`, each element `value`.
    pub fn fill(&self, a: Tensor, value: f32, inplace: bool) -> Result<Tensor> {
        ensure!(
            a.ty() == Type::F32 && a.is_contiguous(),
            "fill: {a} must be contiguous f32"
        );
        let t = self.like(a, inplace)?;
        t.set_param(0, value);
        self.node(t, Op::Fill, [Some(a)])
    }

    /// Keeps a triangle of each square matrix of `a`, zeros elsewhere.
    pub fn tri(&self, a: Tensor, kind: TriType) -> Result<Tensor> {
        ensure!(
            a.ty() == Type::F32 && a.is_contiguous() && a.ne()[0] == a.ne()[1],
            "tri: {a} must be contiguous square f32 matrices"
        );
        let t = self.dup_tensor(a)?;
        t.set_param(0, kind as i32);
        self.node(t, Op::Tri, [Some(a)])
    }
}
