//! Headers of GGUF files: read or refused; what was read can be written.
#![no_main]

use ikrs::gguf::{Header, check_ranges, encode};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = Header::decode(bytes) {
        let _ = (check_ranges(&header, bytes.len()), header.data_size());
        if header.alignment <= 1 << 12 {
            encode(
                header.version,
                &header.metadata,
                header.tensors.iter(),
                header.alignment,
            );
        }
    }
});
