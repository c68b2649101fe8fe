//! Operators that work value by value: arithmetic with broadcasting, unary functions, gates.

use super::rows::Rows;
use super::view::{Buffer, RowIndex, SEGMENT, View, share, share_pieces};
use super::{fail, param_f32, param_i32, source};
use crate::cpu::task::Task;
use crate::graph::{Op, Tensor, UnaryOp};

/// A function applied to `n` values at `x` with the kernels of the level in use.
fn each(task: &Task, node: Tensor, mut f: impl FnMut(usize, *const f32, *mut f32)) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let (mut xb, mut yb) = (Buffer::new(), Buffer::new());
    share_pieces(task, &y, SEGMENT, |i, cols| {
        let (from, n) = (cols.start, cols.len());
        // SAFETY: pieces lie inside the tensors, which have the same shape; buffers hold a segment.
        unsafe {
            let to = y.target(i, from, yb.ptr());
            f(n, x.load(i, from, n, xb.ptr()), to);
            y.store(i, from, n, to);
        }
    });
}

/// `sqr`, `sqrt`, `log` and the unary operators.
pub fn unary(task: &Task, node: Tensor) {
    let rows = Rows::get();
    let function = match node.op() {
        Op::Sqr => Some(Rows::square()),
        Op::Sqrt => Some(Rows::square_root()),
        Op::Log => Some(Rows::logarithm()),
        _ => node.unary_op().and_then(Rows::unary),
    };
    let Some(function) = function else {
        return fail("unknown unary operator");
    };
    // SAFETY: `each` gives valid rows of `n` values.
    each(task, node, |n, x, y| unsafe { function(rows, n, x, y) });
}

/// `x * scale + bias`
pub fn scale(task: &Task, node: Tensor) {
    let (s, b) = (param_f32(node, 0), param_f32(node, 1));
    let rows = Rows::get();
    // SAFETY: `each` gives valid rows of `n` values.
    each(task, node, |n, x, y| unsafe { rows.scale(n, x, s, b, y) });
}

/// `after * tanh(before * x)`
pub fn softcap(task: &Task, node: Tensor) {
    let (before, after) = (param_f32(node, 0), param_f32(node, 1));
    let rows = Rows::get();
    // SAFETY: `each` gives valid rows of `n` values.
    each(task, node, |n, x, y| unsafe {
        rows.softcap(n, x, before, after, y)
    });
}

pub fn clamp(task: &Task, node: Tensor) {
    let (min, max) = (param_f32(node, 0), param_f32(node, 1));
    let rows = Rows::get();
    // SAFETY: `each` gives valid rows of `n` values.
    each(task, node, |n, x, y| unsafe {
        rows.clamp(n, x, min, max, y)
    });
}

pub fn leaky_relu(task: &Task, node: Tensor) {
    let slope = param_f32(node, 0);
    let rows = Rows::get();
    // SAFETY: `each` gives valid rows of `n` values.
    each(task, node, |n, x, y| unsafe {
        rows.leaky_relu(n, x, slope, y)
    });
}

/// `a + b` where `b` is one number.
pub fn add1(task: &Task, node: Tensor) {
    let number = View::of(source(node, 1));
    let (rows, mut b) = (Rows::get(), [0.0]);
    // SAFETY: the second source has one element.
    unsafe { number.convert([0; 3], 0, 1, b.as_mut_ptr()) };
    // SAFETY: `each` gives valid rows of `n` values.
    each(task, node, |n, x, y| unsafe {
        rows.add_scalar(n, x, b[0], y)
    });
}

