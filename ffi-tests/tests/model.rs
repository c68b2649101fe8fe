//! A sample of what `make acceptance` measures whole: real models through the unmodified binding, beside the reference.

use ffi_tests::acceptance::{
    Setting, check, f32_logits, ik_llama, perplexity, same_for_all_threads, vocabularies,
};

/// As many as `make acceptance` takes: rounding moves the perplexity of fewer chunks by more than the limit.
const CHUNKS: usize = 24;

#[test]
fn the_binding_runs_unchanged() {
    ik_llama().iter().for_each(check);
}

#[test]
fn vocabularies_match_the_published_tokens() {
    vocabularies().iter().for_each(check);
}

#[test]
fn perplexities_are_the_references() {
    let [flash, _, plain, plain_q8] = Setting::ALL;
    for (model, setting) in [
        ("smollm2-q4_1", flash),
        ("pad-f16", plain),
        ("pad-q6_k", plain_q8),
    ] {
        check(&perplexity(model, setting, CHUNKS, None));
    }
}

#[test]
fn logits_of_f32_weights_are_the_references() {
    check(&f32_logits(true, 256, None));
    check(&f32_logits(false, 256, Some("x86_64_v3")));
}

#[test]
fn logits_do_not_depend_on_the_number_of_threads() {
    check(&same_for_all_threads("smollm2-q4_1", true, &[1, 2, 3, 8]));
    check(&same_for_all_threads("pad-q4_k", false, &[1, 3]));
}

#[test]
fn every_level_of_vector_instructions_gives_the_same_model() {
    check(&perplexity(
        "smollm2-q4_1",
        Setting::ALL[0],
        CHUNKS,
        Some("x86_64_v3"),
    ));
    check(&perplexity(
        "pad-q4_k",
        Setting::ALL[0],
        CHUNKS,
        Some("avx512"),
    ));
    check(&f32_logits(true, 16, Some("scalar")));
}
