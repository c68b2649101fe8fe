//! The operators other than matrix products and attention, and the table that says which function computes which node.
//!
//! Element-wise operators read any type and layout through [`view::View`], row by row as f32; what they do to a row is a
//! vector kernel of [`rows::Rows`].

mod copy;
mod elementwise;
mod generate;
mod gradients;
mod images;
mod norm;
mod reduce;
mod rope;
mod rows;
mod view;

#[cfg(test)]
mod tests;

use view::SEGMENT;

pub use norm::alibi_slope;
pub use rows::tanh;
pub use view::View;

use super::task::Task;
use super::{attention, matmul};
use crate::graph::{Op, Tensor, UnaryOp};
use crate::quant::Type;
use rows::Rows;

/// Computes one node. Every worker of the team calls it, see [`Task`].
pub type Run = fn(&Task, Tensor);

/// How a node is computed.
#[derive(Clone, Copy)]
pub struct Kernel {
    pub run: Run,
    /// Bytes of scratch memory for the team.
    pub work_size: usize,
    /// What it costs, in elements of a simple operator: decides whether several threads pay off.
    pub cost: usize,
}

/// Nodes that only describe memory.
pub fn is_noop(node: Tensor) -> bool {
    matches!(
        node.op(),
        Op::None | Op::View | Op::Reshape | Op::Permute | Op::Transpose
    ) || node.is_empty()
}

/// Ends the computation with an error, for input that only shows to be wrong while computing.
fn fail<T>(what: &str) -> T {
    std::panic::resume_unwind(Box::new(what.to_string()))
}

/// A source that [`kernel`] has checked to be there.
fn source(node: Tensor, i: usize) -> Tensor {
    match node.src(i) {
        Some(t) => t,
        None => fail("a source is missing"),
    }
}

fn param_i32(node: Tensor, i: usize) -> i32 {
    node.param(i)
}
fn param_f32(node: Tensor, i: usize) -> f32 {
    node.param(i)
}

/// A worker's part of the work buffer, if each has `n` floats.
fn worker_buffer(task: &Task, n: usize) -> *mut f32 {
    let size = n.next_multiple_of(16) * 4;
    debug_assert!(size * (task.ith + 1) <= task.work_size);
    task.work.wrapping_add(size * task.ith).cast()
}

/// Bytes of work buffer in which each of `nth` workers has `n` floats.
fn worker_buffers(n: usize, nth: usize) -> usize {
    n.next_multiple_of(16).saturating_mul(4).saturating_mul(nth)
}

