//! Tokens, their types and attributes, and the kinds of vocabularies.

use strum::FromRepr;

/// A token number.
pub type Token = i32;
/// No token.
pub const NULL: Token = -1;

/// How a vocabulary makes tokens, numbered as `enum llama_vocab_type`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VocabType {
    /// No vocabulary.
    None = 0,
    /// SentencePiece: merges by score, with byte fallback.
    Spm = 1,
    /// Byte-pair encoding: merges by rank.
    Bpe = 2,
    /// WordPiece: greedy longest match.
    Wpm = 3,
    /// Unigram: the most likely segmentation.
    Ugm = 4,
    /// Greedy longest match over bytes.
    Rwkv = 5,
    /// PLaMo-2's segmentation by cost.
    Plamo2 = 6,
}

impl VocabType {
    pub fn name(self) -> &'static str {
        match self {
            VocabType::None => "no vocab",
            VocabType::Spm => "SPM",
            VocabType::Bpe => "BPE",
            VocabType::Wpm => "WPM",
            VocabType::Ugm => "UGM",
            VocabType::Rwkv => "RWKV",
            VocabType::Plamo2 => "PLaMo2",
        }
    }
}

/// What a file says of a token, numbered as `enum llama_token_type`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRepr)]
pub enum TokenType {
    Undefined = 0,
    Normal = 1,
    Unknown = 2,
    Control = 3,
    UserDefined = 4,
    Unused = 5,
    Byte = 6,
}

/// Single attributes, valued as `enum llama_token_attr`. A token's attributes are a set of them, [`Attrs`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAttr {
    Undefined = 0,
    Unknown = 1 << 0,
    Unused = 1 << 1,
    Normal = 1 << 2,
    Control = 1 << 3,
    UserDefined = 1 << 4,
    Byte = 1 << 5,
    Normalized = 1 << 6,
    /// Whitespace in front of the token belongs to it.
    Lstrip = 1 << 7,
    /// Whitespace behind the token belongs to it.
    Rstrip = 1 << 8,
    SingleWord = 1 << 9,
}

/// A set of [`TokenAttr`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attrs(u32);

impl Attrs {
    pub fn bits(self) -> u32 {
        self.0
    }

    pub fn has(self, attr: TokenAttr) -> bool {
        self.0 & attr as u32 != 0
    }

    pub fn has_any(self, attrs: &[TokenAttr]) -> bool {
        attrs.iter().any(|&a| self.has(a))
    }

    pub fn with(self, attr: TokenAttr) -> Attrs {
        Attrs(self.0 | attr as u32)
    }

    pub fn without(self, attr: TokenAttr) -> Attrs {
        Attrs(self.0 & !(attr as u32))
    }
}

impl From<TokenAttr> for Attrs {
    fn from(attr: TokenAttr) -> Attrs {
        Attrs(attr as u32)
    }
}

impl From<TokenType> for Attrs {
    fn from(ty: TokenType) -> Attrs {
        Attrs::from(match ty {
            TokenType::Undefined => TokenAttr::Undefined,
            TokenType::Normal => TokenAttr::Normal,
            TokenType::Unknown => TokenAttr::Unknown,
            TokenType::Control => TokenAttr::Control,
            TokenType::UserDefined => TokenAttr::UserDefined,
            TokenType::Unused => TokenAttr::Unused,
            TokenType::Byte => TokenAttr::Byte,
        })
    }
}
