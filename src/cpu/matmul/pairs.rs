//! bf16 weights times bf16 activations, two at a time (AVX512-BF16): where the CPU begins as many such products as ones of f32, that
//! is twice the speed. As [`float`](super::float), but each 32 bits of panels and blocks are a pair of values. No level has these
//! instructions, so this is the one loop that is not written over [`Simd`](crate::simd::Simd).

// Loops over columns index several arrays, see `float`.
#![allow(clippy::needless_range_loop)]

use super::float::padded;
use super::kernels::{GemmArgs, MAX_COLS};
use crate::simd::{Level, multiplies_bf16_in_pairs};

/// Whether rows of `k` weights are multiplied so.
pub fn suit(level: Level, k: usize) -> bool {
    level == Level::Avx512Vnni && k.is_multiple_of(2) && multiplies_bf16_in_pairs()
}

/// A panel times a column block of `4 U` columns.
///
/// # Safety
/// The CPU has AVX-512 F and BF16. Panel and block are of `padded(k / 2)` pairs; `dst` has `n_cols` pointers, each to `n_rows` values.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn gemm<const U: usize>(a: GemmArgs) {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    const LANES: usize = 16;
    let (mut w, mut b) = (a.panel.cast::<i32>(), a.block.cast::<i32>());
    // Summed up before they are added to the total, as f32 are.
    const SPAN: usize = 128;
    let mut total = [_mm512_setzero_ps(); MAX_COLS];
    let mut left = padded(a.k / 2);
    while left > 0 {
        let span = left.min(SPAN);
        let mut acc = [_mm512_setzero_ps(); MAX_COLS];
        for _ in 0..span {
            // SAFETY: inside the panel and the block; the vectors are of one size.
            unsafe {
                let x = transmute::<__m512i, __m512bh>(_mm512_loadu_si512(w.cast()));
                for c in 0..4 * U {
                    let y = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(b.add(c).read()));
                    acc[c] = _mm512_dpbf16_ps(acc[c], x, y);
                }
                w = w.add(LANES);
                b = b.add(4 * U);
            }
        }
        for c in 0..4 * U {
            total[c] = _mm512_add_ps(total[c], acc[c]);
        }
        left -= span;
    }
    let mask = if a.n_rows >= LANES {
        !0
    } else {
        (1u16 << a.n_rows) - 1
    };
    for c in 0..4 * U {
        if c < a.n_cols {
            // SAFETY: the caller's promise.
            unsafe { _mm512_mask_storeu_ps(a.dst.add(c).read(), mask, total[c]) };
        }
    }
}

/// For blocks of 4, 8 and 12 columns.
#[cfg(target_arch = "x86_64")]
pub static GEMM: [unsafe fn(GemmArgs); 3] = [gemm::<1>, gemm::<2>, gemm::<3>];
/// No other CPU [`suit`]s.
#[cfg(not(target_arch = "x86_64"))]
pub static GEMM: [unsafe fn(GemmArgs); 3] = [|_| (); 3];
