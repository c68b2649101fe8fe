//! The kernels on 8-bit codes: quantizing activations, unpacking weights to a panel, panel times many columns, rows times few.
//!
//! Layouts, with `N` the f32 lanes of the level:
//!
//! * *Panel*: `N` rows of weights. Per 32 values: 8 vectors of codes (lane `r` of vector `j`: values `4 j..4 j + 4` of row `r`),
//!   then a vector of scales per group, then a vector of mins per group if the type has them.
//! * *Column block*: up to [`COLS`] columns of activations. Per 32 values: each column's 32 codes, each column's scale, then
//!   per group each column's sum: of codes times -bias (i32) and [`EVEN`]'s bits, to begin a dot product with; or of values
//!   (f32), to multiply a min with.
//!   Types whose scales change less often have groups of [`WIDE`] values in both, filled up with zeros at the end.
//! * *Natural*: one column of activations. Per [`CHUNK`]: codes, 16 scales, 16 sums of values, one per group, zeros beyond. If
//!   the column ends in a part of a chunk, the last chunk is that of its last 256 values, with zeros for those that the chunk
//!   before has already; so that weights can be decoded by whole chunks. Shorter columns are filled up with zeros.

// Loops over columns index several arrays; iterators would hide that and are closures, which lose the vector instructions.
#![allow(clippy::needless_range_loop)]

use std::marker::PhantomData;

use super::weights::{CHUNK, Scales, Weights};
use crate::simd::{Cache, Kernel, Simd, fetches_in_two_steps, prefetch};

/// Columns of a whole block of codes.
pub const COLS: usize = 6;
/// Columns of the largest block, of codes or floats, whose sums are in registers of vectors.
pub const MAX_COLS: usize = 12;
/// Rows of a panel at any level, at most.
pub const MAX_ROWS: usize = 16;
/// Panels that are multiplied with a block at once, at most.
pub const MAX_PANELS: usize = 2;
/// Bytes per chunk of a column in natural layout.
pub const NATURAL: usize = CHUNK + 2 * 16 * 4;
/// Longest block of a type with blocks of less than a chunk, in bytes per 32 values.
pub const MAX_TAIL: usize = 8 * 36;

/// A float whose neighbours are one apart, as are those of all floats less than 2^22 from it. So a small integer added to its
/// bits is the same integer added to the float: a dot product that begins with these bits is a float already, and one fused
/// multiplication both takes this number off and scales it.
const EVEN: f32 = 12_582_912.0;

/// What the codes of a type have more in a dot product than they stand for, so that they are unsigned where the instructions want them so.
pub const fn bias<W: Weights>(vnni: bool) -> i32 {
    match vnni {
        true if W::SIGNED || W::RAISED => 128,
        _ => W::OFFSET,
    }
}

/// Without [`Simd::VNNI`]: how many products of unsigned codes up to `top` with activations, two of them each, can be added up in 16
/// bits, rounded down to a power of two; but one at least, see [`tightness`].
pub const fn run_of(top: u8, group: usize) -> usize {
    let (fit, mut run) = (i16::MAX as usize / (2 * 127 * top as usize), 1);
    while 2 * run <= fit && 2 * run <= group / 4 && run < 8 {
        run *= 2;
    }
    run
}

/// Without [`Simd::VNNI`], products of unsigned codes and activations are added up in pairs as 16-bit numbers. Where codes are so large that
/// these could overflow, activations get a somewhat larger scale, as if the sum of two neighbours times this were one more of their values. So
/// they lose a fifth of a bit or a third, which is little beside what codes have lost that are not of eight bits already; and a product
/// takes three instructions, where it is four with signs that go over from codes to activations. 0 if there is no need.
pub const fn tightness(top: u8, vnni: bool) -> f32 {
    // What two activations may add up to; each is rounded up by a half at most.
    let most = i16::MAX as usize / top as usize;
    match vnni || most >= 2 * 127 {
        true => 0.0,
        false => 127.0 / (most - 1) as f32,
    }
}

/// [`tightness`] for codes as they are in a type.
pub const fn tightness_of<W: Weights>(vnni: bool) -> f32 {
    match W::SIGNED {
        true => 0.0,
        false => tightness(W::TOP, vnni),
    }
}

/// Whether pairs of groups of 16 get one scale where activations are many: the codes of one with the smaller scale are rounded anew, to
/// eight bits. Where there are no dot products of unsigned bytes, codes so small that some products add up as 16-bit numbers are multiplied
/// faster as they are.
const fn shares<W: Weights>(vnni: bool) -> bool {
    let small = run_of(W::TOP, W::GROUP) > 1;
    W::UP > 0 && (vnni || !small)
}

