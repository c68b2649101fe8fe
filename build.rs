//! Compiles the C shim of the variadic functions, and links the shared library: its soname, and its own symbols bound to itself.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=src/abi/shim.c");
    println!("cargo:rerun-if-changed=include/ggml.h");
    cc::Build::new()
        .file("src/abi/shim.c")
        .include("include")
        .std("c11")
        .warnings(true)
        .extra_warnings(true)
        .compile("ikrs_shim");

    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libikrs.so.0");
    // Calls from one exported function to another stay inside, even in a process that has the reference loaded as well.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
}
