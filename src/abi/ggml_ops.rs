//! The part of `ggml.h` that builds graphs: a function for every operator.
//!
//! Each checks its pointers and calls the builder of the same name. Where a tensor that the operator cannot do without is null (what
//! a builder before it answers when it fails), the result is null too, so that calls can be chained; the failure itself
//! was logged.

// Parameters have their C names.
#![allow(non_snake_case)]

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use super::ggml::{glu_of, in_context, report, tensor, type_of, unary_of};
use super::ggml_types::{
    ggml_binary_op_f32_t, ggml_custom1_op_f32_t, ggml_custom1_op_t, ggml_custom2_op_f32_t,
    ggml_custom2_op_t, ggml_custom3_op_f32_t, ggml_custom3_op_t, ggml_unary_op_f32_t,
};
use super::guard;
use super::raw::{
    ggml_glu_op, ggml_op, ggml_op_pool, ggml_prec, ggml_scale_mode, ggml_sort_order, ggml_tri_type,
    ggml_type, ggml_unary_op,
};
use crate::ensure;
use crate::error::{Error, Result};
use crate::graph::params::{GluOp, PoolOp, Rope, SoftcapMax, SortOrder, TriType};
use crate::graph::{Custom, MAX_SRC, Op, Tensor, UnaryOp, Window, ggml_context, ggml_tensor};

/// Exports builders: `name(tensors)[optional tensors](parameters) = |ctx| result`.
macro_rules! builders {
    ($(
        $(#[$doc:meta])*
        $name:ident($($t:ident),*)[$($o:ident),*]($($p:ident: $pt:ty),*) = |$ctx:ident| $body:expr;
    )*) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(
                ctx: *mut ggml_context,
                $($t: *mut ggml_tensor,)*
                $($o: *mut ggml_tensor,)*
                $($p: $pt),*
            ) -> *mut ggml_tensor {
                // SAFETY: pointers from C: null, or live tensors and a context that no other thread uses.
                unsafe {
                    $(let Some($t) = tensor($t) else { return null_mut() };)*
                    $(let $o = tensor($o);)*
                    in_context(stringify!($name), ctx, |$ctx| $body)
                }
            }
        )*
    };
}

fn axis(raw: c_int) -> Result<usize> {
    usize::try_from(raw).map_err(|_| Error(format!("there is no dimension {raw}")))
}

fn enumerator<T>(raw: c_int, from: impl Fn(u32) -> Option<T>) -> Result<T> {
    u32::try_from(raw)
        .ok()
        .and_then(from)
        .ok_or_else(|| Error(format!("there is no option {raw}")))
}

fn sort_order(raw: ggml_sort_order) -> Result<SortOrder> {
    enumerator(raw, |r| SortOrder::from_repr(r as _))
}

fn pool_op(raw: ggml_op_pool) -> Result<PoolOp> {
    enumerator(raw, |r| PoolOp::from_repr(r as _))
}

fn tri_type(raw: ggml_tri_type) -> Result<TriType> {
    enumerator(raw, |r| TriType::from_repr(r as _))
}

/// A window over an image: strides, paddings, dilations.
fn window(s0: c_int, s1: c_int, p0: c_int, p1: c_int, d0: c_int, d1: c_int) -> Window {
    Window {
        stride: [s0, s1],
        padding: [p0, p1],
        dilation: [d0, d1],
    }
}

/// Half of a side of kernel `a`: the padding that keeps the size.
fn half(a: Tensor, axis: usize) -> c_int {
    (a.ne()[axis] / 2) as c_int
}

fn side(a: Tensor, axis: usize) -> c_int {
    a.ne()[axis] as c_int
}