/// Scales and mins for codes that have [`bias`] added: where there are mins, they take it off again. If `rounded`, scales have
/// no more than 22 significant bits, so that they are exact when multiplied with [`EVEN`]; f16 values times integers are so.
///
/// # Safety
/// As [`Weights::scales`].
#[inline(always)]
unsafe fn scales<S: Simd, W: Weights>(
    s: S,
    row: *const u8,
    chunk: *const u8,
    rounded: bool,
) -> Scales<S> {
    // SAFETY: the caller's promise.
    let mut x = unsafe { W::scales(s, row, chunk) };
    if rounded {
        for v in 0..2 {
            x.scale[v] = rounded_22(s, x.scale[v]);
        }
    }
    let bias = bias::<W>(S::VNNI);
    if W::MIN && bias != 0 {
        for v in 0..2 {
            x.min[v] = s.fnma(s.splat(bias as f32), x.scale[v], x.min[v]);
        }
    }
    x
}

/// To 22 significant bits.
#[inline(always)]
fn rounded_22<S: Simd>(s: S, x: S::F) -> S::F {
    let bits = s.add_i32(s.cast_i(x), s.splat_i32(2));
    s.cast_f(s.and(bits, s.splat_i32(!3)))
}

/// The codes of a chunk as the dot product wants them, for pairs of groups that share a scale (see [`shares`]), and these eight scales.
///
/// # Safety
/// As [`Weights::scales`].
#[inline(always)]
unsafe fn shared<S: Simd, W: Weights>(s: S, row: *const u8, chunk: *const u8) -> ([S::I; 8], S::F) {
    // SAFETY: the caller's promise.
    let (mut codes, x) = unsafe { (W::chunk(s, chunk), W::scales(s, row, chunk)) };
    let last = 16 / S::N - 1;
    // Per group of 16, spread over its codes: what is added to them, and the fraction that is left of them.
    let (mut more, mut by) = ([s.zero(); 2], [s.zero(); 2]);
    for v in 0..=last {
        let size = s.abs(x.scale[v]);
        let top = s.max(size, s.swap_neighbours(size));
        let share = s.div(x.scale[v], s.max(top, s.splat(f32::MIN_POSITIVE)));
        let share = s.to_i32(s.mul(share, s.splat(32767.0)));
        let twice = s.or(s.and(share, s.splat_i32(0xffff)), s.shl_i32::<16>(share));
        by[v] = s.cast_f(twice);
        if W::MIN {
            let shift = s.and(s.to_i32(s.div(x.min[v], x.scale[v])), s.splat_i32(0xff));
            let twice = s.or(shift, s.shl_i32::<8>(shift));
            more[v] = s.cast_f(s.or(twice, s.shl_i32::<16>(twice)));
        }
    }
    let flip = s.splat_i8(-128);
    for i in 0..CHUNK / (4 * S::N) {
        let mut plain = codes[i];
        if !W::SIGNED {
            plain = s.sub_i8(plain, s.splat_i8(bias::<W>(S::VNNI) as i8));
        }
        if W::MIN {
            plain = s.add_i8(plain, s.cast_i(s.spread::<4>(more, i)));
        }
        let plain = s.scale_i8(plain, W::UP, s.cast_i(s.spread::<4>(by, i)));
        codes[i] = s.xor(plain, flip);
    }
    let size = [s.abs(x.scale[0]), s.abs(x.scale[last])];
    let (even, odd) = s.unzip_i32(s.cast_i(size[0]), s.cast_i(size[1]));
    let top = s.max(s.cast_f(even), s.cast_f(odd));
    (
        codes,
        rounded_22(s, s.mul(top, s.splat(1.0 / f32::from(W::UP)))),
    )
}

/// Codes as the dot product wants them.
#[inline(always)]
pub fn biased<S: Simd, W: Weights>(s: S, codes: S::I) -> S::I {
    if W::SIGNED && S::VNNI {
        s.xor(codes, s.splat_i8(-128))
    } else {
        codes
    }
}

/// Values per step of a panel and a column block with groups of so many: 32, or [`WIDE`].
pub const fn step(group: usize) -> usize {
    if group > 32 { group } else { 32 }
}

/// Bytes per step of a panel.
pub const fn panel_step(n: usize, group: usize, min: bool) -> usize {
    let groups = step(group) / group;
    n * (step(group) + 4 * groups * if min { 2 } else { 1 })
}

/// Bytes per step of a column block.
pub const fn block_step(cols: usize, group: usize) -> usize {
    cols * (step(group) + 4 + 4 * (step(group) / group))
}

/// Values per group of types that are [`Weights::WIDE`], in panels and blocks.
pub const WIDE: usize = 128;

/// Panels of `n` rows that are multiplied with a block at once: with 32 registers there is room for the sums of two, and each load of
/// activations serves both.
pub const fn panels(n: usize, group: usize) -> usize {
    if n == 16 || group > 32 { 2 } else { 1 }
}

#[derive(Clone, Copy)]
pub struct QuantizeArgs {
    /// One column.
    pub src: *const f32,
    /// Values, a multiple of 32.
    pub k: usize,
    /// 0 for the natural layout, else columns of the block.
    pub cols: usize,
    /// The column's place in the block.
    pub col: usize,
    pub dst: *mut u8,
    pub group: usize,
    /// See [`bias`].
    pub bias: i32,
    /// The sums are of values rather than of codes.
    pub min: bool,
    /// See [`tightness`].
    pub tight: f32,
}

/// Quantizes one column of activations to codes of -127..=127 with a scale per 32 values, or per group in blocks of wide ones.
pub struct Quantize;

