//! Vector kernels on rows of f32: what the element-wise operators, norms and soft-max are made of.

use half::{bf16, f16};

use crate::graph::UnaryOp;
use crate::quant::legacy::Q8_0Block;
use crate::quant::{Half, Type};
use crate::simd::{Element, Simd};

/// A row kernel `y[i] = f(x[i])`.
pub type Unary = unsafe fn(&Rows, usize, *const f32, *mut f32);
/// A row kernel `y[i] = f(a[i], b[i])`.
pub type Binary = unsafe fn(&Rows, usize, *const f32, *const f32, *mut f32);
/// A row kernel `y[i] = f(a[i], b)`.
pub type WithScalar = unsafe fn(&Rows, usize, *const f32, f32, *mut f32);

crate::kernels! {
    /// Kernels on rows of `n` values. Source and destination may be the same row, but must not overlap otherwise.
    pub struct Rows {
        fn add(n: usize, a: *const f32, b: *const f32, y: *mut f32) = zip::<_, Add>;
        fn sub(n: usize, a: *const f32, b: *const f32, y: *mut f32) = zip::<_, Sub>;
        fn mul(n: usize, a: *const f32, b: *const f32, y: *mut f32) = zip::<_, Mul>;
        fn div(n: usize, a: *const f32, b: *const f32, y: *mut f32) = zip::<_, Div>;
        fn add_scalar(n: usize, a: *const f32, b: f32, y: *mut f32) = zip_scalar::<_, Add>;
        fn sub_scalar(n: usize, a: *const f32, b: f32, y: *mut f32) = zip_scalar::<_, Sub>;
        fn mul_scalar(n: usize, a: *const f32, b: f32, y: *mut f32) = zip_scalar::<_, Mul>;
        fn div_scalar(n: usize, a: *const f32, b: f32, y: *mut f32) = zip_scalar::<_, Div>;
        /// `y += a * s`
        fn add_scaled(n: usize, a: *const f32, s: f32, y: *mut f32) = add_scaled;

        fn abs(n: usize, x: *const f32, y: *mut f32) = map::<_, Abs>;
        fn neg(n: usize, x: *const f32, y: *mut f32) = map::<_, Neg>;
        fn sgn(n: usize, x: *const f32, y: *mut f32) = map::<_, Sgn>;
        fn step(n: usize, x: *const f32, y: *mut f32) = map::<_, Step>;
        fn sqr(n: usize, x: *const f32, y: *mut f32) = map::<_, Sqr>;
        fn sqrt(n: usize, x: *const f32, y: *mut f32) = map::<_, Sqrt>;
        fn relu(n: usize, x: *const f32, y: *mut f32) = map::<_, Relu>;
        fn tanh(n: usize, x: *const f32, y: *mut f32) = map::<_, Tanh>;
        fn exp(n: usize, x: *const f32, y: *mut f32) = map::<_, Exp>;
        fn sigmoid(n: usize, x: *const f32, y: *mut f32) = map::<_, Sigmoid>;
        fn silu(n: usize, x: *const f32, y: *mut f32) = map::<_, Silu>;
        fn gelu(n: usize, x: *const f32, y: *mut f32) = map::<_, Gelu>;
        fn gelu_quick(n: usize, x: *const f32, y: *mut f32) = map::<_, GeluQuick>;
        fn hardswish(n: usize, x: *const f32, y: *mut f32) = map::<_, Hardswish>;
        fn hardsigmoid(n: usize, x: *const f32, y: *mut f32) = map::<_, Hardsigmoid>;

        /// `y = silu(a) * b`, and its kin.
        fn silu_mul(n: usize, a: *const f32, b: *const f32, y: *mut f32) = gate::<_, Silu>;
        fn gelu_mul(n: usize, a: *const f32, b: *const f32, y: *mut f32) = gate::<_, Gelu>;
        fn gelu_quick_mul(n: usize, a: *const f32, b: *const f32, y: *mut f32) = gate::<_, GeluQuick>;
        fn relu_mul(n: usize, a: *const f32, b: *const f32, y: *mut f32) = gate::<_, Relu>;
        /// `y = min(silu(a), limit) * clamp(b, -limit, limit)`
        fn silu_mul_limited(n: usize, a: *const f32, b: *const f32, limit: f32, y: *mut f32) = silu_mul_limited;
        /// The gate of gpt-oss: `x = min(a, limit)`, `y = x * sigmoid(alpha * x) * (clamp(b, -limit, limit) + 1)`.
        fn swiglu_oai(n: usize, a: *const f32, b: *const f32, alpha: f32, limit: f32, y: *mut f32) = swiglu_oai;

        /// `y = x * s + b`
        fn scale(n: usize, x: *const f32, s: f32, b: f32, y: *mut f32) = scale;
        fn clamp(n: usize, x: *const f32, min: f32, max: f32, y: *mut f32) = clamp;
        /// `y = after * tanh(before * x)`
        fn softcap(n: usize, x: *const f32, before: f32, after: f32, y: *mut f32) = softcap;
        /// `y = x > 0 ? x : slope * x`
        fn leaky_relu(n: usize, x: *const f32, slope: f32, y: *mut f32) = leaky_relu;

        fn sum(n: usize, x: *const f32) -> f32 = sum;
        fn max(n: usize, x: *const f32) -> f32 = max;
        /// Sum of `(x - mean)^2`.
        fn sum_sqr(n: usize, x: *const f32, mean: f32) -> f32 = sum_sqr;
        /// `y = (x - mean) * scale * w`, `w` null for ones.
        fn normalize(n: usize, x: *const f32, mean: f32, scale: f32, w: *const f32, y: *mut f32) = normalize;

        /// `y = x * scale + slope * mask`; returns the greatest.
        fn mask_f32(n: usize, x: *const f32, scale: f32, mask: *const f32, slope: f32, y: *mut f32) -> f32 = masked::<_, f32>;
        fn mask_f16(n: usize, x: *const f32, scale: f32, mask: *const f16, slope: f32, y: *mut f32) -> f32 = masked::<_, f16>;
        /// `y = e^(x - max)`; returns the sum.
        fn exp_sum(n: usize, x: *const f32, max: f32, y: *mut f32) -> f32 = exp_sum;

        fn f16_to_f32(n: usize, x: *const f16, y: *mut f32) = convert::<_, f16, f32>;
        fn f32_to_f16(n: usize, x: *const f32, y: *mut f16) = convert::<_, f32, f16>;
        fn bf16_to_f32(n: usize, x: *const bf16, y: *mut f32) = convert::<_, bf16, f32>;
        fn f32_to_bf16(n: usize, x: *const f32, y: *mut bf16) = convert::<_, f32, bf16>;

        /// Encodes `n` values (whole blocks) as q8_0.
        fn f32_to_q8_0(n: usize, x: *const f32, y: *mut u8) = f32_to_q8_0;
        /// `out = pos * freq` modulo a turn, in -pi..pi.
        fn angles(n: usize, pos: *const f64, freq: *const f64, out: *mut f32) = angles;
        /// Rotates `n` neighbouring values `(x[2 i], x[2 i + 1])`: `cos` has each cosine twice, `sin` each sine negated and not.
        fn rotate_pairs(n: usize, x: *const f32, cos: *const f32, sin: *const f32, y: *mut f32) = rotate_pairs;
        /// Rotates the pairs `(x[i], x[i + n])` by the angles whose cosines and sines are given.
        fn rotate_halves(n: usize, x: *const f32, cos: *const f32, sin: *const f32, y: *mut f32) = rotate_halves;
        /// Cosines and sines of `n` angles in radians, each within -4..4.
        fn cos_sin(n: usize, x: *const f32, cos: *mut f32, sin: *mut f32) = cos_sin;
    }
}

