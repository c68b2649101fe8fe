//! The public headers, generated from the Rust source: [`generate`].
//!
//! rustc expands the crate's macros ([`expand`]), [`collect`] picks out what C sees and spells it as C does, cbindgen prints it,
//! and [`print`] puts around it what Rust cannot express (macros, `ggml_abort`'s dots, an anonymous union), which lies in
//! `ffi-tests/headers/*.h`.
//!
//! What C sees, and where it goes, is decided by names ([`home`]): exported functions, `repr(C)` types and type aliases whose
//! names begin with `ggml_`, `gguf_` or `llama_`, and the enumerations listed in [`names::ENUMS`]. A function with the doc line
//! `cbindgen:ignore` is exported without being declared.

mod collect;
mod expand;
mod names;
mod print;

pub use names::home;

/// The generated headers, each after those it includes.
pub const HEADERS: [&str; 6] = [
    "ggml.h",
    "ggml-alloc.h",
    "ggml-backend.h",
    "ggml-cuda.h",
    "ggml-rpc.h",
    "llama.h",
];

/// The text of every header in [`HEADERS`], in that order.
pub fn generate() -> Vec<(&'static str, String)> {
    let items = collect::collect(&expand::expand());
    HEADERS
        .iter()
        .map(|header| (*header, print::print(header, &items)))
        .collect()
}
