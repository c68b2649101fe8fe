//! Operators of backward passes, outer products, and systems of equations.

use super::copy::index;
use super::generate::{by_index, value_at};
use super::rows::Rows;
use super::view::{View, share};
use super::{fail, param_f32, source, worker_buffer};
use crate::cpu::task::Task;
use crate::graph::Tensor;

/// `y[i, j] = sum over k of a[i, k] * b[j, k]`
pub fn out_prod(task: &Task, node: Tensor) {
    let (a, b, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let (n, rows) = (y.ne[0], Rows::get());
    let buf = worker_buffer(task, n);
    share(task, y.n_rows(), 1, |r| {
        let i = y.row_index(r);
        let to = y.row(i).cast::<f32>();
        // SAFETY: the shapes were checked; the buffer holds a row.
        unsafe {
            std::ptr::write_bytes(to, 0, n);
            for k in 0..a.ne[1] {
                let factor = value_at(&b, i[0], [k, i[1], i[2]]);
                let row = a.load([k, i[1] % a.ne[2], i[2] % a.ne[3]], 0, n, buf);
                rows.add_scaled(n, row, factor, to);
            }
        }
    });
}

/// Solves `a x = b` for a lower triangular `a`, row by row from the first.
pub fn solve_tri(task: &Task, node: Tensor) {
    const COLUMNS: usize = 64;
    let (a, b, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let rows = Rows::get();
    let strips = y.ne[0].div_ceil(COLUMNS);
    share(task, strips * y.ne[2] * y.ne[3], 1, |k| {
        let (strip, rest) = (k % strips, k / strips);
        let (i2, i3) = (rest % y.ne[2], rest / y.ne[2]);
        let from = strip * COLUMNS;
        let n = COLUMNS.min(y.ne[0] - from);
        for i in 0..y.ne[1] {
            let at = |x: &View, row: usize| x.row([row, i2, i3]).cast::<f32>().wrapping_add(from);
            let to = at(&y, i);
            // SAFETY: the shapes were checked, the strip is inside the rows and nobody else's.
            unsafe {
                std::ptr::copy(at(&b, i), to, n);
                for t in 0..i {
                    rows.add_scaled(n, at(&y, t), -value_at(&a, t, [i, i2, i3]), to);
                }
                rows.div_scalar(n, to, value_at(&a, i, [i, i2, i3]), to);
            }
        }
    });
}

/// The sum of all repetitions of the node's shape in the source.
pub fn repeat_back(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let times: [usize; 4] = std::array::from_fn(|d| x.ne[d] / y.ne[d]);
    by_index(task, node, |i, k| {
        let mut sum = 0.0;
        for r in 0..times.iter().product() {
            let r0 = r % times[0];
            let r1 = r / times[0] % times[1];
            let r2 = r / times[0] / times[1] % times[2];
            let r3 = r / times[0] / times[1] / times[2];
            let row = [
                i[0] + r1 * y.ne[1],
                i[1] + r2 * y.ne[2],
                i[2] + r3 * y.ne[3],
            ];
            sum += value_at(&x, k + r0 * y.ne[0], row);
        }
        sum
    });
}

/// The gradient of silu at src 0, times src 1.
pub fn silu_back(task: &Task, node: Tensor) {
    let (x, dy) = (View::of(source(node, 0)), View::of(source(node, 1)));
    by_index(task, node, |i, k| {
        let x = value_at(&x, k, i);
        let s = 1.0 / (1.0 + (-x).exp());
        value_at(&dy, k, i) * s * (1.0 + x * (1.0 - s))
    });
}

/// The gradient of the RMS norm of src 0, given that of its result (src 1).
pub fn rms_norm_back(task: &Task, node: Tensor) {
    let (x, dy, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let (n, eps) = (y.ne[0], param_f32(node, 0) as f64);
    share(task, y.n_rows(), 4, |r| {
        let i = y.row_index(r);
        // SAFETY: rows of f32 of the same shape.
        unsafe {
            let x = std::slice::from_raw_parts(x.row(i).cast::<f32>(), n);
            let dy = std::slice::from_raw_parts(dy.row(i).cast::<f32>(), n);
            let sum: f64 = x.iter().map(|&v| v as f64 * v as f64).sum();
            let with_dy: f64 = x.iter().zip(dy).map(|(&v, &d)| v as f64 * d as f64).sum();
            let scale = (1.0 / (sum / n as f64 + eps).sqrt()) as f32;
            let pull = (-with_dy / (sum + eps * n as f64)) as f32;
            let to = y.row(i).cast::<f32>();
            for k in 0..n {
                *to.add(k) = (x[k] * pull + dy[k]) * scale;
            }
        }
    });
}

/// The gradient of soft-max, given that of its result (src 0) and the result (src 1).
pub fn soft_max_back(task: &Task, node: Tensor) {
    let (dy, p, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let n = y.ne[0];
    share(task, y.n_rows(), 4, |r| {
        let i = y.row_index(r);
        // SAFETY: rows of f32 of the same shape.
        unsafe {
            let (dy, p) = (dy.row(i).cast::<f32>(), p.row(i).cast::<f32>());
            let dot: f64 = (0..n).map(|k| *dy.add(k) as f64 * *p.add(k) as f64).sum();
            let to = y.row(i).cast::<f32>();
            for k in 0..n {
                *to.add(k) = *p.add(k) * (*dy.add(k) - dot as f32);
            }
        }
    });
}

/// Adds the rows of src 0 to the rows of the node that the ids in src 1 name.
pub fn get_rows_back(task: &Task, node: Tensor) {
    if task.ith != 0 {
        return;
    }
    let (x, ids, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 1)),
        View::of(node),
    );
    let (n, rows) = (y.ne[0], Rows::get());
    let buf = worker_buffer(task, n);
    // SAFETY: the shapes were checked; ids are checked before they are used; the buffer holds a row.
    unsafe {
        for r in 0..y.n_rows() {
            std::ptr::write_bytes(y.row(y.row_index(r)), 0, 4 * n);
        }
        for r in 0..ids.ne[0].min(x.ne[1]) {
            let id = index(&ids, r, [0; 3]);
            if id < 0 || id as usize >= y.ne[1] {
                return fail("get_rows_back: an id is out of range");
            }
            let to = y.row([id as usize, 0, 0]).cast::<f32>();
            rows.add(n, to, x.load([r, 0, 0], 0, n, buf), to);
        }
    }
}
