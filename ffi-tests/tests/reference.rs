//! The reference installs and opens: what every comparison stands on.

use ffi_tests::libs::Lib;
use std::ffi::{CStr, c_char};

#[test]
fn both_libraries_open_side_by_side() {
    for lib in Lib::both() {
        assert!(lib.has("llama_model_default_params"), "{}", lib.name);
    }
    let reference = Lib::reference();
    // SAFETY: the type is ggml.h's.
    let name: unsafe extern "C" fn(i32) -> *const c_char =
        unsafe { reference.get("ggml_type_name") };
    // SAFETY: the function returns a static string.
    assert_eq!(unsafe { CStr::from_ptr(name(2)) }, c"q4_0");
}
