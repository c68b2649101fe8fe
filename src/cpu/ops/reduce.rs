//! Operators that make few values of many: sums, means, the place of the greatest, running sums, orders.

use super::rows::Rows;
use super::view::{View, share};
use super::{param_f32, param_i32, source, worker_buffer};
use crate::cpu::task::Task;
use crate::graph::{Op, Tensor};

/// The sum of everything, by one worker so that it does not depend on their number.
pub fn sum(task: &Task, node: Tensor) {
    if task.ith != 0 {
        return;
    }
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let (rows, buf) = (Rows::get(), worker_buffer(task, x.ne[0]));
    let mut total = 0f64;
    for r in 0..x.n_rows() {
        // SAFETY: the row is inside the tensor, and the buffer holds a row.
        unsafe { total += rows.sum(x.ne[0], x.load(x.row_index(r), 0, x.ne[0], buf)) as f64 };
    }
    // SAFETY: the node has one element.
    unsafe { y.store([0; 3], 0, 1, &(total as f32)) };
}

/// `sum_rows`, `mean`: one value per row.
pub fn sum_rows(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let (rows, buf) = (Rows::get(), worker_buffer(task, x.ne[0]));
    let by = if node.op() == Op::Mean {
        x.ne[0] as f32
    } else {
        1.0
    };
    share(task, x.n_rows(), 8, |r| {
        let i = x.row_index(r);
        // SAFETY: the row is inside the tensor, the buffer holds a row, and the node has one element per row.
        unsafe {
            let sum = rows.sum(x.ne[0], x.load(i, 0, x.ne[0], buf));
            y.store(i, 0, 1, &(sum / by));
        }
    });
}

/// The place of the greatest value of each row (the first of equals), as i32.
pub fn argmax(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    share(task, x.ne[1], 1, |r| {
        let row = x.row([r, 0, 0]).cast::<f32>();
        let mut best = (f32::NEG_INFINITY, 0);
        for k in 0..x.ne[0] {
            // SAFETY: inside the row.
            let value = unsafe { *row.add(k) };
            if value > best.0 {
                best = (value, k);
            }
        }
        // SAFETY: the node has one element per row.
        unsafe { *y.data.cast::<i32>().add(r) = best.1 as i32 };
    });
}

/// Running sums along each row.
pub fn cumsum(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    share(task, x.n_rows(), 4, |r| {
        let i = x.row_index(r);
        let (from, to) = (x.row(i).cast::<f32>(), y.row(i).cast::<f32>());
        let mut sum = 0.0;
        for k in 0..x.ne[0] {
            // SAFETY: inside both rows, which have the same shape.
            unsafe {
                sum += *from.add(k);
                *to.add(k) = sum;
            }
        }
    });
}

/// A number that orders pairs of a value and its place as (value, place) does; NaN comes last.
fn key(value: f32, place: usize) -> u64 {
    let bits = (value + 0.0).to_bits();
    let ordered = if bits >> 31 == 1 {
        !bits
    } else {
        bits | 1 << 31
    };
    (ordered as u64) << 32 | place as u64
}

/// Scratch memory of a worker as `n` keys.
fn keys<'a>(task: &Task<'a>, n: usize) -> &'a mut [u64] {
    let at = worker_buffer(task, 2 * n);
    // SAFETY: the work buffer holds two floats per key for each worker, and is 64-byte aligned.
    unsafe { std::slice::from_raw_parts_mut(at.cast(), n) }
}

/// Puts the `k` greatest of the keys first, in descending order.
fn top(keys: &mut [u64], k: usize) -> &mut [u64] {
    let k = k.min(keys.len());
    if k < keys.len() {
        keys.select_nth_unstable_by(k, |a, b| b.cmp(a));
    }
    let best = &mut keys[..k];
    best.sort_unstable_by(|a, b| b.cmp(a));
    best
}

/// `argsort`: the places of each row's values in ascending or descending order; only the first `k` need be in order.
/// `argsort_thresh`: descending, with -1 for those behind the first few that are less than a share of the greatest.
pub fn argsort(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let n = x.ne[0];
    let thresh = node.op() == Op::Argsort_thresh;
    let descending = thresh || param_i32(node, 0) == 1;
    let k = if thresh {
        n
    } else {
        (param_i32(node, 1).max(0) as usize).min(n)
    };
    let keys = keys(task, n);
    share(task, x.n_rows(), 1, |r| {
        let i = x.row_index(r);
        let (row, to) = (x.row(i).cast::<f32>(), y.row(i).cast::<i32>());
        // SAFETY: inside the rows, which have the same shape; places are below `n`.
        unsafe {
            for (place, key_at) in keys.iter_mut().enumerate() {
                let key = key(*row.add(place), place);
                *key_at = if descending { key } else { !key };
            }
            top(keys, k);
            for (place, &key) in keys.iter().enumerate() {
                let key = if descending { key } else { !key };
                *to.add(place) = key as u32 as i32;
            }
            if thresh {
                let (first, share) = (param_i32(node, 0).max(0) as usize, param_f32(node, 1));
                let least = *row.add(*to as usize) * share;
                for place in first..n {
                    let id = to.add(place);
                    if *row.add(*id as usize) < least {
                        *id = -1;
                    }
                }
            }
        }
    });
}

/// The places of the greatest values within the best groups of each row; a group is as good as the sum of its best few.
/// Parameters: the number of groups, of groups kept, and of values whose sum rates a group.
pub fn grouped_topk(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let param = |k| param_i32(node, k).max(1) as usize;
    let (groups, kept, rated) = (param(0).min(x.ne[0].max(1)), param(1), param(2));
    let width = x.ne[0] / groups;
    let (buf, n) = (keys(task, x.ne[0] + groups), y.ne[0]);
    let (keys, ratings) = buf.split_at_mut(x.ne[0]);
    share(task, x.n_rows(), 1, |r| {
        let i = x.row_index(r);
        let to = y.row(i).cast::<i32>();
        // SAFETY: inside the row.
        let row = unsafe { std::slice::from_raw_parts(x.row(i).cast::<f32>(), x.ne[0]) };
        let places: &[u64] = if n > width * kept {
            // More are asked for than the groups have: the first ones.
            keys.iter_mut().enumerate().for_each(|(p, k)| *k = p as u64);
            &keys[..n]
        } else {
            for (group, rating) in ratings.iter_mut().enumerate() {
                for (k, &v) in row[group * width..][..width].iter().enumerate() {
                    keys[k] = key(v, group * width + k);
                }
                let best = top(&mut keys[..width], rated);
                let sum = best.iter().map(|&k| row[k as u32 as usize]).sum();
                *rating = key(sum, group);
            }
            let mut count = 0;
            for &rating in top(ratings, kept).iter() {
                let from = rating as u32 as usize * width;
                for (k, &v) in row[from..][..width].iter().enumerate() {
                    keys[count] = key(v, from + k);
                    count += 1;
                }
            }
            top(&mut keys[..count], n)
        };
        for (k, &place) in places.iter().enumerate() {
            // SAFETY: the node's rows have `n` places.
            unsafe { *to.add(k) = place as u32 as i32 };
        }
    });
}
