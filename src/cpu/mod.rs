//! The CPU device: threads, vector levels (`simd`), matmul, attention and the other operators. Knows tensors and types, not buffers.

pub mod task;
