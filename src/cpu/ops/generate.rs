//! Operators that make values from indices: masks, diagonals, triangles, ranges, embeddings of time, resized images,
//! Hadamard transforms, and the functions that callers bring along.

use std::ffi::c_void;

use super::rows::Rows;
use super::view::{Buffer, SEGMENT, View, share, share_pieces};
use super::{fail, param_f32, param_i32, source};
use crate::cpu::task::Task;
use crate::graph::{Op, Tensor, ggml_tensor};

/// Defines a value for each element of the node by its row and column.
pub fn by_index(task: &Task, node: Tensor, value: impl Fn([usize; 3], usize) -> f32) {
    let y = View::of(node);
    let mut buf = Buffer::new();
    share_pieces(task, &y, SEGMENT, |i, cols| {
        let to = y.target(i, cols.start, buf.ptr());
        // SAFETY: the piece is inside the node, or in a buffer that holds it.
        unsafe {
            for k in cols.clone() {
                *to.add(k - cols.start) = value(i, k);
            }
            y.store(i, cols.start, cols.len(), to);
        }
    });
}

/// An element of an f32 tensor.
pub fn value_at(x: &View, i0: usize, i: [usize; 3]) -> f32 {
    // SAFETY: callers ask for elements inside the tensor only.
    unsafe { *x.element(i0, i).cast::<f32>() }
}

/// The source on the diagonal of a square matrix.
pub fn diag(task: &Task, node: Tensor) {
    let x = View::of(source(node, 0));
    by_index(task, node, |i, k| match i[0] == k {
        true => value_at(&x, k, [0, i[1], i[2]]),
        false => 0.0,
    });
}

/// `diag_mask_inf`, `diag_mask_zero`: what lies `n_past` or more right of the diagonal is replaced.
pub fn diag_mask(task: &Task, node: Tensor) {
    let x = View::of(source(node, 0));
    let n_past = param_i32(node, 0).max(0) as usize;
    let fill = match node.op() {
        Op::Diag_mask_inf => f32::NEG_INFINITY,
        _ => 0.0,
    };
    by_index(task, node, |i, k| match k > n_past + i[0] {
        true => fill,
        false => value_at(&x, k, i),
    });
}

/// One triangle of square matrices, zeros elsewhere. Parameter (`enum ggml_tri_type`): lower, upper, lower with diagonal,
/// upper with diagonal.
pub fn tri(task: &Task, node: Tensor) {
    let x = View::of(source(node, 0));
    let which = param_i32(node, 0);
    by_index(task, node, |i, k| {
        let keep = match which {
            0 => k < i[0],
            1 => k > i[0],
            2 => k <= i[0],
            _ => k >= i[0],
        };
        if keep { value_at(&x, k, i) } else { 0.0 }
    });
}

pub fn fill(task: &Task, node: Tensor) {
    let value = param_f32(node, 0);
    by_index(task, node, |_, _| value);
}

pub fn arange(task: &Task, node: Tensor) {
    let (start, step) = (param_f32(node, 0), param_f32(node, 2));
    by_index(task, node, |_, k| start + step * k as f32);
}

/// Cosines, then sines, of each time step at falling frequencies.
pub fn timestep_embedding(task: &Task, node: Tensor) {
    let x = View::of(source(node, 0));
    let (dim, max_period) = (param_i32(node, 0).max(0) as usize, param_i32(node, 1));
    let half = dim / 2;
    by_index(task, node, |i, k| {
        if k >= 2 * half {
            return 0.0;
        }
        let falling = -(max_period as f32).ln() * (k % half) as f32 / half as f32;
        let angle = value_at(&x, i[0], [0; 3]) * falling.exp();
        if k < half { angle.cos() } else { angle.sin() }
    });
}

/// Cubic convolution of four neighbours (Keys 1981) with a = -0.75.
fn cubic(p: [f32; 4], t: f32) -> f32 {
    const A: f32 = -0.75;
    let near = |x: f32| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f32| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    p[0] * far(t + 1.0) + p[1] * near(t) + p[2] * near(1.0 - t) + p[3] * far(2.0 - t)
}

/// Resizes images: to the nearest value, or bicubic in dimensions 0 and 1. Parameter: the mode, and bit 8 to align corners.
pub fn upscale(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let flags = param_i32(node, 0);
    let mut factor = [0f32; 4];
    for (d, f) in factor.iter_mut().enumerate() {
        *f = y.ne[d] as f32 / x.ne[d] as f32;
    }
    let mut offset = 0.5;
    if flags & 0x100 != 0 {
        offset = 0.0;
        for (d, f) in factor.iter_mut().enumerate().take(2) {
            if y.ne[d] > 1 && x.ne[d] > 1 {
                *f = (y.ne[d] - 1) as f32 / (x.ne[d] - 1) as f32;
            }
        }
    }
    let nearest = |i: usize, d: usize| ((i as f32 / factor[d]) as usize).min(x.ne[d] - 1);
    if flags & 0xff != 2 {
        return by_index(task, node, |i, k| {
            let from = [nearest(i[0], 1), nearest(i[1], 2), nearest(i[2], 3)];
            value_at(&x, nearest(k, 0), from)
        });
    }
    // The place before, and how far beyond it.
    let place = |i: usize, d: usize| {
        let at = (i as f32 + offset) / factor[d] - offset;
        (at.floor() as i64, at - at.floor())
    };
    let clamped = |at: i64, d: usize| at.clamp(0, x.ne[d] as i64 - 1) as usize;
    by_index(task, node, |i, k| {
        let ((x0, dx), (y0, dy)) = (place(k, 0), place(i[0], 1));
        let around = [-1, 0, 1, 2];
        let columns = around.map(|v| {
            let row = [clamped(y0 + v, 1), nearest(i[1], 2), nearest(i[2], 3)];
            cubic(around.map(|u| value_at(&x, clamped(x0 + u, 0), row)), dx)
        });
        cubic(columns, dy)
    });
}