impl Kernel for Quantize {
    type Args = QuantizeArgs;

    /// `src` points to `k` values, `dst` to a block (or natural column) that has room for them.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: QuantizeArgs) {
        if a.group > 32 && a.cols > 0 {
            // SAFETY: the caller's promise.
            return unsafe { quantize_wide(s, a) };
        }
        let groups = 32 / a.group.min(32);
        let (whole, skip) = last_chunk(a.k);
        for kb in 0..a.k / 32 {
            // SAFETY: the caller's promise; see the module for the layouts.
            unsafe {
                let src = a.src.add(32 * kb);
                if a.cols == 0 {
                    let chunk = a.dst.add(kb / 8 * NATURAL);
                    let b = kb % 8 + if kb / 8 == whole { skip } else { 0 };
                    let to = chunk.add(32 * b).cast();
                    let (scale, sums) = quantize_block(s, src, a.tight, to);
                    let scales = chunk.add(CHUNK).cast::<f32>();
                    if groups == 1 {
                        scales.add(b).write(scale);
                        scales.add(16 + b).write(scale * (sums[0] + sums[1]) as f32);
                    } else {
                        for g in 0..2 {
                            scales.add(2 * b + g).write(scale);
                            scales.add(16 + 2 * b + g).write(scale * sums[g] as f32);
                        }
                    }
                } else {
                    let block = a.dst.add(kb * block_step(a.cols, a.group));
                    let to = block.add(32 * a.col).cast();
                    let (scale, sums) = quantize_block(s, src, a.tight, to);
                    let scales = block.add(32 * a.cols).cast::<f32>().add(a.col);
                    scales.write(scale);
                    let sums = if groups == 1 {
                        [sums[0] + sums[1], 0]
                    } else {
                        sums
                    };
                    for g in 0..groups {
                        let at = scales.add((1 + g) * a.cols);
                        if a.min {
                            at.write(scale * sums[g] as f32);
                        } else {
                            at.cast::<i32>()
                                .write(EVEN.to_bits() as i32 - a.bias * sums[g]);
                        }
                    }
                }
            }
        }
        if a.cols == 0 {
            // SAFETY: the caller's promise.
            unsafe { clear_unused(a.dst, a.k, groups) };
        }
    }
}

/// Quantizes a column for a block with groups of more than 32 values.
///
/// # Safety
/// As for [`Quantize`].
#[inline(always)]
unsafe fn quantize_wide<S: Simd>(s: S, a: QuantizeArgs) {
    for g in 0..a.k.div_ceil(a.group) {
        let n = a.group.min(a.k - g * a.group);
        // SAFETY: the caller's promise; see the module for the layout.
        unsafe {
            let src = a.src.add(g * a.group);
            let block = a.dst.add(g * block_step(a.cols, a.group));
            let codes = block.add(a.group * a.col).cast::<i8>();
            let mut top = s.zero();
            for i in (0..n).step_by(S::N) {
                top = s.max(top, s.abs(s.load(src.add(i))));
            }
            let top = s.max_of(top);
            let inverse = s.splat(if top > 0.0 { 127.0 / top } else { 0.0 });
            let mut sum = s.splat_i32(0);
            for i in (0..n).step_by(S::N) {
                let q = s.to_i32(s.mul(s.load(src.add(i)), inverse));
                sum = s.add_i32(sum, q);
                s.store_i8(codes.add(i), q);
            }
            codes.add(n).write_bytes(0, a.group - n);
            let scales = block.add(a.group * a.cols).cast::<f32>().add(a.col);
            scales.write(top / 127.0);
            let sum = EVEN.to_bits() as i32 - a.bias * s.sum_i32(sum);
            scales.add(a.cols).cast::<i32>().write(sum);
        }
    }
}

/// How many chunks are whole, and at which 32 values of the next the rest of a column begins.
#[inline(always)]
fn last_chunk(k: usize) -> (usize, usize) {
    let (whole, rest) = (k / CHUNK, k % CHUNK / 32);
    (whole, if whole > 0 && rest > 0 { 8 - rest } else { 0 })
}

/// Clears what a natural column has no values for: lanes of scales, and a part of the last chunk.
///
/// # Safety
/// `dst` is a natural column of `k` values.
#[inline(always)]
unsafe fn clear_unused(dst: *mut u8, k: usize, groups: usize) {
    let (whole, skip) = last_chunk(k);
    for chunk in 0..k.div_ceil(CHUNK) {
        let (first, n) = if chunk == whole {
            (skip, k % CHUNK / 32)
        } else {
            (0, 8)
        };
        // SAFETY: see the module for the layout.
        unsafe {
            let at = dst.add(chunk * NATURAL);
            at.write_bytes(0, 32 * first);
            at.add(32 * (first + n))
                .write_bytes(0, 32 * (8 - first - n));
            let scales = at.add(CHUNK).cast::<f32>();
            for s in [scales, scales.add(16)] {
                s.write_bytes(0, groups * first);
                let used = groups * (first + n);
                s.add(used).write_bytes(0, 16 - used);
            }
        }
    }
}