// Element by element.
builders! {
    /// A copy.
    ggml_dup(a)[]() = |ctx| ctx.dup(a);
    /// A view that is written with itself.
    ggml_dup_inplace(a)[]() = |ctx| ctx.dup_inplace(a);
    /// `a + b`, with `b` repeated to the shape of `a`.
    ggml_add(a, b)[]() = |ctx| ctx.add(a, b);
    ggml_add_inplace(a, b)[]() = |ctx| ctx.add_inplace(a, b);
    /// `a + b` as type `type_`, for `a` that is not f32.
    ggml_add_cast(a, b)[](type_: ggml_type) = |ctx| ctx.add_cast(a, b, type_of(type_)?);
    /// `a[i0, i1, i2] + b[i0, ids[i1, i2]]`.
    ggml_add_id(a, b, ids)[]() = |ctx| ctx.add_id(a, b, ids);
    /// `a + b` for one value `b`.
    ggml_add1(a, b)[]() = |ctx| ctx.add1(a, b);
    ggml_add1_inplace(a, b)[]() = |ctx| ctx.add1_inplace(a, b);
    /// The sum of the first `n_experts` planes of `a`.
    ggml_multi_add(a)[](n_experts: c_int) = |ctx| ctx.multi_add(a, n_experts);
    /// The sum of the planes of `a`, weighted by `b`.
    ggml_mul_multi_add(a, b)[]() = |ctx| ctx.mul_multi_add(a, b);
    /// The Walsh–Hadamard transform of each run of `n` values.
    ggml_hadamard(a)[](n: c_int) = |ctx| ctx.hadamard(a, n);
    /// `a - b`.
    ggml_sub(a, b)[]() = |ctx| ctx.sub(a, b);
    ggml_sub_inplace(a, b)[]() = |ctx| ctx.sub_inplace(a, b);
    /// `a * b`, with `b` repeated to the shape of `a`.
    ggml_mul(a, b)[]() = |ctx| ctx.mul(a, b);
    ggml_mul_inplace(a, b)[]() = |ctx| ctx.mul_inplace(a, b);
    /// `op(a) * b`.
    ggml_fused_mul_unary(a, b)[](op: ggml_unary_op) = |ctx| ctx.fused_mul_unary(a, b, unary_of(op)?);
    ggml_fused_mul_unary_inplace(a, b)[](op: ggml_unary_op) = |ctx| ctx.fused_mul_unary_inplace(a, b, unary_of(op)?);
    /// `a / b`, with `b` repeated to the shape of `a`.
    ggml_div(a, b)[]() = |ctx| ctx.div(a, b);
    ggml_div_inplace(a, b)[]() = |ctx| ctx.div_inplace(a, b);
    ggml_sqr(a)[]() = |ctx| ctx.sqr(a);
    ggml_sqr_inplace(a)[]() = |ctx| ctx.sqr_inplace(a);
    ggml_sqrt(a)[]() = |ctx| ctx.sqrt(a);
    ggml_sqrt_inplace(a)[]() = |ctx| ctx.sqrt_inplace(a);
    ggml_log(a)[]() = |ctx| ctx.log(a);
    ggml_log_inplace(a)[]() = |ctx| ctx.log_inplace(a);
    /// `op` of each element.
    ggml_unary(a)[](op: ggml_unary_op) = |ctx| ctx.unary(a, unary_of(op)?);
    ggml_unary_inplace(a)[](op: ggml_unary_op) = |ctx| ctx.unary_inplace(a, unary_of(op)?);
    ggml_abs(a)[]() = |ctx| ctx.unary(a, UnaryOp::Abs);
    ggml_abs_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Abs);
    ggml_sgn(a)[]() = |ctx| ctx.unary(a, UnaryOp::Sgn);
    ggml_sgn_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Sgn);
    ggml_neg(a)[]() = |ctx| ctx.unary(a, UnaryOp::Neg);
    ggml_neg_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Neg);
    ggml_step(a)[]() = |ctx| ctx.unary(a, UnaryOp::Step);
    ggml_step_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Step);
    ggml_tanh(a)[]() = |ctx| ctx.unary(a, UnaryOp::Tanh);
    ggml_tanh_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Tanh);
    ggml_elu(a)[]() = |ctx| ctx.unary(a, UnaryOp::Elu);
    ggml_elu_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Elu);
    ggml_relu(a)[]() = |ctx| ctx.unary(a, UnaryOp::Relu);
    ggml_relu_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Relu);
    ggml_sigmoid(a)[]() = |ctx| ctx.unary(a, UnaryOp::Sigmoid);
    ggml_sigmoid_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Sigmoid);
    /// GELU by its approximation with tanh.
    ggml_gelu(a)[]() = |ctx| ctx.unary(a, UnaryOp::Gelu);
    ggml_gelu_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Gelu);
    /// GELU by the error function.
    ggml_gelu_erf(a)[]() = |ctx| ctx.unary(a, UnaryOp::Gelu_erf);
    ggml_gelu_erf_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Gelu_erf);
    /// GELU by its approximation with a sigmoid.
    ggml_gelu_quick(a)[]() = |ctx| ctx.unary(a, UnaryOp::Gelu_quick);
    ggml_gelu_quick_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Gelu_quick);
    ggml_silu(a)[]() = |ctx| ctx.unary(a, UnaryOp::Silu);
    ggml_silu_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Silu);
    /// `x * relu6(x + 3) / 6`.
    ggml_hardswish(a)[]() = |ctx| ctx.unary(a, UnaryOp::Hardswish);
    /// `relu6(x + 3) / 6`.
    ggml_hardsigmoid(a)[]() = |ctx| ctx.unary(a, UnaryOp::Hardsigmoid);
    ggml_exp(a)[]() = |ctx| ctx.unary(a, UnaryOp::Exp);
    ggml_exp_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Exp);
    ggml_softplus(a)[]() = |ctx| ctx.unary(a, UnaryOp::Softplus);
    ggml_softplus_inplace(a)[]() = |ctx| ctx.unary_inplace(a, UnaryOp::Softplus);
    /// `x` where positive, `negative_slope * x` elsewhere.
    ggml_leaky_relu(a)[](negative_slope: f32, inplace: bool) = |ctx| ctx.leaky_relu(a, negative_slope, inplace);
    /// `silu(x) * y` for the halves of each row.
    ggml_swiglu(a)[]() = |ctx| ctx.swiglu(a);
    /// The clamped gated unit of gpt-oss; `b` may be null.
    ggml_swiglu_oai(a)[b](alpha: f32, limit: f32) = |ctx| ctx.swiglu_oai(a, b, alpha, limit);
    /// For `a = x` and `b = dy`.
    ggml_silu_back(a, b)[]() = |ctx| ctx.silu_back(a, b);
    /// A gated linear unit of the halves of each row.
    ggml_glu(a)[](op: ggml_glu_op, swapped: bool) = |ctx| ctx.glu(a, None, glu_of(op)?, swapped);
    /// A gated linear unit of `a` and `b`.
    ggml_glu_split(a)[b](op: ggml_glu_op) = |ctx| ctx.glu(a, b, glu_of(op)?, false);
    ggml_reglu(a)[]() = |ctx| ctx.glu(a, None, GluOp::Reglu, false);
    ggml_reglu_swapped(a)[]() = |ctx| ctx.glu(a, None, GluOp::Reglu, true);
    ggml_reglu_split(a)[b]() = |ctx| ctx.glu(a, b, GluOp::Reglu, false);
    ggml_geglu(a)[]() = |ctx| ctx.glu(a, None, GluOp::Geglu, false);
    ggml_geglu_swapped(a)[]() = |ctx| ctx.glu(a, None, GluOp::Geglu, true);
    ggml_geglu_split(a)[b]() = |ctx| ctx.glu(a, b, GluOp::Geglu, false);
    ggml_swiglu_swapped(a)[]() = |ctx| ctx.glu(a, None, GluOp::Swiglu, true);
    ggml_swiglu_split(a)[b]() = |ctx| ctx.glu(a, b, GluOp::Swiglu, false);
    ggml_geglu_erf(a)[]() = |ctx| ctx.glu(a, None, GluOp::Geglu_erf, false);
    ggml_geglu_erf_swapped(a)[]() = |ctx| ctx.glu(a, None, GluOp::Geglu_erf, true);
    ggml_geglu_erf_split(a)[b]() = |ctx| ctx.glu(a, b, GluOp::Geglu_erf, false);
    ggml_geglu_quick(a)[]() = |ctx| ctx.glu(a, None, GluOp::Geglu_quick, false);
    ggml_geglu_quick_swapped(a)[]() = |ctx| ctx.glu(a, None, GluOp::Geglu_quick, true);
    ggml_geglu_quick_split(a)[b]() = |ctx| ctx.glu(a, b, GluOp::Geglu_quick, false);
    /// `s * a`.
    ggml_scale(a)[](s: f32) = |ctx| ctx.scale(a, s);
    ggml_scale_inplace(a)[](s: f32) = |ctx| ctx.scale_inplace(a, s);
    /// `s * a + b`.
    ggml_scale_bias(a)[](s: f32, b: f32) = |ctx| ctx.scale_bias(a, s, b);
    ggml_scale_bias_inplace(a)[](s: f32, b: f32) = |ctx| ctx.scale_bias_inplace(a, s, b);
    /// `s_after * tanh(s_before * a)`.
    ggml_softcap(a)[](s_before: f32, s_after: f32) = |ctx| ctx.softcap(a, s_before, s_after);
    ggml_softcap_inplace(a)[](s_before: f32, s_after: f32) = |ctx| ctx.softcap_inplace(a, s_before, s_after);
    /// Each element limited to `min` to `max`; a view.
    ggml_clamp(a)[](min: f32, max: f32) = |ctx| ctx.clamp(a, min, max);
    /// A tensor like `a`, each element `c`.
    ggml_fill(a)[](c: f32) = |ctx| ctx.fill(a, c, false);
    ggml_fill_inplace(a)[](c: f32) = |ctx| ctx.fill(a, c, true);
    /// A triangle of each square matrix, zeros elsewhere.
    ggml_tri(a)[](type_: ggml_tri_type) = |ctx| ctx.tri(a, tri_type(type_)?);
    /// The numbers from `start` to below `stop`.
    ggml_arange()[](start: f32, stop: f32, step: f32) = |ctx| ctx.arange(start, stop, step);
    /// Cosines and sines of time steps: `dim` values for each.
    ggml_timestep_embedding(timesteps)[](dim: c_int, max_period: c_int) = |ctx| ctx.timestep_embedding(timesteps, dim, max_period);
}

