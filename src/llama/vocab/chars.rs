//! Text as the tokenizers see it: code points with their classes.

use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory};

/// Replaces what is not UTF-8.
const REPLACEMENT: u32 = 0xFFFD;

/// Decodes the code point at the start of `bytes` (not empty) and says how many bytes it takes.
///
/// As lenient as the reference: surrogates and over-long forms decode, of anything else the first byte becomes U+FFFD.
pub fn decode(bytes: &[u8]) -> (u32, usize) {
    let lead = u32::from(bytes[0]);
    let (n, bits) = match lead {
        0x00..0x80 => return (lead, 1),
        0xC0..0xE0 => (2, lead & 0x1F),
        0xE0..0xF0 => (3, lead & 0x0F),
        0xF0..0xF8 => (4, lead & 0x07),
        _ => return (REPLACEMENT, 1),
    };
    let Some(rest) = bytes.get(1..n) else {
        return (REPLACEMENT, 1);
    };
    let mut code = bits;
    for &byte in rest {
        if byte & 0xC0 != 0x80 {
            return (REPLACEMENT, 1);
        }
        code = code << 6 | u32::from(byte & 0x3F);
    }
    if code > 0x10_FFFF {
        return (REPLACEMENT, 1);
    }
    (code, n)
}

/// Appends a code point as UTF-8; surrogates as three bytes.
pub fn encode(code: u32, out: &mut Vec<u8>) {
    match char::from_u32(code) {
        Some(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        None => out.extend([
            0xE0 | (code >> 12) as u8,
            0x80 | (code >> 6 & 0x3F) as u8,
            0x80 | (code & 0x3F) as u8,
        ]),
    }
}

/// How many bytes a character takes if this is its first byte (1 for bytes that begin none).
pub fn length_by_lead(lead: u8) -> usize {
    match lead {
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
        _ => 1,
    }
}

/// A code point with its classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Char {
    pub code: u32,
    pub class: u8,
}

/// Classes of code points, as bits: the general categories that tokenizers distinguish, and white space.
pub mod class {
    pub const LETTER: u8 = 1;
    pub const NUMBER: u8 = 2;
    pub const MARK: u8 = 4;
    pub const PUNCTUATION: u8 = 8;
    pub const SYMBOL: u8 = 16;
    /// `White_Space` of Unicode, whatever its category.
    pub const SPACE: u8 = 32;
    /// Control characters and the like, if not white space.
    pub const OTHER: u8 = 64;
}

impl Char {
    pub fn new(code: u32) -> Char {
        let class = match ASCII.get(code as usize) {
            Some(&class) => class,
            None => char::from_u32(code).map_or(class::OTHER, classify),
        };
        Char { code, class }
    }

    #[inline]
    pub fn is(self, classes: u8) -> bool {
        self.class & classes != 0
    }
}

fn classify(c: char) -> u8 {
    if c.is_whitespace() {
        return class::SPACE;
    }
    match c.general_category_group() {
        GeneralCategoryGroup::Letter => class::LETTER,
        GeneralCategoryGroup::Mark => class::MARK,
        GeneralCategoryGroup::Number => class::NUMBER,
        GeneralCategoryGroup::Punctuation => class::PUNCTUATION,
        GeneralCategoryGroup::Symbol => class::SYMBOL,
        GeneralCategoryGroup::Separator | GeneralCategoryGroup::Other => class::OTHER,
    }
}

static ASCII: [u8; 128] = {
    let mut classes = [class::OTHER; 128];
    let mut c = 0;
    while c < 128 {
        let byte = c as u8;
        classes[c] = match byte {
            b'\t'..=b'\r' | b' ' => class::SPACE,
            b'$' | b'+' | b'<' | b'=' | b'>' | b'^' | b'`' | b'|' | b'~' => class::SYMBOL,
            _ if byte.is_ascii_alphabetic() => class::LETTER,
            _ if byte.is_ascii_digit() => class::NUMBER,
            _ if byte.is_ascii_punctuation() => class::PUNCTUATION,
            _ => class::OTHER,
        };
        c += 1;
    }
    classes
};

/// Decodes a text.
pub fn chars(text: &[u8]) -> Vec<Char> {
    let mut all = Vec::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let (code, n) = decode(rest);
        all.push(Char::new(code));
        rest = &rest[n..];
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn valid_text_decodes_as_std_does() {
        let text = "aé€😀\u{10FFFF}\0\u{7F}";
        let codes: Vec<u32> = chars(text.as_bytes()).iter().map(|c| c.code).collect();
        assert!(codes.iter().copied().eq(text.chars().map(u32::from)));
        let mut out = Vec::new();
        codes.iter().for_each(|&c| encode(c, &mut out));
        assert_eq!(out, text.as_bytes());
    }

    #[test]
    fn bad_bytes_are_replaced_one_by_one() {
        let codes = |b: &[u8]| chars(b).iter().map(|c| c.code).collect::<Vec<_>>();
        assert_eq!(codes(b"\x80a"), [0xFFFD, 0x61]);
        assert_eq!(codes(b"\xE2\x82"), [0xFFFD, 0xFFFD]);
        assert_eq!(codes(b"\xF8\x88"), [0xFFFD, 0xFFFD]);
        assert_eq!(codes(b"\xF4\x90\x80\x80"), [0xFFFD; 4], "beyond U+10FFFF");
        // A surrogate stays what it is.
        assert_eq!(codes(b"\xED\xA0\x80"), [0xD800]);
        let mut out = Vec::new();
        encode(0xD800, &mut out);
        assert_eq!(out, b"\xED\xA0\x80");
    }

    #[test]
    fn the_ascii_table_is_what_unicode_says() {
        for c in '\0'..'\u{80}' {
            assert_eq!(Char::new(c.into()).class, classify(c), "{c:?}");
        }
        assert!(Char::new(0x85).is(class::SPACE), "next line is white space");
        assert!(
            Char::new(0xA0).is(class::SPACE),
            "a hard space is white space"
        );
    }
}
