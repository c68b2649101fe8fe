//! How operators see a tensor: an address, sizes and strides, and rows that can be read and written as f32 whatever the type.

use std::ops::Range;

use super::fail;
use super::rows::Rows;
use crate::cpu::task::Task;
use crate::graph::Tensor;
use crate::quant::{Type, TypeInfo};

/// Indices of a row: dimensions 1, 2 and 3.
pub type RowIndex = [usize; 3];

/// Values that operators convert at a time where they need a buffer; a multiple of every block size.
pub const SEGMENT: usize = 2048;

/// A buffer on the stack for a segment, aligned for vectors.
#[repr(align(64))]
pub struct Buffer([std::mem::MaybeUninit<f32>; SEGMENT]);

impl Buffer {
    #[inline]
    pub fn new() -> Buffer {
        Buffer([std::mem::MaybeUninit::uninit(); SEGMENT])
    }
    #[inline]
    pub fn ptr(&mut self) -> *mut f32 {
        self.0.as_mut_ptr().cast()
    }
}

/// A tensor's memory.
#[derive(Clone, Copy)]
pub struct View {
    pub data: *mut u8,
    pub ne: [usize; 4],
    pub nb: [usize; 4],
    pub info: &'static TypeInfo,
    rows: &'static Rows,
}

impl View {
    /// `None` for types that have no line in the table.
    #[inline]
    pub fn try_of(t: Tensor) -> Option<View> {
        Some(View {
            data: t.data().cast(),
            ne: t.ne().map(|n| n.max(0) as usize),
            nb: t.nb(),
            info: t.ty().info()?,
            rows: Rows::get(),
        })
    }

    /// For tensors whose type [`super::kernel`] has checked.
    #[inline]
    pub fn of(t: Tensor) -> View {
        View::try_of(t).expect("kernel() accepts known types only")
    }

    #[inline]
    pub fn n_rows(&self) -> usize {
        self.ne[1] * self.ne[2] * self.ne[3]
    }
    #[inline]
    pub fn n(&self) -> usize {
        self.ne[0] * self.n_rows()
    }

    /// Neighbours in a row are neighbours in memory.
    #[inline]
    pub fn dense_rows(&self) -> bool {
        self.nb[0] == self.info.block_bytes
    }
    #[inline]
    pub fn is_f32_rows(&self) -> bool {
        self.info.ty == Type::F32 && self.nb[0] == 4
    }
    /// All of it lies in memory in order without gaps.
    pub fn is_contiguous(&self) -> bool {
        let mut next = self.info.row_size(self.ne[0]);
        let mut dense = self.ne[0] == self.info.block || self.dense_rows();
        for d in 1..4 {
            dense &= self.ne[d] == 1 || self.nb[d] == next;
            next *= self.ne[d];
        }
        dense
    }

    /// The indices of row number `r`.
    #[inline]
    pub fn row_index(&self, r: usize) -> RowIndex {
        let (i1, rest) = (r % self.ne[1], r / self.ne[1]);
        [i1, rest % self.ne[2], rest / self.ne[2]]
    }

    /// Where a row begins.
    #[inline]
    pub fn row(&self, [i1, i2, i3]: RowIndex) -> *mut u8 {
        self.data
            .wrapping_add(i1 * self.nb[1] + i2 * self.nb[2] + i3 * self.nb[3])
    }
    /// Where the row begins that is repeated to index `i` of a larger tensor.
    #[inline]
    pub fn row_repeated(&self, [i1, i2, i3]: RowIndex) -> RowIndex {
        [i1 % self.ne[1], i2 % self.ne[2], i3 % self.ne[3]]
    }
    /// Where an element is (types with blocks of one value).
    #[inline]
    pub fn element(&self, i0: usize, i: RowIndex) -> *mut u8 {
        self.row(i).wrapping_add(i0 * self.nb[0])
    }