impl Rows {
    /// The kernel of a unary operator, if it has a vector form.
    pub fn unary(op: UnaryOp) -> Option<Unary> {
        Some(match op {
            UnaryOp::Abs => Rows::abs,
            UnaryOp::Sgn => Rows::sgn,
            UnaryOp::Neg => Rows::neg,
            UnaryOp::Step => Rows::step,
            UnaryOp::Tanh => Rows::tanh,
            UnaryOp::Relu => Rows::relu,
            UnaryOp::Sigmoid => Rows::sigmoid,
            UnaryOp::Gelu_quick => Rows::gelu_quick,
            UnaryOp::Silu => Rows::silu,
            UnaryOp::Hardswish => Rows::hardswish,
            UnaryOp::Hardsigmoid => Rows::hardsigmoid,
            UnaryOp::Gelu => Rows::gelu,
            UnaryOp::Exp => Rows::exp,
            UnaryOp::Gelu_erf => gelu_erf,
            UnaryOp::Elu => elu,
            UnaryOp::Softplus => softplus,
            UnaryOp::Swiglu | UnaryOp::Swiglu_oai => return None,
        })
    }

    pub fn square() -> Unary {
        Rows::sqr
    }
    pub fn square_root() -> Unary {
        Rows::sqrt
    }
    pub fn logarithm() -> Unary {
        log
    }

