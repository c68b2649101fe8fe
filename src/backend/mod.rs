//! What a device is: buffer types and buffers, devices and their registry, the graph allocator, and the scheduler that
//! splits a graph over devices. Knows tensors and graphs; what a device computes is the device's own room (`cpu`, `cuda`).

mod buffer;
mod copy;
mod cpu;
mod device;
mod galloc;
mod registry;
mod sched;
#[cfg(test)]
mod tests;

pub use crate::cpu::Status;
pub use buffer::{
    Buffer, BufferKind, BufferType, BufferUsage, HOST_ALIGNMENT, Memory, buffer_of,
    cpu_buffer_type, ggml_backend_buffer, ggml_backend_buffer_type, host_buffer_from_ptr,
    host_buffer_over_map, multi_buffer,
};
pub use copy::{GraphCopy, compare_graph_backend};
pub use cpu::{AbortCallback, Cpu, cpu_backend};
pub use device::{
    Backend, Device, ggml_backend, same_layout, tensor_alloc, tensor_copy, tensor_get, tensor_set,
    view_init,
};
pub use galloc::{Gallocr, alloc_tensors, ggml_gallocr, ggml_tallocr};
pub use registry::{Entry, registry};
pub use sched::{EvalCallback, Sched, ggml_backend_sched};
