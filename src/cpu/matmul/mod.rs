//! Matrix products, plain, by expert, and fused with the gate of a feed-forward block. One core for all tensor types;
//! no attention, no other operators.
//!
//! * [`weights`]: what a tensor type must tell: how its blocks become 8-bit codes and scales. `legacy`, `kquants`, `iqk`,
//!   `codebooks`, `trellis`: the types.
//! * `kernels`, `float`: the loops, written once over vectors; for 8-bit codes and for floats. `pairs`: for bf16 where CPUs have more for it.
//!   `tiles`: for many columns where CPUs multiply tiles.
//! * `core`: the table of compiled kernels; the steps of a product for one type.
//! * `job`: what a node asks for, and how the team shares it.
//!
//! Few columns are multiplied with weights decoded in registers, at the speed of memory. For many columns a panel of rows is
//! unpacked to interleaved codes that stay in the cache, and one kernel multiplies it with all of them. Activations are
//! quantized to 8 bits per 32 values for quantized weights, and stay f32 for f32, f16 and bf16 weights (but see `pairs` and `tiles`).

mod codebooks;
mod core;
mod float;
pub mod gate;
mod iqk;
mod job;
mod kernels;
mod kquants;
mod legacy;
mod pairs;
#[cfg(test)]
mod tests;
pub mod tiles;
mod trellis;
pub mod weights;

pub use self::float::PackArgs;
use self::job::Job;
pub use self::kernels::UnpackArgs;
use super::task::Task;
use crate::graph::Tensor;
use crate::simd;

/// Bytes of scratch memory that a team of `n_threads` needs for the node; `None` if it is not a product that can be computed:
/// operator, types and shapes.
pub fn work_size(node: Tensor, n_threads: usize) -> Option<usize> {
    Job::new(node, n_threads, simd::level()).map(|job| job.work_size())
}

/// Computes an `Op::Mul_mat` node: each row of `src[1]` times each row of `src[0]`.
pub fn mul_mat(task: &Task, node: Tensor) {
    run(task, node);
}

/// Computes an `Op::Mul_mat_id` node: as [`mul_mat`], with the matrix that `src[2]` names.
pub fn mul_mat_id(task: &Task, node: Tensor) {
    run(task, node);
}

/// Computes an `Op::Fused_up_gate` node: `op(gate·b) * (up·b)`.
pub fn fused_up_gate(task: &Task, node: Tensor) {
    run(task, node);
}

/// Computes an `Op::Moe_fused_up_gate` node: as [`fused_up_gate`], by expert.
pub fn moe_fused_up_gate(task: &Task, node: Tensor) {
    run(task, node);
}

/// Computes a node that has a [`work_size`]; another one is left as it is.
fn run(task: &Task, node: Tensor) {
    if let Some(job) = Job::new(node, task.nth, simd::level())
        && job.work_size() <= task.work_size
    {
        // SAFETY: the executor runs nodes whose tensors have data; the scratch memory is large enough.
        unsafe { job.run(task) }
    }
}
