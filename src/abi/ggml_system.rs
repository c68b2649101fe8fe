//! The part of `ggml.h` about the machine: clocks, files, vector instructions, NUMA.

use std::ffi::{c_char, c_int};

use super::ggml_types::ggml_guid_t;
use super::guard;
use super::raw::ggml_numa_strategy;
use crate::cpu::numa::{self, Strategy};

/// Nothing to prepare; callers may call it or not.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_time_init() {}

fn clock() -> libc::timespec {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is writable, and the clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now
}

/// Milliseconds of a clock that never goes back.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_time_ms() -> i64 {
    let now = clock();
    now.tv_sec * 1000 + now.tv_nsec / 1_000_000
}

/// Microseconds of a clock that never goes back.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_time_us() -> i64 {
    let now = clock();
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

/// Processor time of the process, in `ggml_cycles_per_ms` parts of a millisecond.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_cycles() -> i64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: as in `clock`.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    now.tv_sec * 1_000_000 + now.tv_nsec / 1000
}

#[unsafe(no_mangle)]
pub extern "C" fn ggml_cycles_per_ms() -> i64 {
    1000
}

/// Opens a file as `fopen` does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_fopen(fname: *const c_char, mode: *const c_char) -> *mut libc::FILE {
    if fname.is_null() || mode.is_null() {
        return std::ptr::null_mut();
    }
    // SAFETY: strings from C.
    unsafe { libc::fopen(fname, mode) }
}

/// Whether two backends are of the same kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ggml_guid_matches(guid_a: ggml_guid_t, guid_b: ggml_guid_t) -> bool {
    // SAFETY: null or readable.
    match unsafe { (guid_a.as_ref(), guid_b.as_ref()) } {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// Spreads the threads of the CPU device over the machine's NUMA nodes: in turn (distribute, and mirror, which has no copies of
/// weights), all on the caller's (isolate), or as the system does (disabled, numactl). Only the first call counts.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_numa_init(numa: ggml_numa_strategy) {
    guard("ggml_numa_init", (), || {
        numa::init(match numa {
            1 | 4 => Strategy::Distribute,
            2 => Strategy::Isolate,
            _ => Strategy::Anywhere,
        });
    })
}

/// Whether `ggml_numa_init` found several nodes.
#[unsafe(no_mangle)]
pub extern "C" fn ggml_is_numa() -> bool {
    numa::count() > 1
}

/// Exports questions about the processor.
macro_rules! cpu_has {
    ($($name:ident = $has:expr;)*) => {
        $(
            #[unsafe(no_mangle)]
            pub extern "C" fn $name() -> c_int {
                c_int::from($has)
            }
        )*
    };
}

/// Whether this processor has an x86 feature; never on others.
macro_rules! x86 {
    ($feature:tt) => {{
        #[cfg(target_arch = "x86_64")]
        let has = std::arch::is_x86_feature_detected!($feature);
        #[cfg(not(target_arch = "x86_64"))]
        let has = false;
        has
    }};
}

// What this machine has at run time, as far as this library uses it; of other processors and devices nothing is used.
cpu_has! {
    ggml_cpu_has_avx = x86!("avx");
    ggml_cpu_has_avx_vnni = x86!("avxvnni");
    ggml_cpu_has_avx2 = x86!("avx2");
    ggml_cpu_has_avx512 = x86!("avx512f");
    ggml_cpu_has_avx512_vbmi = x86!("avx512vbmi");
    ggml_cpu_has_avx512_vnni = x86!("avx512vnni");
    ggml_cpu_has_avx512_bf16 = x86!("avx512bf16");
    ggml_cpu_has_fma = x86!("fma");
    ggml_cpu_has_neon = cfg!(target_arch = "aarch64");
    ggml_cpu_has_sve = false;
    ggml_cpu_has_arm_fma = cfg!(target_arch = "aarch64");
    ggml_cpu_has_metal = false;
    ggml_cpu_has_f16c = x86!("f16c");
    ggml_cpu_has_fp16_va = false;
    ggml_cpu_has_wasm_simd = false;
    ggml_cpu_has_blas = false;
    ggml_cpu_has_cuda = false;
    ggml_cpu_has_vulkan = false;
    ggml_cpu_has_kompute = false;
    ggml_cpu_has_gpublas = false;
    ggml_cpu_has_sse3 = x86!("sse3");
    ggml_cpu_has_ssse3 = x86!("ssse3");
    ggml_cpu_has_sycl = false;
    ggml_cpu_has_rpc = false;
    ggml_cpu_has_vsx = false;
    ggml_cpu_has_matmul_int8 = false;
    ggml_cpu_has_cann = false;
}
