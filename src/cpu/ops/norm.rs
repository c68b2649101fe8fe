//! Norms of rows and of groups of channels, with and without weights, and soft-max.

use super::rows::Rows;
use super::view::{RowIndex, View, share};
use super::{param_f32, param_i32, source, worker_buffer};
use crate::cpu::task::Task;
use crate::graph::{Op, Tensor};
use crate::quant::Type;

/// Mean and scale that normalize the row at `x`.
///
/// # Safety
/// `x` points to `n` values.
unsafe fn statistics(rows: &Rows, op: Op, n: usize, x: *const f32, eps: f32) -> (f32, f32) {
    let count = n as f32;
    // SAFETY: the caller's promise.
    unsafe {
        match op {
            Op::Norm | Op::Fused_norm => {
                let mean = rows.sum(n, x) / count;
                let variance = rows.sum_sqr(n, x, mean) / count;
                (mean, 1.0 / (variance + eps).sqrt())
            }
            Op::L2_norm => (0.0, 1.0 / rows.sum_sqr(n, x, 0.0).sqrt().max(eps)),
            _ => (0.0, 1.0 / (rows.sum_sqr(n, x, 0.0) / count + eps).sqrt()),
        }
    }
}

/// `norm`, `rms_norm`, `l2_norm`, and the fused ones, which multiply with a row of weights.
pub fn norm(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let weights = match node.op() {
        Op::Fused_norm | Op::Fused_rms_norm => source(node, 1).data() as *const f32,
        _ => std::ptr::null(),
    };
    let (op, eps, n) = (node.op(), param_f32(node, 0), y.ne[0]);
    let rows = Rows::get();
    let buf = worker_buffer(task, n);
    share(task, y.n_rows(), 4, |r| {
        let i = y.row_index(r);
        // SAFETY: both tensors have this shape, `y` has rows of f32; the buffer holds a row.
        unsafe {
            let from = x.load(i, 0, n, buf);
            let (mean, scale) = statistics(rows, op, n, from, eps);
            rows.normalize(n, from, mean, scale, weights, y.row(i).cast());
        }
    });
}

/// `rms_norm(x1) * c1 + rms_norm(x2) * c2`
pub fn rms_rms_add(task: &Task, node: Tensor) {
    let (x1, x2, y) = (
        View::of(source(node, 0)),
        View::of(source(node, 2)),
        View::of(node),
    );
    let (c1, c2) = (
        source(node, 1).data() as *const f32,
        source(node, 3).data() as *const f32,
    );
    let (op, eps, n) = (Op::Rms_norm, param_f32(node, 0), y.ne[0]);
    let rows = Rows::get();
    let buf = worker_buffer(task, n);
    share(task, y.n_rows(), 4, |r| {
        let i = y.row_index(r);
        let to = y.row(i).cast::<f32>();
        // SAFETY: all have this shape, `y` has rows of f32; the buffer holds a row. `y` is written when both were read.
        unsafe {
            let from = x2.load(i, 0, n, buf);
            let (mean, scale) = statistics(rows, op, n, from, eps);
            rows.normalize(n, from, mean, scale, c2, buf);
            let (a, b) = (x1.load(i, 0, n, to), buf);
            let (mean, scale) = statistics(rows, op, n, a, eps);
            rows.normalize(n, a, mean, scale, c1, to);
            rows.add(n, to, b, to);
        }
    });
}

/// Normalizes groups of channels (dimension 2) of each image (dimension 3) together.
pub fn group_norm(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let (groups, eps) = (param_i32(node, 0).max(1) as usize, param_f32(node, 1));
    let per_group = y.ne[2].div_ceil(groups);
    let (n, rows) = (y.ne[0], Rows::get());
    share(task, groups * y.ne[3], 1, |k| {
        let (group, image) = (k % groups, k / groups);
        let channels = (group * per_group).min(y.ne[2])..((group + 1) * per_group).min(y.ne[2]);
        let count = (n * y.ne[1] * channels.len()) as f64;
        let all = || {
            let channels = channels.clone();
            channels.flat_map(|i2| (0..y.ne[1]).map(move |i1| [i1, i2, image] as RowIndex))
        };
        // SAFETY: both tensors have rows of f32 and this shape.
        unsafe {
            let sum: f64 = all().map(|i| rows.sum(n, x.row(i).cast()) as f64).sum();
            let mean = (sum / count) as f32;
            let sum: f64 = all()
                .map(|i| rows.sum_sqr(n, x.row(i).cast(), mean) as f64)
                .sum();
            let scale = 1.0 / ((sum / count) as f32 + eps).sqrt();
            for i in all() {
                let weights = std::ptr::null();
                rows.normalize(n, x.row(i).cast(), mean, scale, weights, y.row(i).cast());
            }
        }
    });
}

/// The slope of ALiBi for a head (<https://arxiv.org/abs/2108.12409>); 1 without it.
pub fn alibi_slope(max_bias: f32, head: usize, n_head: usize) -> f32 {
    if max_bias <= 0.0 {
        return 1.0;
    }
    let power_of_two = 1usize << n_head.max(1).ilog2();
    if head < power_of_two {
        (-max_bias / power_of_two as f32)
            .exp2()
            .powi(head as i32 + 1)
    } else {
        let step = (-max_bias / 2.0 / power_of_two as f32).exp2();
        step.powi(2 * (head - power_of_two) as i32 + 1)
    }
}

/// `soft_max` and `soft_cap_max`: soft-max over rows of `scale * x + slope * mask`, where `soft_cap_max` first caps `x`, and
/// where a sink per head may take part of the weight. A row in which all is masked becomes zeros.
pub fn soft_max(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let mask = node.src(1).map(View::of);
    let capped = node.op() == Op::Soft_cap_max;
    let sinks = node
        .src(2)
        .filter(|_| !capped)
        .map(|s| s.data() as *const f32);
    let (scale, max_bias) = (param_f32(node, 0), param_f32(node, 1));
    let (before, after) = (param_f32(node, 2), param_f32(node, 3));
    let (n, rows) = (y.ne[0], Rows::get());
    let buf = worker_buffer(task, n);
    share(task, y.n_rows(), 4, |r| {
        let i = y.row_index(r);
        let slope = alibi_slope(max_bias, i[1], y.ne[2]);
        let to = y.row(i).cast::<f32>();
        // SAFETY: the tensors have rows of f32 and this shape, the mask's indices are wrapped into its shape; the buffer
        // holds a row.
        unsafe {
            let mut from = x.row(i).cast::<f32>().cast_const();
            if capped {
                rows.softcap(n, from, before, after, buf);
                from = buf;
            }
            let mut max = match &mask {
                None => {
                    rows.scale(n, from, scale, 0.0, buf);
                    rows.max(n, buf)
                }
                Some(mask) => {
                    let row = mask.row([i[0], i[1] % mask.ne[2], i[2] % mask.ne[3]]);
                    match mask.info.ty {
                        Type::F16 => rows.mask_f16(n, from, scale, row.cast(), slope, buf),
                        _ => rows.mask_f32(n, from, scale, row.cast(), slope, buf),
                    }
                }
            };
            let sink = sinks.map(|s| *s.add(i[1]));
            max = max.max(sink.unwrap_or(f32::NEG_INFINITY));
            if max == f32::NEG_INFINITY {
                std::ptr::write_bytes(to, 0, n);
                return;
            }
            let mut sum = rows.exp_sum(n, buf, max, to);
            if let Some(sink) = sink {
                sum += (sink - max).exp();
            }
            rows.mul_scalar(n, to, 1.0 / sum, to);
        }
    });
}
