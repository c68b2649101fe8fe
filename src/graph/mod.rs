//! Tensors, the arenas they live in, operator builders, and computation graphs.
//! Describes computations; executes nothing and knows no device.
//!
//! Builders are methods of [`Context`], one file per topic. They check shapes and types, make the node in the arena, and return
//! it or say what does not fit.

mod access;
mod attention;
mod cgraph;
mod context;
mod conv;
mod custom;
mod dump;
mod elementwise;
mod layout;
mod matmul;
mod names;
mod norm;
mod op;
pub mod params;
mod recurrent;
mod reduce;
mod shape;
mod tensor;
#[cfg(test)]
mod tests;

pub use attention::{KQ_MASK_PAD, rope_mode};
pub use cgraph::{
    DEFAULT_GRAPH_SIZE, EvalOrder, Graph, ggml_cgraph, ggml_hash_set, graph_overhead, hash_size,
};
pub use context::{
    Context, MEM_ALIGN, ObjectType, ggml_context, ggml_object, ggml_scratch, tensor_overhead,
};
pub use conv::Window;
pub use custom::{Custom, N_TASKS_MAX};
pub use op::{Op, UnaryOp};
pub use tensor::{
    MAX_DIMS, MAX_NAME, MAX_OP_PARAMS, MAX_SRC, Name, Shape, Strides, TENSOR_FLAG_INPUT,
    TENSOR_FLAG_OUTPUT, TENSOR_FLAG_PARAM, Tensor, ggml_tensor,
};