/// The kernel for a node and a team of `nth`; `None` if there is none for this operator, these types or these shapes.
pub fn kernel(node: Tensor, nth: usize) -> Option<Kernel> {
    if let Some(run) = product(node.op()) {
        return matmul::work_size(node, nth).map(|work_size| Kernel {
            run,
            work_size,
            cost: usize::MAX,
        });
    }
    let y = View::try_of(node)?;
    let n = y.n();
    let x = node.src(0).map(|x| View::try_of(x).ok_or(()));
    let src = |i: usize| node.src(i).and_then(View::try_of);
    // Checks that make a kernel's assumptions true.
    let is_f32 = |v: &View| v.is_f32_rows();
    let source_is = |i: usize, check: &dyn Fn(&View) -> bool| src(i).is_some_and(|v| check(&v));
    let f32_out = is_f32(&y);
    let same = |i: usize| source_is(i, &|v| v.ne == y.ne);
    let f32_same = |i: usize| source_is(i, &|v| v.ne == y.ne && is_f32(v));
    let repeats = |i: usize| {
        source_is(i, &|v| {
            (0..4).all(|d| v.ne[d] > 0 && y.ne[d] % v.ne[d] == 0)
        })
    };
    let readable = |i: usize| source_is(i, &|v| v.readable() && buffered(v));
    let rowwise = |cost: usize, floats: usize, run: Run| Kernel {
        run,
        work_size: worker_buffers(floats, nth),
        cost: n.saturating_mul(cost),
    };
    let accept = |ok: bool, cost: usize, run: Run| ok.then(|| rowwise(cost, 0, run));
    if matches!(x, Some(Err(()))) {
        return None;
    }
    let x = x.and_then(Result::ok);
    let width = x.map_or(0, |x| x.ne[0]);
    let writable = y.writable() && buffered(&y);
    // Rows that are interleaved are multiplied, copied and read one by one; no other operator can tell them apart.
    let by_rows = matches!(node.op(), Op::Dup | Op::Cpy | Op::Cont | Op::Get_rows);
    let interleaved = |t: Tensor| t.ty().info().is_some_and(|i| i.rows > 1);
    if !by_rows && (interleaved(node) || node.srcs().any(interleaved)) {
        return None;
    }

    match node.op() {
        Op::Dup | Op::Cpy | Op::Cont => {
            let x = x?;
            let large = width.max(y.ne[0]) > SEGMENT && !(x.is_f32_rows() || f32_out);
            let whole = !x.splittable() || !y.splittable();
            let bytes = x.info.ty == y.info.ty;
            let ok = copy::can_copy(&x, &y) && (bytes || !(large && whole));
            accept(ok, if bytes { 1 } else { 4 }, copy::copy)
        }
        Op::Add | Op::Sub | Op::Mul | Op::Div => {
            let ok = same(0) && repeats(1) && readable(0) && readable(1) && writable;
            let whole = source_is(1, &|v| v.info.block == 1 || v.ne[0] == y.ne[0]);
            accept(ok && whole, 1, elementwise::binary)
        }
        Op::Add_id => {
            let ok = f32_out && f32_same(0) && source_is(1, &|v| is_f32(v) && v.ne[0] == y.ne[0]);
            let ids = source_is(2, &|v| v.info.ty == Type::I32);
            accept(ok && ids, 1, elementwise::add_id)
        }
        Op::Add1 => {
            let ok = same(0) && readable(0) && writable && source_is(1, &|v| v.n() == 1);
            accept(ok, 1, elementwise::add1)
        }
        Op::Acc | Op::Set => {
            let ok = same(0) && source_is(0, &View::is_contiguous) && y.is_contiguous();
            let ty = x?.info.ty;
            let ok = ok && ty == y.info.ty && source_is(1, &|v| v.info.ty == ty && v.dense_rows());
            let ok = ok && (ty == Type::F32 || node.op() == Op::Set);
            accept(ok, 1, copy::window)
        }
        Op::Sqr | Op::Sqrt | Op::Log => {
            accept(same(0) && readable(0) && writable, 2, elementwise::unary)
        }
        Op::Unary => match node.unary_op()? {
            UnaryOp::Swiglu | UnaryOp::Swiglu_oai => gate(node, &y, elementwise::glu),
            op => {
                Rows::unary(op)?;
                accept(same(0) && readable(0) && writable, 8, elementwise::unary)
            }
        },
        Op::Glu => gate(node, &y, elementwise::glu),
        Op::Fused_mul_unary => {
            let narrow = source_is(0, &|v| v.ne[0] == 1 && v.ne[1..] == y.ne[1..] && is_f32(v));
            let ok = (narrow || same(0) && readable(0)) && same(1) && readable(1) && writable;
            Rows::unary(node.unary_op()?)?;
            accept(ok, 8, elementwise::fused_mul_unary)
        }
        Op::Scale => accept(same(0) && readable(0) && writable, 1, elementwise::scale),
        Op::Softcap => accept(same(0) && readable(0) && writable, 16, elementwise::softcap),
        Op::Clamp => accept(same(0) && readable(0) && writable, 1, elementwise::clamp),
        Op::Leaky_relu => accept(
            same(0) && readable(0) && writable,
            1,
            elementwise::leaky_relu,
        ),
        Op::Multi_add => {
            let times = param_i32(node, 0).max(1) as usize;
            accept(f32_out && f32_same(0), times, elementwise::multi_add)
        }
        Op::Mul_multi_add => {
            let a = x?;
            let ok = is_f32(&a) && f32_out && a.ne[0] == y.ne[0] && a.ne[2] == y.ne[1];
            let ok = ok
                && source_is(1, &|w| {
                    is_f32(w) && w.ne[1] == a.ne[1] && w.ne[2] == a.ne[2]
                });
            accept(ok, a.ne[1], elementwise::mul_multi_add)
        }

        Op::Norm | Op::Rms_norm | Op::L2_norm | Op::Fused_norm | Op::Fused_rms_norm => {
            let fused = matches!(node.op(), Op::Fused_norm | Op::Fused_rms_norm);
            let weights = !fused || source_is(1, &|w| is_f32(w) && w.ne[0] == y.ne[0]);
            let ok = f32_out && same(0) && x?.readable() && weights;
            ok.then(|| rowwise(2, y.ne[0], norm::norm))
        }
        Op::Fused_rms_rms_add => {
            let weight = |i| source_is(i, &|w| is_f32(w) && w.ne[0] == y.ne[0]);
            let ok = f32_out && same(0) && same(2) && weight(1) && weight(3);
            let ok = ok && x?.readable() && src(2)?.readable();
            ok.then(|| rowwise(4, y.ne[0], norm::rms_rms_add))
        }
        Op::Group_norm => accept(f32_out && f32_same(0), 2, norm::group_norm),
        Op::Soft_max | Op::Soft_cap_max => {
            let mask = node.src(1).is_none()
                || source_is(1, &|m| {
                    matches!(m.info.ty, Type::F16 | Type::F32)
                        && m.dense_rows()
                        && m.ne[0] == y.ne[0]
                        && m.ne[1] >= y.ne[1]
                });
            (f32_out && f32_same(0) && mask).then(|| rowwise(8, y.ne[0], norm::soft_max))
        }

        Op::Sum => {
            let ok = x?.readable() && n == 1 && y.info.block == 1;
            ok.then(|| rowwise(0, width, reduce::sum))
        }
        Op::Sum_rows | Op::Mean => {
            let ok = x?.readable() && y.info.block == 1 && x?.ne[1..] == y.ne[1..];
            ok.then(|| rowwise(width, width, reduce::sum_rows))
        }
        Op::Argmax => accept(
            source_is(0, &is_f32) && y.info.ty == Type::I32 && n >= x?.ne[1],
            width,
            reduce::argmax,
        ),
        Op::Cumsum => accept(f32_out && f32_same(0), 4, reduce::cumsum),
        Op::Argsort | Op::Argsort_thresh => {
            let ok = f32_same(0) && y.info.ty == Type::I32 && y.dense_rows();
            ok.then(|| rowwise(32, 2 * width, reduce::argsort))
        }
        Op::Grouped_topk => {
            let x = x?;
            let ok =
                is_f32(&x) && y.info.ty == Type::I32 && y.dense_rows() && x.ne[1..] == y.ne[1..];
            let groups = param_i32(node, 0).max(1) as usize;
            (ok && y.ne[0] <= width && groups <= width)
                .then(|| rowwise(64, 2 * (width + groups), reduce::grouped_topk))
        }

        Op::Get_rows => {
            let x = x?;
            let types = f32_out || (x.info.ty == y.info.ty && y.dense_rows());
            let ok = types && (x.dense_rows() || x.info.block == 1) && width == y.ne[0];
            let ok = ok && (x.info.rows == 1 || f32_out && x.readable());
            accept(ok && is_index(node.src(1)?), 2, copy::get_rows)
        }
        Op::Set_rows => {
            let x = x?;
            let ok = is_f32(&x) && y.dense_rows() && width == y.ne[0] && is_index(node.src(1)?);
            Some(Kernel {
                cost: x.n().saturating_mul(4),
                ..accept(ok, 4, copy::set_rows)?
            })
        }
        Op::Repeat => {
            let ok = x?.info.ty == y.info.ty && y.info.block == 1 && repeats(0);
            accept(ok, 1, copy::repeat)
        }
        Op::Concat => {
            let ty = |v: &View| v.info.ty == y.info.ty && v.ne[0].is_multiple_of(v.info.block);
            accept(
                source_is(0, &ty) && source_is(1, &ty) && concat_fits(node, &y),
                1,
                copy::concat,
            )
        }
        Op::Pad => {
            let ok = x?.info.ty == y.info.ty && y.info.block == 1;
            accept(
                ok && (0..4).all(|d| x.is_some_and(|x| x.ne[d] <= y.ne[d])),
                1,
                copy::pad,
            )
        }

        Op::Rope | Op::Rope_back => {
            let x = x?;
            let floats = |v: &View| {
                v.dense_rows() && matches!(v.info.ty, Type::F32 | Type::F16 | Type::Bf16)
            };
            let n_dims = param_i32(node, 1);
            let fits = n_dims > 0 && n_dims % 2 == 0 && n_dims as usize <= width;
            let streams = if param_i32(node, 2) & 8 != 0 { 4 } else { 1 };
            let pos = source_is(1, &|p| p.info.ty == Type::I32 && p.n() >= streams * x.ne[2]);
            let factors = node.src(2).is_none()
                || source_is(2, &|f| is_f32(f) && f.ne[0] >= n_dims.max(0) as usize / 2);
            (x.ne == y.ne && floats(&x) && floats(&y) && fits && pos && factors)
                .then(|| rowwise(4, rope::work_floats(width), rope::rope))
        }
        Op::Rope_cache => {
            let pos = source_is(0, &|p| p.info.ty == Type::I32 && p.ne[0] >= y.ne[1]);
            let fits = param_i32(node, 1) > 0 && param_i32(node, 2) & 8 == 0;
            (f32_out && pos && fits)
                .then(|| rowwise(8, rope::work_floats(y.ne[0]), rope::rope_cache))
        }
        Op::Rope_fast => {
            let cache = source_is(1, &|c| {
                is_f32(c) && c.ne[0] >= y.ne[0] && c.ne[1] >= y.ne[2]
            });
            let n_dims = param_i32(node, 0);
            let fits = n_dims > 0 && n_dims % 2 == 0 && n_dims as usize <= y.ne[0];
            (f32_out && f32_same(0) && cache && fits)
                .then(|| rowwise(2, rope::work_floats(y.ne[0]), rope::rope_fast))
        }

        Op::Diag => {
            let x = x?;
            let ok = is_f32(&x) && f32_out && width == y.ne[0] && y.ne[0] == y.ne[1];
            accept(ok && x.ne[2..] == y.ne[2..], 1, generate::diag)
        }
        Op::Diag_mask_inf | Op::Diag_mask_zero => {
            accept(f32_out && f32_same(0), 2, generate::diag_mask)
        }
        Op::Tri => accept(f32_out && f32_same(0), 2, generate::tri),
        Op::Fill => accept(f32_out, 1, generate::fill),
        Op::Arange => accept(f32_out, 1, generate::arange),
        Op::Timestep_embedding => accept(
            f32_out && source_is(0, &is_f32),
            32,
            generate::timestep_embedding,
        ),
        Op::Upscale => accept(
            f32_out && source_is(0, &|x| x.info.ty == Type::F32 && x.n() > 0),
            8,
            generate::upscale,
        ),
        Op::Hadamard => {
            let piece = param_i32(node, 0);
            let ok = piece > 1 && piece.count_ones() == 1 && y.ne[0] % piece as usize == 0;
            accept(ok && f32_out && f32_same(0), 8, generate::hadamard)
        }

        Op::Flash_attn_ext => attention::demands(node, nth).map(|(work_size, cost)| Kernel {
            run: attention::flash_attn_ext,
            work_size,
            cost,
        }),

        Op::Out_prod => {
            let b = src(1)?;
            let ok = f32_out && x?.readable() && b.info.ty == Type::F32 && x?.ne[1] == b.ne[1];
            let ok = ok && y.ne == [width, b.ne[0], b.ne[2], b.ne[3]];
            let ok = ok && y.ne[2].is_multiple_of(x?.ne[2]) && y.ne[3].is_multiple_of(x?.ne[3]);
            let depth = x?.ne[1];
            ok.then(|| rowwise(depth, width, gradients::out_prod))
        }
        Op::Solve_tri => {
            let square = source_is(0, &|a| {
                is_f32(a) && a.ne[0] == y.ne[1] && a.ne[1] == y.ne[1] && a.ne[2..] == y.ne[2..]
            });
            accept(
                square && f32_same(1) && f32_out,
                y.ne[1],
                gradients::solve_tri,
            )
        }
        Op::Repeat_back => {
            let x = x?;
            let fits = (0..4).all(|d| x.ne[d].is_multiple_of(y.ne[d])) && x.info.ty == Type::F32;
            accept(f32_out && fits, x.n() / n.max(1), gradients::repeat_back)
        }
        Op::Silu_back => accept(
            f32_out && f32_same(0) && f32_same(1),
            16,
            gradients::silu_back,
        ),
        Op::Rms_norm_back => accept(
            f32_out && f32_same(0) && f32_same(1),
            4,
            gradients::rms_norm_back,
        ),
        Op::Soft_max_back => accept(
            f32_out && f32_same(0) && f32_same(1),
            4,
            gradients::soft_max_back,
        ),
        Op::Get_rows_back => {
            let ids = source_is(1, &|i| i.info.ty == Type::I32);
            let ok = f32_out && x?.readable() && width == y.ne[0] && ids;
            ok.then(|| rowwise(0, width, gradients::get_rows_back))
        }
        Op::Im2col => {
            let image = source_is(1, &|x| x.info.block == 1);
            let plain = matches!(y.info.ty, Type::F32 | Type::F16) && y.dense_rows();
            accept(image && plain && width > 0, 8, images::im2col)
        }
        Op::Pool_1d | Op::Pool_2d => {
            let kinds = matches!(param_i32(node, 0), 0 | 1);
            accept(f32_out && x?.info.block == 1 && kinds, 16, images::pool)
        }

        Op::Map_unary => accept(f32_out && f32_same(0), 0, generate::map_rows),
        Op::Map_binary => accept(f32_out && f32_same(0) && f32_same(1), 0, generate::map_rows),
        Op::Map_custom1
        | Op::Map_custom2
        | Op::Map_custom3
        | Op::Map_custom1_f32
        | Op::Map_custom2_f32
        | Op::Map_custom3_f32 => Some(Kernel {
            run: generate::map_custom,
            work_size: 0,
            cost: match generate::custom_tasks(node) {
                Some(1) => 0,
                _ => usize::MAX,
            },
        }),
        _ => None,
    }
}

