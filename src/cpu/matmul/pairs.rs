//! bf16 weights times bf16 activations, two at a time (AVX512-BF16): where the CPU begins as many such products as ones of f32, that
//! is twice the speed. As [`float`](super::float), but each 32 bits of panels and blocks are a pair of values. No level has these
//! instructions, so this is the one loop that is not written over [`Simd`](crate::simd::Simd).

// Loops over columns index several arrays, see `float`.
#![allow(clippy::needless_range_loop)]

use super::float::padded;
use super::kernels::{GemmArgs, MAX_COLS, MAX_PANELS};
use crate::simd::{Level, multiplies_bf16_in_pairs};

/// Whether rows of `k` weights are multiplied so.
pub fn suit(level: Level, k: usize) -> bool {
    level == Level::Avx512Vnni && k.is_multiple_of(2) && multiplies_bf16_in_pairs()
}

/// Two panels times a column block of `4 U` columns.
///
/// # Safety
/// The CPU has AVX-512 F and BF16. Panels and block are of `padded(k / 2)` pairs; `dst` has `n_cols` pointers, each to `n_rows` values.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bf16")]
unsafe fn gemm<const U: usize>(a: GemmArgs) {
    use std::arch::x86_64::*;
    use std::mem::transmute;

    const LANES: usize = 16;
    let (mut w, mut b) = (a.panels(LANES), a.block.cast::<i32>());
    // Summed up before they are added to the total, as f32 are.
    const SPAN: usize = 128;
    let zero = _mm512_setzero_ps();
    let none = [[zero; MAX_COLS]; MAX_PANELS];
    let (mut total, mut acc) = (none, none);
    let mut left = padded(a.k / 2);
    while left > 0 {
        let span = left.min(SPAN);
        for _ in 0..span {
            // SAFETY: inside the panels and the block; the vectors are of one size.
            unsafe {
                let x = w.map(|w| transmute::<__m512i, __m512bh>(_mm512_loadu_si512(w.cast())));
                for c in 0..4 * U {
                    let y = transmute::<__m512i, __m512bh>(_mm512_set1_epi32(b.add(c).read()));
                    for p in 0..MAX_PANELS {
                        acc[p][c] = _mm512_dpbf16_ps(acc[p][c], x[p], y);
                    }
                }
                w = w.map(|w| w.add(4 * LANES));
                b = b.add(4 * U);
            }
        }
        for p in 0..MAX_PANELS {
            for c in 0..4 * U {
                total[p][c] = _mm512_add_ps(total[p][c], acc[p][c]);
                acc[p][c] = zero;
            }
        }
        left -= span;
    }
    for p in 0..MAX_PANELS {
        let mask = match a.n_rows.saturating_sub(p * LANES) {
            n @ 0..LANES => (1u16 << n) - 1,
            _ => !0,
        };
        for c in 0..(4 * U).min(a.n_cols) {
            // SAFETY: the caller's promise; nothing is stored behind the rows.
            unsafe {
                let dst = a.dst.add(c).read().wrapping_add(p * LANES);
                _mm512_mask_storeu_ps(dst, mask, total[p][c]);
            }
        }
    }
}

/// For blocks of 4, 8 and 12 columns.
#[cfg(target_arch = "x86_64")]
pub static GEMM: [unsafe fn(GemmArgs); 3] = [gemm::<1>, gemm::<2>, gemm::<3>];
/// No other CPU [`suit`]s.
#[cfg(not(target_arch = "x86_64"))]
pub static GEMM: [unsafe fn(GemmArgs); 3] = [|_| (); 3];