// Sums, sorting and norms.
builders! {
    /// The sum of all elements.
    ggml_sum(a)[]() = |ctx| ctx.sum(a);
    /// The sum of each row.
    ggml_sum_rows(a)[]() = |ctx| ctx.sum_rows(a);
    /// The running sum of each row.
    ggml_cumsum(a)[]() = |ctx| ctx.cumsum(a);
    /// The mean of each row.
    ggml_mean(a)[]() = |ctx| ctx.mean(a);
    /// The place of the largest value of each row.
    ggml_argmax(a)[]() = |ctx| ctx.argmax(a);
    /// The places of each row's values in sorted order.
    ggml_argsort(a)[](order: ggml_sort_order) = |ctx| ctx.argsort(a, sort_order(order)?);
    /// As `ggml_argsort`, descending, without the places of values below `threshold` times the largest, but for `min_entries`.
    ggml_argsort_thresh(a)[](min_entries: c_int, threshold: f32) = |ctx| ctx.argsort_thresh(a, min_entries, threshold);
    /// The places of the `k` largest values of each row.
    ggml_top_k(a)[](k: c_int) = |ctx| ctx.top_k(a, k);
    ggml_top_k_thresh(a)[](k: c_int, min_entries: c_int, thresh: f32) = |ctx| ctx.top_k_thresh(a, k, min_entries, thresh);
    /// The places of the largest values of each row's best groups.
    ggml_grouped_topk(a)[](num_groups: c_int, num_top_groups: c_int, nk: c_int, topk_experts: c_int)
        = |ctx| ctx.grouped_topk(a, num_groups, num_top_groups, nk, topk_experts);
    /// Each row with mean 0 and variance 1.
    ggml_norm(a)[](eps: f32) = |ctx| ctx.norm(a, eps);
    ggml_norm_inplace(a)[](eps: f32) = |ctx| ctx.norm_inplace(a, eps);
    /// Each row divided by its root mean square.
    ggml_rms_norm(a)[](eps: f32) = |ctx| ctx.rms_norm(a, eps);
    ggml_rms_norm_inplace(a)[](eps: f32) = |ctx| ctx.rms_norm_inplace(a, eps);
    /// `rms_norm(a) * b`; `b` may be null.
    ggml_fused_rms_norm(a)[b](eps: f32) = |ctx| ctx.fused_rms_norm(a, b, eps);
    ggml_fused_rms_norm_inplace(a)[b](eps: f32) = |ctx| ctx.fused_rms_norm_inplace(a, b, eps);
    /// `norm(a) * b`; `b` may be null.
    ggml_fused_norm(a)[b](eps: f32) = |ctx| ctx.fused_norm(a, b, eps);
    ggml_fused_norm_inplace(a)[b](eps: f32) = |ctx| ctx.fused_norm_inplace(a, b, eps);
    /// Norm over groups of channels.
    ggml_group_norm(a)[](n_groups: c_int, eps: f32) = |ctx| ctx.group_norm(a, n_groups, eps, false);
    ggml_group_norm_inplace(a)[](n_groups: c_int, eps: f32) = |ctx| ctx.group_norm(a, n_groups, eps, true);
    /// Each row divided by its length.
    ggml_l2_norm(a)[](eps: f32) = |ctx| ctx.l2_norm(a, eps, false);
    ggml_l2_norm_inplace(a)[](eps: f32) = |ctx| ctx.l2_norm(a, eps, true);
    /// `rms_norm(x1) * c1 + rms_norm(x2) * c2`.
    ggml_fused_rms_rms_add(x1, c1, x2, c2)[](eps: f32) = |ctx| ctx.fused_rms_rms_add(x1, c1, x2, c2, eps);
    /// For `a = x` and `b = dy`.
    ggml_rms_norm_back(a, b)[](eps: f32) = |ctx| ctx.rms_norm_back(a, b, eps);
}

// Matrix products.
builders! {
    /// `a` `[k, m]` times `b` `[k, n]`: `[m, n]`.
    ggml_mul_mat(a, b)[]() = |ctx| ctx.mul_mat(a, b);
    /// As `ggml_mul_mat` with the matrix of `as_` that `ids` names.
    ggml_mul_mat_id(as_, b, ids)[]() = |ctx| ctx.mul_mat_id(as_, b, ids);
    /// `op(gate·b) * (up·b)`.
    ggml_fused_up_gate(up, gate, b)[](op: ggml_unary_op) = |ctx| ctx.fused_up_gate(up, gate, b, unary_of(op)?);
    /// The sum of outer products of rows: `a` `[m, k]`, `b` `[n, k]`, result `[m, n]`.
    ggml_out_prod(a, b)[]() = |ctx| ctx.out_prod(a, b);
}

