//! Templates and messages of any bytes.
#![no_main]

use ikrs::llama::chat::{FORMATS, Format, Message};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.split(|&b| b == 0);
    let detected = Format::of_template(parts.next().unwrap_or_default());
    let parts: Vec<&[u8]> = parts.collect();
    let pairs = parts.chunks_exact(2);
    let chat: Vec<Message> = pairs
        .map(|p| Message {
            role: p[0],
            content: p[1],
        })
        .collect();
    for format in FORMATS.iter().chain(detected) {
        format.apply(&chat, true);
    }
});
