//! The C boundary: `repr(C)` parameter types and exported functions, one file per header.
//! It checks pointers, converts, and calls inward; every body runs under [`guard`], so that no panic crosses it.

pub mod cxx;
pub mod ggml;
pub mod ggml_alloc;
pub mod ggml_backend;
pub mod ggml_graph;
pub mod ggml_ops;
pub mod ggml_reg;
pub mod ggml_sched;
pub mod ggml_system;
pub mod ggml_types;
pub mod gguf;
pub mod llama;
pub mod llama_adapter;
pub mod llama_batch;
pub mod llama_context;
pub mod llama_dry;
pub mod llama_grammar;
pub mod llama_kv;
pub mod llama_model;
pub mod llama_sampling;
pub mod llama_state;
pub mod llama_types;
pub mod quant;
pub mod quantize;
pub mod raw;
pub mod variadic;
pub mod vocab;

use std::borrow::Cow;
use std::ffi::{CStr, c_char};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body of an exported function. A panic becomes an error line in the log and the value `on_panic`.
pub fn guard<T>(name: &str, on_panic: T, body: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(body)).unwrap_or_else(|cause| {
        let what = cause
            .downcast_ref::<String>()
            .map(String::as_str)
            .or_else(|| cause.downcast_ref::<&str>().copied())
            .unwrap_or("unknown cause");
        crate::log_error!("{name}: internal error: {what}");
        on_panic
    })
}

/// The text behind a pointer, `None` if it is null. What is not UTF-8 is replaced.
///
/// # Safety
/// The pointer is null or to a C string that outlives the result.
unsafe fn text<'a>(ptr: *const c_char) -> Option<Cow<'a, str>> {
    if ptr.is_null() {
        return None;
    }
    // SAFETY: not null, so a C string.
    Some(unsafe { CStr::from_ptr(ptr) }.to_string_lossy())
}
