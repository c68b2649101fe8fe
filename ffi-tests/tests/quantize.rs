//! A sample of the files that the wheel's `llama-quantize` makes on libikrs; `make acceptance` makes all.

use std::sync::LazyLock;

use ffi_tests::acceptance::{FileTypes, LAYOUTS, check, repacked};

static FILES: LazyLock<FileTypes> = LazyLock::new(FileTypes::new);

#[test]
fn files_have_the_reference_s_types_and_metadata() {
    for (name, chunks) in [
        ("Q4_K_M", None),
        ("Q8_0_R8", Some(24)),
        ("IQ4_XS_R8", None),
        ("Q8_K_R8", None),
        ("BF16_R16", Some(2)),
    ] {
        FILES.file(name, chunks).iter().for_each(check);
    }
}

#[test]
fn making_files_takes_the_memory_of_two_tensors() {
    check(&FILES.memory("Q8_0"));
}

#[test]
fn mixes_are_the_reference_s() {
    // Every file type meets some layout.
    for (i, layout) in LAYOUTS.iter().enumerate() {
        let names: Vec<String> = FILES.names().into_iter().skip(i).step_by(9).collect();
        check(&FILES.mixes(layout, &names));
    }
}

#[test]
fn repacked_files_have_the_reference_s_bytes_and_run_as_before() {
    repacked("pad-q4_k").iter().for_each(check);
}