    /// The kernels `a op b` for two rows and for a row and a number.
    pub fn arithmetic(op: crate::graph::Op) -> Option<(Binary, WithScalar)> {
        use crate::graph::Op;
        Some(match op {
            Op::Add => (Rows::add, Rows::add_scalar),
            Op::Sub => (Rows::sub, Rows::sub_scalar),
            Op::Mul => (Rows::mul, Rows::mul_scalar),
            Op::Div => (Rows::div, Rows::div_scalar),
            _ => return None,
        })
    }

    /// The kernel `op(a) * b`.
    pub fn gated(op: UnaryOp) -> Option<Binary> {
        Some(match op {
            UnaryOp::Silu => Rows::silu_mul,
            UnaryOp::Gelu => Rows::gelu_mul,
            UnaryOp::Gelu_quick => Rows::gelu_quick_mul,
            UnaryOp::Relu => Rows::relu_mul,
            UnaryOp::Gelu_erf => gelu_erf_mul,
            _ => return None,
        })
    }

    /// Converts a row of f16 or bf16 to f32.
    ///
    /// # Safety
    /// `ty` is `F16` or `Bf16`, `x` points to `n` of them, `y` to room for `n` floats.
    pub unsafe fn widen(&self, ty: Type, n: usize, x: *const u8, y: *mut f32) {
        // SAFETY: the caller's promise.
        unsafe {
            match ty {
                Type::F16 => self.f16_to_f32(n, x.cast(), y),
                _ => self.bf16_to_f32(n, x.cast(), y),
            }
        }
    }

    /// Converts a row of f32 to f16 or bf16.
    ///
    /// # Safety
    /// `ty` is `F16` or `Bf16`, `x` points to `n` floats, `y` to room for `n` values.
    pub unsafe fn narrow(&self, ty: Type, n: usize, x: *const f32, y: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe {
            match ty {
                Type::F16 => self.f32_to_f16(n, x, y.cast()),
                _ => self.f32_to_bf16(n, x, y.cast()),
            }
        }
    }
}

/// A function of a vector.
trait Map {
    fn map<S: Simd>(s: S, x: S::F) -> S::F;
}

/// A function of two vectors.
trait Zip {
    fn zip<S: Simd>(s: S, a: S::F, b: S::F) -> S::F;
}

macro_rules! zips {
    ($($name:ident($s:ident, $a:ident, $b:ident) = $e:expr;)*) => { $(
        struct $name;
        impl Zip for $name {
            #[inline(always)]
            fn zip<S: Simd>($s: S, $a: S::F, $b: S::F) -> S::F {
                $e
            }
        }
    )* };
}

zips! {
    Add(s, a, b) = s.add(a, b);
    Sub(s, a, b) = s.sub(a, b);
    Mul(s, a, b) = s.mul(a, b);
    Div(s, a, b) = s.div(a, b);
}

macro_rules! maps {
    ($($name:ident($s:ident, $x:ident) = $e:expr;)*) => { $(
        struct $name;
        impl Map for $name {
            #[inline(always)]
            fn map<S: Simd>($s: S, $x: S::F) -> S::F {
                $e
            }
        }
    )* };
}

