//! Byte-pair encoding: words are cut by a pre-tokenizer, then neighbours merge by the rank of their pair.

use rustc_hash::FxHashMap;

use super::bytes;
use super::chars::{self, Char};
use super::merges::Merger;
use super::pre::PreTokenizer;
use super::texts::Texts;
use super::token::{NULL, Token};
use crate::error::Result;
use crate::gguf::Strings;

/// A string that takes part in merges: tokens by their number, other strings numbered behind them.
type Symbol = u32;
/// A character that no merge knows.
const UNKNOWN: Symbol = u32::MAX;

/// The tokenizer of a BPE vocabulary.
pub struct Bpe {
    pub pre: &'static PreTokenizer,
    /// Rank and result of each pair.
    merges: FxHashMap<(Symbol, Symbol), (u32, Symbol)>,
    /// Strings in merges that are no tokens.
    extra: Texts,
    /// The symbol of each byte, for texts in GPT-2's byte characters.
    byte_symbols: [Symbol; 256],
    /// The tokens that stand for a byte of what is no token.
    byte_tokens: [Token; 256],
}

impl Bpe {
    /// Reads the merges: a line `left right` each, best first. They may be missing.
    pub fn new(texts: &Texts, merges: Option<&Strings>, pre: &'static PreTokenizer) -> Result<Bpe> {
        let mut bpe = Bpe {
            pre,
            merges: FxHashMap::default(),
            extra: Texts::default(),
            byte_symbols: [UNKNOWN; 256],
            byte_tokens: [NULL; 256],
        };
        let mut both = Vec::new();
        for (rank, line) in merges.into_iter().flat_map(Strings::iter).enumerate() {
            // The blank is not the first character, which may be one itself.
            let Some(blank) = line.iter().skip(1).position(|&b| b == b' ') else {
                continue;
            };
            let (left, right) = (&line[..=blank], &line[blank + 2..]);
            both.clear();
            both.extend_from_slice(left);
            both.extend_from_slice(right);
            let pair = (bpe.intern(texts, left), bpe.intern(texts, right));
            let merged = bpe.intern(texts, &both);
            bpe.merges.entry(pair).or_insert((rank as u32, merged));
        }
        for byte in 0..=255_u8 {
            let mut character = Vec::new();
            bytes::encode(&[byte], &mut character);
            bpe.byte_symbols[usize::from(byte)] = bpe.symbol(texts, &character);
            bpe.byte_tokens[usize::from(byte)] = if pre.plain_text {
                texts.find(format!("<0x{byte:02X}>").as_bytes())
            } else {
                texts.find(&[byte])
            };
        }
        Ok(bpe)
    }

    /// The symbol of a string, [`UNKNOWN`] if it has none.
    fn symbol(&self, texts: &Texts, text: &[u8]) -> Symbol {
        match texts.find(text) {
            NULL => match self.extra.find(text) {
                NULL => UNKNOWN,
                extra => texts.len() as Symbol + extra as Symbol,
            },
            token => token as Symbol,
        }
    }

    fn intern(&mut self, texts: &Texts, text: &[u8]) -> Symbol {
        match self.symbol(texts, text) {
            UNKNOWN => {
                self.extra.push(text);
                self.symbol(texts, text)
            }
            symbol => symbol,
        }
    }

    /// Appends the tokens of a text. If the vocabulary's texts are plain, spaces have been escaped.
    pub fn tokenize(&self, texts: &Texts, text: &[u8], out: &mut Vec<Token>) {
        let chars = chars::chars(text);
        let mut session = Session {
            bpe: self,
            texts,
            merger: Merger::new(),
            word: Vec::new(),
            out,
        };
        let mut rest = &chars[..];
        for length in self.pre.split(&chars) {
            let (word, behind) = rest.split_at(length);
            session.tokenize(word);
            rest = behind;
        }
    }
}

/// Tokenizes the words of one text.
struct Session<'a> {
    bpe: &'a Bpe,
    texts: &'a Texts,
    merger: Merger<Symbol>,
    /// The current word, as the vocabulary writes it.
    word: Vec<u8>,
    out: &'a mut Vec<Token>,
}

impl Session<'_> {
    fn tokenize(&mut self, word: &[Char]) {
        let pre = self.bpe.pre;
        self.word.clear();
        self.merger.clear();
        let mut utf8 = Vec::with_capacity(word.len());
        word.iter().for_each(|c| chars::encode(c.code, &mut utf8));
        if pre.plain_text {
            std::mem::swap(&mut self.word, &mut utf8);
        } else {
            bytes::encode(&utf8, &mut self.word);
        }
        let whole = pre.ignore_merges || pre.plain_text && word.iter().all(|c| c.code == 0x0A);
        if whole && let token @ 0.. = self.texts.find(&self.word) {
            self.out.push(token);
            return;
        }
        self.split(if pre.plain_text { None } else { Some(&utf8) });
        let merges = &self.bpe.merges;
        self.merger.merge(|left, right| {
            let &(rank, merged) = merges.get(&(left.id, right.id))?;
            Some((i64::from(rank), merged))
        });
        for symbol in self.merger.symbols() {
            let text = &self.word[symbol.start..symbol.end];
            let token = match symbol.id {
                UNKNOWN => self.texts.find(text),
                id if (id as usize) < self.texts.len() => id as Token,
                _ => NULL,
            };
            if token != NULL {
                self.out.push(token);
                continue;
            }
            let bytes = text.iter().map(|&b| self.bpe.byte_tokens[usize::from(b)]);
            self.out.extend(bytes.filter(|&t| t != NULL));
        }
    }

    /// Fills the merger with the characters of the word. `bytes` are what its characters stand for, if they stand for bytes.
    fn split(&mut self, bytes: Option<&[u8]>) {
        let mut at = 0;
        let mut push = |symbol, length| {
            self.merger.push(symbol, at..at + length);
            at += length;
        };
        match bytes {
            Some(bytes) => {
                for &byte in bytes {
                    let length = if bytes::CHARACTERS[usize::from(byte)] < 0x80 {
                        1
                    } else {
                        2
                    };
                    push(self.bpe.byte_symbols[usize::from(byte)], length);
                }
            }
            None => {
                let mut rest = &self.word[..];
                while !rest.is_empty() {
                    let (character, behind) = rest.split_at(chars::decode(rest).1);
                    push(self.bpe.symbol(self.texts, character), character.len());
                    rest = behind;
                }
            }
        }
    }
}
