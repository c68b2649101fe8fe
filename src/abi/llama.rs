//! `llama.h`, what stands alone: default parameters, starting and stopping, the log, the clock, what this build supports.

use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use super::ggml_types::ggml_log_callback;
use super::raw::ggml_numa_strategy;
use super::{guard, variadic};
use crate::gguf::{split_path, split_prefix};
use crate::llama::params::{llama_context_params, llama_model_params, llama_model_quantize_params};
use crate::log::{self, Sink};

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

/// Starts the library. There is nothing to do; the clock starts here.
#[unsafe(no_mangle)]
pub extern "C" fn llama_backend_init() {
    start();
}

/// Ends the use of the library: the worker threads are stopped until they are needed again.
#[unsafe(no_mangle)]
pub extern "C" fn llama_backend_free() {
    guard("llama_backend_free", (), crate::cpu::shutdown);
}

/// As [`ggml_numa_init`](super::ggml_system::ggml_numa_init), unless it is `GGML_NUMA_STRATEGY_DISABLED`.
#[unsafe(no_mangle)]
pub extern "C" fn llama_numa_init(numa: ggml_numa_strategy) {
    if numa != 0 {
        super::ggml_system::ggml_numa_init(numa);
    }
}

/// When the clock started.
fn start() -> Instant {
    static START: OnceLock<Instant> = OnceLock::new();
    *START.get_or_init(Instant::now)
}

/// Microseconds by a clock that never goes back.
#[unsafe(no_mangle)]
pub extern "C" fn llama_time_us() -> i64 {
    start().elapsed().as_micros() as i64
}

/// Microseconds of the clock at an instant.
pub(super) fn time_us(at: Instant) -> i64 {
    let start = start();
    match at.checked_duration_since(start) {
        Some(later) => later.as_micros() as i64,
        None => -(start.duration_since(at).as_micros() as i64),
    }
}

/// Devices that a model can be split over.
#[unsafe(no_mangle)]
pub extern "C" fn llama_max_devices() -> usize {
    1
}

#[unsafe(no_mangle)]
pub extern "C" fn llama_supports_mmap() -> bool {
    true
}

#[unsafe(no_mangle)]
pub extern "C" fn llama_supports_mlock() -> bool {
    true
}

#[unsafe(no_mangle)]
pub extern "C" fn llama_supports_gpu_offload() -> bool {
    false
}

/// The processor's features that this library knows of, as `AVX = 1 | AVX2 = 1 | ...`.
#[unsafe(no_mangle)]
pub extern "C" fn llama_print_system_info() -> *const c_char {
    static INFO: OnceLock<CString> = OnceLock::new();
    INFO.get_or_init(|| {
        let features = features();
        let text: String = features
            .iter()
            .map(|(name, has)| format!("{name} = {} | ", i32::from(*has)))
            .collect();
        CString::new(text).unwrap_or_default()
    })
    .as_ptr()
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<(&'static str, bool)> {
    use std::is_x86_feature_detected as has;
    vec![
        ("AVX", has!("avx")),
        ("AVX_VNNI", has!("avxvnni")),
        ("AVX2", has!("avx2")),
        ("AVX512", has!("avx512f")),
        ("AVX512_VBMI", has!("avx512vbmi")),
        ("AVX512_VNNI", has!("avx512vnni")),
        ("AVX512_BF16", has!("avx512bf16")),
        ("FMA", has!("fma")),
        ("F16C", has!("f16c")),
        ("SSE3", has!("sse3")),
        ("SSSE3", has!("ssse3")),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn features() -> Vec<(&'static str, bool)> {
    Vec::new()
}

/// Sends all messages to `log_callback` from now on; to stderr again if it is null.
///
/// # Safety
/// The callback can be called with `user_data` until it is replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_log_set(log_callback: ggml_log_callback, user_data: *mut c_void) {
    guard("llama_log_set", (), || {
        log::set_sink(sink(log_callback, user_data));
        // SAFETY: keeps the two for `llama_log_internal`, which hands them a text.
        unsafe { variadic::ikrs_log_set(log_callback, user_data) };
    });
}

/// A caller's log callback as a sink of messages.
pub(super) fn sink(callback: ggml_log_callback, user_data: *mut c_void) -> Option<Sink> {
    let callback = callback?;
    // The address crosses threads as a number: what it points to is the caller's business.
    let user_data = user_data.expose_provenance();
    Some(Arc::new(move |level, text| {
        let text = CString::new(text.replace('\0', "")).unwrap_or_default();
        let user_data = std::ptr::with_exposed_provenance_mut(user_data);
        // SAFETY: the caller gave the callback for this use; the text outlives the call.
        unsafe { callback(level as _, text.as_ptr(), user_data) }
    }))
}

/// Writes `text` to `buf`, cut to `size` bytes with the null byte that ends it. Returns the length of the whole text.
///
/// # Safety
/// `buf` is null or writable for `size` bytes.
pub(super) unsafe fn write_text(buf: *mut c_char, size: usize, text: &[u8]) -> i32 {
    if !buf.is_null() && size > 0 {
        let n = text.len().min(size - 1);
        // SAFETY: `n + 1 <= size` bytes are writable, as the caller promised.
        unsafe {
            std::ptr::copy_nonoverlapping(text.as_ptr().cast(), buf, n);
            *buf.add(n) = 0;
        }
    }
    i32::try_from(text.len()).unwrap_or(i32::MAX)
}

/// The path of part `split_no` of `split_count`, counted from 0. Returns its length.
///
/// # Safety
/// The pointers are as C's `snprintf` wants them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_split_path(
    split_path_out: *mut c_char,
    maxlen: usize,
    path_prefix: *const c_char,
    split_no: c_int,
    split_count: c_int,
) -> c_int {
    guard("llama_split_path", 0, || {
        // SAFETY: null or a C string, as the caller promised.
        let Some(prefix) = (unsafe { super::text(path_prefix) }) else {
            return 0;
        };
        let path = split_path(&prefix, split_no, split_count);
        // SAFETY: the caller's buffer.
        unsafe { write_text(split_path_out, maxlen, path.as_bytes()) }
    })
}

/// The prefix of `split_path` if it is the path of part `split_no` of `split_count`. Returns its length, 0 if it is not.
///
/// # Safety
/// As for [`llama_split_path`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_split_prefix(
    split_prefix_out: *mut c_char,
    maxlen: usize,
    split_path: *const c_char,
    split_no: c_int,
    split_count: c_int,
) -> c_int {
    guard("llama_split_prefix", 0, || {
        // SAFETY: null or a C string, as the caller promised.
        let Some(path) = (unsafe { super::text(split_path) }) else {
            return 0;
        };
        match split_prefix(&path, split_no, split_count) {
            // SAFETY: the caller's buffer.
            Some(prefix) => unsafe { write_text(split_prefix_out, maxlen, prefix.as_bytes()) },
            None => 0,
        }
    })
}