maps! {
    Abs(s, x) = s.abs(x);
    Neg(s, x) = s.neg(x);
    Sgn(s, x) = {
        let one = s.splat(1.0);
        let up = s.select(s.lt(s.zero(), x), one, s.zero());
        s.select(s.lt(x, s.zero()), s.neg(one), up)
    };
    Step(s, x) = s.select(s.lt(s.zero(), x), s.splat(1.0), s.zero());
    Sqr(s, x) = s.mul(x, x);
    Sqrt(s, x) = s.sqrt(x);
    Relu(s, x) = s.max(x, s.zero());
    Tanh(s, x) = tanh(s, x);
    Exp(s, x) = s.exp(x);
    Sigmoid(s, x) = sigmoid(s, x);
    Silu(s, x) = s.mul(x, sigmoid(s, x));
    // The tanh approximation: x/2 (1 + tanh(u)) = x sigmoid(2 u), u = sqrt(2/pi) (x + 0.044715 x^3).
    Gelu(s, x) = {
        let cubic = s.fma(s.mul(x, x), s.splat(0.044_715), s.splat(1.0));
        let u2 = s.mul(s.mul(x, s.splat(1.595_769_2)), cubic);
        s.mul(x, sigmoid(s, u2))
    };
    GeluQuick(s, x) = s.mul(x, sigmoid(s, s.mul(x, s.splat(1.702))));
    Hardswish(s, x) = s.mul(x, hardsigmoid(s, x));
    Hardsigmoid(s, x) = hardsigmoid(s, x);
}

#[inline(always)]
fn sigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let one = s.splat(1.0);
    s.div(one, s.add(one, s.exp(s.neg(x))))
}

#[inline(always)]
fn hardsigmoid<S: Simd>(s: S, x: S::F) -> S::F {
    let t = s.div(s.add(x, s.splat(3.0)), s.splat(6.0));
    s.min(s.max(t, s.zero()), s.splat(1.0))
}

/// tanh to a few ulp: a polynomial near zero (Cephes tanhf), else from the exponential.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::F) -> S::F {
    let a = s.abs(x);
    let z = s.mul(x, x);
    let mut p = s.splat(-5.704_988_7e-3);
    p = s.fma(p, z, s.splat(2.063_909e-2));
    p = s.fma(p, z, s.splat(-5.373_971_6e-2));
    p = s.fma(p, z, s.splat(1.333_144_2e-1));
    p = s.fma(p, z, s.splat(-3.333_328e-1));
    let near = s.fma(s.mul(p, z), x, x);
    let one = s.splat(1.0);
    let e = s.exp(s.add(a, a));
    let far = s.sub(one, s.div(s.splat(2.0), s.add(e, one)));
    let far = s.select(s.lt(x, s.zero()), s.neg(far), far);
    s.select(s.lt(a, s.splat(0.625)), near, far)
}

/// # Safety
/// `x` and `y` point to `n` values.
#[inline(always)]
unsafe fn map<S: Simd, M: Map>(s: S, n: usize, x: *const f32, y: *mut f32) {
    let mut i = 0;
    // SAFETY: whole vectors below `n`, then the rest, all inside the rows.
    unsafe {
        while i + S::N <= n {
            s.store(y.add(i), M::map(s, s.load(x.add(i))));
            i += S::N;
        }
        if i < n {
            s.store_part(y.add(i), M::map(s, s.load_part(x.add(i), n - i)), n - i);
        }
    }
}

/// # Safety
/// `a`, `b` and `y` point to `n` values.
#[inline(always)]
unsafe fn zip<S: Simd, Z: Zip>(s: S, n: usize, a: *const f32, b: *const f32, y: *mut f32) {
    let mut i = 0;
    // SAFETY: whole vectors below `n`, then the rest, all inside the rows.
    unsafe {
        while i + S::N <= n {
            s.store(y.add(i), Z::zip(s, s.load(a.add(i)), s.load(b.add(i))));
            i += S::N;
        }
        if i < n {
            let (u, v) = (s.load_part(a.add(i), n - i), s.load_part(b.add(i), n - i));
            s.store_part(y.add(i), Z::zip(s, u, v), n - i);
        }
    }
}