    /// Splits rows so that a piece fits into a [`Buffer`]; types with data in front of each row cannot be split.
    pub fn splittable(&self) -> bool {
        self.info.row_meta == 0
    }

    /// The values `from..from + n` of a row as f32: where they are, or converted into `buf`.
    ///
    /// # Safety
    /// The tensor's memory is valid, the indices are inside it, `from` and `n` are multiples of the block size or the
    /// whole row, and `buf` has room for `n` values.
    #[inline]
    pub unsafe fn load(&self, i: RowIndex, from: usize, n: usize, buf: *mut f32) -> *const f32 {
        if self.is_f32_rows() {
            return self.row(i).cast::<f32>().wrapping_add(from);
        }
        // SAFETY: the caller's promise.
        unsafe { self.convert(i, from, n, buf) };
        buf
    }

    /// As [`View::load`], always into `buf`.
    ///
    /// # Safety
    /// As for [`View::load`].
    pub unsafe fn convert(&self, i: RowIndex, from: usize, n: usize, buf: *mut f32) {
        let TypeInfo {
            ty,
            block,
            block_bytes,
            row_meta,
            decode,
            ..
        } = *self.info;
        let row = self.row(i);
        // SAFETY: the caller promised that these values are inside the tensor; a row's metadata precedes its blocks; tensors with
        // interleaved rows have whole groups of them, one after the other (see `readable`).
        unsafe {
            if let Some(interleaved) = (self.info.interleaved)() {
                let r = i[0] % interleaved.rows;
                let group = self.row([i[0] - r, i[1], i[2]]);
                interleaved.decode_row(
                    std::slice::from_raw_parts(group, self.info.group_size(self.ne[0])),
                    r,
                    from,
                    std::slice::from_raw_parts_mut(buf, n),
                );
            } else if self.dense_rows() {
                match ty {
                    Type::F32 => std::ptr::copy_nonoverlapping(row.cast::<f32>().add(from), buf, n),
                    Type::F16 | Type::Bf16 => self.rows.widen(ty, n, row.add(from * 2), buf),
                    _ => {
                        let start = if from == 0 {
                            0
                        } else {
                            row_meta + from / block * block_bytes
                        };
                        let bytes = n / block * block_bytes + if from == 0 { row_meta } else { 0 };
                        decode(
                            std::slice::from_raw_parts(row.add(start), bytes),
                            std::slice::from_raw_parts_mut(buf, n),
                        );
                    }
                }
            } else if block == 1 {
                for k in 0..n {
                    let element = row.add((from + k) * self.nb[0]);
                    decode(
                        std::slice::from_raw_parts(element, block_bytes),
                        std::slice::from_raw_parts_mut(buf.add(k), 1),
                    );
                }
            } else {
                // A transposed view of a quantized matrix: dimension 1 runs along the blocks.
                let mut values = [0f32; 256];
                let column = self.row([0, i[1], i[2]]).add(i[0] / block * block_bytes);
                for k in 0..n {
                    let bytes = column.add((from + k) * self.nb[0]);
                    decode(
                        std::slice::from_raw_parts(bytes, block_bytes),
                        &mut values[..block],
                    );
                    *buf.add(k) = values[i[0] % block];
                }
            }
        }
    }

    /// Where to put the values `from..` of a row before [`View::store`]: in place if possible, else `buf`.
    #[inline]
    pub fn target(&self, i: RowIndex, from: usize, buf: *mut f32) -> *mut f32 {
        if self.is_f32_rows() {
            self.row(i).cast::<f32>().wrapping_add(from)
        } else {
            buf
        }
    }