/// Quantizes 32 values, see [`tightness`]; returns their scale and the sums of the first and last 16 codes.
///
/// # Safety
/// `src` points to 32 values, `dst` to 32 writable bytes.
#[inline(always)]
unsafe fn quantize_block<S: Simd>(
    s: S,
    src: *const f32,
    tight: f32,
    dst: *mut i8,
) -> (f32, [i32; 2]) {
    let n = 32 / S::N;
    let mut v = [s.zero(); 4];
    let mut top = s.zero();
    for i in 0..n {
        // SAFETY: the caller's promise.
        v[i] = unsafe { s.load(src.add(i * S::N)) };
        top = s.max(top, s.abs(v[i]));
    }
    if !S::VNNI && tight > 0.0 {
        // Two of different signs add up to less than one of them.
        for i in 0..n {
            let sum = s.abs(s.add(v[i], s.swap_neighbours(v[i])));
            top = s.max(top, s.mul(sum, s.splat(tight)));
        }
    }
    let top = s.max_of(top);
    let inverse = if top > 0.0 { 127.0 / top } else { 0.0 };
    let mut sums = [0; 2];
    for i in 0..n {
        let q = s.to_i32(s.mul(v[i], s.splat(inverse)));
        sums[i * 2 / n] += s.sum_i32(q);
        // SAFETY: the caller's promise.
        unsafe { s.store_i8(dst.add(i * S::N), q) };
    }
    (top / 127.0, sums)
}

/// What a panel of a type is, without or with [`Simd::VNNI`].
#[derive(Clone, Copy)]
pub struct Panel {
    /// Values per scale.
    pub group: usize,
    /// Groups have mins.
    pub min: bool,
    /// See [`bias`].
    pub bias: i32,
    /// See [`run_of`]; 0 if codes are signed.
    pub run: usize,
    /// See [`tightness`].
    pub tight: f32,
}

impl Panel {
    pub const fn of<W: Weights>(vnni: bool) -> Panel {
        if shares::<W>(vnni) {
            return Panel {
                group: 32,
                min: false,
                bias: 128,
                run: 1,
                tight: tightness(u8::MAX, vnni),
            };
        }
        Panel {
            group: if W::WIDE { WIDE } else { W::GROUP },
            min: W::MIN,
            bias: bias::<W>(vnni),
            run: match W::SIGNED {
                true => 0,
                false => run_of(W::TOP, W::GROUP),
            },
            tight: tightness_of::<W>(vnni),
        }
    }
}

#[derive(Clone, Copy)]
pub struct UnpackArgs {
    /// The first row, and the bytes from one to the next.
    pub rows: *const u8,
    pub stride: usize,
    /// Rows there are, `1..=N`; the last one is repeated to fill the panel.
    pub n_rows: usize,
    /// Values per row, a multiple of 32 and of the type's block.
    pub k: usize,
    pub panel: *mut u8,
}

impl UnpackArgs {
    /// Where a chunk of row `r` begins, whether or not they are there.
    #[inline(always)]
    pub fn place<W: Weights>(&self, r: usize, chunk: usize) -> *const u8 {
        let at = self.stride * r + W::META + chunk * (CHUNK / W::BLOCK * W::BYTES);
        self.rows.wrapping_add(at)
    }

    /// Row `r`, or the last one, and its chunk: in the row, or what there is of it in `tail`.
    ///
    /// # Safety
    /// The rows are of `W` and have such a chunk.
    #[inline(always)]
    pub unsafe fn chunk<W: Weights>(
        &self,
        r: usize,
        chunk: usize,
        tail: &mut [u8; MAX_TAIL],
    ) -> (*const u8, *const u8) {
        let left = self.k - CHUNK * chunk;
        // SAFETY: the caller's promise.
        unsafe {
            let r = r.min(self.n_rows - 1);
            let (row, at) = (self.rows.add(self.stride * r), self.place::<W>(r, chunk));
            if left >= CHUNK {
                return (row, at);
            }
            let part = (left / W::BLOCK * W::BYTES).min(MAX_TAIL);
            std::ptr::copy_nonoverlapping(at, tail.as_mut_ptr(), part);
            (row, tail.as_ptr())
        }
    }
}

/// Eight words of each of `N` rows: a vector per word, lane `r` from row `r`.
///
/// # Safety
/// `rows` points to the first row's words, `stride` bytes further are the next one's; `out` has room for eight vectors.
#[inline(always)]
pub unsafe fn words_to_lanes<S: Simd>(s: S, rows: *const u8, stride: usize, out: *mut u8) {
    let mut m = [s.splat_i32(0); 8];
    // SAFETY: the caller's promise.
    unsafe {
        for r in 0..8 {
            m[r] = s.load_halves(rows.add(stride * r), rows.add(stride * ((r + 8) % S::N)));
        }
        for (j, v) in s.transpose8(m).into_iter().enumerate() {
            s.store_int(out.add(j * 4 * S::N), v);
        }
    }
}

/// Unpacks rows to a panel.
pub struct Unpack<W>(PhantomData<W>);

#[repr(align(64))]
pub struct Aligned<T>(pub T);