/// # Safety
/// `a` and `y` point to `n` values.
#[inline(always)]
unsafe fn zip_scalar<S: Simd, Z: Zip>(s: S, n: usize, a: *const f32, b: f32, y: *mut f32) {
    let b = s.splat(b);
    let mut i = 0;
    // SAFETY: whole vectors below `n`, then the rest, all inside the rows.
    unsafe {
        while i + S::N <= n {
            s.store(y.add(i), Z::zip(s, s.load(a.add(i)), b));
            i += S::N;
        }
        if i < n {
            s.store_part(y.add(i), Z::zip(s, s.load_part(a.add(i), n - i), b), n - i);
        }
    }
}

/// # Safety
/// `a`, `b` and `y` point to `n` values.
#[inline(always)]
unsafe fn gate<S: Simd, M: Map>(s: S, n: usize, a: *const f32, b: *const f32, y: *mut f32) {
    let mut i = 0;
    // SAFETY: whole vectors below `n`, then the rest, all inside the rows.
    unsafe {
        while i + S::N <= n {
            s.store(
                y.add(i),
                s.mul(M::map(s, s.load(a.add(i))), s.load(b.add(i))),
            );
            i += S::N;
        }
        if i < n {
            let (u, v) = (s.load_part(a.add(i), n - i), s.load_part(b.add(i), n - i));
            s.store_part(y.add(i), s.mul(M::map(s, u), v), n - i);
        }
    }
}

/// Defines row kernels that read one or two rows part by part and write one.
macro_rules! row_kernels {
    ($( fn $name:ident($s:ident; $($src:ident),+; $($p:ident: f32),*) = $e:expr; )*) => { $(
        /// # Safety
        /// All rows have `n` values.
        #[inline(always)]
        unsafe fn $name<S: Simd>($s: S, n: usize, $($src: *const f32,)+ $($p: f32,)* y: *mut f32) {
            $( let $p = $s.splat($p); )*
            let mut i = 0;
            while i < n {
                // SAFETY: at most the `n - i` values that are left.
                unsafe {
                    $( let $src = $s.load_part($src.add(i), n - i); )+
                    $s.store_part(y.add(i), $e, n - i);
                }
                i += S::N;
            }
        }
    )* };
}

row_kernels! {
    fn silu_mul_limited(s; a, b; limit: f32) = {
        let gate = s.min(s.mul(a, sigmoid(s, a)), limit);
        s.mul(gate, s.max(s.neg(limit), s.min(limit, b)))
    };
    fn swiglu_oai(s; a, b; alpha: f32, limit: f32) = {
        let x = s.min(a, limit);
        let gate = s.mul(x, sigmoid(s, s.mul(alpha, x)));
        let up = s.max(s.min(b, limit), s.neg(limit));
        s.mul(gate, s.add(up, s.splat(1.0)))
    };
    fn scale(s; x; factor: f32, bias: f32) = s.fma(x, factor, bias);
    fn clamp(s; x; min: f32, max: f32) = s.max(s.min(x, max), min);
    fn softcap(s; x; before: f32, after: f32) = s.mul(after, tanh(s, s.mul(before, x)));
    fn leaky_relu(s; x; slope: f32) = s.select(s.lt(s.zero(), x), x, s.mul(slope, x));
}

/// # Safety
/// `a` and `y` point to `n` values.
#[inline(always)]
unsafe fn add_scaled<S: Simd>(s: S, n: usize, a: *const f32, f: f32, y: *mut f32) {
    let f = s.splat(f);
    let mut i = 0;
    while i < n {
        // SAFETY: at most the `n - i` values that are left.
        unsafe {
            let sum = s.fma(
                s.load_part(a.add(i), n - i),
                f,
                s.load_part(y.add(i), n - i),
            );
            s.store_part(y.add(i), sum, n - i);
        }
        i += S::N;
    }
}

/// # Safety
/// `x` points to `n` values.
#[inline(always)]
unsafe fn sum<S: Simd>(s: S, n: usize, x: *const f32) -> f32 {
    let (mut even, mut odd) = (s.zero(), s.zero());
    let mut i = 0;
    // SAFETY: whole pairs of vectors below `n`, then the rest.
    unsafe {
        while i + 2 * S::N <= n {
            even = s.add(even, s.load(x.add(i)));
            odd = s.add(odd, s.load(x.add(i + S::N)));
            i += 2 * S::N;
        }
        while i < n {
            even = s.add(even, s.load_part(x.add(i), n - i));
            i += S::N;
        }
    }
    s.sum(s.add(even, odd))
}

