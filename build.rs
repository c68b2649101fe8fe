//! Links the shared library: its soname, and its own symbols bound to itself.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libikrs.so.0");
    // Calls from one exported function to another stay inside, even in a process that has the reference loaded as well.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-Bsymbolic");
}
