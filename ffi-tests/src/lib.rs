//! What the tests across the C boundary share: where things are, the reference, the models, the two libraries.
//!
//! * [`paths`]: the checkout, the build, `../shared`, the cache of downloaded and derived files.
//! * [`reference`]: the PyPI wheel `ik-llama-cpp-python` 0.1.5, installed once.
//! * [`models`]: SmolLM2 and what is made from it: padded to 768-wide rows, quantized by the reference.
//! * [`libs`]: `libikrs.so` and the reference's two libraries, opened side by side.
//! * [`headers`]: the public headers, generated; [`cdecl`] reads them and the reference's.
//! * [`coverage`]: which entry points are exported.
//! * [`program`]: C and C++ programs linked with `libikrs.so`.
//! * [`acceptance`]: what ikrs promises about real models, measured.
//! * [`session`]: a model and a context in one of them.
//! * [`types`]: the page about tensor types; [`bench`]: the tables of speeds.
//! * [`drive`]: `../shared/tools/drive.py` over either library.
//!
//! A test that needs the reference fails without it: nothing here skips.

pub mod acceptance;
pub mod bench;
pub mod cdecl;
pub mod coverage;
pub mod drive;
pub mod headers;
pub mod libs;
pub mod models;
pub mod paths;
pub mod program;
pub mod reference;
pub mod session;
pub mod types;

use std::process::{Command, Output};

/// Runs a command to its end; panics with its output unless it succeeds.
pub fn run(command: &mut Command) -> Output {
    let out = command
        .output()
        .unwrap_or_else(|e| panic!("cannot run {command:?}: {e}"));
    assert!(
        out.status.success(),
        "{command:?}: {}\n{}{}",
        out.status,
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    out
}

/// What a command printed, see [`run`].
pub fn stdout(command: &mut Command) -> String {
    String::from_utf8_lossy(&run(command).stdout).into_owned()
}
