//! GPT-2's alphabet of bytes: each byte is written as one printable character, so that texts of tokens have no spaces.

use super::chars;

/// The character of each byte: itself if it is printable in Latin-1, else one from U+0100 on.
pub const CHARACTERS: [u16; 256] = {
    let mut table = [0; 256];
    let mut moved = 0;
    let mut byte = 0;
    while byte < 256 {
        let printable = matches!(byte as u8, b'!'..=b'~' | 0xA1..=0xAC | 0xAE..=0xFF);
        table[byte] = if printable {
            byte as u16
        } else {
            moved += 1;
            255 + moved
        };
        byte += 1;
    }
    table
};

/// The byte of a character, the inverse of [`CHARACTERS`].
fn byte_of(code: u32) -> Option<u8> {
    const MOVED: [u8; 68] = {
        let mut table = [0; 68];
        let mut byte = 0;
        while byte < 256 {
            if CHARACTERS[byte] >= 256 {
                table[CHARACTERS[byte] as usize - 256] = byte as u8;
            }
            byte += 1;
        }
        table
    };
    match code {
        0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF => Some(code as u8),
        0x100.. => MOVED.get(code as usize - 0x100).copied(),
        _ => None,
    }
}

/// Appends the characters of these bytes.
pub fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    for &byte in bytes {
        chars::encode(CHARACTERS[usize::from(byte)].into(), out);
    }
}

/// Appends the bytes that a token's text stands for. Characters outside the alphabet are shown as the reference shows them.
pub fn decode(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while !rest.is_empty() {
        let (code, n) = chars::decode(rest);
        rest = &rest[n..];
        if let Some(byte) = byte_of(code) {
            out.push(byte);
            continue;
        }
        let mut utf8 = Vec::new();
        chars::encode(code, &mut utf8);
        out.extend(b"[UNK_BYTE_0x");
        for byte in utf8 {
            out.extend(format!("{byte:02x}").bytes());
        }
        out.extend(text);
        out.push(b']');
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_byte_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        let (mut text, mut bytes) = (Vec::new(), Vec::new());
        super::encode(&all, &mut text);
        let shown = std::str::from_utf8(&text).unwrap();
        assert!(!shown.contains(char::is_whitespace) && shown.contains('Ġ'));
        super::decode(&text, &mut bytes);
        assert_eq!(bytes, all);
    }

    #[test]
    fn foreign_characters_are_shown() {
        let mut bytes = Vec::new();
        super::decode("a€".as_bytes(), &mut bytes);
        assert_eq!(bytes, "a[UNK_BYTE_0xe282aca€]".as_bytes());
    }
}
