//! ikrs: an engine for quantized language models behind the C ABI of `libllama.so` and `libggml.so`.
//!
//! The rooms, and what belongs in each (arrows point down the list; nothing knows a room above it):
//!
//! * [`abi`]: the C boundary: exported functions, one file per header. Checks pointers, converts, calls inward.
//! * [`llama`]: models, vocabularies, contexts, sampling: what `llama.h` promises.
//! * [`gguf`]: the file format, read, written and split.
//! * [`backend`]: what a device is: buffers, the registry, the graph allocator, the scheduler.
//! * [`cpu`]: the CPU device: threads, matmul, attention, the other operators.
//! * [`graph`]: tensors, the arenas they live in, operator builders, computation graphs.
//! * [`quant`]: tensor types: bytes to floats and back.
//! * [`simd`]: vector instructions: the levels of CPUs, the trait over which kernels are written.
//! * [`log`] and [`error`]: where messages go and how failures travel; known to all.

pub mod abi;
pub mod backend;
pub mod cpu;
pub mod error;
pub mod gguf;
pub mod graph;
pub mod llama;
pub mod log;
pub mod quant;
pub mod simd;
