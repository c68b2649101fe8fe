//! The operators other than matrix products and attention, and the table that says which function computes which node.

use super::task::Task;
use crate::graph::{Op, Tensor};

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

/// The kernel for a node and a team of `nth`; `None` if there is none for this operator, these types or these shapes.
pub fn kernel(_node: Tensor, _nth: usize) -> Option<Kernel> {
    None
}
