//! The programs in `c-examples/` under valgrind.

use std::process::Command;

use super::Row;
use crate::models;
use crate::program::Program;

/// The examples in C and C++: file, arguments after the model (`None`: takes no model).
pub const EXAMPLES: [(&str, Option<&[&str]>); 3] = [
    ("c-examples/graph.c", None),
    ("c-examples/chat.c", Some(&["Hi", "4"])),
    ("c-examples/next.cpp", Some(&["The capital of France is"])),
];

/// An example under memcheck: no error, nothing lost. At level x86_64_v3, because Debian 12's valgrind doesn't know AVX-512.
pub fn valgrind((source, args): (&str, Option<&[&str]>)) -> Row {
    let program = Program::build(source);
    let mut command = Command::new("valgrind");
    command
        .args([
            "--leak-check=full",
            "--show-leak-kinds=definite,indirect,possible",
        ])
        .args([
            "--errors-for-leak-kinds=definite,indirect,possible",
            "--error-exitcode=99",
        ])
        .arg(&program.exe)
        .env("IKRS_CPU", "x86_64_v3");
    if let Some(args) = args {
        command.arg(models::model("smollm2-q4_1")).args(args);
    }
    let out = command.output().expect("valgrind is installed");
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    let summary = text
        .lines()
        .filter_map(|line| line.split_once("ERROR SUMMARY: "))
        .map(|(_, summary)| summary.split(" (").next().unwrap_or_default())
        .next_back()
        .unwrap_or("no summary");
    if !out.status.success() {
        eprintln!("{text}");
    }
    Row {
        what: format!("valgrind {source}"),
        figure: summary.to_string(),
        target: "no error, nothing lost".into(),
        holds: out.status.success(),
    }
}