/// `op(gate·b) * (up·b)` by expert; `as_gate` may be null if `as_up` holds both.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_moe_up_gate(
    ctx: *mut ggml_context,
    as_up: *mut ggml_tensor,
    as_gate: *mut ggml_tensor,
    b: *mut ggml_tensor,
    ids: *mut ggml_tensor,
    op: ggml_unary_op,
) -> *mut ggml_tensor {
    // SAFETY: pointers from C.
    unsafe { ggml_moe_up_gate_ext(ctx, as_up, as_gate, b, ids, null_mut(), null_mut(), op) }
}

/// As `ggml_moe_up_gate` with biases, which may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_moe_up_gate_ext(
    ctx: *mut ggml_context,
    a_up: *mut ggml_tensor,
    a_gate: *mut ggml_tensor,
    b: *mut ggml_tensor,
    ids: *mut ggml_tensor,
    a_up_b: *mut ggml_tensor,
    a_gate_b: *mut ggml_tensor,
    op: ggml_unary_op,
) -> *mut ggml_tensor {
    // SAFETY: pointers from C: null, or live tensors and a context.
    unsafe {
        let (Some(up), Some(b), Some(ids)) = (tensor(a_up), tensor(b), tensor(ids)) else {
            return null_mut();
        };
        let [gate, up_b, gate_b] = [a_gate, a_up_b, a_gate_b].map(|t| tensor(t));
        in_context("ggml_moe_up_gate", ctx, |ctx| {
            ctx.moe_up_gate(up, gate, b, ids, up_b, gate_b, unary_of(op)?)
        })
    }
}

// Views and copies.
builders! {
    /// `a` with `b` added to the part at `offset` with these strides.
    ggml_acc(a, b)[](nb1: usize, nb2: usize, nb3: usize, offset: usize) = |ctx| ctx.acc(a, b, [nb1, nb2, nb3], offset, false);
    ggml_acc_inplace(a, b)[](nb1: usize, nb2: usize, nb3: usize, offset: usize) = |ctx| ctx.acc(a, b, [nb1, nb2, nb3], offset, true);
    /// `a` with `b` in place of the part at `offset` with these strides.
    ggml_set(a, b)[](nb1: usize, nb2: usize, nb3: usize, offset: usize) = |ctx| ctx.set(a, b, [nb1, nb2, nb3], offset, false);
    ggml_set_inplace(a, b)[](nb1: usize, nb2: usize, nb3: usize, offset: usize) = |ctx| ctx.set(a, b, [nb1, nb2, nb3], offset, true);
    ggml_set_1d(a, b)[](offset: usize) = |ctx| { let [_, nb1, nb2, nb3] = a.nb(); ctx.set(a, b, [nb1, nb2, nb3], offset, false) };
    ggml_set_1d_inplace(a, b)[](offset: usize) = |ctx| { let [_, nb1, nb2, nb3] = a.nb(); ctx.set(a, b, [nb1, nb2, nb3], offset, true) };
    ggml_set_2d(a, b)[](nb1: usize, offset: usize) = |ctx| { let [_, _, nb2, nb3] = a.nb(); ctx.set(a, b, [nb1, nb2, nb3], offset, false) };
    ggml_set_2d_inplace(a, b)[](nb1: usize, offset: usize) = |ctx| { let [_, _, nb2, nb3] = a.nb(); ctx.set(a, b, [nb1, nb2, nb3], offset, true) };
    /// Copies `a` into `b`; the result looks at `b`.
    ggml_cpy(a, b)[]() = |ctx| ctx.cpy(a, b);
    /// `a` as another type.
    ggml_cast(a)[](type_: ggml_type) = |ctx| ctx.cast(a, type_of(type_)?);
    /// A contiguous copy.
    ggml_cont(a)[]() = |ctx| ctx.cont(a);
    ggml_cont_1d(a)[](ne0: i64) = |ctx| ctx.cont_as(a, &[ne0, 1, 1, 1]);
    ggml_cont_2d(a)[](ne0: i64, ne1: i64) = |ctx| ctx.cont_as(a, &[ne0, ne1, 1, 1]);
    ggml_cont_3d(a)[](ne0: i64, ne1: i64, ne2: i64) = |ctx| ctx.cont_as(a, &[ne0, ne1, ne2, 1]);
    ggml_cont_4d(a)[](ne0: i64, ne1: i64, ne2: i64, ne3: i64) = |ctx| ctx.cont_as(a, &[ne0, ne1, ne2, ne3]);
    /// A view of `a` with the shape of `b`.
    ggml_reshape(a, b)[]() = |ctx| ctx.reshape(a, &b.ne());
    ggml_reshape_1d(a)[](ne0: i64) = |ctx| ctx.reshape(a, &[ne0]);
    ggml_reshape_2d(a)[](ne0: i64, ne1: i64) = |ctx| ctx.reshape(a, &[ne0, ne1]);
    ggml_reshape_3d(a)[](ne0: i64, ne1: i64, ne2: i64) = |ctx| ctx.reshape(a, &[ne0, ne1, ne2]);
    ggml_reshape_4d(a)[](ne0: i64, ne1: i64, ne2: i64, ne3: i64) = |ctx| ctx.reshape(a, &[ne0, ne1, ne2, ne3]);
    /// A view of a part; `offset` and strides in bytes.
    ggml_view_1d(a)[](ne0: i64, offset: usize) = |ctx| ctx.view_1d(a, ne0, offset);
    ggml_view_2d(a)[](ne0: i64, ne1: i64, nb1: usize, offset: usize) = |ctx| ctx.view_2d(a, ne0, ne1, nb1, offset);
    ggml_view_3d(a)[](ne0: i64, ne1: i64, ne2: i64, nb1: usize, nb2: usize, offset: usize)
        = |ctx| ctx.view_3d(a, ne0, ne1, ne2, nb1, nb2, offset);
    ggml_view_4d(a)[](ne0: i64, ne1: i64, ne2: i64, ne3: i64, nb1: usize, nb2: usize, nb3: usize, offset: usize)
        = |ctx| ctx.view_4d(a, [ne0, ne1, ne2, ne3], nb1, nb2, nb3, offset);
    /// A view with dimensions in another order: dimension 0 of `a` becomes dimension `axis0`.
    ggml_permute(a)[](axis0: c_int, axis1: c_int, axis2: c_int, axis3: c_int)
        = |ctx| ctx.permute(a, [axis(axis0)?, axis(axis1)?, axis(axis2)?, axis(axis3)?]);
    /// A view with dimensions 0 and 1 exchanged.
    ggml_transpose(a)[]() = |ctx| ctx.transpose(a);
    /// The rows of `a` that `b` names.
    ggml_get_rows(a, b)[]() = |ctx| ctx.get_rows(a, b);
    ggml_get_rows_back(a, b, c)[]() = |ctx| ctx.get_rows_back(a, b, c);
    /// Writes the rows of `b` to the rows of `a` that `c` names.
    ggml_set_rows(a, b, c)[]() = |ctx| ctx.set_rows(a, b, c);
    /// Diagonal matrices.
    ggml_diag(a)[]() = |ctx| ctx.diag(a);
    /// `a` and `b` one behind the other.
    ggml_concat(a, b)[](dim: c_int) = |ctx| ctx.concat(a, b, axis(dim)?);
    /// `a` repeated to the shape of `b`.
    ggml_repeat(a, b)[]() = |ctx| ctx.repeat(a, b);
    ggml_repeat_4d(a)[](ne0: i64, ne1: i64, ne2: i64, ne3: i64) = |ctx| ctx.repeat_4d(a, [ne0, ne1, ne2, ne3]);
    /// The sum of the parts of `a` that are repetitions.
    ggml_repeat_back(a, b)[]() = |ctx| ctx.repeat_back(a, b);
    /// `a` with zeros behind it.
    ggml_pad(a)[](p0: c_int, p1: c_int, p2: c_int, p3: c_int) = |ctx| ctx.pad(a, [p0, p1, p2, p3]);
    /// A view of `dst` that is computed after `src`.
    ggml_fake_cpy(dst, src)[]() = |ctx| ctx.fake_cpy(dst, src);
}

