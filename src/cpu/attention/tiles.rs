//! Attention of many queries by AMX: queries, keys, values and weights are sums of two bf16 each, as f16 weights of products are
//! ([`matmul::tiles`](crate::cpu::matmul::tiles)), so that scores and results keep 16 bits.

// Indices count registers in arrays.
#![allow(clippy::needless_range_loop)]

use crate::cpu::matmul::tiles::{self, BYTES, LANES, STEP};
use crate::cpu::matmul::{PackArgs, UnpackArgs};
use crate::simd::amx::{self, Out};
use crate::simd::{Element, Level, Simd};

/// Rows that are multiplied at once, and keys; there is memory for multiples of so many.
pub const ROWS: usize = 2 * LANES;
const _: () = assert!(ROWS == STEP);

/// Whether heads of these sizes are computed so.
pub fn suit(level: Level, dk: usize, dv: usize) -> bool {
    level == Level::Amx && dk.is_multiple_of(STEP) && dv.is_multiple_of(2 * LANES)
}

/// Bytes of the tiles of 16 rows or columns with `k` values each.
fn panel(k: usize) -> usize {
    2 * BYTES * (k / STEP)
}

/// Brings row `row` of a matrix of `k` columns, a multiple of 32, to its place in the tiles of the left matrix of a product: blocks of
/// [`ROWS`] rows.
///
/// # Safety
/// The CPU has [`Level::Amx`]; the row is there, and so are tiles of as many rows.
pub unsafe fn left(k: usize, x: *const f32, row: usize, tiles: *mut f32) {
    let (block, col) = (row / ROWS, row % ROWS);
    let args = PackArgs {
        src: x.cast(),
        k,
        cols: ROWS,
        col,
        dst: tiles.wrapping_byte_add(block * 2 * panel(k)),
    };
    // SAFETY: the caller's promise.
    unsafe { tiles::pack::<f32, 2>(args) }
}

/// Brings `n` rows of `k` values of a type, `stride` bytes apart, to tiles of the right matrix of a product, as its columns: panels of 16.
///
/// # Safety
/// The CPU has [`Level::Amx`]; the rows are there, and so are panels for as many columns.
pub unsafe fn columns<T: Element>(
    n: usize,
    k: usize,
    x: *const u8,
    stride: usize,
    tiles: *mut f32,
) {
    for first in (0..n).step_by(LANES) {
        let args = UnpackArgs {
            rows: x.wrapping_add(first * stride),
            stride,
            n_rows: LANES.min(n - first),
            k,
            panel: tiles.cast::<u8>().wrapping_add(first / LANES * panel(k)),
        };
        // SAFETY: the caller's promise.
        unsafe { tiles::unpack_floats::<T>(args) }
    }
}

/// See [`Kernels::tiles_of_rows`](super::kernels::Kernels::tiles_of_rows).
///
/// # Safety
/// The rows are there, and panels for as many columns.
#[inline(always)]
pub unsafe fn rows<S: Simd>(
    s: S,
    n: usize,
    d: usize,
    from: *const f32,
    stride: usize,
    tiles: *mut f32,
) {
    let n_padded = n.next_multiple_of(STEP);
    for i in (0..n_padded).step_by(2) {
        for j in (0..d).step_by(S::N) {
            let mut pairs = [s.splat_i32(0); 2];
            for r in 0..2 {
                let mut x = s.zero();
                if i + r < n {
                    // SAFETY: the row is there.
                    x = unsafe { s.load(from.add((i + r) * stride + j)) };
                }
                for part in 0..2 {
                    // The upper half of a float, rounded, is a bf16.
                    let up = s.add_i32(s.cast_i(x), s.splat_i32(0x8000));
                    let upper = s.and(up, s.splat_i32(!0xffff));
                    let half = if r == 0 {
                        s.shr_i32::<16>(upper)
                    } else {
                        upper
                    };
                    pairs[part] = s.or(pairs[part], half);
                    x = s.sub(x, s.cast_f(upper));
                }
            }
            for part in 0..2 {
                let at = j / LANES * panel(n_padded) + (i / STEP * 2 + part) * BYTES;
                let at = at + i % STEP / 2 * 4 * LANES + 4 * (j % LANES);
                // SAFETY: the panels have room for `n_padded` rows.
                unsafe { s.store_int(tiles.cast::<u8>().add(at), pairs[part]) };
            }
        }
    }
}

/// `c[m][n] = a[m][k] b[k][n]`, or `+=` if `add`: `m` rounded up to [`ROWS`], `n` to 32, `k` to 32.
///
/// # Safety
/// [`amx::Tiles`] live on this thread; `a` and `b` are tiles of these matrices, and `c` has as many rows and columns.
pub unsafe fn product(
    [m, n, k]: [usize; 3],
    a: *const f32,
    b: *const f32,
    c: *mut f32,
    ldc: usize,
    add: bool,
) {
    let (a, b) = (a.cast::<u8>(), b.cast::<u8>());
    let panel = panel(k.next_multiple_of(STEP));
    for i in (0..m).step_by(ROWS) {
        for j in (0..n).step_by(2 * LANES) {
            // SAFETY: the caller's promise.
            unsafe {
                let b = b.add(j / LANES * panel);
                let c = c.add(i * ldc + j);
                let below = c.wrapping_add(LANES * ldc);
                let out = Out {
                    tiles: [c, below, c.wrapping_add(LANES), below.wrapping_add(LANES)],
                    stride: 4 * ldc,
                    add,
                };
                let a = a.add(i / LANES * panel);
                amx::products::<2, 2>(k.div_ceil(STEP), a, [b, b.wrapping_add(panel)], &out);
            }
        }
    }
}
