//! The crate with its macros expanded, because families of exported functions are made by macros.

use std::process::Command;

use crate::{paths, stdout};

/// The whole crate as one file with inline modules.
pub fn expand() -> syn::File {
    // Printing the expansion is an unstable flag, which the stable compiler accepts when told so. It has a target folder of its
    // own, because the variable makes build scripts run again.
    let text = stdout(
        Command::new("cargo")
            .current_dir(paths::root())
            .env("CARGO_TARGET_DIR", paths::target().join("headers"))
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["rustc", "--quiet", "--profile", "check"])
            .args(["--package", "ikrs", "--lib"])
            .args(["--", "-Zunpretty=expanded"]),
    );
    syn::parse_file(&text).unwrap_or_else(|e| {
        let line = e.span().start().line;
        let near: Vec<_> = text.lines().skip(line.saturating_sub(3)).take(5).collect();
        panic!("the expanded crate, line {line}: {e}\n{}", near.join("\n"))
    })
}