impl<W: Weights> Kernel for Unpack<W> {
    type Args = UnpackArgs;

    /// The pointers are as the fields say.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: UnpackArgs) {
        let Panel {
            group,
            min: has_min,
            ..
        } = Panel::of::<W>(S::VNNI);
        let groups = (32 / group).max(1);
        // Blocks of 32 values per step.
        let wide = if W::WIDE { WIDE / 32 } else { 1 };
        let step = panel_step(S::N, group, has_min);
        let mut tail = [0u8; MAX_TAIL];
        let mut scale = Aligned([[0f32; 16]; MAX_ROWS]);
        let mut min = Aligned([[0f32; 16]; MAX_ROWS]);
        let mut codes = Aligned([[0u8; CHUNK]; MAX_ROWS]);
        for chunk in 0..a.k.div_ceil(CHUNK) {
            let blocks = (a.k / 32 - 8 * chunk).min(8);
            for r in 0..S::N {
                // SAFETY: the row is inside the matrix, the chunk inside the row.
                unsafe {
                    let (row, at) = a.chunk::<W>(r, chunk, &mut tail);
                    let to = codes.0[r].as_mut_ptr();
                    if shares::<W>(S::VNNI) {
                        let (all, sc) = shared::<S, W>(s, row, at);
                        for i in 0..CHUNK / (4 * S::N) {
                            s.store_int(to.add(4 * S::N * i), all[i]);
                        }
                        s.store(scale.0[r].as_mut_ptr(), sc);
                        continue;
                    }
                    let all = W::chunk(s, at);
                    for i in 0..CHUNK / (4 * S::N) {
                        s.store_int(to.add(4 * S::N * i), biased::<S, W>(s, all[i]));
                    }
                    let sc = scales::<S, W>(s, row, at, true);
                    s.store(scale.0[r].as_mut_ptr(), sc.scale[0]);
                    if W::MIN {
                        s.store(min.0[r].as_mut_ptr(), sc.min[0]);
                    }
                    if S::N == 8 && groups == 2 {
                        s.store(scale.0[r].as_mut_ptr().add(8), sc.scale[1]);
                        if W::MIN {
                            s.store(min.0[r].as_mut_ptr().add(8), sc.min[1]);
                        }
                    }
                }
            }
            // SAFETY: the panel has room for every 32 values of `k`.
            unsafe {
                let out = a.panel.add(chunk * 8 / wide * step);
                if W::WIDE {
                    for g in 0..blocks.div_ceil(wide) {
                        let out = out.add(g * step + WIDE * S::N).cast::<f32>();
                        for r in 0..S::N {
                            out.add(r).write(scale.0[r][g * wide]);
                        }
                    }
                }
                for v in 0..if W::WIDE { 0 } else { groups } {
                    let offset = 32 * S::N;
                    scatter_groups(s, &scale.0, v, groups, blocks, out.add(offset), step);
                    if has_min {
                        let offset = offset + 4 * S::N * groups;
                        scatter_groups(s, &min.0, v, groups, blocks, out.add(offset), step);
                    }
                }
                for i in 0..blocks {
                    let from = codes.0.as_ptr().cast::<u8>().add(32 * i);
                    let out = out.add(i / wide * step + i % wide * 32 * S::N);
                    words_to_lanes(s, from, CHUNK, out);
                }
                for i in blocks..blocks.next_multiple_of(wide) {
                    out.add(i / wide * step + i % wide * 32 * S::N)
                        .write_bytes(0, 32 * S::N);
                }
            }
        }
    }
}

/// Brings eight groups' scales (of all rows) to their places in the panel.
///
/// # Safety
/// `out` points to the place of group 0 of the chunk in a panel with room for `blocks` steps.
#[inline(always)]
unsafe fn scatter_groups<S: Simd>(
    s: S,
    values: &[[f32; 16]; MAX_ROWS],
    v: usize,
    groups: usize,
    blocks: usize,
    out: *mut u8,
    step: usize,
) {
    let h = s.half();
    let mut m = [s.splat_i32(0); 8];
    for r in 0..8 {
        // SAFETY: eight values from 0 or 8 on; rows beyond N are not used at levels with one half.
        unsafe {
            let lo = h.load_int(values[r].as_ptr().add(8 * v).cast());
            let hi = h.load_int(values[r + 8].as_ptr().add(8 * v).cast());
            m[r] = s.join(lo, hi);
        }
    }
    for (q, x) in s.transpose8(m).into_iter().enumerate() {
        let group = 8 * v + q;
        let block = group / groups;
        if block < blocks {
            // SAFETY: the caller's promise.
            unsafe { s.store_int(out.add(block * step + group % groups * 4 * S::N), x) };
        }
    }
}

#[derive(Clone, Copy)]
pub struct GemmArgs {
    /// The first panel, and the bytes from one to the next.
    pub panel: *const u8,
    pub panel_stride: usize,
    pub block: *const u8,
    pub k: usize,
    /// Where each column's first row goes.
    pub dst: *const *mut f32,
    pub n_cols: usize,
    /// Rows to be stored, `1..=N`, or up to `2 N` if the kernel takes two panels.
    pub n_rows: usize,
}

