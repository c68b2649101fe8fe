//! The alternatives that pre-tokenizers' expressions are made of, matched by hand in linear time.
//!
//! A rule looks at a text from a position on and says where its match ends; the position itself means no match.
//! Expressions are given in the doc comments in the syntax of regular expressions.

use super::sets::*;
use crate::llama::vocab::chars::Char;

/// See the module.
pub type Rule = fn(&[Char], usize) -> usize;

fn run(text: &[Char], at: usize, set: fn(Char) -> bool) -> usize {
    let rest = &text[at..];
    at + rest.iter().position(|&c| !set(c)).unwrap_or(rest.len())
}

fn is_at(text: &[Char], at: usize, set: impl Fn(Char) -> bool) -> bool {
    text.get(at).is_some_and(|&c| set(c))
}

fn code(text: &[Char], at: usize) -> u32 {
    text.get(at).map_or(u32::MAX, |c| c.code)
}

/// `[body]{1,most}`
fn run_of(text: &[Char], at: usize, set: fn(Char) -> bool, most: usize) -> usize {
    run(&text[..text.len().min(at + most)], at, set)
}

/// `[lead]?[body]+`
fn led(text: &[Char], at: usize, lead: fn(Char) -> bool, body: fn(Char) -> bool) -> usize {
    if lead(text[at]) && is_at(text, at + 1, body) {
        run(text, at + 1, body)
    } else {
        run(text, at, body)
    }
}

fn blank(c: Char) -> bool {
    c.code == u32::from(b' ')
}

fn nothing(_: Char) -> bool {
    false
}

/// Rules of the form `[lead]?[body]+[tail]*`.
macro_rules! led_runs {
    ($($(#[$doc:meta])* $name:ident = $lead:ident, $body:expr, $tail:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(text: &[Char], at: usize) -> usize {
            let end = led(text, at, $lead, $body);
            if end == at { at } else { run(text, end, $tail) }
        }
    )*};
}
led_runs! {
    /// ` ?\p{L}+`
    blank_letters = blank, letter, nothing;
    /// ` ?\p{N}+`
    blank_numbers = blank, number, nothing;
    /// ` ?[^\s\p{L}\p{N}]+`
    blank_others = blank, other, nothing;
    /// ` ?[^\s\p{L}\p{N}]+[\r\n]*`
    blank_others_newlines = blank, other, newline;
    /// ` ?[^\s\p{L}\p{N}]+[\r\n/]*`
    blank_others_newlines_slashes = blank, other, newline_or_slash;
    /// ` ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*`
    blank_others_than_marks_newlines = blank, other_than_mark, newline;
    /// ` ?[\p{P}\p{S}]+[\r\n]*`
    blank_symbols_newlines = blank, punctuation_or_symbol, newline;
    /// ` ?[^(\s|.,!?…。，、।۔،)]+`
    blank_bloom = blank, bloom, nothing;
    /// `[^\r\n\p{L}\p{N}]?\p{L}+`
    led_letters = lead, letter, nothing;
    /// `[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+`
    led_marked_letters = lead, letter_or_mark, nothing;
    /// `[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+`
    led_marked_word = lead_of_marked_word, letter_or_mark, nothing;
    /// `\s?\p{L}+`
    space_letters = space, letter, nothing;
    /// `\s?\p{P}+`
    space_punctuation = space, punctuation, nothing;
    /// DeepSeek-LLM's words.
    space_deepseek_letters = space, |c| DEEPSEEK_LETTERS.has(c), nothing;
    /// DeepSeek-LLM's punctuation.
    space_deepseek_punctuation = space, |c| DEEPSEEK_PUNCTUATION.has(c), nothing;
    /// `\p{N}+`
    numbers = nothing, number, nothing;
    falcon_punctuations = nothing, falcon_punctuation, nothing;
    default_punctuations = nothing, default_punctuation, nothing;
    han_run = nothing, han, nothing;
    cjk_kana = nothing, |c| CJK_KANA.has(c), nothing;
    deepseek_cjk = nothing, |c| DEEPSEEK_CJK.has(c), nothing;
    youtu_hangul = nothing, |c| YOUTU_HANGUL.has(c), nothing;
    youtu_punctuation = nothing, |c| YOUTU_PUNCTUATION.has(c), nothing;
    youtu_bopomofo = nothing, |c| YOUTU_BOPOMOFO.has(c), nothing;
    afmoe_scripts = nothing, |c| AFMOE_SCRIPTS.has(c), nothing;
    /// `[\n]+`
    line_feeds = nothing, |c| c.code == 0x0A, nothing;
    /// `[^\n]+`
    line = nothing, |c| c.code != 0x0A, nothing;
}

