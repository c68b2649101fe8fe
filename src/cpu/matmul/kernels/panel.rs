//! Unpacking weights to a panel.

use std::marker::PhantomData;

use super::super::weights::Weights;
use super::{
    CHUNK, MAX_ROWS, MAX_TAIL, WIDE, bias, biased, panel_step, run_of, scales, shared, shares,
    tightness,
};
use crate::simd::{Cache, Kernel, Simd, prefetch};

/// What a panel of a type is, without or with [`Simd::VNNI`].
#[derive(Clone, Copy)]
pub struct Panel {
    /// Values per scale.
    pub group: usize,
    /// Groups have mins.
    pub min: bool,
    /// See [`bias`].
    pub bias: i32,
    /// See [`run_of`].
    pub run: usize,
    /// See [`tightness`].
    pub tight: f32,
}

impl Panel {
    /// `shared`: for so many columns that groups may share scales, see [`shares`].
    pub const fn of<W: Weights>(vnni: bool, shared: bool) -> Panel {
        if shared && shares::<W>(vnni) {
            return Panel {
                group: 32,
                min: false,
                bias: 128,
                run: 1,
                tight: tightness(u8::MAX),
            };
        }
        Panel {
            group: if W::WIDE { WIDE } else { W::GROUP },
            min: W::MIN,
            bias: bias::<W>(vnni),
            run: run_of(W::TOP, W::GROUP),
            tight: tightness(W::TOP),
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
    // SAFETY: the caller's promise.
    unsafe {
        let words = s.load_transposed(rows, stride);
        for j in 0..8 {
            s.store_int(out.add(j * 4 * S::N), words[j]);
        }
    }
}

/// Unpacks rows to a [`Panel::of`] the type.
pub struct Unpack<W, const SHARED: bool>(PhantomData<W>);

#[repr(align(64))]
pub struct Aligned<T>(pub T);

impl<W: Weights, const SHARED: bool> Kernel for Unpack<W, SHARED> {
    type Args = UnpackArgs;

    /// The pointers are as the fields say.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: UnpackArgs) {
        let Panel {
            group,
            min: has_min,
            ..
        } = Panel::of::<W>(S::VNNI, SHARED);
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
                    // Rows are too far apart for a core to foresee them: the next panel's, and where these go on.
                    let bytes = CHUNK / W::BLOCK * W::BYTES;
                    prefetch(a.place::<W>(r + S::N, chunk), bytes, Cache::Second);
                    prefetch(a.place::<W>(r, chunk + 1), bytes, Cache::First);
                    let (row, at) = a.chunk::<W>(r, chunk, &mut tail);
                    let to = codes.0[r].as_mut_ptr();
                    if SHARED && shares::<W>(S::VNNI) {
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
    // SAFETY: there are as many rows as lanes at least, and each has eight values from 0 or 8 on.
    let words = unsafe { s.load_transposed(values.as_ptr().cast::<f32>().add(8 * v).cast(), 64) };
    for q in 0..8 {
        let group = 8 * v + q;
        let block = group / groups;
        if block < blocks {
            // SAFETY: the caller's promise.
            unsafe { s.store_int(out.add(block * step + group % groups * 4 * S::N), words[q]) };
        }
    }
}
