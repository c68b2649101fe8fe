//! The activation functions that are fused with a product: `act(gate) * up`.

use crate::graph::UnaryOp;
use crate::simd::Simd;

crate::kernels! {
    /// Kernels of fused gates.
    pub struct Gates {
        /// See [`combine`].
        fn run(op: UnaryOp, limit: f32, n: usize, gate: *const f32, up: *const f32, dst: *mut f32) = combine;
        /// See [`add_to`].
        fn add(n: usize, x: *mut f32, bias: *const f32) = add_to;
    }
}

/// Whether the function can be fused.
pub fn supported(op: UnaryOp) -> bool {
    matches!(
        op,
        UnaryOp::Silu | UnaryOp::Gelu | UnaryOp::Relu | UnaryOp::Swiglu_oai
    )
}

/// Largest gate and value of the gated unit of gpt-oss.
const OAI_LIMIT: f32 = 7.0;
const OAI_ALPHA: f32 = 1.702;

/// `dst = act(gate) * up` over `n` values. A positive `limit` clamps the activation from above and `up` on both sides.
///
/// # Safety
/// The pointers are to `n` values; `dst` may be one of the others.
#[inline(always)]
unsafe fn combine<S: Simd>(
    s: S,
    op: UnaryOp,
    limit: f32,
    n: usize,
    gate: *const f32,
    up: *const f32,
    dst: *mut f32,
) {
    let one = s.splat(1.0);
    let mut i = 0;
    while i < n {
        // SAFETY: the caller's promise.
        let (x, mut y) = unsafe {
            (
                s.load_part(gate.add(i), n - i),
                s.load_part(up.add(i), n - i),
            )
        };
        let mut act = match op {
            UnaryOp::Relu => s.max(x, s.zero()),
            // x (1 + tanh u) / 2 = x / (1 + e^(-2u)), u = sqrt(2/pi) (x + 0.044715 x^3)
            UnaryOp::Gelu => {
                let cubic = s.fma(s.mul(s.splat(0.044_715), x), s.mul(x, x), x);
                let e = s.exp(s.mul(s.splat(-1.595_769), cubic));
                s.div(x, s.add(one, e))
            }
            UnaryOp::Swiglu_oai => {
                let x = s.min(s.splat(OAI_LIMIT), x);
                y = s.max(s.splat(-OAI_LIMIT), s.min(s.splat(OAI_LIMIT), y));
                y = s.add(y, one);
                s.div(x, s.add(one, s.exp(s.mul(s.splat(-OAI_ALPHA), x))))
            }
            _ => s.div(x, s.add(one, s.exp(s.neg(x)))),
        };
        if limit > 1e-6 {
            act = s.min(s.splat(limit), act);
            if op != UnaryOp::Swiglu_oai {
                y = s.max(s.splat(-limit), s.min(s.splat(limit), y));
            }
        }
        // SAFETY: the caller's promise.
        unsafe { s.store_part(dst.add(i), s.mul(act, y), n - i) };
        i += S::N;
    }
}

/// Adds `n` values to others.
///
/// # Safety
/// The pointers are to `n` values.
#[inline(always)]
unsafe fn add_to<S: Simd>(s: S, n: usize, x: *mut f32, bias: *const f32) {
    let mut i = 0;
    while i < n {
        // SAFETY: the caller's promise.
        unsafe {
            let sum = s.add(
                s.load_part(x.add(i), n - i),
                s.load_part(bias.add(i), n - i),
            );
            s.store_part(x.add(i), sum, n - i);
        }
        i += S::N;
    }
}