/// Rules of the form `[set]{1,most}`.
macro_rules! short_runs {
    ($($(#[$doc:meta])* $name:ident = $set:expr, $most:expr;)*) => {$(
        $(#[$doc])*
        pub fn $name(text: &[Char], at: usize) -> usize {
            run_of(text, at, $set, $most)
        }
    )*};
}
short_runs! {
    /// `\p{N}`
    one_number = number, 1;
    /// `\p{N}{1,3}`
    three_numbers = number, 3;
    /// `[\r\n]`
    one_newline = newline, 1;
    /// `` [\p{P}!-/:-@\[-`{-~] ``
    one_chameleon_punctuation = chameleon_punctuation, 1;
}

/// `[0-9][0-9][0-9]`
pub fn three_digits(text: &[Char], at: usize) -> usize {
    let end = run_of(text, at, ascii_digit, 3);
    if end == at + 3 { end } else { at }
}

/// `\s+(?!\S)|\s+`: a run of white space leaves its last character to what follows it.
pub fn spaces(text: &[Char], at: usize) -> usize {
    let end = run(text, at, space);
    if end < text.len() && end > at + 1 {
        end - 1
    } else {
        end
    }
}

/// `\s+$`
pub fn trailing_spaces(text: &[Char], at: usize) -> usize {
    let end = run(text, at, space);
    if end == text.len() { end } else { at }
}

/// `\s*[\r\n]+`
pub fn newlines(text: &[Char], at: usize) -> usize {
    let spaces = &text[at..run(text, at, space)];
    at + spaces
        .iter()
        .rposition(|&c| newline(c))
        .map_or(0, |i| i + 1)
}

/// `\s{512}(?!\S)|\s{256}(?!\S)|`…`|\s{4}(?!\S)|\s{1,2}(?!\S)|\s{1}`
pub fn spaces_by_powers_of_two(text: &[Char], at: usize) -> usize {
    let end = run(text, at, space);
    let n = end - at;
    if n == 0 {
        return at;
    }
    let fits = |&k: &usize| k < n || (k == n && end == text.len());
    at + [512, 256, 128, 64, 32, 16, 8, 4, 2]
        .into_iter()
        .find(fits)
        .unwrap_or(1)
}

/// `[\t\n]|    |  `
pub fn chameleon_spaces(text: &[Char], at: usize) -> usize {
    if matches!(text[at].code, 0x09 | 0x0A) {
        return at + 1;
    }
    match run_of(text, at, blank, 4) - at {
        4 => at + 4,
        2 | 3 => at + 2,
        _ => at,
    }
}

/// `'s|'t|'re|'ve|'m|'ll|'d`
pub fn contraction(text: &[Char], at: usize) -> usize {
    contraction_of(text, at, |code| code)
}

/// `(?i:'s|'t|'re|'ve|'m|'ll|'d)`
pub fn contraction_any_case(text: &[Char], at: usize) -> usize {
    contraction_of(text, at, |code| match code {
        0x41..=0x5A => code + 0x20,
        _ => code,
    })
}

fn contraction_of(text: &[Char], at: usize, fold: fn(u32) -> u32) -> usize {
    if code(text, at) != u32::from(b'\'') {
        return at;
    }
    let letter = |i| u8::try_from(fold(code(text, at + i))).unwrap_or(0);
    match (letter(1), letter(2)) {
        (b's' | b't' | b'm' | b'd', _) => at + 2,
        (b'r' | b'v', b'e') | (b'l', b'l') => at + 3,
        _ => at,
    }
}

/// A match of another rule with the contraction behind it, if there is one.
fn contracted(text: &[Char], at: usize, end: usize) -> usize {
    if end == at {
        at
    } else {
        contraction_any_case(text, end)
    }
}

/// `[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?`
pub fn led_marked_letters_contracted(text: &[Char], at: usize) -> usize {
    contracted(text, at, led_marked_letters(text, at))
}

/// Kimi-K2's words: `[^\r\n\p{L}\p{N}]?[\p{L}&&[^\p{Han}]]+` with a contraction.
pub fn kimi_word(text: &[Char], at: usize) -> usize {
    contracted(text, at, led(text, at, lead, letter_not_han))
}

/// `[^\r\n\p{L}\p{N}]?(U*W+|U+W*)` with `U` for [`not_lower`] and `W` for [`not_upper`]: a word ends before the upper-case
/// letter that begins the next one. Letters beyond ASCII are in both sets.
pub fn cased_word(text: &[Char], at: usize) -> usize {
    let start = at + usize::from(lead(text[at]));
    let front = run(text, start, not_lower);
    if is_at(text, front, not_upper) {
        return run(text, front, not_upper);
    }
    if front == start {
        return at;
    }
    // W+ must find a letter in what U* has taken: the last one it can.
    match text[start..front].iter().rposition(|&c| not_upper(c)) {
        Some(i) => start + i + 1,
        None => front,
    }
}

/// [`cased_word`] with the contraction behind it.
pub fn cased_word_contracted(text: &[Char], at: usize) -> usize {
    contracted(text, at, cased_word(text, at))
}

/// `[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+`: words with single blanks between them.
pub fn exaone_phrase(text: &[Char], at: usize) -> usize {
    let mut end = at + usize::from(lead(text[at]));
    if !is_at(text, end, letter) {
        return at;
    }
    loop {
        end = run(text, end + 1, |c| {
            c.is(crate::llama::vocab::chars::class::MARK)
        });
        if is_at(text, end, letter) {
            continue;
        }
        if !(is_at(text, end, blank) && is_at(text, end + 1, letter)) {
            return end;
        }
        end += 1;
    }
}

/// ` ?[^\s\p{L}\p{N}]+[\r\n/]?`
pub fn blank_others_one_newline_or_slash(text: &[Char], at: usize) -> usize {
    let end = blank_others(text, at);
    if end == at {
        at
    } else {
        run_of(text, end, newline_or_slash, 1)
    }
}

/// ``[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+``
pub fn ascii_punctuated_word(text: &[Char], at: usize) -> usize {
    let ascii = |c: Char| u8::try_from(c.code).unwrap_or(0);
    if !ascii(text[at]).is_ascii_punctuation() {
        return at;
    }
    match run(
        text,
        at + 1,
        |c| matches!(c.code, 0x41..=0x5A | 0x61..=0x7A),
    ) {
        end if end > at + 1 => end,
        _ => at,
    }
}

/// `<sentinel:[0-9]+>`
pub fn chameleon_sentinel(text: &[Char], at: usize) -> usize {
    let Some(digits) = literal(text, at, b"<sentinel:") else {
        return at;
    };
    let end = run(text, digits, ascii_digit);
    if end > digits && code(text, end) == u32::from(b'>') {
        end + 1
    } else {
        at
    }
}

/// `IMGIMG[A-I]{1,4}Z`
pub fn chameleon_image(text: &[Char], at: usize) -> usize {
    let Some(letters) = literal(text, at, b"IMGIMG") else {
        return at;
    };
    let end = run_of(text, letters, |c| matches!(c.code, 0x41..=0x49), 4);
    if end > letters && code(text, end) == u32::from(b'Z') {
        end + 1
    } else {
        at
    }
}

fn literal(text: &[Char], at: usize, word: &[u8]) -> Option<usize> {
    let end = at + word.len();
    let found = text.get(at..end)?.iter().map(|c| c.code);
    found.eq(word.iter().map(|&b| u32::from(b))).then_some(end)
}

/// Where a text is cut so that runs of digits fall into threes from their right end. The first piece of a run keeps what
/// stands in front of the run.
pub fn cuts_behind_thousands(text: &[Char], mut cut: impl FnMut(usize)) {
    let mut at = 0;
    while at < text.len() {
        let end = run(text, at, number);
        let first = match (end - at) % 3 {
            0 => at + 3,
            n => at + n,
        };
        (first..=end).step_by(3).for_each(&mut cut);
        at = end + 1;
    }
}

/// `(?=(\d{3})+(?!\d))`: cuts in front of each group of three ASCII digits, counted from the right end of their run.
pub fn cuts_before_thousands(text: &[Char], mut cut: impl FnMut(usize)) {
    let mut at = 0;
    while at < text.len() {
        let end = run(text, at, ascii_digit);
        let first = at + (end - at) % 3;
        (first..end).step_by(3).for_each(&mut cut);
        at = end + 1;
    }
}
