//! Exported functions with a variable number of arguments. Rust cannot define such functions, so `shim.c` does, and what is
//! exported here only jumps there: it leaves registers and stack as the caller set them up. `shim.c`'s own symbols stay inside
//! the library.

use std::arch::naked_asm;
use std::ffi::c_void;

use super::ggml_types::ggml_log_callback;

unsafe extern "C" {
    fn ikrs_abort();
    fn ikrs_format_name();
    fn ikrs_log_internal();
    /// Tells the shim where `llama_log_internal` sends its texts; null for stderr.
    pub(super) fn ikrs_log_set(callback: ggml_log_callback, user_data: *mut c_void);
}

macro_rules! jump {
    ($($name:ident as $symbol:literal => $to:ident;)*) => {$(
        /// cbindgen:ignore
        #[unsafe(naked)]
        #[unsafe(export_name = $symbol)]
        pub unsafe extern "C" fn $name() {
            #[cfg(target_arch = "x86_64")]
            naked_asm!("jmp {}", sym $to);
            #[cfg(target_arch = "aarch64")]
            naked_asm!("b {}", sym $to);
        }
    )*};
}

// The first two are declared in ffi-tests/headers/ggml.tail.h. The last is a C++ function of the reference, with which its
// programs log: `llama_log_internal(ggml_log_level, char const*, ...)`.
jump! {
    ggml_abort as "ggml_abort" => ikrs_abort;
    ggml_format_name as "ggml_format_name" => ikrs_format_name;
    llama_log_internal as "_Z18llama_log_internal14ggml_log_levelPKcz" => ikrs_log_internal;
}
