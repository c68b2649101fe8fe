//! Hostile text for a good vocabulary, the file that IKRS_FUZZ_VOCAB names.
#![no_main]

use std::sync::LazyLock;

use ikrs::gguf::File;
use ikrs::llama::vocab::Vocab;

static VOCAB: LazyLock<Vocab> = LazyLock::new(|| {
    let path = std::env::var_os("IKRS_FUZZ_VOCAB").expect("IKRS_FUZZ_VOCAB names a vocabulary");
    let file = File::open(path).expect("it opens");
    Vocab::load(file.metadata()).expect("it loads")
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    for (add, parse) in [(false, false), (true, true)] {
        let tokens = VOCAB.tokenize(bytes, add, parse);
        assert!(tokens.iter().all(|&t| VOCAB.contains(t)));
        VOCAB.detokenize(&tokens, add, parse);
    }
});
