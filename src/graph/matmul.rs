//! Builders of matrix multiplications, with and without experts.

use super::context::Context;
use super::op::{Op, UnaryOp};
use super::tensor::Tensor;
use crate::ensure;
use crate::error::Result;
use crate::quant::Type;

impl Context {
    /// Each row of `b` `[k, n]` times each row of `a` `[k, m]`: `[m, n]` in f32. Dimensions 2 and 3 of `a` are repeated to those of `b`.
    pub fn mul_mat(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        ensure!(
            a.can_mul_mat(b) && !a.is_transposed(),
            "mul_mat: {a} and {b} do not fit"
        );
        let (na, nb) = (a.ne(), b.ne());
        let t = self.new_tensor(Type::F32, &[na[1], nb[1], nb[2], nb[3]])?;
        self.node(t, Op::Mul_mat, [Some(a), Some(b)])
    }

    /// The checks of products by expert: `experts` `[k, m, n_expert]`, `b` `[k, used or 1, tokens]`, `ids` `[used, tokens]`.
    fn check_experts(&self, experts: Tensor, b: Tensor, ids: Tensor) -> Result<()> {
        let (na, nb, ni) = (experts.ne(), b.ne(), ids.ne());
        ensure!(
            ids.ty() == Type::I32 && ids.is_matrix(),
            "mul_mat_id: ids {ids} are not a matrix of i32"
        );
        ensure!(
            !experts.is_transposed()
                && na[3] == 1
                && nb[3] == 1
                && na[0] == nb[0]
                && ni[1] == nb[2]
                && nb[1] > 0
                && ni[0] % nb[1] == 0,
            "mul_mat_id: {experts}, {b} and ids {ids} do not fit"
        );
        Ok(())
    }

    /// As [`Context::mul_mat`] with, for each token and place, the matrix that `ids` names: `experts` `[k, m, n_expert]`,
    /// `b` `[k, used or 1, tokens]`, `ids` `[used, tokens]`, result `[m, used, tokens]`.
    pub fn mul_mat_id(&self, experts: Tensor, b: Tensor, ids: Tensor) -> Result<Tensor> {
        self.check_experts(experts, b, ids)?;
        let t = self.new_tensor(Type::F32, &[experts.ne()[1], ids.ne()[0], b.ne()[2]])?;
        self.node(t, Op::Mul_mat_id, [Some(experts), Some(b), Some(ids)])
    }

    /// `op(gate·b) * (up·b)` by expert, with optional biases per expert, in one node. Without `gate` the first half of each
    /// expert's rows in `up` is it. Where the two differ in type or shape, the same in several nodes.
    pub fn moe_up_gate(
        &self,
        up: Tensor,
        gate: Option<Tensor>,
        b: Tensor,
        ids: Tensor,
        up_bias: Option<Tensor>,
        gate_bias: Option<Tensor>,
        op: UnaryOp,
    ) -> Result<Tensor> {
        if let Some(gate) = gate
            && (up.ty() != gate.ty() || !up.same_shape(gate))
        {
            let part = |experts, bias: Option<Tensor>| {
                let product = self.mul_mat_id(experts, b, ids)?;
                bias.map_or(Ok(product), |bias| self.add_id(product, bias, ids))
            };
            let up = part(up, up_bias)?;
            let gate = part(gate, gate_bias)?;
            return self.fused_mul_unary(gate, up, op);
        }
        self.check_experts(up, b, ids)?;
        ensure!(
            gate.is_none_or(|g| !g.is_transposed()),
            "moe_up_gate: the gate is transposed"
        );
        if up_bias.is_some() || gate_bias.is_some() {
            let fits = |experts: Tensor, bias: Option<Tensor>| {
                bias.is_some_and(|bias| bias.ne()[0] == experts.ne()[1])
            };
            ensure!(
                fits(up, up_bias) && gate.is_none_or(|g| fits(g, gate_bias)),
                "moe_up_gate: the biases do not fit {up}"
            );
        }
        let rows = up.ne()[1] / if gate.is_some() { 1 } else { 2 };
        let t = self.new_tensor(Type::F32, &[rows, ids.ne()[0], b.ne()[2]])?;
        t.set_param(0, op as i32);
        self.node(
            t,
            Op::Moe_fused_up_gate,
            [Some(up), gate, Some(b), Some(ids), up_bias, gate_bias],
        )
    }

    /// `op(gate·b) * (up·b)`, in one node where both are of one quantized type.
    pub fn fused_up_gate(
        &self,
        up: Tensor,
        gate: Tensor,
        b: Tensor,
        op: UnaryOp,
    ) -> Result<Tensor> {
        let quantized = up.ty().info().is_some_and(|i| i.quantized);
        if !quantized || up.ty() != gate.ty() || !up.same_shape(gate) {
            let up = self.mul_mat(up, b)?;
            let gate = self.mul_mat(gate, b)?;
            return self.fused_mul_unary(gate, up, op);
        }
        ensure!(
            !up.is_transposed()
                && !gate.is_transposed()
                && up.is_matrix()
                && b.is_matrix()
                && up.ne()[0] == b.ne()[0],
            "fused_up_gate: {up} and {b} do not fit"
        );
        let t = self.new_tensor(Type::F32, &[up.ne()[1], b.ne()[1]])?;
        t.set_param(0, op as i32);
        self.node(t, Op::Fused_up_gate, [Some(up), Some(gate), Some(b)])
    }

    /// The sum over rows of outer products: `a` `[m, k]`, `b` `[n, k]`, result `[m, n]`.
    pub fn out_prod(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        ensure!(
            a.can_out_prod(b) && !a.is_transposed(),
            "out_prod: {a} and {b} do not fit"
        );
        let (na, nb) = (a.ne(), b.ne());
        let t = self.new_tensor(Type::F32, &[na[0], nb[0], nb[2], nb[3]])?;
        self.node(t, Op::Out_prod, [Some(a), Some(b)])
    }
}
