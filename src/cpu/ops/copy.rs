//! Operators that move values: copies between types and layouts, rows by index, repetition, concatenation, padding.

use super::rows::Rows;
use super::view::{Buffer, RowIndex, SEGMENT, View, share, share_pieces};
use super::{fail, param_i32, source};
use crate::cpu::task::Task;
use crate::graph::{Op, Tensor};
use crate::quant::Type;

/// `dup`, `cont`, `cpy`: the values of the source in order, in the type and layout of the node.
pub fn copy(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let same_type = x.info.ty == y.info.ty;
    if same_type && x.is_contiguous() && y.is_contiguous() {
        return copy_bytes(task, x.data, y.data, y.info.row_size(y.ne[0]) * y.n_rows());
    }
    if x.ne == y.ne {
        copy_same_shape(task, &x, &y);
    } else if x.is_contiguous()
        && x.ne[0].is_multiple_of(y.ne[0])
        && y.ne[0].is_multiple_of(x.info.block)
    {
        copy_same_shape(task, &reshaped(&x, &y), &y);
    } else if y.is_contiguous() && x.ne[0].is_multiple_of(y.info.block) {
        copy_same_shape(task, &x, &reshaped(&y, &x));
    } else {
        copy_any_shape(task, &x, &y);
    }
}

/// Whether [`copy`] can do it.
pub fn can_copy(x: &View, y: &View) -> bool {
    if x.info.rows > 1 || y.info.rows > 1 {
        let whole = x.info.ty == y.info.ty && x.is_contiguous() && y.is_contiguous();
        return x.ne == y.ne && (whole || x.readable() && y.writable());
    }
    if x.n() != y.n() || !x.readable() || !y.writable() {
        return false;
    }
    x.ne == y.ne
        || (x.info.ty == y.info.ty && x.is_contiguous() && y.is_contiguous())
        || (x.is_contiguous()
            && x.ne[0].is_multiple_of(y.ne[0])
            && y.ne[0].is_multiple_of(x.info.block))
        || (y.is_contiguous() && x.ne[0].is_multiple_of(y.info.block))
        || (x.info.block == 1 && y.info.block == 1)
}

/// A contiguous tensor seen in the shape of another with as many elements.
fn reshaped(x: &View, like: &View) -> View {
    let mut view = *x;
    view.ne = like.ne;
    view.nb[0] = x.info.block_bytes;
    view.nb[1] = x.info.row_size(like.ne[0]);
    view.nb[2] = view.nb[1] * like.ne[1];
    view.nb[3] = view.nb[2] * like.ne[2];
    view
}

fn copy_bytes(task: &Task, from: *const u8, to: *mut u8, bytes: usize) {
    if std::ptr::eq(from, to) {
        return;
    }
    const PART: usize = 1 << 15;
    share(task, bytes.div_ceil(PART), 1, |k| {
        let at = k * PART;
        // SAFETY: both tensors are `bytes` long.
        unsafe { std::ptr::copy(from.add(at), to.add(at), PART.min(bytes - at)) };
    });
}

fn copy_same_shape(task: &Task, x: &View, y: &View) {
    if x.info.ty == y.info.ty && x.dense_rows() && y.dense_rows() {
        let row = x.info.row_size(x.ne[0]);
        return share(task, y.n_rows(), (4 * SEGMENT).div_ceil(row.max(1)), |r| {
            let i = y.row_index(r);
            // SAFETY: rows of both tensors are this long; source and destination may be the same memory.
            unsafe { std::ptr::copy(x.row(i), y.row(i), row) };
        });
    }
    if x.info.ty == Type::F32 && y.info.block == 1 && x.nb[1] == 4 && x.ne[1] >= 8 && y.dense_rows()
    {
        return copy_transposed(task, x, y);
    }
    if x.info.ty == y.info.ty && x.info.block == 1 {
        return share_pieces(task, y, SEGMENT, |i, cols| {
            for k in cols {
                // SAFETY: the element is inside both tensors.
                unsafe {
                    std::ptr::copy(x.element(k, i), y.element(k, i), x.info.block_bytes);
                }
            }
        });
    }
    let mut buf = Buffer::new();
    share_pieces(task, y, segment(x, y), |i, cols| {
        let (from, n) = (cols.start, cols.len());
        // SAFETY: the piece is inside both tensors, and fits the buffer or is written in place.
        unsafe {
            let to = y.target(i, from, buf.ptr());
            let values = x.load(i, from, n, to);
            y.store(i, from, n, values);
        }
    });
}

/// Columns converted at a time: whole rows for types that cannot be split, see [`super::kernel`].
fn segment(x: &View, y: &View) -> usize {
    if x.splittable() && y.splittable() {
        SEGMENT
    } else {
        usize::MAX
    }
}

