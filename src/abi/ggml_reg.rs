//! The registry of `ggml-backend.h`: the backends that can be opened by name.

use std::ffi::{CStr, c_char};
use std::ptr::null_mut;

use super::ggml::bytes;
use super::ggml_backend::{ggml_backend_buft_alloc_buffer, give_backend, give_type};
use super::ggml_types::{ggml_backend_buffer_t, ggml_backend_buffer_type_t, ggml_backend_t};
use super::guard;
use crate::backend::{Entry, registry};
use crate::log_error;

/// How many kinds of backends there are.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_reg_get_count() -> usize {
    registry().len()
}

fn find(name: &[u8]) -> Option<usize> {
    let is = |e: &Entry| e.name.to_bytes().eq_ignore_ascii_case(name);
    registry().iter().position(is)
}

/// The number of the backend with this name, in upper or lower case; `SIZE_MAX` if there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_reg_find_by_name(name: *const c_char) -> usize {
    // SAFETY: null or a string.
    find(unsafe { bytes(name) }).unwrap_or(usize::MAX)
}

/// Opens a backend by `name` or `name:parameters`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_reg_init_backend_from_str(
    backend_str: *const c_char,
) -> ggml_backend_t {
    guard("ggml_backend_reg_init_backend_from_str", null_mut(), || {
        // SAFETY: null or a string.
        let text = unsafe { bytes(backend_str) };
        let colon = text.iter().position(|&b| b == b':').unwrap_or(text.len());
        let Some(i) = find(&text[..colon]) else {
            log_error!(
                "backend {} not found",
                String::from_utf8_lossy(&text[..colon])
            );
            return null_mut();
        };
        let params = match colon < text.len() {
            // SAFETY: the rest of a string, which is not null here, is a string.
            true => unsafe { CStr::from_ptr(backend_str.add(colon + 1)) },
            false => c"",
        };
        give_backend((registry()[i].init)(params))
    })
}

/// The name of the `i`-th backend; null if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_reg_get_name(i: usize) -> *const c_char {
    registry()
        .get(i)
        .map_or(std::ptr::null(), |e| e.name.as_ptr())
}

/// Opens the `i`-th backend; the meaning of `params` is its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_backend_reg_init_backend(
    i: usize,
    params: *const c_char,
) -> ggml_backend_t {
    guard("ggml_backend_reg_init_backend", null_mut(), || {
        let params = match params.is_null() {
            true => c"",
            // SAFETY: a string.
            false => unsafe { CStr::from_ptr(params) },
        };
        give_backend(registry().get(i).and_then(|e| (e.init)(params)))
    })
}

/// The memory that the `i`-th backend prefers.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_reg_get_default_buffer_type(i: usize) -> ggml_backend_buffer_type_t {
    registry()
        .get(i)
        .map_or(null_mut(), |e| give_type((e.default_buffer_type)()))
}

/// A buffer of `size` bytes in the memory that the `i`-th backend prefers.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_backend_reg_alloc_buffer(i: usize, size: usize) -> ggml_backend_buffer_t {
    // SAFETY: null or a buffer type.
    unsafe { ggml_backend_buft_alloc_buffer(ggml_backend_reg_get_default_buffer_type(i), size) }
}