/// The sum of tensors on several devices; `op` must be `GGML_OP_ADD`, and entries may be null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_reduce(
    ctx: *mut ggml_context,
    a: *mut *mut ggml_tensor,
    n: c_int,
    op: ggml_op,
) -> *mut ggml_tensor {
    let n = usize::try_from(n).ok().filter(|&n| n <= MAX_SRC);
    let n = n.filter(|_| !a.is_null()).unwrap_or(0);
    // SAFETY: the caller gives as many pointers, each null or a live tensor.
    let parts: Vec<Option<Tensor>> = (0..n).map(|i| unsafe { tensor(*a.add(i)) }).collect();
    // SAFETY: a context from C.
    unsafe {
        in_context("ggml_reduce", ctx, |ctx| {
            ctx.reduce(&parts, Op::from_raw(op).unwrap_or(Op::None))
        })
    }
}

// Attention and positions.
builders! {
    /// Minus infinity for what each token must not see.
    ggml_diag_mask_inf(a)[](n_past: c_int) = |ctx| ctx.diag_mask_inf(a, n_past, false);
    ggml_diag_mask_inf_inplace(a)[](n_past: c_int) = |ctx| ctx.diag_mask_inf(a, n_past, true);
    /// Zeros for what each token must not see.
    ggml_diag_mask_zero(a)[](n_past: c_int) = |ctx| ctx.diag_mask_zero(a, n_past, false);
    ggml_diag_mask_zero_inplace(a)[](n_past: c_int) = |ctx| ctx.diag_mask_zero(a, n_past, true);
    ggml_soft_max(a)[]() = |ctx| ctx.soft_max(a);
    ggml_soft_max_inplace(a)[]() = |ctx| ctx.soft_max_inplace(a);
    /// Soft-max of `a * scale + mask`; `mask` may be null; `max_bias` above 0 scales it per head (ALiBi).
    ggml_soft_max_ext(a)[mask](scale: f32, max_bias: f32) = |ctx| ctx.soft_max_ext(a, mask, scale, max_bias);
    ggml_soft_max_back(a, b)[]() = |ctx| ctx.soft_max_back(a, b, false);
    ggml_soft_max_back_inplace(a, b)[]() = |ctx| ctx.soft_max_back(a, b, true);
    /// Soft-cap, then soft-max; `mask` may be null.
    ggml_softcap_max(a)[mask](scale: f32, max_bias: f32, s_before: f32, s_after: f32)
        = |ctx| ctx.softcap_max(a, mask, SoftcapMax { scale, max_bias, before: s_before, after: s_after }, false);
    ggml_softcap_max_inplace(a)[mask](scale: f32, max_bias: f32, s_before: f32, s_after: f32)
        = |ctx| ctx.softcap_max(a, mask, SoftcapMax { scale, max_bias, before: s_before, after: s_after }, true);
    /// Attention; `mask` may be null, `softcap` 0.
    ggml_flash_attn_ext(q, k, v)[mask](scale: f32, max_bias: f32, softcap: f32)
        = |ctx| ctx.flash_attn_ext(q, k, v, mask, scale, max_bias, softcap);
}

/// The parameters of rope without frequency scaling.
fn plain_rope(n_dims: c_int, mode: c_int) -> Rope {
    Rope {
        n_dims,
        mode,
        n_ctx_orig: 0,
        freq_base: 10000.0,
        freq_scale: 1.0,
        ext_factor: 0.0,
        attn_factor: 1.0,
        beta_fast: 0.0,
        beta_slow: 0.0,
        sections: [0; 4],
    }
}

