//! Builders of operators with a state: state-space models, delta nets; and of triangular systems, which they use.

use super::context::Context;
use super::op::Op;
use super::tensor::Tensor;
use crate::ensure;
use crate::error::{Error, Result};
use crate::quant::Type;

fn values(parts: [&[i64]; 2]) -> Result<i64> {
    let product = |dims: &[i64]| dims.iter().try_fold(1i64, |n, &d| n.checked_mul(d));
    product(parts[0])
        .and_then(|n| n.checked_add(product(parts[1])?))
        .ok_or_else(|| Error(format!("sizes {parts:?} are out of range")))
}

impl Context {
    /// Mamba's convolution over time: states `s` `[conv - 1, inner, n_kv]`, inputs `x` `[inner, tokens]`, kernel `c`
    /// `[conv, inner]`, sequences `sq` `[n_kv, tokens]`. The result holds the outputs and then the new states.
    pub fn ssm_conv(&self, s: Tensor, x: Tensor, c: Tensor, sq: Tensor) -> Result<Tensor> {
        let (ns, nx, nc, nq) = (s.ne(), x.ne(), c.ne(), sq.ne());
        let (conv, inner, tokens, kv) = (nc[0], nc[1], nx[1], ns[2]);
        ensure!(
            s.is_3d()
                && [x, c, sq].iter().all(|t| t.is_matrix())
                && sq.ty() == Type::I32
                && ns[0] == conv - 1
                && ns[1] == inner
                && nx[0] == inner
                && nq[..2] == [kv, tokens],
            "ssm_conv: {s}, {x}, {c} and {sq} do not fit"
        );
        let t = self.new_tensor(
            Type::F32,
            &[values([&[inner, tokens], &[conv, inner, kv]])?],
        )?;
        self.node(t, Op::Ssm_conv, [Some(s), Some(x), Some(c), Some(sq)])
    }

    /// Mamba's selective scan: states `s` `[state, inner, n_kv]`, inputs `x` and steps `dt` `[inner, tokens]`, `a`
    /// `[state, inner]`, `b` and `c` `[state, tokens]`, sequences `sq`. The result holds the outputs and then the new states.
    pub fn ssm_scan(
        &self,
        s: Tensor,
        x: Tensor,
        dt: Tensor,
        a: Tensor,
        b: Tensor,
        c: Tensor,
        sq: Tensor,
    ) -> Result<Tensor> {
        let (ns, nx) = (s.ne(), x.ne());
        let (state, inner, tokens) = (ns[0], ns[1], nx[1]);
        ensure!(
            [s, x, dt, a].iter().all(|t| t.is_contiguous())
                && [b, c].iter().all(|t| t.nb()[0] == t.type_size())
                && sq.ty() == Type::I32
                && x.same_shape(dt)
                && nx[0] == inner
                && a.ne()[..2] == [state, inner]
                && b.ne()[..2] == [state, tokens]
                && c.ne()[..2] == [state, tokens],
            "ssm_scan: {s}, {x}, {dt}, {a}, {b} and {c} do not fit"
        );
        let t = self.new_tensor(Type::F32, &[values([&nx, &ns])?])?;
        self.node(
            t,
            Op::Ssm_scan,
            [
                Some(s),
                Some(x),
                Some(dt),
                Some(a),
                Some(b),
                Some(c),
                Some(sq),
            ],
        )
    }

    /// The gated delta rule: `q`, `k` `[sk, tokens, hk, n]`, `v` `[sv, tokens, hv, n]`, gates `g` `[tokens, 1, hv, n]`, `beta`
    /// `[1, tokens, hv, n]`, `state` `[sv, sv * hv, 1, n]`. The result holds the outputs and then the new states.
    pub fn delta_net(
        &self,
        q: Tensor,
        k: Tensor,
        v: Tensor,
        g: Tensor,
        beta: Tensor,
        state: Tensor,
    ) -> Result<Tensor> {
        let (nq, nv) = (q.ne(), v.ne());
        let [_, tokens, hk, n] = nq;
        let (sv, hv) = (nv[0], nv[2]);
        ensure!(
            [q, k, state].iter().all(|t| t.is_contiguous())
                && [q, k, v, g, beta, state]
                    .iter()
                    .all(|t| t.ty() == Type::F32),
            "delta_net: {q}, {k} and {state} must be contiguous f32"
        );
        ensure!(
            k.same_shape(q)
                && nv[1] == tokens
                && nv[3] == n
                && g.ne() == [tokens, 1, hv, n]
                && beta.ne() == [1, tokens, hv, n]
                && Some(state.ne()[1]) == sv.checked_mul(hv)
                && state.ne()[0] == sv
                && state.ne()[2..] == [1, n]
                && hk > 0
                && hv % hk == 0,
            "delta_net: {q}, {k}, {v}, {g}, {beta} and {state} do not fit"
        );
        let t = self.new_tensor(
            Type::F32,
            &[values([&[sv, hv, tokens, n], &[sv, sv, hv, n]])?],
        )?;
        self.node(
            t,
            Op::Delta_net,
            [Some(q), Some(k), Some(v), Some(g), Some(beta), Some(state)],
        )
    }

    /// Solves `a x = b` for lower triangular square matrices `a`.
    pub fn solve_tri(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        let (na, nb) = (a.ne(), b.ne());
        ensure!(
            a.ty() == Type::F32
                && b.ty() == Type::F32
                && na[0] == na[1]
                && na[1..] == nb[1..]
                && a.is_contiguous()
                && b.is_contiguous(),
            "solve_tri: {a} and {b} do not fit"
        );
        let t = self.new_tensor(Type::F32, &nb)?;
        self.node(t, Op::Solve_tri, [Some(a), Some(b)])
    }
}
