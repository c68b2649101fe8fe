//! Tokens to text.

use super::token::{Token, TokenAttr, VocabType};
use super::{ESCAPED_SPACE, Vocab, bytes};
use crate::gguf::Strings;
use crate::log_error;

impl Vocab {
    /// What a token reads as. Control and unknown tokens read as nothing unless `special` is set. Up to `lstrip` spaces
    /// at the beginning are left out.
    pub fn token_to_piece(&self, token: Token, lstrip: usize, special: bool) -> &[u8] {
        if !self.contains(token) {
            log_error!(
                "token {token} is out of range, the vocabulary has {} tokens",
                self.n_tokens
            );
            return &[];
        }
        if !special
            && self
                .attrs(token)
                .has_any(&[TokenAttr::Unknown, TokenAttr::Control])
        {
            return &[];
        }
        let piece = self.pieces.get(token as usize).unwrap_or_default();
        let spaces = piece.iter().take(lstrip).take_while(|&&b| b == b' ');
        &piece[spaces.count()..]
    }

    /// The text of tokens: raw pieces one after the other, before [`Vocab::clean_up`].
    ///
    /// `remove_special` leaves out the tokens for beginning and end that [`Vocab::tokenize`] adds; `unparse_special` makes
    /// control tokens readable.
    pub fn join_pieces(
        &self,
        tokens: &[Token],
        remove_special: bool,
        unparse_special: bool,
    ) -> Vec<u8> {
        let mut tokens = tokens;
        let mut remove_space = self.flags.add_space_prefix;
        if remove_special
            && self.flags.add_bos
            && let Some((first, rest)) = tokens.split_first()
            && *first == self.special.bos
        {
            remove_space = false;
            tokens = rest;
        }
        if remove_special
            && self.flags.add_eos
            && let Some((last, rest)) = tokens.split_last()
            && *last == self.special.eos
        {
            tokens = rest;
        }
        let mut text = Vec::new();
        for &token in tokens {
            let lstrip = usize::from(std::mem::take(&mut remove_space));
            text.extend(self.token_to_piece(token, lstrip, unparse_special));
        }
        text
    }

    /// Takes spaces out of a detokenized text that its vocabulary's original tokenizer would not have there.
    pub fn clean_up(&self, text: Vec<u8>) -> Vec<u8> {
        if !self.flags.clean_spaces {
            return text;
        }
        contractions(&lone_apostrophes(&punctuation(&text)))
    }

    /// [`Vocab::join_pieces`] and [`Vocab::clean_up`].
    pub fn detokenize(
        &self,
        tokens: &[Token],
        remove_special: bool,
        unparse_special: bool,
    ) -> Vec<u8> {
        self.clean_up(self.join_pieces(tokens, remove_special, unparse_special))
    }

    /// What every token reads as, special ones included.
    pub(super) fn all_pieces(&self) -> Strings {
        let mut pieces = Strings::default();
        let mut piece = Vec::new();
        for token in 0..self.n_tokens as Token {
            piece.clear();
            self.put_piece(token, &mut piece);
            pieces.push(&piece);
        }
        pieces
    }

    fn put_piece(&self, token: Token, out: &mut Vec<u8>) {
        let (text, attrs) = (self.text(token), self.attrs(token));
        let as_is = [
            TokenAttr::Unknown,
            TokenAttr::Control,
            TokenAttr::UserDefined,
        ];
        if attrs.has_any(&as_is) {
            out.extend(text);
        } else if attrs.has(TokenAttr::Normal) {
            if self.ty == VocabType::Bpe && !self.flags.escape_whitespaces {
                bytes::decode(text, out);
            } else {
                unescape_spaces(text, out);
            }
        } else if attrs.has(TokenAttr::Byte) {
            out.extend(byte_of(text));
        }
    }
}

/// The byte of a token named `<0xHH>`.
fn byte_of(text: &[u8]) -> Option<u8> {
    let digits = std::str::from_utf8(text.get(3..5)?).ok()?;
    u8::from_str_radix(digits, 16).ok()
}

fn unescape_spaces(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        if let Some(behind) = rest.strip_prefix(ESCAPED_SPACE) {
            out.push(b' ');
            rest = behind;
        } else {
            out.push(byte);
            rest = behind;
        }
    }
}

/// No space in front of `?`, `!`, `.` and `,`.
fn punctuation(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (i, &byte) in text.iter().enumerate() {
        if i > 0 && text[i - 1] == b' ' && matches!(byte, b'?' | b'!' | b'.' | b',') {
            out.pop();
        }
        out.push(byte);
    }
    out
}

/// No spaces around an apostrophe that stands alone.
fn lone_apostrophes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut i = 0;
    let mut before = 0;
    while i < text.len() {
        let byte = text[i];
        if byte == b'\'' && before == b' ' && text.get(i + 1) == Some(&b' ') {
            out.pop();
            i += 1;
            // The space behind it is gone, it does not count for what follows.
            before = 0;
        } else {
            before = byte;
        }
        out.push(byte);
        i += 1;
    }
    out
}

/// No space in front of `'s`, `'m`, `'re` and `'ve`.
fn contractions(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for (i, &byte) in text.iter().enumerate() {
        if i > 0
            && text[i - 1] == b' '
            && matches!(
                &text[i..],
                [b'\'', b's' | b'm', ..] | [b'\'', b'r' | b'v', b'e', ..]
            )
        {
            out.pop();
        }
        out.push(byte);
    }
    out
}
