//! SentencePiece's byte-pair encoding: neighbours merge into the token with the best score, what is no token falls back to bytes.

use super::chars::length_by_lead;
use super::merges::Merger;
use super::texts::Texts;
use super::token::{NULL, Token};

/// The tokenizer of an SPM vocabulary.
pub struct Spm {
    /// Sort keys of the tokens' scores: the best score has the smallest.
    keys: Vec<i64>,
    longest: usize,
    byte_tokens: [Token; 256],
}

impl Spm {
    /// `unknown` stands for bytes that have no token.
    pub fn new(texts: &Texts, scores: &[f32], unknown: Token) -> Spm {
        let byte_token = |byte: u8| match texts.find(format!("<0x{byte:02X}>").as_bytes()) {
            NULL => match texts.find(&[byte]) {
                NULL => unknown,
                token => token,
            },
            token => token,
        };
        Spm {
            keys: scores.iter().map(|&s| descending_key(s)).collect(),
            longest: texts.iter().map(<[u8]>::len).max().unwrap_or(0),
            byte_tokens: std::array::from_fn(|byte| byte_token(byte as u8)),
        }
    }

    /// The token of a byte, or [`NULL`].
    pub fn byte_token(&self, byte: u8) -> Token {
        self.byte_tokens[usize::from(byte)]
    }

    /// Appends the tokens of a text whose spaces have been escaped.
    pub fn tokenize(&self, texts: &Texts, text: &[u8], out: &mut Vec<Token>) {
        let mut merger = Merger::new();
        let mut at = 0;
        while at < text.len() {
            let end = text.len().min(at + length_by_lead(text[at]));
            merger.push(texts.find(&text[at..end]), at..end);
            at = end;
        }
        merger.merge(|left, right| {
            if right.end - left.start > self.longest {
                return None;
            }
            match texts.find(&text[left.start..right.end]) {
                NULL => None,
                token => Some((self.keys.get(token as usize).copied().unwrap_or(0), token)),
            }
        });
        for symbol in merger.symbols() {
            if symbol.id != NULL {
                out.push(symbol.id);
                continue;
            }
            let bytes = text[symbol.start..symbol.end]
                .iter()
                .map(|&b| self.byte_token(b));
            out.extend(bytes.filter(|&t| t != NULL));
        }
    }
}

/// An integer that is the smaller, the greater the score. Zeros of both signs are one; NaN comes last.
fn descending_key(score: f32) -> i64 {
    if score.is_nan() {
        return i64::MAX;
    }
    let bits = i64::from((score + 0.0).to_bits() as i32);
    let ascending = if bits < 0 {
        i64::from(i32::MIN) - bits
    } else {
        bits
    };
    -ascending
}

#[cfg(test)]
mod tests {
    use super::descending_key;

    #[test]
    fn keys_order_as_scores_do() {
        let scores = [
            f32::INFINITY,
            3.5,
            1e-40,
            0.0,
            -1e-40,
            -2.0,
            -1000.0,
            f32::NEG_INFINITY,
            f32::NAN,
        ];
        let keys: Vec<i64> = scores.iter().map(|&s| descending_key(s)).collect();
        assert!(
            keys.is_sorted() && keys.windows(2).all(|w| w[0] < w[1]),
            "{keys:?}"
        );
        assert_eq!(descending_key(-0.0), descending_key(0.0));
    }
}
