//! `llama.h`, what stands alone: default parameters, the clock, what this build supports.

use crate::llama::params::{llama_context_params, llama_model_params, llama_model_quantize_params};

#[unsafe(no_mangle)]
pub extern "C" fn llama_model_default_params() -> llama_model_params {
    llama_model_params::default()
}

#[unsafe(no_mangle)]
pub extern "C" fn llama_context_default_params() -> llama_context_params {
    llama_context_params::default()
}

#[unsafe(no_mangle)]
pub extern "C" fn llama_model_quantize_default_params() -> llama_model_quantize_params {
    llama_model_quantize_params::default()
}
