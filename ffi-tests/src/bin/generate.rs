//! `make generate`: writes the files that are made from the source, into `include/`.

use ffi_tests::{headers, paths};

fn main() -> std::io::Result<()> {
    let include = paths::root().join("include");
    for (name, text) in headers::generate() {
        std::fs::write(include.join(name), text)?;
    }
    Ok(())
}