/// # Safety
/// `x` points to `n` values.
#[inline(always)]
unsafe fn sum_sqr<S: Simd>(s: S, n: usize, x: *const f32, mean: f32) -> f32 {
    let (mut even, mut odd) = (s.zero(), s.zero());
    let m = s.splat(mean);
    let mut i = 0;
    let mut rest = 0.0;
    // SAFETY: whole pairs of vectors below `n`, then the rest.
    unsafe {
        while i + 2 * S::N <= n {
            let (u, v) = (
                s.sub(s.load(x.add(i)), m),
                s.sub(s.load(x.add(i + S::N)), m),
            );
            even = s.fma(u, u, even);
            odd = s.fma(v, v, odd);
            i += 2 * S::N;
        }
        while i < n {
            let d = *x.add(i) - mean;
            rest += d * d;
            i += 1;
        }
    }
    s.sum(s.add(even, odd)) + rest
}

/// # Safety
/// `x` points to `n` values.
#[inline(always)]
unsafe fn max<S: Simd>(s: S, n: usize, x: *const f32) -> f32 {
    let mut most = s.splat(f32::NEG_INFINITY);
    let mut i = 0;
    let mut last = f32::NEG_INFINITY;
    // SAFETY: whole vectors below `n`, then the rest.
    unsafe {
        while i + S::N <= n {
            most = s.max(s.load(x.add(i)), most);
            i += S::N;
        }
        while i < n {
            last = last.max(*x.add(i));
            i += 1;
        }
    }
    s.max_of(most).max(last)
}

/// # Safety
/// `x` and `y` point to `n` values, `w` too unless it is null.
#[inline(always)]
unsafe fn normalize<S: Simd>(
    s: S,
    n: usize,
    x: *const f32,
    mean: f32,
    scale: f32,
    w: *const f32,
    y: *mut f32,
) {
    let (mean, scale) = (s.splat(mean), s.splat(scale));
    let mut i = 0;
    while i < n {
        // SAFETY: at most the `n - i` values that are left.
        unsafe {
            let mut v = s.mul(s.sub(s.load_part(x.add(i), n - i), mean), scale);
            if !w.is_null() {
                v = s.mul(v, s.load_part(w.add(i), n - i));
            }
            s.store_part(y.add(i), v, n - i);
        }
        i += S::N;
    }
}

/// # Safety
/// `x`, `mask` and `y` point to `n` values.
#[inline(always)]
unsafe fn masked<S: Simd, M: Element>(
    s: S,
    n: usize,
    x: *const f32,
    scale: f32,
    mask: *const M,
    slope: f32,
    y: *mut f32,
) -> f32 {
    let (scale, slope) = (s.splat(scale), s.splat(slope));
    let mut most = s.splat(f32::NEG_INFINITY);
    let mut i = 0;
    // SAFETY: whole vectors below `n`, then the rest.
    unsafe {
        while i + S::N <= n {
            let m = M::load(s, mask.add(i), n - i);
            let v = s.fma(slope, m, s.mul(s.load(x.add(i)), scale));
            most = s.max(v, most);
            s.store(y.add(i), v);
            i += S::N;
        }
        if i < n {
            let m = M::load(s, mask.add(i), n - i);
            let v = s.mul(s.load_part(x.add(i), n - i), scale);
            s.store_part(y.add(i), s.fma(slope, m, v), n - i);
        }
        let mut greatest = s.max_of(most);
        while i < n {
            greatest = greatest.max(*y.add(i));
            i += 1;
        }
        greatest
    }
}

