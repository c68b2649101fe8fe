//! Operators on images and sequences: patches for convolutions, pooling.

use super::generate::by_index;
use super::view::View;
use super::{param_i32, source};
use crate::cpu::task::Task;
use crate::graph::{Op, Tensor, params};

/// An element of a tensor of single values, 0 outside of it.
fn at(x: &View, i0: i64, i: [i64; 3]) -> Option<f32> {
    let all = [i0, i[0], i[1], i[2]];
    if (0..4).any(|d| all[d] < 0 || all[d] >= x.ne[d] as i64) {
        return None;
    }
    let mut value = 0.0;
    // SAFETY: the element is inside the tensor, whose blocks are single values.
    unsafe { x.convert(i.map(|i| i as usize), i0 as usize, 1, &mut value) };
    Some(value)
}

/// `im2col`: for each place of the kernel (src 0) on the image (src 1), the values under it, zeros outside.
pub fn im2col(task: &Task, node: Tensor) {
    let (kernel, x) = (View::of(source(node, 0)), View::of(source(node, 1)));
    let p = params::Im2col::load(node);
    let width = kernel.ne[0];
    let height = if p.is_2d { kernel.ne[1] } else { 1 };
    by_index(task, node, |i, k| {
        let (kx, rest) = (k % width, k / width);
        let (ky, channel) = (rest % height, (rest / height) as i64);
        let column = i[0] as i64 * p.s0 as i64 + kx as i64 * p.d0 as i64 - p.p0 as i64;
        let row = i[1] as i64 * p.s1 as i64 + ky as i64 * p.d1 as i64 - p.p1 as i64;
        let from = match p.is_2d {
            true => [row, channel, i[2] as i64],
            false => [channel, i[1] as i64, 0],
        };
        at(&x, column, from).unwrap_or(0.0)
    });
}

/// `pool_1d`, `pool_2d`: the greatest value or the mean of windows; what lies outside counts as zero in a mean.
pub fn pool(task: &Task, node: Tensor) {
    let x = View::of(source(node, 0));
    let param = |k| param_i32(node, k) as i64;
    // Window, stride and padding in both directions.
    let [k0, k1, s0, s1, p0, p1] = match node.op() {
        Op::Pool_1d => [param(1), 1, param(2), 1, param(3), 0],
        _ => [1, 2, 3, 4, 5, 6].map(param),
    };
    let greatest = param(0) == 0;
    by_index(task, node, |i, k| {
        let mut value = if greatest { f32::MIN } else { 0.0 };
        for dy in 0..k1 {
            for dx in 0..k0 {
                let row = [i[0] as i64 * s1 - p1 + dy, i[1] as i64, i[2] as i64];
                let Some(v) = at(&x, k as i64 * s0 - p0 + dx, row) else {
                    continue;
                };
                value = if greatest { value.max(v) } else { value + v };
            }
        }
        if greatest {
            value
        } else {
            value / (k0 * k1) as f32
        }
    });
}