impl GemmArgs {
    /// Where the panels of `n` rows begin. The first one stands in for a second that is not there.
    #[inline(always)]
    pub fn panels(&self, n: usize) -> [*const u8; MAX_PANELS] {
        let second = if self.n_rows > n {
            self.panel_stride
        } else {
            0
        };
        [self.panel, self.panel.wrapping_add(second)]
    }

    /// Writes the results of panels and the first `cols` columns, as far as there are such rows and columns.
    ///
    /// # Safety
    /// `dst` has `n_cols` pointers, each to `n_rows` values.
    #[inline(always)]
    pub unsafe fn store<S: Simd, const C: usize>(
        &self,
        s: S,
        cols: usize,
        sums: &[[S::F; C]; MAX_PANELS],
    ) {
        for p in 0..MAX_PANELS {
            for c in 0..cols {
                if c < self.n_cols && self.n_rows > p * S::N {
                    // SAFETY: the caller's promise.
                    unsafe {
                        let dst = self.dst.add(c).read().add(p * S::N);
                        s.store_part(dst, sums[p][c], self.n_rows - p * S::N);
                    }
                }
            }
        }
    }
}

/// One or two panels (see [`panels`]) times a column block of `2 U` columns. `RUN` is [`run_of`] the type, of no matter with
/// [`Simd::VNNI`].
pub struct Gemm<const GROUP: usize, const MIN: bool, const RUN: usize, const U: usize>;

impl<const GROUP: usize, const MIN: bool, const RUN: usize, const U: usize> Kernel
    for Gemm<GROUP, MIN, RUN, U>
{
    type Args = GemmArgs;

    /// Panels and block are of these parameters and of `k` values; `dst` has `n_cols` pointers, each to `n_rows` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: GemmArgs) {
        let cols = 2 * U;
        let (step, panels) = (step(GROUP), panels(S::N, GROUP));
        let groups = step / GROUP;
        let (panel_step, block_step) = (panel_step(S::N, GROUP, MIN), block_step(cols, GROUP));
        let mut acc = [[s.zero(); COLS]; MAX_PANELS];
        let (mut w, mut b) = (a.panels(S::N), a.block);
        for _ in 0..a.k.div_ceil(step) {
            // SAFETY: inside the panels and the block, see the module for the layouts.
            unsafe {
                let scales = b.add(step * cols).cast::<f32>();
                for g in 0..groups {
                    let sums = scales.add((1 + g) * cols);
                    let mut dot = [[s.splat_i32(EVEN.to_bits() as i32); COLS]; MAX_PANELS];
                    if !MIN {
                        for c in 0..cols {
                            let sum = s.splat_i32(sums.add(c).cast::<i32>().read());
                            for p in 0..panels {
                                dot[p][c] = sum;
                            }
                        }
                    }
                    let j = GROUP / 4 * g;
                    let block = b.add(4 * j);
                    let from = [w[0].add(4 * S::N * j), w[1].add(4 * S::N * j)];
                    Self::dots(s, &mut dot, cols, from, block);
                    for p in 0..panels {
                        let w = w[p].add(step * S::N + 4 * S::N * g);
                        let scale = s.load(w.cast());
                        let even = s.mul(scale, s.splat(-EVEN));
                        for c in 0..cols {
                            let x = if S::FUSED {
                                s.fma(s.cast_f(dot[p][c]), scale, even)
                            } else {
                                s.mul(s.sub(s.cast_f(dot[p][c]), s.splat(EVEN)), scale)
                            };
                            acc[p][c] = s.fma(x, s.splat(scales.add(c).read()), acc[p][c]);
                        }
                        if MIN {
                            let min = s.load(w.add(4 * S::N * groups).cast());
                            for c in 0..cols {
                                acc[p][c] = s.fma(min, s.splat(sums.add(c).read()), acc[p][c]);
                            }
                        }
                    }
                }
                w = [w[0].add(panel_step), w[1].add(panel_step)];
                b = b.add(block_step);
            }
        }
        // SAFETY: the caller's promise.
        unsafe { a.store(s, cols, &acc) };
    }
}

