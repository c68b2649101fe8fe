//! The CPU device: threads, matmul, attention and the other operators. Knows tensors and types, not buffers.

mod attention;
mod exec;
pub mod matmul;
pub mod numa;
mod ops;

pub mod task;
mod threads;

#[cfg(test)]
mod testing;

pub use exec::{GraphId, Status, compute, compute_known, n_tasks, plan, supports_op};
pub use threads::shutdown;