/// `add`, `sub`, `mul`, `div`: the second source is repeated in every dimension to the shape of the first.
pub fn binary(task: &Task, node: Tensor) {
    let (a, b, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let Some((zip, zip_scalar)) = Rows::arithmetic(node.op()) else {
        return fail("unknown arithmetic operator");
    };
    let rows = Rows::get();
    let (mut ab, mut bb, mut yb) = (Buffer::new(), Buffer::new(), Buffer::new());
    share_pieces(task, &y, SEGMENT, |i, cols| {
        let (from, n) = (cols.start, cols.len());
        let ib = b.row_repeated(i);
        // SAFETY: pieces lie inside the tensors: `a` has the shape of `y`, and `b`'s indices are wrapped into its shape.
        unsafe {
            let to = y.target(i, from, yb.ptr());
            let x = a.load(i, from, n, ab.ptr());
            match b.ne[0] {
                1 => zip_scalar(rows, n, x, *b.load(ib, 0, 1, bb.ptr()), to),
                width if width == y.ne[0] => zip(rows, n, x, b.load(ib, from, n, bb.ptr()), to),
                _ => zip(rows, n, x, repeat_row(&b, ib, from, n, bb.ptr()), to),
            }
            y.store(i, from, n, to);
        }
    });
}

/// Columns `from..from + n` of a row that repeats.
///
/// # Safety
/// The row is inside the tensor, whose blocks are single values; `buf` has room for `n` values.
pub unsafe fn repeat_row(
    b: &View,
    i: RowIndex,
    from: usize,
    n: usize,
    buf: *mut f32,
) -> *const f32 {
    let mut done = 0;
    while done < n {
        let at = (from + done) % b.ne[0];
        let run = (b.ne[0] - at).min(n - done);
        // SAFETY: `run` values from `at` are in the row and fit into the buffer behind those done.
        unsafe { b.convert(i, at, run, buf.add(done)) };
        done += run;
    }
    buf
}

/// `a + b[id]`: a row of `b` chosen by an id per row of `a`.
pub fn add_id(task: &Task, node: Tensor) {
    let (a, b, ids, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(source(node, 2)),
        View::of(node),
    );
    let rows = Rows::get();
    share(task, y.n_rows(), 4, |r| {
        let i = y.row_index(r);
        // SAFETY: the shapes were checked; the id is checked before it is used.
        unsafe {
            let id = *ids.element(i[0], [i[1], 0, 0]).cast::<i32>();
            if id < 0 || id as usize >= b.ne[1] {
                return fail("add_id: an id is out of range");
            }
            let (x, z) = (a.row(i).cast(), b.row([id as usize, 0, 0]).cast());
            rows.add(y.ne[0], x, z, y.row(i).cast());
        }
    });
}

/// `unary(a) * b`; `a` may have one value per row. Parameters: the unary operator, and a limit of the values if positive.
pub fn fused_mul_unary(task: &Task, node: Tensor) {
    let (a, b, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let limit = param_f32(node, 1);
    let limited = limit >= 1e-6;
    let rows = Rows::get();
    let op = node.unary_op();
    let (mut ab, mut bb, mut yb) = (Buffer::new(), Buffer::new(), Buffer::new());
    let functions = op.and_then(|op| Some((op, Rows::unary(op)?)));
    let Some((op, function)) = functions else {
        return fail("unknown gate");
    };
    let gated = Rows::gated(op);
    share_pieces(task, &y, SEGMENT, |i, cols| {
        let (from, n) = (cols.start, cols.len());
        // SAFETY: pieces lie inside the tensors, whose shapes were checked.
        unsafe {
            let to = y.target(i, from, yb.ptr());
            let up = b.load(i, from, n, bb.ptr());
            if a.ne[0] != y.ne[0] {
                let mut gate = 0.0;
                function(rows, 1, a.load(i, 0, 1, ab.ptr()), &mut gate);
                if limited {
                    rows.clamp(n, up, -limit, limit, to);
                    rows.mul_scalar(n, to, gate.min(limit), to);
                } else {
                    rows.mul_scalar(n, up, gate, to);
                }
            } else {
                let x = a.load(i, from, n, ab.ptr());
                match gated {
                    _ if limited && op == UnaryOp::Silu => {
                        rows.silu_mul_limited(n, x, up, limit, to)
                    }
                    Some(gated) => gated(rows, n, x, up, to),
                    None => {
                        function(rows, n, x, ab.ptr());
                        rows.mul(n, ab.ptr(), up, to);
                    }
                }
            }
            y.store(i, from, n, to);
        }
    });
}

/// Which gate a node applies.
#[derive(Clone, Copy)]
enum Gate {
    Unary(UnaryOp),
    /// With its two parameters.
    Oai(f32, f32),
}

/// `glu` and the unary operators `swiglu`, `swiglu_oai`: `gate(a) * b` for two sources, or for the two halves of one.
pub fn glu(task: &Task, node: Tensor) {
    let oai = || Gate::Oai(param_f32(node, 2), param_f32(node, 3));
    let (gate, swapped) = if node.op() == Op::Glu {
        // `enum ggml_glu_op`
        let gate = match param_i32(node, 0) {
            0 => Gate::Unary(UnaryOp::Relu),
            1 => Gate::Unary(UnaryOp::Gelu),
            2 => Gate::Unary(UnaryOp::Silu),
            3 => oai(),
            4 => Gate::Unary(UnaryOp::Gelu_erf),
            5 => Gate::Unary(UnaryOp::Gelu_quick),
            _ => return fail("unknown gate"),
        };
        (gate, param_i32(node, 1) != 0)
    } else if node.unary_op() == Some(UnaryOp::Swiglu_oai) {
        (oai(), false)
    } else {
        (Gate::Unary(UnaryOp::Silu), false)
    };
    let y = View::of(node);
    let a = View::of(source(node, 0));
    let (b, a_from, b_from) = match node.src(1) {
        Some(b) => (View::of(b), 0, 0),
        None if swapped => (a, y.ne[0], 0),
        None => (a, 0, y.ne[0]),
    };
    let rows = Rows::get();
    let (mut ab, mut bb, mut yb) = (Buffer::new(), Buffer::new(), Buffer::new());
    share_pieces(task, &y, SEGMENT, |i, cols| {
        let (from, n) = (cols.start, cols.len());
        // SAFETY: pieces lie inside the tensors, whose shapes were checked.
        unsafe {
            let to = y.target(i, from, yb.ptr());
            let x = a.load(i, a_from + from, n, ab.ptr());
            let up = b.load(i, b_from + from, n, bb.ptr());
            match gate {
                Gate::Oai(alpha, limit) => rows.swiglu_oai(n, x, up, alpha, limit, to),
                Gate::Unary(op) => match Rows::gated(op) {
                    Some(gated) => gated(rows, n, x, up, to),
                    None => return fail("unknown gate"),
                },
            }
            y.store(i, from, n, to);
        }
    });
}

/// Sums `n` neighbouring groups of columns: the first source has the shape of the result but more columns in memory.
pub fn multi_add(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let n_add = param_i32(node, 0).max(1) as usize;
    let rows = Rows::get();
    share_pieces(task, &y, SEGMENT, |i, cols| {
        let (from, n) = (cols.start, cols.len());
        let to = y.row(i).cast::<f32>().wrapping_add(from);
        let first = x.row(i).cast::<f32>().wrapping_add(from);
        // SAFETY: the caller of the builder promises `n_add` groups of `ne[0]` columns in each row.
        unsafe {
            if n_add == 1 {
                std::ptr::copy(first, to, n);
            } else {
                rows.add(n, first, first.add(y.ne[0]), to);
            }
            for k in 2..n_add {
                rows.add(n, to, first.add(k * y.ne[0]), to);
            }
        }
    });
}

/// Sum over dimension 1 of `a` times one number per row (src 1), each optionally times `scales[ids]` (src 2, 3): how the
/// outputs of experts are combined.
pub fn mul_multi_add(task: &Task, node: Tensor) {
    let (a, w, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let scales = match (node.src(2), node.src(3)) {
        (Some(s), Some(ids)) => Some((View::of(s), View::of(ids))),
        _ => None,
    };
    let rows = Rows::get();
    share(task, y.ne[1], 1, |token| {
        let to = y.row([token, 0, 0]).cast::<f32>();
        for k in 0..a.ne[1] {
            let i = [k, token, 0];
            // SAFETY: the shapes were checked; ids are checked before they are used.
            unsafe {
                let mut s = *w.row(i).cast::<f32>();
                if let Some((scales, ids)) = &scales {
                    let id = *ids.element(k, [token, 0, 0]).cast::<i32>();
                    if id < 0 || id as usize >= scales.n() {
                        return fail("mul_multi_add: an id is out of range");
                    }
                    s *= *scales.data.cast::<f32>().add(id as usize);
                }
                let x = a.row(i).cast::<f32>();
                if k == 0 {
                    rows.mul_scalar(y.ne[0], x, s, to);
                } else {
                    rows.add_scaled(y.ne[0], x, s, to);
                }
            }
        }
    });
}