/// Exports rope builders, which share their long list of parameters.
macro_rules! rope_builders {
    ($(
        $(#[$doc:meta])*
        $name:ident($($t:ident),*)[$($o:ident),*]($($p:ident: $pt:ty),*) = |$ctx:ident, $rope:ident| $body:expr;
    )*) => {
        $(
            $(#[$doc])*
            #[unsafe(no_mangle)]
            pub unsafe extern "C" fn $name(
                ctx: *mut ggml_context,
                $($t: *mut ggml_tensor,)*
                $($o: *mut ggml_tensor,)*
                $($p: $pt,)*
                n_dims: c_int,
                mode: c_int,
                n_ctx_orig: c_int,
                freq_base: f32,
                freq_scale: f32,
                ext_factor: f32,
                attn_factor: f32,
                beta_fast: f32,
                beta_slow: f32,
            ) -> *mut ggml_tensor {
                let $rope = Rope {
                    n_dims,
                    mode,
                    n_ctx_orig,
                    freq_base,
                    freq_scale,
                    ext_factor,
                    attn_factor,
                    beta_fast,
                    beta_slow,
                    sections: [0; 4],
                };
                // SAFETY: pointers from C: null, or live tensors and a context that no other thread uses.
                unsafe {
                    $(let Some($t) = tensor($t) else { return null_mut() };)*
                    $(let $o = tensor($o);)*
                    in_context(stringify!($name), ctx, |$ctx| $body)
                }
            }
        )*
    };
}

builders! {
    /// Rotary positions of `a` at `b`.
    ggml_rope(a, b)[](n_dims: c_int, mode: c_int) = |ctx| ctx.rope_ext(a, b, None, plain_rope(n_dims, mode));
    ggml_rope_inplace(a, b)[](n_dims: c_int, mode: c_int) = |ctx| ctx.rope_ext_inplace(a, b, None, plain_rope(n_dims, mode));
    /// Rotates `a` by the angles in `b`, a result of `ggml_rope_cache`.
    ggml_rope_fast(a, b)[]() = |ctx| ctx.rope_fast(a, b);
}

rope_builders! {
    /// Rotary positions of `a` at `b`; `c`, which may be null, divides the frequencies.
    ggml_rope_ext(a, b)[c]() = |ctx, rope| ctx.rope_ext(a, b, c, rope);
    ggml_rope_ext_inplace(a, b)[c]() = |ctx, rope| ctx.rope_ext_inplace(a, b, c, rope);
    #[deprecated(note = "use ggml_rope_ext instead")]
    ggml_rope_custom(a, b)[]() = |ctx, rope| ctx.rope_ext(a, b, None, rope);
    #[deprecated(note = "use ggml_rope_ext_inplace instead")]
    ggml_rope_custom_inplace(a, b)[]() = |ctx, rope| ctx.rope_ext_inplace(a, b, None, rope);
    /// The inverse of `ggml_rope_ext`, without `c`.
    ggml_rope_back(a, b)[c]() = |ctx, rope| {
        ensure!(c.is_none(), "frequency factors are not supported");
        ctx.rope_back(a, b, rope)
    };
    /// The angles for heads of `ne0` values at `b`, for `ggml_rope_fast`; `c`, which may be null, divides the frequencies.
    ggml_rope_cache(b)[c](ne0: c_int) = |ctx, rope| ctx.rope_cache(b, c, ne0.into(), rope);
}

/// As `ggml_rope_ext` with several positions per token, for sections of the head.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_rope_multi(
    ctx: *mut ggml_context,
    a: *mut ggml_tensor,
    b: *mut ggml_tensor,
    c: *mut ggml_tensor,
    n_dims: c_int,
    sections: *mut c_int,
    mode: c_int,
    n_ctx_orig: c_int,
    freq_base: f32,
    freq_scale: f32,
    ext_factor: f32,
    attn_factor: f32,
    beta_fast: f32,
    beta_slow: f32,
) -> *mut ggml_tensor {
    let rope = Rope {
        n_dims,
        mode,
        n_ctx_orig,
        freq_base,
        freq_scale,
        ext_factor,
        attn_factor,
        beta_fast,
        beta_slow,
        sections: [0; 4],
    };
    // SAFETY: pointers from C.
    unsafe { rope_multi("ggml_rope_multi", ctx, [a, b, c], sections, rope, false) }
}

/// As `ggml_rope_multi`; a view.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_rope_multi_inplace(
    ctx: *mut ggml_context,
    a: *mut ggml_tensor,
    b: *mut ggml_tensor,
    c: *mut ggml_tensor,
    n_dims: c_int,
    sections: *mut c_int,
    mode: c_int,
    n_ctx_orig: c_int,
    freq_base: f32,
    freq_scale: f32,
    ext_factor: f32,
    attn_factor: f32,
    beta_fast: f32,
    beta_slow: f32,
) -> *mut ggml_tensor {
    let rope = Rope {
        n_dims,
        mode,
        n_ctx_orig,
        freq_base,
        freq_scale,
        ext_factor,
        attn_factor,
        beta_fast,
        beta_slow,
        sections: [0; 4],
    };
    // SAFETY: pointers from C.
    unsafe {
        rope_multi(
            "ggml_rope_multi_inplace",
            ctx,
            [a, b, c],
            sections,
            rope,
            true,
        )
    }
}

/// # Safety
/// Pointers are null or live tensors, a live context, and four sections.
unsafe fn rope_multi(
    name: &str,
    ctx: *mut ggml_context,
    tensors: [*mut ggml_tensor; 3],
    sections: *const c_int,
    mut rope: Rope,
    inplace: bool,
) -> *mut ggml_tensor {
    // SAFETY: as the caller promises.
    unsafe {
        let [Some(a), Some(b), c] = tensors.map(|t| tensor(t)) else {
            return null_mut();
        };
        if !sections.is_null() {
            rope.sections = sections.cast::<[c_int; 4]>().read();
        }
        in_context(name, ctx, |ctx| match inplace {
            false => ctx.rope_ext(a, b, c, rope),
            true => ctx.rope_ext_inplace(a, b, c, rope),
        })
    }
}

/// The dimensions between which YaRN goes over from extrapolation to interpolation.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_rope_yarn_corr_dims(
    n_dims: c_int,
    n_ctx_orig: c_int,
    freq_base: f32,
    beta_fast: f32,
    beta_slow: f32,
    dims: *mut f32,
) {
    // The dimension that turns `rotations` times over the original context (https://arxiv.org/abs/2309.00071, section 3.2).
    let dim = |rotations: f32| {
        let turns = n_ctx_orig as f32 / (rotations * 2.0 * std::f32::consts::PI);
        n_dims as f32 * turns.ln() / (2.0 * freq_base.ln())
    };
    if !dims.is_null() {
        let start = dim(beta_fast).floor().max(0.0);
        let end = dim(beta_slow).ceil().min((n_dims - 1) as f32);
        // SAFETY: the caller gives room for two numbers.
        unsafe { dims.cast::<[f32; 2]>().write_unaligned([start, end]) };
    }
}

/// Sets a parameter of a node that must be of operator `op`.
unsafe fn set_prec(name: &str, a: *mut ggml_tensor, op: Op, slot: usize, prec: ggml_prec) {
    guard(name, (), || {
        // SAFETY: null or a live tensor.
        if let Some(a) = unsafe { tensor(a) } {
            match a.op() == op {
                true => a.set_param(slot, prec),
                false => report(name, Err(Error(format!("{a} is not {op:?}")))),
            }
        }
    })
}

