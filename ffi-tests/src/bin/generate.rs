//! `make generate`: writes the files that are made from the source and from the built library.

use ffi_tests::{coverage, headers, paths};

fn main() -> std::io::Result<()> {
    let root = paths::root();
    for (name, text) in headers::generate() {
        write(root.join("include").join(name), &text)?;
    }
    write(root.join("docs/abi-coverage.md"), &coverage::text())
}

/// Files that don't change are left alone, because the build depends on some.
fn write(path: std::path::PathBuf, text: &str) -> std::io::Result<()> {
    match std::fs::read_to_string(&path) {
        Ok(old) if old == text => Ok(()),
        _ => std::fs::write(path, text),
    }
}