/// Fast Walsh-Hadamard transform of pieces of each row, scaled to be orthogonal. Parameter: the piece, a power of two.
pub fn hadamard(task: &Task, node: Tensor) {
    let (x, y) = (View::of(source(node, 0)), View::of(node));
    let n = param_i32(node, 0).max(1) as usize;
    let scale = 1.0 / (n as f32).sqrt();
    let rows = Rows::get();
    share(task, y.n_rows(), 1, |r| {
        let i = y.row_index(r);
        for from in (0..y.ne[0]).step_by(n) {
            let to = y.row(i).cast::<f32>().wrapping_add(from);
            // SAFETY: the piece is inside both rows; the kernels work in place.
            unsafe {
                std::ptr::copy(x.row(i).cast::<f32>().wrapping_add(from), to, n);
                let values = std::slice::from_raw_parts_mut(to, n);
                let mut half = 1;
                while half < n {
                    for pair in values.chunks_exact_mut(2 * half) {
                        let (a, b) = pair.split_at_mut(half);
                        for (a, b) in a.iter_mut().zip(b) {
                            (*a, *b) = (*a + *b, *a - *b);
                        }
                    }
                    half *= 2;
                }
                rows.mul_scalar(n, to, scale, to);
            }
        }
    });
}

type Raw = *mut ggml_tensor;

/// A pointer in the parameters from index `at` on.
fn pointer(node: Tensor, at: usize) -> *const c_void {
    node.param::<usize>(at) as *const c_void
}

fn raw_source(node: Tensor, i: usize) -> Raw {
    node.src(i).map_or(std::ptr::null_mut(), Tensor::as_ptr)
}

/// `map_unary`, `map_binary`: a caller's function on rows of f32.
pub fn map_rows(task: &Task, node: Tensor) {
    if task.ith != 0 {
        return;
    }
    let (f, y, a) = (pointer(node, 0), View::of(node), View::of(source(node, 0)));
    if f.is_null() {
        return fail("map: no function");
    }
    for r in 0..y.n_rows() {
        let i = y.row_index(r);
        let (n, to, from) = (y.ne[0] as i32, y.row(i).cast(), a.row(i).cast());
        // SAFETY: the builder stored a function of this type.
        unsafe {
            if node.op() == Op::Map_unary {
                type F = unsafe extern "C" fn(i32, *mut f32, *const f32);
                std::mem::transmute::<*const c_void, F>(f)(n, to, from);
            } else {
                type F = unsafe extern "C" fn(i32, *mut f32, *const f32, *const f32);
                let b = View::of(source(node, 1)).row(i).cast();
                std::mem::transmute::<*const c_void, F>(f)(n, to, from, b);
            }
        }
    }
}

/// The tasks a `map_custom` node asks for; `None` for as many as there are threads.
pub fn custom_tasks(node: Tensor) -> Option<usize> {
    match node.op() {
        // Behind the function pointer: `int n_tasks`, padding, `void * userdata`; -1 for the most.
        Op::Map_custom1 | Op::Map_custom2 | Op::Map_custom3 => {
            usize::try_from(param_i32(node, 2)).ok().map(|n| n.max(1))
        }
        _ => Some(1),
    }
}

/// A caller's function of whole tensors, called by each worker with its number, or (the `_f32` kinds) by one.
pub fn map_custom(task: &Task, node: Tensor) {
    let f = pointer(node, 0);
    if f.is_null() {
        return fail("map_custom: no function");
    }
    let (y, a, b, c) = (
        node.as_ptr(),
        raw_source(node, 0),
        raw_source(node, 1),
        raw_source(node, 2),
    );
    let (ith, nth) = (task.ith as i32, task.nth as i32);
    let user = pointer(node, 4).cast_mut();
    // SAFETY: the builder stored a function of the type that belongs to the operator.
    unsafe {
        match node.op() {
            Op::Map_custom1 => {
                type F = unsafe extern "C" fn(Raw, Raw, i32, i32, *mut c_void);
                std::mem::transmute::<*const c_void, F>(f)(y, a, ith, nth, user);
            }
            Op::Map_custom2 => {
                type F = unsafe extern "C" fn(Raw, Raw, Raw, i32, i32, *mut c_void);
                std::mem::transmute::<*const c_void, F>(f)(y, a, b, ith, nth, user);
            }
            Op::Map_custom3 => {
                type F = unsafe extern "C" fn(Raw, Raw, Raw, Raw, i32, i32, *mut c_void);
                std::mem::transmute::<*const c_void, F>(f)(y, a, b, c, ith, nth, user);
            }
            _ if ith != 0 => {}
            Op::Map_custom1_f32 => {
                type F = unsafe extern "C" fn(Raw, Raw);
                std::mem::transmute::<*const c_void, F>(f)(y, a);
            }
            Op::Map_custom2_f32 => {
                type F = unsafe extern "C" fn(Raw, Raw, Raw);
                std::mem::transmute::<*const c_void, F>(f)(y, a, b);
            }
            _ => {
                type F = unsafe extern "C" fn(Raw, Raw, Raw, Raw);
                std::mem::transmute::<*const c_void, F>(f)(y, a, b, c);
            }
        }
    }
}