/// How exactly a matrix product accumulates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_mul_mat_set_prec(a: *mut ggml_tensor, prec: ggml_prec) {
    // SAFETY: a tensor from C.
    unsafe { set_prec("ggml_mul_mat_set_prec", a, Op::Mul_mat, 0, prec) }
}

/// How exactly attention accumulates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_flash_attn_ext_set_prec(a: *mut ggml_tensor, prec: ggml_prec) {
    // SAFETY: a tensor from C.
    unsafe {
        set_prec(
            "ggml_flash_attn_ext_set_prec",
            a,
            Op::Flash_attn_ext,
            3,
            prec,
        )
    }
}

unsafe fn add_sinks(name: &str, a: *mut ggml_tensor, sinks: *mut ggml_tensor) {
    guard(name, (), || {
        // SAFETY: null or live tensors.
        let (a, sinks) = unsafe { (tensor(a), tensor(sinks)) };
        if let Some(a) = a {
            report(name, a.add_sinks(sinks));
        }
    })
}

/// Gives attention a logit per head that takes part in the sum without a value; null takes it away.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_flash_attn_ext_add_sinks(
    a: *mut ggml_tensor,
    sinks: *mut ggml_tensor,
) {
    // SAFETY: tensors from C.
    unsafe { add_sinks("ggml_flash_attn_ext_add_sinks", a, sinks) }
}

/// Gives a soft-max a logit per head that takes part in the sum without a value; null takes it away.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_soft_max_add_sinks(a: *mut ggml_tensor, sinks: *mut ggml_tensor) {
    // SAFETY: tensors from C.
    unsafe { add_sinks("ggml_soft_max_add_sinks", a, sinks) }
}

// Images, signals, states.
builders! {
    /// The patches of `b` under kernel `a` as rows.
    ggml_im2col(a, b)[](s0: c_int, s1: c_int, p0: c_int, p1: c_int, d0: c_int, d1: c_int, is_2D: bool, dst_type: ggml_type)
        = |ctx| ctx.im2col(a, b, window(s0, s1, p0, p1, d0, d1), is_2D, type_of(dst_type)?);
    ggml_conv_depthwise_2d(a, b)[](s0: c_int, s1: c_int, p0: c_int, p1: c_int, d0: c_int, d1: c_int)
        = |ctx| ctx.conv_2d_dw(a, b, window(s0, s1, p0, p1, d0, d1));
    /// Convolves `b` with kernel `a`: stride, padding, dilation.
    ggml_conv_1d(a, b)[](s0: c_int, p0: c_int, d0: c_int) = |ctx| ctx.conv_1d(a, b, s0, p0, d0);
    /// As `ggml_conv_1d` with padding of half the kernel.
    ggml_conv_1d_ph(a, b)[](s: c_int, d: c_int) = |ctx| ctx.conv_1d(a, b, s, half(a, 0), d);
    ggml_conv_transpose_1d(a, b)[](s0: c_int, p0: c_int, d0: c_int) = |ctx| ctx.conv_transpose_1d(a, b, s0, p0, d0);
    /// Convolves `b` with kernel `a`: strides, paddings, dilations.
    ggml_conv_2d(a, b)[](s0: c_int, s1: c_int, p0: c_int, p1: c_int, d0: c_int, d1: c_int)
        = |ctx| ctx.conv_2d(a, b, window(s0, s1, p0, p1, d0, d1));
    /// The stride is the kernel's size, without padding.
    ggml_conv_2d_sk_p0(a, b)[]() = |ctx| ctx.conv_2d(a, b, window(side(a, 0), side(a, 1), 0, 0, 1, 1));
    /// The stride is 1, with padding of half the kernel.
    ggml_conv_2d_s1_ph(a, b)[]() = |ctx| ctx.conv_2d(a, b, window(1, 1, half(a, 0), half(a, 1), 1, 1));
    /// A kernel for each channel.
    ggml_conv_2d_dw(a, b)[](s0: c_int, s1: c_int, p0: c_int, p1: c_int, d0: c_int, d1: c_int)
        = |ctx| ctx.conv_2d_dw(a, b, window(s0, s1, p0, p1, d0, d1));
    /// As `ggml_conv_2d_dw`, in one node.
    ggml_conv_2d_dw_direct(a, b)[](stride0: c_int, stride1: c_int, pad0: c_int, pad1: c_int, dilation0: c_int, dilation1: c_int)
        = |ctx| ctx.conv_2d_dw_direct(a, b, window(stride0, stride1, pad0, pad1, dilation0, dilation1));
    ggml_conv_transpose_2d_p0(a, b)[](stride: c_int) = |ctx| ctx.conv_transpose_2d(a, b, stride);
    /// The largest value or the mean of runs of `k0` values.
    ggml_pool_1d(a)[](op: ggml_op_pool, k0: c_int, s0: c_int, p0: c_int) = |ctx| ctx.pool_1d(a, pool_op(op)?, k0, s0, p0);
    /// The largest value or the mean of windows.
    ggml_pool_2d(a)[](op: ggml_op_pool, k0: c_int, k1: c_int, s0: c_int, s1: c_int, p0: f32, p1: f32)
        = |ctx| ctx.pool_2d(a, pool_op(op)?, [k0, k1], [s0, s1], [p0, p1]);
    /// `a` enlarged in dimensions 0 and 1.
    ggml_upscale(a)[](scale_factor: c_int, mode: ggml_scale_mode) = |ctx| {
        let [a0, a1, a2, a3] = a.ne();
        let factor = i64::from(scale_factor);
        ensure!(factor > 1, "a factor of {factor} does not enlarge");
        ctx.interpolate(a, [a0.saturating_mul(factor), a1.saturating_mul(factor), a2, a3], mode as u32)
    };
    #[deprecated(note = "use ggml_interpolate instead")]
    ggml_upscale_ext(a)[](ne0: c_int, ne1: c_int, ne2: c_int, ne3: c_int, mode: ggml_scale_mode)
        = |ctx| ctx.interpolate(a, [ne0, ne1, ne2, ne3].map(i64::from), mode as u32);
    /// `a` scaled to another size; `mode` is an `enum ggml_scale_mode`, perhaps with flags.
    ggml_interpolate(a)[](ne0: i64, ne1: i64, ne2: i64, ne3: i64, mode: u32)
        = |ctx| ctx.interpolate(a, [ne0, ne1, ne2, ne3], mode);
    /// Cuts `a` into windows of `w` by `w`.
    ggml_win_part(a)[](w: c_int) = |ctx| ctx.win_part(a, w);
    /// The inverse of `ggml_win_part`.
    ggml_win_unpart(a)[](w0: c_int, h0: c_int, w: c_int) = |ctx| ctx.win_unpart(a, w0, h0, w);
    ggml_get_rel_pos(a)[](qh: c_int, kh: c_int) = |ctx| ctx.get_rel_pos(a, qh, kh);
    ggml_add_rel_pos(a, pw, ph)[]() = |ctx| ctx.add_rel_pos(a, pw, ph, false);
    ggml_add_rel_pos_inplace(a, pw, ph)[]() = |ctx| ctx.add_rel_pos(a, pw, ph, true);
    /// Mamba's convolution over time.
    ggml_ssm_conv(s, x, c, sq)[]() = |ctx| ctx.ssm_conv(s, x, c, sq);
    /// Mamba's selective scan.
    ggml_ssm_scan(s, x, dt, A, B, C, sq)[]() = |ctx| ctx.ssm_scan(s, x, dt, A, B, C, sq);
    /// Solves `a x = b` for lower triangular `a`; other variants are not supported.
    ggml_solve_tri(a, b)[](left: bool, lower: bool, uni: bool) = |ctx| {
        ensure!(left && lower && !uni, "only `a x = b` with lower triangular `a`");
        ctx.solve_tri(a, b)
    };
    /// The gated delta rule.
    ggml_delta_net(q, k, v, g, beta, state)[]() = |ctx| ctx.delta_net(q, k, v, g, beta, state);
    /// The mean cross entropy between logits and probabilities.
    ggml_cross_entropy_loss(a, b)[]() = |ctx| ctx.cross_entropy_loss(a, b);
    ggml_cross_entropy_loss_back(a, b, c)[]() = |ctx| ctx.cross_entropy_loss_back(a, b, c);
}

