//! Exported functions with a variable number of arguments. Rust cannot define such functions, so `shim.c` does, and what is
//! exported here only jumps there: it leaves registers and stack as the caller set them up. `shim.c`'s own symbols stay inside
//! the library.

use std::arch::naked_asm;

unsafe extern "C" {
    fn ikrs_abort();
    fn ikrs_format_name();
}

macro_rules! jump {
    ($($name:ident => $to:ident;)*) => {$(
        /// cbindgen:ignore
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name() {
            #[cfg(target_arch = "x86_64")]
            naked_asm!("jmp {}", sym $to);
            #[cfg(target_arch = "aarch64")]
            naked_asm!("b {}", sym $to);
        }
    )*};
}

// Declared in ffi-tests/headers/ggml.tail.h.
jump! {
    ggml_abort => ikrs_abort;
    ggml_format_name => ikrs_format_name;
}
