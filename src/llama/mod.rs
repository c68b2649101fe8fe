//! The llama layer: what `llama.h` promises, in safe Rust. `abi::llama` is its C face.
