//! Matrix products, plain, by expert, and fused with the gate of a feed-forward block. One core for all tensor types;
//! no attention, no other operators.

use super::task::Task;
use crate::graph::Tensor;

/// Whether the product can be computed: operator, types and shapes.
pub fn supports(_node: Tensor) -> bool {
    false
}

/// Bytes of scratch memory that a team of `n_threads` needs for the node.
pub fn work_size(_node: Tensor, _n_threads: usize) -> usize {
    0
}

/// Computes an `Op::Mul_mat` node: each row of `src[1]` times each row of `src[0]`.
pub fn mul_mat(_task: &Task, _node: Tensor) {}

/// Computes an `Op::Mul_mat_id` node: as [`mul_mat`], with the matrix that `src[2]` names.
pub fn mul_mat_id(_task: &Task, _node: Tensor) {}

/// Computes an `Op::Fused_up_gate` node: `op(gate·b) * (up·b)`.
pub fn fused_up_gate(_task: &Task, _node: Tensor) {}

/// Computes an `Op::Moe_fused_up_gate` node: as [`fused_up_gate`], by expert.
pub fn moe_fused_up_gate(_task: &Task, _node: Tensor) {}