/// # Safety
/// `x` and `y` point to `n` values.
#[inline(always)]
unsafe fn exp_sum<S: Simd>(s: S, n: usize, x: *const f32, max: f32, y: *mut f32) -> f32 {
    let max = s.splat(max);
    let (mut even, mut odd) = (s.zero(), s.zero());
    let mut i = 0;
    // SAFETY: whole vectors below `n`, then the rest.
    unsafe {
        while i + 2 * S::N <= n {
            let u = s.exp(s.sub(s.load(x.add(i)), max));
            let v = s.exp(s.sub(s.load(x.add(i + S::N)), max));
            even = s.add(even, u);
            odd = s.add(odd, v);
            s.store(y.add(i), u);
            s.store(y.add(i + S::N), v);
            i += 2 * S::N;
        }
        while i + S::N <= n {
            let u = s.exp(s.sub(s.load(x.add(i)), max));
            even = s.add(even, u);
            s.store(y.add(i), u);
            i += S::N;
        }
        if i < n {
            let u = s.exp(s.sub(s.load_part(x.add(i), n - i), max));
            s.store_part(y.add(i), u, n - i);
            // Read back with zeros behind the end.
            even = s.add(even, s.load_part(y.add(i), n - i));
        }
    }
    s.sum(s.add(even, odd))
}

/// # Safety
/// `x` and `y` point to `n` values.
#[inline(always)]
unsafe fn convert<S: Simd, T: Element, U: Element>(s: S, n: usize, x: *const T, y: *mut U) {
    for i in (0..n).step_by(S::N) {
        // SAFETY: at most the values that are left.
        unsafe { U::store(s, y.add(i), T::load(s, x.add(i), n - i), n - i) };
    }
}

/// # Safety
/// `x` points to `n` values, a multiple of 32, and `y` to room for as many in q8_0.
#[inline(always)]
unsafe fn f32_to_q8_0<S: Simd>(s: S, n: usize, x: *const f32, y: *mut u8) {
    for b in 0..n / 32 {
        // SAFETY: a block of 32 values; a block of q8_0 is made of bytes.
        unsafe {
            let x = x.add(32 * b);
            let to = y.cast::<Q8_0Block>().add(b);
            let mut most = s.zero();
            let mut i = 0;
            while i < 32 {
                most = s.max(s.abs(s.load(x.add(i))), most);
                i += S::N;
            }
            let most = s.max_of(most);
            let inverse = s.splat(if most != 0.0 { 127.0 / most } else { 0.0 });
            (*to).d = Half::saturating(most / 127.0);
            let codes = (&raw mut (*to).qs).cast::<i8>();
            i = 0;
            while i < 32 {
                s.store_i8(codes.add(i), s.to_i32(s.mul(s.load(x.add(i)), inverse)));
                i += S::N;
            }
        }
    }
}

/// # Safety
/// All point to `n` values.
#[inline(always)]
unsafe fn angles<S: Simd>(_s: S, n: usize, pos: *const f64, freq: *const f64, out: *mut f32) {
    const TURN: f64 = std::f64::consts::TAU;
    for i in 0..n {
        // SAFETY: `i < n`.
        unsafe {
            let angle = *pos.add(i) * *freq.add(i);
            *out.add(i) = (angle - (angle / TURN).round_ties_even() * TURN) as f32;
        }
    }
}

/// # Safety
/// All point to `n` values, an even number.
#[inline(always)]
unsafe fn rotate_pairs<S: Simd>(
    s: S,
    n: usize,
    x: *const f32,
    cos: *const f32,
    sin: *const f32,
    y: *mut f32,
) {
    static SWAP: [u8; 16] = [4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11];
    // SAFETY: 16 bytes.
    let swap = unsafe { s.load_128(SWAP.as_ptr()) };
    let mut i = 0;
    while i < n {
        let left = n - i;
        // SAFETY: at most the values that are left.
        unsafe {
            let v = s.load_part(x.add(i), left);
            let swapped = s.cast_f(s.lookup16(s.cast_i(v), swap));
            let turned = s.mul(swapped, s.load_part(sin.add(i), left));
            let turned = s.fma(v, s.load_part(cos.add(i), left), turned);
            s.store_part(y.add(i), turned, left);
        }
        i += S::N;
    }
}