/// The address of a function from C, which must not be null.
fn address<F>(fun: Option<F>, to: impl FnOnce(F) -> usize) -> Result<usize> {
    fun.map(to)
        .ok_or_else(|| Error("the function is null".into()))
}

// Functions of the user.
builders! {
    /// `fun` of `a`, called by up to `n_tasks` threads (`GGML_N_TASKS_MAX`: any number).
    ggml_map_custom1(a)[](fun: ggml_custom1_op_t, n_tasks: c_int, userdata: *mut c_void)
        = |ctx| ctx.map_custom([a], Custom { fun: address(fun, |f| f as usize)?, n_tasks, userdata }, false);
    ggml_map_custom1_inplace(a)[](fun: ggml_custom1_op_t, n_tasks: c_int, userdata: *mut c_void)
        = |ctx| ctx.map_custom([a], Custom { fun: address(fun, |f| f as usize)?, n_tasks, userdata }, true);
    ggml_map_custom2(a, b)[](fun: ggml_custom2_op_t, n_tasks: c_int, userdata: *mut c_void)
        = |ctx| ctx.map_custom([a, b], Custom { fun: address(fun, |f| f as usize)?, n_tasks, userdata }, false);
    ggml_map_custom2_inplace(a, b)[](fun: ggml_custom2_op_t, n_tasks: c_int, userdata: *mut c_void)
        = |ctx| ctx.map_custom([a, b], Custom { fun: address(fun, |f| f as usize)?, n_tasks, userdata }, true);
    ggml_map_custom3(a, b, c)[](fun: ggml_custom3_op_t, n_tasks: c_int, userdata: *mut c_void)
        = |ctx| ctx.map_custom([a, b, c], Custom { fun: address(fun, |f| f as usize)?, n_tasks, userdata }, false);
    ggml_map_custom3_inplace(a, b, c)[](fun: ggml_custom3_op_t, n_tasks: c_int, userdata: *mut c_void)
        = |ctx| ctx.map_custom([a, b, c], Custom { fun: address(fun, |f| f as usize)?, n_tasks, userdata }, true);
    #[deprecated(note = "use ggml_map_custom1 instead")]
    ggml_map_unary_f32(a)[](fun: ggml_unary_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_unary, [a], address(fun, |f| f as usize)?, false);
    #[deprecated(note = "use ggml_map_custom1_inplace instead")]
    ggml_map_unary_inplace_f32(a)[](fun: ggml_unary_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_unary, [a], address(fun, |f| f as usize)?, true);
    #[deprecated(note = "use ggml_map_custom2 instead")]
    ggml_map_binary_f32(a, b)[](fun: ggml_binary_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_binary, [a, b], address(fun, |f| f as usize)?, false);
    #[deprecated(note = "use ggml_map_custom2_inplace instead")]
    ggml_map_binary_inplace_f32(a, b)[](fun: ggml_binary_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_binary, [a, b], address(fun, |f| f as usize)?, true);
    #[deprecated(note = "use ggml_map_custom1 instead")]
    ggml_map_custom1_f32(a)[](fun: ggml_custom1_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_custom1_f32, [a], address(fun, |f| f as usize)?, false);
    #[deprecated(note = "use ggml_map_custom1_inplace instead")]
    ggml_map_custom1_inplace_f32(a)[](fun: ggml_custom1_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_custom1_f32, [a], address(fun, |f| f as usize)?, true);
    #[deprecated(note = "use ggml_map_custom2 instead")]
    ggml_map_custom2_f32(a, b)[](fun: ggml_custom2_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_custom2_f32, [a, b], address(fun, |f| f as usize)?, false);
    #[deprecated(note = "use ggml_map_custom2_inplace instead")]
    ggml_map_custom2_inplace_f32(a, b)[](fun: ggml_custom2_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_custom2_f32, [a, b], address(fun, |f| f as usize)?, true);
    #[deprecated(note = "use ggml_map_custom3 instead")]
    ggml_map_custom3_f32(a, b, c)[](fun: ggml_custom3_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_custom3_f32, [a, b, c], address(fun, |f| f as usize)?, false);
    #[deprecated(note = "use ggml_map_custom3_inplace instead")]
    ggml_map_custom3_inplace_f32(a, b, c)[](fun: ggml_custom3_op_f32_t)
        = |ctx| ctx.map_function(Op::Map_custom3_f32, [a, b, c], address(fun, |f| f as usize)?, true);
}