/// The functions of matrix products.
fn product(op: Op) -> Option<Run> {
    Some(match op {
        Op::Mul_mat => matmul::mul_mat,
        Op::Mul_mat_id => matmul::mul_mat_id,
        Op::Fused_up_gate => matmul::fused_up_gate,
        Op::Moe_fused_up_gate => matmul::moe_fused_up_gate,
        _ => return None,
    })
}

/// Whether pieces of the rows can be converted in a buffer on the stack.
fn buffered(v: &View) -> bool {
    v.splittable() || v.ne[0] <= SEGMENT
}

fn is_index(t: Tensor) -> bool {
    matches!(t.ty(), Type::I32 | Type::I64)
}

/// Gates of two sources or of the halves of one.
fn gate(node: Tensor, y: &View, run: Run) -> Option<Kernel> {
    let a = View::try_of(node.src(0)?)?;
    let wide = match node.src(1) {
        Some(b) => View::try_of(b).is_some_and(|b| b.ne == y.ne && b.readable()) && a.ne == y.ne,
        None => a.ne[0] == 2 * y.ne[0] && a.ne[1..] == y.ne[1..],
    };
    (wide && a.readable() && a.info.block == 1 && y.info.block == 1).then(|| Kernel {
        run,
        work_size: 0,
        cost: y.n().saturating_mul(8),
    })
}

/// Whether the sources' shapes add up to the node's along its dimension.
fn concat_fits(node: Tensor, y: &View) -> bool {
    let dim = param_i32(node, 0);
    let (Some(a), Some(b)) = (
        node.src(0).and_then(View::try_of),
        node.src(1).and_then(View::try_of),
    ) else {
        return false;
    };
    (0..4).all(|d| {
        if d as i32 == dim {
            a.ne[d] + b.ne[d] == y.ne[d]
        } else {
            a.ne[d] == y.ne[d] && b.ne[d] == y.ne[d]
        }
    })
}
