//! The functions with a variable number of arguments, which Rust cannot define.

use std::os::unix::process::ExitStatusExt;

use ffi_tests::program::Program;
use ffi_tests::stdout;

#[test]
fn format_name_formats_every_kind_of_argument() {
    let program = Program::build("ffi-tests/c/variadic.c");
    assert_eq!(
        stdout(program.command().arg("name")),
        "blk.7.attn_q -1.500000 9000000000 1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0 9.0\n63\n"
    );
}

#[test]
fn abort_says_why_and_where_and_aborts() {
    let program = Program::build("ffi-tests/c/variadic.c");
    let out = program.command().arg("abort").output().unwrap();
    assert_eq!(out.status.signal(), Some(6));
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(
        text.contains("variadic.c:") && text.contains("GGML_ASSERT(2 + 2 == 5) failed"),
        "{text}"
    );
}