/// # Safety
/// `x` and `y` point to `2 n` values, `cos` and `sin` to `n`.
#[inline(always)]
unsafe fn rotate_halves<S: Simd>(
    s: S,
    n: usize,
    x: *const f32,
    cos: *const f32,
    sin: *const f32,
    y: *mut f32,
) {
    let mut i = 0;
    while i < n {
        let left = n - i;
        // SAFETY: at most the values that are left.
        unsafe {
            let (a, b) = (s.load_part(x.add(i), left), s.load_part(x.add(i + n), left));
            let (c, d) = (s.load_part(cos.add(i), left), s.load_part(sin.add(i), left));
            s.store_part(y.add(i), s.fnma(b, d, s.mul(a, c)), left);
            s.store_part(y.add(i + n), s.fma(b, c, s.mul(a, d)), left);
        }
        i += S::N;
    }
}

/// # Safety
/// `x`, `cos` and `sin` point to `n` values.
#[inline(always)]
unsafe fn cos_sin<S: Simd>(s: S, n: usize, x: *const f32, cos: *mut f32, sin: *mut f32) {
    let mut i = 0;
    while i < n {
        let left = n - i;
        // SAFETY: at most the values that are left.
        let x = unsafe { s.load_part(x.add(i), left) };
        // Down to +-pi/4 around the nearest multiple of pi/2, which is exact in three parts (Cody and Waite).
        let k = s.round(s.mul(x, s.splat(std::f32::consts::FRAC_2_PI)));
        let r = s.fnma(k, s.splat(1.570_312_5), x);
        let r = s.fnma(k, s.splat(4.837_513e-4), r);
        let r = s.fnma(k, s.splat(7.549_79e-8), r);
        let z = s.mul(r, r);
        // Minimax polynomials on +-pi/4 (Cephes sinf, cosf).
        let mut p = s.splat(-1.951_529_6e-4);
        p = s.fma(p, z, s.splat(8.332_161e-3));
        p = s.fma(p, z, s.splat(-1.666_665_5e-1));
        let sine = s.fma(s.mul(p, z), r, r);
        let mut q = s.splat(2.443_315_7e-5);
        q = s.fma(q, z, s.splat(-1.388_731_6e-3));
        q = s.fma(q, z, s.splat(4.166_664_6e-2));
        let cosine = s.fma(s.mul(q, z), z, s.fnma(z, s.splat(0.5), s.splat(1.0)));
        // k mod 4 swaps the two and flips signs.
        let k = s.to_i32(k);
        let odd = s.to_f32(s.and(k, s.splat_i32(1)));
        let swap = s.lt(s.zero(), odd);
        let flip_sin = s.shl_i32::<30>(s.and(k, s.splat_i32(2)));
        let flip_cos = s.shl_i32::<30>(s.and(s.add_i32(k, s.splat_i32(1)), s.splat_i32(2)));
        let (a, b) = (s.select(swap, cosine, sine), s.select(swap, sine, cosine));
        // SAFETY: at most the values that are left.
        unsafe {
            s.store_part(sin.add(i), s.cast_f(s.xor(s.cast_i(a), flip_sin)), left);
            s.store_part(cos.add(i), s.cast_f(s.xor(s.cast_i(b), flip_cos)), left);
        }
        i += S::N;
    }
}

/// Defines row kernels of functions that have no vector form: rarely used ones.
macro_rules! scalar_rows {
    ($( fn $name:ident($x:ident) = $e:expr; )*) => { $(
        /// # Safety
        /// `x` and `y` point to `n` values.
        unsafe fn $name(_: &Rows, n: usize, x: *const f32, y: *mut f32) {
            for i in 0..n {
                // SAFETY: `i < n`.
                unsafe {
                    let $x = *x.add(i);
                    *y.add(i) = $e;
                }
            }
        }
    )* };
}

scalar_rows! {
    fn gelu_erf(x) = 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2));
    fn elu(x) = if x > 0.0 { x } else { x.exp_m1() };
    fn softplus(x) = if x > 20.0 { x } else { x.exp().ln_1p() };
    fn log(x) = x.ln();
}

/// # Safety
/// `a`, `b` and `y` point to `n` values; `y` is none of the others unless it is `a`.
unsafe fn gelu_erf_mul(_: &Rows, n: usize, a: *const f32, b: *const f32, y: *mut f32) {
    for i in 0..n {
        // SAFETY: `i < n`.
        unsafe {
            let (x, up) = (*a.add(i), *b.add(i));
            *y.add(i) = 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)) * up;
        }
    }
}
