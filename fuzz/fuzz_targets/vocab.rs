//! Vocabularies from hostile metadata, put to use. Give it vocabulary files as corpus.
#![no_main]

use ikrs::gguf::Header;
use ikrs::llama::vocab::Vocab;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(header) = Header::decode(bytes) else {
        return;
    };
    if let Ok(vocab) = Vocab::load(&header.metadata) {
        let tokens = vocab.tokenize("Hello <s> w\u{f6}rld\n".as_bytes(), true, true);
        vocab.detokenize(&tokens, true, true);
    }
});