/// Copies an f32 matrix whose columns lie in memory in order to dense rows of another float type, a tile at a time.
fn copy_transposed(task: &Task, x: &View, y: &View) {
    const TILE: usize = 32;
    let (across, along) = (y.ne[1].div_ceil(TILE), y.ne[0].div_ceil(SEGMENT / TILE));
    share(task, across * along * y.ne[2] * y.ne[3], 1, |k| {
        let (t, rest) = (k % (across * along), k / (across * along));
        let (i2, i3) = (rest % y.ne[2], rest / y.ne[2]);
        let i1 = t / along * TILE;
        let i0 = t % along * (SEGMENT / TILE);
        let (w, h) = ((SEGMENT / TILE).min(y.ne[0] - i0), TILE.min(y.ne[1] - i1));
        let mut tile = [0f32; SEGMENT];
        for c in 0..w {
            let column = x.element(i0 + c, [i1, i2, i3]).cast::<f32>();
            for r in 0..h {
                // SAFETY: the element is inside the tensor, whose dimension 1 has neighbours in memory.
                tile[r * (SEGMENT / TILE) + c] = unsafe { *column.add(r) };
            }
        }
        for r in 0..h {
            let row = tile[r * (SEGMENT / TILE)..].as_ptr();
            // SAFETY: the piece is inside the destination.
            unsafe { y.store([i1 + r, i2, i3], i0, w, row) };
        }
    });
}

/// Element by element in order, for shapes that differ and types of single values.
fn copy_any_shape(task: &Task, x: &View, y: &View) {
    let same = x.info.ty == y.info.ty;
    share_pieces(task, y, SEGMENT, |i, cols| {
        let row = (i[2] * y.ne[2] + i[1]) * y.ne[1] + i[0];
        for k in cols {
            let at = row * y.ne[0] + k;
            let from = x.row_index(at / x.ne[0]);
            let mut value = 0.0;
            // SAFETY: both tensors have as many elements, so both indices are inside.
            unsafe {
                if same {
                    let bytes = x.info.block_bytes;
                    std::ptr::copy(x.element(at % x.ne[0], from), y.element(k, i), bytes);
                } else {
                    x.convert(from, at % x.ne[0], 1, &mut value);
                    y.store(i, k, 1, &value);
                }
            }
        }
    });
}

/// An index from an i32 or i64 tensor.
///
/// # Safety
/// The element is inside the tensor.
pub unsafe fn index(ids: &View, i0: usize, i: RowIndex) -> i64 {
    let at = ids.element(i0, i);
    // SAFETY: the caller's promise.
    unsafe {
        match ids.info.ty {
            Type::I64 => at.cast::<i64>().read_unaligned(),
            _ => at.cast::<i32>().read_unaligned() as i64,
        }
    }
}

