//! The llama layer: what `llama.h` promises, in safe Rust: models and how they are loaded, vocabularies, contexts that run
//! a model, samplers. `abi::llama` is its C face; how tensors are computed is known to the rooms below.

pub mod adapter;
pub mod chat;
pub mod context;
pub mod cparams;
pub mod ftype;
pub mod grammar;
pub mod model;
pub mod params;
pub mod quantize;
pub mod sampling;
pub mod vocab;

#[cfg(test)]
mod tests;
