//! Vocabularies: text to tokens and back.
//!
//! [`Vocab::load`] reads one from the metadata of a model. A text is first cut at special tokens ([`partition`]); what lies between
//! goes to the tokenizer of the vocabulary's kind ([`spm`], [`bpe`]). What a token reads as is kept as its *piece*.
//! Nothing here knows models, contexts or sampling.

mod bpe;
mod bytes;
mod chars;
mod detokenize;
mod load;
mod merges;
mod partition;
mod pre;
mod special;
mod spm;
#[cfg(test)]
mod tests;
mod texts;
mod token;

use std::ffi::CStr;

use crate::gguf::Strings;
use crate::{log_error, log_warn};
use bpe::Bpe;
use partition::{Fragment, Specials};
pub use special::SpecialTokens;
use spm::Spm;
use texts::Texts;
pub use token::{Attrs, NULL, Token, TokenAttr, TokenType, VocabType};

/// A vocabulary with its tokenizer.
pub struct Vocab {
    ty: VocabType,
    n_tokens: usize,
    n_token_types: u32,
    texts: Texts,
    scores: Vec<f32>,
    attrs: Vec<Attrs>,
    /// What each token reads as, special ones included.
    pieces: Strings,
    special: SpecialTokens,
    flags: Flags,
    tokenizer: Tokenizer,
    specials: Option<Specials>,
}

/// Switches of a vocabulary.
#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    /// A space goes in front of text, and comes off again.
    add_space_prefix: bool,
    add_bos: bool,
    add_eos: bool,
    add_sep: bool,
    /// Detokenized text loses the space in front of punctuation and some contractions.
    clean_spaces: bool,
    /// Spaces are written `▁` in tokens.
    escape_whitespaces: bool,
}

enum Tokenizer {
    None,
    Spm(Box<Spm>),
    Bpe(Box<Bpe>),
}

/// How spaces are written in the texts of many vocabularies.
const ESCAPED_SPACE: &[u8] = "▁".as_bytes();

impl Vocab {
    pub fn ty(&self) -> VocabType {
        self.ty
    }

    pub fn n_tokens(&self) -> usize {
        self.n_tokens
    }

    /// Token types as BERT has them.
    pub fn n_token_types(&self) -> u32 {
        self.n_token_types
    }

    /// The pre-tokenizer's name; `None` if the vocabulary has none.
    pub fn pre_name(&self) -> Option<&'static str> {
        match &self.tokenizer {
            Tokenizer::Bpe(bpe) => Some(bpe.pre.name()),
            _ => None,
        }
    }

    /// The tokens with a role.
    pub fn special(&self) -> &SpecialTokens {
        &self.special
    }

    pub fn add_bos(&self) -> bool {
        self.flags.add_bos
    }

    pub fn add_eos(&self) -> bool {
        self.flags.add_eos
    }

    /// Whether this is the number of a token.
    pub fn contains(&self, token: Token) -> bool {
        usize::try_from(token).is_ok_and(|t| t < self.n_tokens)
    }

    /// The text of a token as the vocabulary writes it; empty if there is no such token.
    pub fn text(&self, token: Token) -> &[u8] {
        self.texts.get(token)
    }

    pub fn text_c_str(&self, token: Token) -> Option<&CStr> {
        self.texts.get_c_str(token)
    }

    /// The token with this text, or [`NULL`].
    pub fn find(&self, text: &[u8]) -> Token {
        self.texts.find(text)
    }

    pub fn score(&self, token: Token) -> f32 {
        let score = usize::try_from(token).ok().and_then(|t| self.scores.get(t));
        score.copied().unwrap_or_default()
    }

    pub fn attrs(&self, token: Token) -> Attrs {
        let attrs = usize::try_from(token).ok().and_then(|t| self.attrs.get(t));
        attrs.copied().unwrap_or_default()
    }

    /// Whether a generation ends with this token.
    pub fn is_eog(&self, token: Token) -> bool {
        self.special.eog.contains(&token)
    }

    pub fn is_control(&self, token: Token) -> bool {
        self.attrs(token).has(TokenAttr::Control)
    }

    /// The tokens of a text.
    ///
    /// `add_special` adds the tokens for the beginning and the end of text that the model is configured to have; with
    /// `parse_special` the names of control tokens in the text become these tokens instead of being plain text. Bytes that are not
    /// UTF-8 are tokenized too, in one way or another.
    pub fn tokenize(&self, text: &[u8], add_special: bool, parse_special: bool) -> Vec<Token> {
        let mut out = Vec::new();
        let fragments = match &self.specials {
            Some(specials) => specials.partition(text, parse_special),
            None => Vec::new(),
        };
        let add_bos = add_special && self.flags.add_bos;
        let add_eos = add_special && self.flags.add_eos;
        if add_bos {
            self.append(self.special.bos, "BOS", &mut out);
        }
        match &self.tokenizer {
            Tokenizer::None => log_error!("a model without vocabulary cannot tokenize"),
            Tokenizer::Spm(spm) => {
                let mut behind_special = true;
                let mut escaped = Vec::new();
                for fragment in fragments {
                    behind_special = match fragment {
                        Fragment::Text(text) => {
                            escaped.clear();
                            if self.flags.add_space_prefix && behind_special {
                                escaped.extend(ESCAPED_SPACE);
                            }
                            escape_spaces(text, &mut escaped);
                            spm.tokenize(&self.texts, &escaped, &mut out);
                            false
                        }
                        Fragment::Token(token) => {
                            out.push(token);
                            true
                        }
                    };
                }
            }
            Tokenizer::Bpe(bpe) => {
                let mut escaped = Vec::new();
                for fragment in fragments {
                    match fragment {
                        Fragment::Text(text) if self.flags.escape_whitespaces => {
                            escaped.clear();
                            escape_spaces(text, &mut escaped);
                            bpe.tokenize(&self.texts, &escaped, &mut out);
                        }
                        Fragment::Text(text) => bpe.tokenize(&self.texts, text, &mut out),
                        Fragment::Token(token) => out.push(token),
                    }
                }
            }
        }
        if add_bos && out.get(1) == Some(&self.special.bos) {
            log_warn!(
                "a BOS token was added to the prompt as the model asks for, but the prompt begins with one itself: now there are two"
            );
        }
        if add_eos {
            if out.last() == Some(&self.special.eos) {
                log_warn!(
                    "an EOS token is added to the prompt as the model asks for, but the prompt ends with one itself: now there are two"
                );
            }
            self.append(self.special.eos, "EOS", &mut out);
        }
        out
    }

    fn append(&self, token: Token, what: &str, out: &mut Vec<Token>) {
        match token {
            NULL => log_error!("the model asks for a {what} token to be added, but has none"),
            _ => out.push(token),
        }
    }
}

fn escape_spaces(text: &[u8], out: &mut Vec<u8>) {
    for &byte in text {
        match byte {
            b' ' => out.extend(ESCAPED_SPACE),
            _ => out.push(byte),
        }
    }
}