/// Rows of src 0 chosen by the i32 ids in src 1; zeros where an id is out of range.
pub fn get_rows(task: &Task, node: Tensor) {
    let (x, ids, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let n = y.ne[0];
    share(task, y.n_rows(), 1, |r| {
        let i = y.row_index(r);
        let to = y.row(i);
        // SAFETY: the shapes were checked; the id is checked before it is used.
        unsafe {
            let id = index(&ids, i[0], [i[1], i[2], 0]);
            if id < 0 || id as usize >= x.ne[1] {
                std::ptr::write_bytes(to, 0, y.info.row_size(n));
                return;
            }
            let from = [id as usize, i[1] % x.ne[2], i[2] % x.ne[3]];
            if x.info.ty == y.info.ty {
                std::ptr::copy_nonoverlapping(x.row(from), to, x.info.row_size(n));
            } else {
                x.convert(from, 0, n, to.cast());
            }
        }
    });
}

/// Writes the rows of src 0 to the rows of the node that the ids in src 1 name.
pub fn set_rows(task: &Task, node: Tensor) {
    let (x, ids, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let mut buf = Buffer::new();
    share(task, x.n_rows(), 1, |r| {
        let i = x.row_index(r);
        // SAFETY: the shapes were checked; the id is checked before it is used; pieces fit the buffer.
        unsafe {
            let id = index(&ids, i[0], [i[1] % ids.ne[1], i[2] % ids.ne[2], 0]);
            if id < 0 || id as usize >= y.ne[1] {
                return fail("set_rows: an id is out of range");
            }
            let segment = segment(&x, &y);
            for from in (0..x.ne[0]).step_by(segment) {
                let n = segment.min(x.ne[0] - from);
                let values = x.load(i, from, n, buf.ptr());
                y.store([id as usize, i[1], i[2]], from, n, values);
            }
        }
    });
}

/// Repeats the source in every dimension to the shape of the node.
pub fn repeat(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let size = x.info.block_bytes;
    share_pieces(task, &y, SEGMENT, |i, cols| {
        let from = x.row_repeated(i);
        if x.dense_rows() && y.dense_rows() && x.ne[0] > 1 {
            let mut at = cols.start;
            while at < cols.end {
                let k = at % x.ne[0];
                let run = (x.ne[0] - k).min(cols.end - at);
                // SAFETY: `run` elements from here are in both rows.
                unsafe {
                    std::ptr::copy_nonoverlapping(x.element(k, from), y.element(at, i), run * size);
                }
                at += run;
            }
            return;
        }
        for at in cols {
            let k = at % x.ne[0];
            // SAFETY: the indices are inside the tensors.
            unsafe { std::ptr::copy_nonoverlapping(x.element(k, from), y.element(at, i), size) };
        }
    });
}

/// Src 1 behind src 0 along one dimension.
pub fn concat(task: &Task, node: Tensor) {
    let (a, b, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let dim = (param_i32(node, 0).max(0) as usize).min(3);
    let (bytes, block) = (y.info.block_bytes, y.info.block);
    share(task, y.n_rows(), SEGMENT.div_ceil(y.ne[0].max(1)), |r| {
        let i = y.row_index(r);
        let part = |x: &View, i: RowIndex, at: usize| {
            if x.dense_rows() && y.dense_rows() {
                let to = y.element(at / block, i);
                // SAFETY: the shapes add up to the node's.
                unsafe {
                    std::ptr::copy_nonoverlapping(x.row(i), to, x.ne[0] / block * bytes);
                }
                return;
            }
            for k in 0..x.ne[0] / block {
                let from = x.element(k, i);
                // SAFETY: as above.
                unsafe {
                    std::ptr::copy_nonoverlapping(from, y.element(at / block + k, i), bytes);
                }
            }
        };
        if dim == 0 {
            part(&a, i, 0);
            part(&b, i, a.ne[0]);
            return;
        }
        if i[dim - 1] < a.ne[dim] {
            part(&a, i, 0);
        } else {
            // A row of the second: the same place in the node, its own place in the source.
            let mut shifted = b;
            shifted.data = b.data.wrapping_sub(a.ne[dim] * b.nb[dim]);
            part(&shifted, i, 0);
        }
    });
}

/// Zeros behind the source in every dimension.
pub fn pad(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let bytes = y.info.block_bytes;
    share(task, y.n_rows(), SEGMENT.div_ceil(y.ne[0].max(1)), |r| {
        let i = y.row_index(r);
        let inside = (0..3).all(|d| i[d] < x.ne[d + 1]);
        let filled = if inside { x.ne[0] } else { 0 };
        // SAFETY: the source is inside the node's shape.
        unsafe {
            for k in 0..filled {
                std::ptr::copy_nonoverlapping(x.element(k, i), y.element(k, i), bytes);
            }
            for k in filled..y.ne[0] {
                std::ptr::write_bytes(y.element(k, i), 0, bytes);
            }
        }
    });
}

/// `acc` and `set`: the first source, into a window of which the second is added or written.
/// Parameters: the window's strides of dimensions 1, 2, 3, its offset, and whether the node already is the first source.
pub fn window(task: &Task, node: Tensor) {
    let (a, b, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let size = y.info.row_size(y.ne[0]) * y.n_rows();
    if param_i32(node, 4) == 0 {
        copy_bytes(task, a.data, y.data, size);
        // The second phase counts for itself, since the first used up the counter.
        task.barrier();
    }
    let param = |k| param_i32(node, k) as u32 as usize;
    let mut target = y;
    target.ne = b.ne;
    target.nb = [y.nb[0], param(0), param(1), param(2)];
    target.data = y.data.wrapping_add(param(3));
    let mut end = param(3) + b.ne[0] * y.nb[0];
    for d in 1..4 {
        end = end.saturating_add((b.ne[d] - 1).saturating_mul(target.nb[d]));
    }
    if end > size {
        return fail("acc, set: the window reaches out of the tensor");
    }
    let rows = Rows::get();
    for r in task.share(b.n_rows()) {
        let i = b.row_index(r);
        let (to, from) = (target.row(i), b.row(i));
        // SAFETY: the window was checked to be inside the node.
        unsafe {
            if node.op() == Op::Acc {
                rows.add(b.ne[0], to.cast_const().cast(), from.cast(), to.cast());
            } else {
                std::ptr::copy(from, to, b.info.row_size(b.ne[0]));
            }
        }
    }
}