    /// Converts `n` values at `src` to the tensor's type and writes them to `from..from + n` of a row. Nothing to do if
    /// `src` is what [`View::target`] gave and lies in the tensor.
    ///
    /// # Safety
    /// As for [`View::load`]; `src` points to `n` values.
    #[inline]
    pub unsafe fn store(&self, i: RowIndex, from: usize, n: usize, src: *const f32) {
        if self.is_f32_rows() {
            let to = self.row(i).cast::<f32>().wrapping_add(from);
            if !std::ptr::eq(to, src) {
                // SAFETY: the caller's promise; the two may overlap when an operator works in place.
                unsafe { std::ptr::copy(src, to, n) };
            }
            return;
        }
        // SAFETY: the caller's promise.
        unsafe { self.encode(i, from, n, src) }
    }

    /// # Safety
    /// As for [`View::store`].
    unsafe fn encode(&self, i: RowIndex, from: usize, n: usize, src: *const f32) {
        let TypeInfo {
            ty,
            block,
            block_bytes,
            row_meta,
            encode_fast: Some(encode),
            ..
        } = *self.info
        else {
            return fail("a type that can only be read is written");
        };
        let row = self.row(i);
        // SAFETY: the caller promised that these values are inside the tensor.
        unsafe {
            if self.dense_rows() {
                match ty {
                    Type::F16 | Type::Bf16 => self.rows.narrow(ty, n, src, row.add(from * 2)),
                    Type::Q8_0 => self
                        .rows
                        .f32_to_q8_0(n, src, row.add(from / 32 * block_bytes)),
                    _ => {
                        let start = if from == 0 {
                            0
                        } else {
                            row_meta + from / block * block_bytes
                        };
                        let bytes = n / block * block_bytes + if from == 0 { row_meta } else { 0 };
                        encode(
                            std::slice::from_raw_parts(src, n),
                            std::slice::from_raw_parts_mut(row.add(start), bytes),
                        );
                    }
                }
            } else {
                for k in 0..n {
                    let element = row.add((from + k) * self.nb[0]);
                    encode(
                        std::slice::from_raw_parts(src.add(k), 1),
                        std::slice::from_raw_parts_mut(element, block_bytes),
                    );
                }
            }
        }
    }

    /// Whether [`View::store`] can write its rows: a block of several values only where they adjoin.
    pub fn writable(&self) -> bool {
        self.info.encode_fast.is_some()
            && self.info.rows == 1
            && (self.info.block == 1 || self.dense_rows())
    }
    /// Whether [`View::load`] can read its rows: dense ones, single values, transposed blocks, whole groups of interleaved rows.
    pub fn readable(&self) -> bool {
        if self.info.rows > 1 {
            return self.dense_rows()
                && self.nb[1] == self.info.row_size(self.ne[0])
                && self.ne[0].is_multiple_of(self.info.width())
                && self.ne[1].is_multiple_of(self.info.rows);
        }
        self.info.block == 1
            || self.dense_rows()
            || (self.nb[1] == self.info.block_bytes && self.splittable() && self.info.block <= 256)
    }
}

/// Calls `f` for each of `n` items, shared among the team by the counter in portions of about `grain` items.
#[inline]
pub fn share(task: &Task, n: usize, grain: usize, mut f: impl FnMut(usize)) {
    if task.nth == 1 {
        return (0..n).for_each(f);
    }
    // Several portions per worker even things out; more would only fight for the counter.
    let grain = grain.clamp(1, n.div_ceil(2 * task.nth).max(1));
    loop {
        let start = task.next() * grain;
        if start >= n {
            break;
        }
        (start..(start + grain).min(n)).for_each(&mut f);
    }
}

/// Calls `f(row, columns)` for all pieces of at most `segment` columns of the rows of a tensor of shape `ne`.
pub fn share_pieces(
    task: &Task,
    of: &View,
    segment: usize,
    mut f: impl FnMut(RowIndex, Range<usize>),
) {
    let per_row = of.ne[0].div_ceil(segment).max(1);
    let piece = of.ne[0].min(segment).max(1);
    share(task, of.n_rows() * per_row, SEGMENT.div_ceil(piece), |k| {
        let from = k % per_row * segment;
        let to = (from + segment).min(of.ne[0]);
        f(of.row_index(k / per_row), from..to);
    });
}
