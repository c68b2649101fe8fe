//! Tensors, the arenas they live in, operator builders, and computation graphs.
//! Describes computations; executes nothing and knows no device.

mod op;
mod tensor;

pub use op::{Op, UnaryOp};
pub use tensor::{MAX_DIMS, MAX_NAME, MAX_OP_PARAMS, MAX_SRC, Shape, Strides, Tensor, ggml_tensor};
