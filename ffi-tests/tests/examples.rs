//! The programs in `c-examples/`: short, working, and clean under valgrind.

use std::process::Command;

use ffi_tests::acceptance::{EXAMPLES, check, valgrind};
use ffi_tests::program::Program;
use ffi_tests::{models, paths, stdout};

#[test]
fn examples_are_clean_under_valgrind() {
    for example in EXAMPLES {
        check(&valgrind(example));
    }
}

#[test]
fn chat_answers_and_says_how_fast() {
    let chat = Program::build("c-examples/chat.c");
    let model = models::model("smollm2-q4_1");
    let text = stdout(
        chat.command()
            .arg(&model)
            .args(["What is the capital of France?", "40"]),
    );
    assert!(
        text.contains("Paris") && text.contains("tokens/s]"),
        "{text}"
    );

    // The second question is understood from the first.
    let dir = paths::scratch();
    let input = dir.path().join("questions");
    std::fs::write(
        &input,
        "What is the capital of France?\nIn which country is that city?\n",
    )
    .unwrap();
    let text = stdout(
        chat.command()
            .arg(&model)
            .stdin(std::fs::File::open(&input).unwrap()),
    );
    assert_eq!(text.matches("tokens/s]").count(), 2, "{text}");
}

#[test]
fn the_next_word_is_likely() {
    let next = Program::build("c-examples/next.cpp");
    let text = stdout(
        next.command()
            .arg(models::model("smollm2-q4_1"))
            .arg("The capital of France is Paris. The capital of Italy is"),
    );
    let (_, likely) = text.split_once("next:\n").expect("a list");
    assert!(
        likely
            .lines()
            .next()
            .is_some_and(|line| line.ends_with(" Rome")),
        "{text}"
    );
}

#[test]
fn python_reads_a_model_file_by_ctypes() {
    let text = stdout(
        Command::new("python3")
            .arg(paths::root().join("c-examples/gguf.py"))
            .arg(paths::libikrs())
            .arg(models::model("smollm2-q4_1")),
    );
    assert!(
        text.contains("llama.block_count                             30"),
        "{text}"
    );
    assert!(
        text.contains("272 tensors") && text.contains("'q4_1': 210"),
        "{text}"
    );
}

#[test]
fn examples_are_short() {
    for entry in std::fs::read_dir(paths::root().join("c-examples")).unwrap() {
        let path = entry.unwrap().path();
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 100, "{} has {lines} lines", path.display());
    }
}
