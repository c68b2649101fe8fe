//! Sets of characters that pre-tokenizers are written with.

use std::sync::LazyLock;

use crate::llama::vocab::chars::{Char, class};

pub fn letter(c: Char) -> bool {
    c.is(class::LETTER)
}

pub fn number(c: Char) -> bool {
    c.is(class::NUMBER)
}

pub fn space(c: Char) -> bool {
    c.is(class::SPACE)
}

pub fn newline(c: Char) -> bool {
    matches!(c.code, 0x0A | 0x0D)
}

pub fn newline_or_slash(c: Char) -> bool {
    newline(c) || c.code == u32::from(b'/')
}

pub fn ascii_digit(c: Char) -> bool {
    matches!(c.code, 0x30..=0x39)
}

pub fn punctuation(c: Char) -> bool {
    c.is(class::PUNCTUATION)
}

/// `[\p{L}\p{M}]`
pub fn letter_or_mark(c: Char) -> bool {
    c.is(class::LETTER | class::MARK)
}

/// `[^\s\p{L}\p{N}]`
pub fn other(c: Char) -> bool {
    !c.is(class::SPACE | class::LETTER | class::NUMBER)
}

/// `[^\s\p{L}\p{M}\p{N}]`
pub fn other_than_mark(c: Char) -> bool {
    !c.is(class::SPACE | class::LETTER | class::MARK | class::NUMBER)
}

/// `[^\r\n\p{L}\p{N}]`: what may stand in front of a word.
pub fn lead(c: Char) -> bool {
    !(c.is(class::LETTER | class::NUMBER) || newline(c))
}

/// `[\p{P}\p{S}]`, but without the tilde, which the reference counts to neither.
pub fn punctuation_or_symbol(c: Char) -> bool {
    c.is(class::PUNCTUATION | class::SYMBOL) && c.code != u32::from(b'~')
}

/// `[^\r\n\p{L}\p{P}\p{S}]`
pub fn lead_of_marked_word(c: Char) -> bool {
    !(c.is(class::LETTER) || punctuation_or_symbol(c) || newline(c))
}

/// `` [\p{P}$+<=>^~|`] ``
pub fn falcon_punctuation(c: Char) -> bool {
    default_punctuation(c) || c.code == u32::from(b'`')
}

/// `[\p{P}$+<=>^~|]`
pub fn default_punctuation(c: Char) -> bool {
    punctuation(c) || u8::try_from(c.code).is_ok_and(|b| b"$+<=>^~|".contains(&b))
}

/// `` [\p{P}!-/:-@\[-`{-~] ``
pub fn chameleon_punctuation(c: Char) -> bool {
    punctuation(c) || u8::try_from(c.code).is_ok_and(|b| b.is_ascii_punctuation())
}

/// Letters that may stand in the front part of a word: all but `a-z`.
pub fn not_lower(c: Char) -> bool {
    letter(c) && !matches!(c.code, 0x61..=0x7A)
}

/// Letters that may stand in the back part of a word: all but `A-Z`.
pub fn not_upper(c: Char) -> bool {
    letter(c) && !matches!(c.code, 0x41..=0x5A)
}

/// Han characters as Kimi-K2's tokenizer has them: the unified ideographs and their extensions up to F, and compatibility forms.
pub fn han(c: Char) -> bool {
    HAN.has(c)
}

pub fn letter_not_han(c: Char) -> bool {
    letter(c) && !han(c)
}

/// `[^(\s|.,!?…。，、।۔،)]`
pub fn bloom(c: Char) -> bool {
    !(space(c) || BLOOM_STOPS.has(c))
}

/// A set given by ranges of code points. White space is in none of them.
pub struct Ranges(LazyLock<Vec<(u32, u32)>>);

macro_rules! ranges {
    ($($(#[$doc:meta])* $name:ident = $text:expr;)*) => {$(
        $(#[$doc])*
        pub static $name: Ranges = Ranges(LazyLock::new(|| parse($text)));
    )*};
}

impl Ranges {
    pub fn has(&self, c: Char) -> bool {
        let after = self.0.partition_point(|&(first, _)| first <= c.code);
        let found = after.checked_sub(1).map(|i| self.0[i]);
        found.is_some_and(|(_, last)| c.code <= last) && !space(c)
    }
}

/// Ranges in ascending order, as pairs of hexadecimal code points.
fn parse(text: &str) -> Vec<(u32, u32)> {
    let code = |hex| u32::from_str_radix(hex, 16).unwrap_or_default();
    text.split_whitespace()
        .map(|range| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            (code(first), code(last))
        })
        .collect()
}

ranges! {
    HAN = "3400-4dbf 4e00-9fff f900-faff 20000-2a6df 2a700-2b73f 2b740-2b81f 2b820-2ceaf 2ceb0-2ebef 2f800-2fa1f";
    BLOOM_STOPS = "21 28-29 2c 2e 3f 7c 60c 6d4 964 2026 3001-3002 ff0c";
    /// CJK ideographs with Hiragana and Katakana.
    CJK_KANA = "3040-309f 30a0-30ff 4e00-9fa5";
    /// What DeepSeek's first tokenizers take for CJK.
    DEEPSEEK_CJK = "800-9fa5 ac00-d7ff";
    /// Cased letters of a wide choice of scripts, as listed in DeepSeek-LLM's tokenizer.
    DEEPSEEK_LETTERS =
    "41-5a 61-7a b5 c0-d6 d8-f6 f8-1ba 1bc-1bf 1c4-293 295-2af 370-373 376 377 37b-37d 37f 386 388-38a 38c 38e-3a1 \
     3a3-3f5 3f7-481 48a-52f 531-556 10a0-10c5 13a0-13f5 13f8-13fd 1c90-1cba 1cbd-1cbf 1d00-1d2b 1d6b-1d77 \
     1d79-1d9a 1e00-1f15 1f18-1f1d 1f20-1f45 1f48-1f4d 1f50-1f57 1f59 1f5b 1f5d 1f5f-1f7d 1f80-1fb4 1fb6-1fbc 1fbe \
     1fc2-1fc4 1fc6-1fcc 1fd0-1fd3 1fd6-1fdb 1fe0-1fec 1ff2-1ff4 1ff6-1ffc 2102 2107 210a-2113 2115 2119-211d 2124 \
     2126 2128 212a-212d 212f-2134 2139 213c-213f 2145-2149 214e 2183 2184 2c00-2c7b 2c7e-2ce4 2ceb-2cee 2cf2 2cf3 \
     a640-a66d a680-a69b a722-a76f a771-a787 a78b-a78e ab70-abbf fb00-fb06 fb13-fb17 ff21-ff3a ff41-ff5a \
     10400-1044f 104b0-104d3 104d8-104fb 10c80-10cb2 10cc0-10cf2 118a0-118df 1e900-1e943";
    DEEPSEEK_PUNCTUATION = "21-2f 3a-7e 2018-201f 3000-3002 ff01-ff0f ff1a-ff5e";
    YOUTU_HANGUL = "3131-318e ac00-d7a3";
    YOUTU_PUNCTUATION = "2014 2018-2019 201c-201d 2026 3001-303f fe30-fe4f ff01 ff0c ff1a-ff1b";
    YOUTU_BOPOMOFO = "3105-312f";
    /// CJK, Thai, Lao, Khmer, Burmese and Hangul, and all between U+8C48 and U+FAFF, which the reference has for U+F900.
    AFMOE_SCRIPTS = "e40-e7f e80-eff 1000-109f 1100-11ff 1780-17ff 2f00-2fdf 3040-30ff 3400-4dbf 4e00-faff ff65-ff9f";
}