impl<const GROUP: usize, const MIN: bool, const RUN: usize, const U: usize>
    Gemm<GROUP, MIN, RUN, U>
{
    /// Adds the products of a group.
    ///
    /// # Safety
    /// `w` and `b` point to the codes of the group in a step of panels and block.
    #[inline(always)]
    unsafe fn dots<S: Simd>(
        s: S,
        dot: &mut [[S::I; COLS]; MAX_PANELS],
        cols: usize,
        w: [*const u8; MAX_PANELS],
        b: *const u8,
    ) {
        let panels = panels(S::N, GROUP);
        let run = if RUN == 0 || S::VNNI { 1 } else { RUN };
        for first in (0..GROUP / 4).step_by(run) {
            let mut sum = [[s.splat_i32(0); COLS]; MAX_PANELS];
            for j in first..first + run {
                // SAFETY: the caller's promise.
                unsafe {
                    let mut codes = [s.splat_i32(0); MAX_PANELS];
                    for p in 0..panels {
                        codes[p] = s.load_int(w[p].add(j * 4 * S::N));
                    }
                    for c in 0..cols {
                        let x = b.add(step(GROUP) * c + 4 * j).cast::<i32>().read();
                        let x = s.splat_i32(x);
                        for p in 0..panels {
                            if S::VNNI {
                                dot[p][c] = s.dot(dot[p][c], codes[p], x);
                            } else if RUN == 0 {
                                dot[p][c] = s.dot_signed(dot[p][c], codes[p], x);
                            } else {
                                sum[p][c] = s.add_i16(sum[p][c], s.pairs(codes[p], x));
                            }
                        }
                    }
                }
            }
            if !S::VNNI && RUN > 0 {
                for p in 0..panels {
                    for c in 0..cols {
                        dot[p][c] = s.add_pairs(dot[p][c], sum[p][c]);
                    }
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
pub struct GemvArgs {
    pub rows: *const u8,
    pub stride: usize,
    pub n_rows: usize,
    /// Values per row, a multiple of 32 and of the type's block.
    pub k: usize,
    /// The first column in natural layout, and the bytes from one to the next.
    pub cols: *const u8,
    pub col_stride: usize,
    /// Where each column's first row goes.
    pub dst: *const *mut f32,
}

/// Rows times `C` columns, weights decoded in registers.
pub struct Gemv<W, const C: usize>(PhantomData<W>);

impl<W: Weights, const C: usize> Kernel for Gemv<W, C> {
    type Args = GemvArgs;

    /// The pointers are as the fields say; `dst` has `C` pointers, each to `n_rows` values.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: GemvArgs) {
        // Two rows wait less for the second cache than one. Small codes take longer to decode than to come, and need the
        // registers.
        if C == 1 && S::FUSED && Self::large::<S>() && fetches_in_two_steps() {
            for r in (0..a.n_rows).step_by(2) {
                // SAFETY: the rows are inside the matrix; the last one stands in for one behind it.
                unsafe { Self::rows::<S, 2>(s, &a, [r, (r + 1).min(a.n_rows - 1)]) };
            }
        } else {
            for r in 0..a.n_rows {
                // SAFETY: the row is inside the matrix.
                unsafe { Self::rows::<S, 1>(s, &a, [r]) };
            }
        }
    }
}

impl<W: Weights, const C: usize> Gemv<W, C> {
    /// Whether codes take longer to come from memory than to decode.
    const fn large<S: Simd>() -> bool {
        8 * W::BYTES >= if S::HALVES == 2 { 6 } else { 8 } * W::BLOCK
    }

    /// Multiplies the rows `r` with the columns.
    ///
    /// # Safety
    /// As for [`Gemv::run`], with `r` inside the matrix.
    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize>(s: S, a: &GemvArgs, r: [usize; R]) {
        let bytes = CHUNK / W::BLOCK * W::BYTES;
        let (whole, rest) = (a.k / CHUNK, a.k % CHUNK);
        // SAFETY: the rows are inside the matrix, chunks inside the rows, `cols` has as many chunks, and `dst` as many rows.
        unsafe {
            let mut rows = [a.rows; R];
            for i in 0..R {
                rows[i] = a.rows.add(a.stride * r[i]);
            }
            let two_steps = R > 1 || C > 1 && Self::large::<S>();
            let mut sums = [Sums::<S, C>::new(s); R];
            let (mut at, mut x) = (W::META, a.cols);
            for _ in 0..whole {
                for i in 0..R {
                    let from = rows[i].add(at);
                    ask_ahead(from, bytes, two_steps);
                    sums[i].chunk::<W>(s, rows[i], from, x, a.col_stride);
                }
                at += bytes;
                x = x.add(NATURAL);
            }
            for i in 0..R {
                if rest > 0 && whole > 0 {
                    let at = rows[i].add(W::META + (a.k - CHUNK) / W::BLOCK * W::BYTES);
                    sums[i].chunk::<W>(s, rows[i], at, x, a.col_stride);
                } else if rest > 0 {
                    let mut tail = [0u8; MAX_TAIL];
                    let part = (rest / W::BLOCK * W::BYTES).min(MAX_TAIL);
                    std::ptr::copy_nonoverlapping(rows[i].add(at), tail.as_mut_ptr(), part);
                    sums[i].chunk::<W>(s, rows[i], tail.as_ptr(), x, a.col_stride);
                }
                for c in 0..C {
                    a.dst
                        .add(c)
                        .read()
                        .add(r[i])
                        .write(sums[i].total::<W>(s, c));
                }
            }
        }
    }
}

/// How far ahead of its use a row is fetched, in bytes.
const AHEAD: usize = 8192;
/// The same in two steps: into the second cache, then into the first.
const FAR: usize = 16384;
const NEAR: usize = 1024;

/// Asks for what comes after `bytes` of a row.
#[inline(always)]
pub fn ask_ahead(at: *const u8, bytes: usize, two_steps: bool) {
    if two_steps {
        prefetch(at.wrapping_add(FAR), bytes, Cache::Second);
        prefetch(at.wrapping_add(NEAR), bytes, Cache::First);
    } else {
        prefetch(at.wrapping_add(AHEAD), bytes, Cache::First);
    }
}

/// The sums of one row with `C` columns.
#[derive(Clone, Copy)]
struct Sums<S: Simd, const C: usize> {
    dot: [[S::F; 2]; C],
    /// Of scales (or mins) times sums of activations.
    corr: [S::F; C],
}

/// A chunk of weights and of `C` columns, `stride` apart.
struct Loaded<S: Simd, const C: usize> {
    chunk: *const u8,
    /// The codes, of types that are decoded by whole chunks.
    all: [S::I; 8],
    x: *const u8,
    stride: usize,
    /// Scales of both.
    scale: [[S::F; 2]; C],
}

impl<S: Simd, const C: usize> Sums<S, C> {
    #[inline(always)]
    fn new(s: S) -> Self {
        Sums {
            dot: [[s.zero(); 2]; C],
            corr: [s.zero(); C],
        }
    }

    /// # Safety
    /// As for [`Weights::codes`]; `x` is a chunk in natural layout, of `C` columns `stride` apart.
    #[inline(always)]
    unsafe fn chunk<W: Weights>(
        &mut self,
        s: S,
        row: *const u8,
        chunk: *const u8,
        x: *const u8,
        stride: usize,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let w = scales::<S, W>(s, row, chunk, false);
            // Vectors that the scales fill.
            let vectors = (CHUNK / W::GROUP).div_ceil(S::N);
            let has_bias = bias::<W>(S::VNNI) != 0;
            let mut scale = [[s.zero(); 2]; C];
            for c in 0..C {
                let x = x.add(c * stride + CHUNK).cast::<f32>();
                for v in 0..vectors {
                    scale[c][v] = s.mul(w.scale[v], s.load(x.add(v * S::N)));
                    if W::MIN {
                        self.corr[c] = s.fma(w.min[v], s.load(x.add(16 + v * S::N)), self.corr[c]);
                    } else if has_bias {
                        self.corr[c] =
                            s.fma(w.scale[v], s.load(x.add(16 + v * S::N)), self.corr[c]);
                    }
                }
            }
            let mut all = [s.splat_i32(0); 8];
            if W::WHOLE {
                all = W::chunk(s, chunk);
            }
            let parts = CHUNK / (4 * S::N);
            let loaded = Loaded {
                chunk,
                all,
                x,
                stride,
                scale,
            };
            // One column's loop is written out: shifts and tables depend on `i`, and the compiler keeps the loop of longer types.
            // (Without vectors it gains nothing.)
            if S::FUSED {
                self.four::<W, 0>(s, &loaded);
                if parts == 8 {
                    self.four::<W, 4>(s, &loaded);
                }
            } else {
                for i in 0..parts {
                    self.part::<W>(s, &loaded, i);
                }
            }
        }
    }

    /// Parts `FIRST` to `FIRST + 3` of a chunk.
    ///
    /// # Safety
    /// As for [`Sums::part`].
    #[inline(always)]
    unsafe fn four<W: Weights, const FIRST: usize>(&mut self, s: S, loaded: &Loaded<S, C>) {
        // SAFETY: the caller's promise.
        unsafe {
            self.part::<W>(s, loaded, FIRST);
            self.part::<W>(s, loaded, FIRST + 1);
            self.part::<W>(s, loaded, FIRST + 2);
            self.part::<W>(s, loaded, FIRST + 3);
        }
    }

    /// Part `i` of a chunk: a vector of codes.
    ///
    /// # Safety
    /// As for [`Sums::chunk`]; `i` is less than the chunk's number of vectors.
    #[inline(always)]
    unsafe fn part<W: Weights>(&mut self, s: S, loaded: &Loaded<S, C>, i: usize) {
        let x = loaded.x;
        // SAFETY: the caller's promise.
        unsafe {
            let codes = if W::WHOLE {
                loaded.all[i]
            } else {
                W::codes(s, loaded.chunk, i)
            };
            let codes = biased::<S, W>(s, codes);
            for c in 0..C {
                let x = s.load_int(x.add(c * loaded.stride + 4 * S::N * i));
                let zero = s.splat_i32(0);
                let dot = if W::SIGNED && !S::VNNI {
                    s.dot_signed(zero, codes, x)
                } else {
                    s.dot(zero, codes, x)
                };
                let by = if W::GROUP == 32 {
                    s.spread::<8>(loaded.scale[c], i)
                } else {
                    s.spread::<4>(loaded.scale[c], i)
                };
                self.dot[c][i % 2] = s.fma(s.to_f32(dot), by, self.dot[c][i % 2]);
            }
        }
    }

    #[inline(always)]
    fn total<W: Weights>(&self, s: S, c: usize) -> f32 {
        let mut dot = s.add(self.dot[c][0], self.dot[c][1]);
        let bias = bias::<W>(S::VNNI);
        if W::MIN {
            dot = s.add(dot, self.corr[c]);
        } else if bias != 0 {
            dot = s.fnma(s.splat(bias as f32), self.corr[c], dot);
        }
        s.sum(dot)
    }
}
