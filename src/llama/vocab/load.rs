//! Reading a vocabulary from the metadata of a model.

use super::partition::Specials;
use super::pre::PreTokenizer;
use super::texts::Texts;
use super::token::{Attrs, NULL, TokenAttr, TokenType, VocabType};
use super::{Bpe, Flags, SpecialTokens, Spm, Tokenizer, Vocab};
use crate::error::Result;
use crate::gguf::{Metadata, Strings};
use crate::{bail, ensure, log_info, log_warn};

const MODEL: &str = "tokenizer.ggml.model";
const PRE: &str = "tokenizer.ggml.pre";
const TOKENS: &str = "tokenizer.ggml.tokens";
const SCORES: &str = "tokenizer.ggml.scores";
const TYPES: &str = "tokenizer.ggml.token_type";
const MERGES: &str = "tokenizer.ggml.merges";

impl Vocab {
    /// Reads the vocabulary.
    pub fn load(metadata: &Metadata) -> Result<Vocab> {
        let model: &str = metadata.require(MODEL)?;
        let (ty, pre) = match model {
            "no_vocab" | "none" => return without_tokens(metadata),
            "llama" => (VocabType::Spm, None),
            "gpt2" => (VocabType::Bpe, Some(pre_tokenizer(metadata)?)),
            "gemma4" => (VocabType::Bpe, PreTokenizer::by_name("gemma4")),
            _ => bail!("unknown tokenizer '{model}' ({MODEL})"),
        };
        let (texts, scores, mut attrs) = tokens(metadata)?;
        let mut flags = flags(ty, pre);
        let mut special = SpecialTokens::defaults(ty);
        if model == "gemma4" || pre.is_some_and(|p| p.no_bos) {
            special.bos = NULL;
        }
        if model == "gemma4" {
            special.eos = NULL;
        }
        // Defaults are numbers of other vocabularies; here they need not exist.
        special.read(metadata, texts.len())?;
        read_flag(metadata, "add_space_prefix", &mut flags.add_space_prefix)?;
        read_flag(metadata, "add_bos_token", &mut flags.add_bos)?;
        read_flag(metadata, "add_eos_token", &mut flags.add_eos)?;
        read_flag(metadata, "add_sep_token", &mut flags.add_sep)?;
        if pre.is_some_and(|p| p.plain_text) && !flags.add_bos {
            log_warn!(
                "vocab: overriding tokenizer.ggml.add_bos_token: this tokenizer needs a BOS token"
            );
            flags.add_bos = true;
        }

        special.detect(&texts, &mut attrs);
        let tokenizer = match pre {
            None => Tokenizer::Spm(Box::new(Spm::new(&texts, &scores, special.unk))),
            Some(pre) => Tokenizer::Bpe(Box::new(Bpe::new(&texts, merges(metadata, pre)?, pre)?)),
        };
        let mut vocab = Vocab {
            ty,
            n_tokens: texts.len(),
            n_token_types: metadata
                .get_u32("tokenizer.ggml.token_type_count")?
                .unwrap_or(0),
            texts,
            scores,
            attrs,
            pieces: Strings::default(),
            special,
            flags,
            tokenizer,
            specials: None,
        };
        vocab.pieces = vocab.all_pieces();
        vocab.special.nl = vocab.newline();
        let special_tokens = vocab.special_tokens();
        vocab.adjust_stripping(metadata, &special_tokens)?;
        let described = special_tokens
            .iter()
            .map(|&t| (t, vocab.text(t), vocab.attrs(t)));
        vocab.specials = Some(Specials::new(described)?);
        log_info!(
            "vocab: {} of {} tokens, {} of them special",
            ty.name(),
            vocab.n_tokens,
            special_tokens.len()
        );
        Ok(vocab)
    }

    /// The token of a line's end.
    fn newline(&self) -> super::Token {
        let found = match &self.tokenizer {
            Tokenizer::Spm(spm) => Some(spm.byte_token(b'\n')),
            Tokenizer::Bpe(bpe) => {
                let mut tokens = Vec::new();
                bpe.tokenize(&self.texts, b"\n", &mut tokens);
                tokens.first().copied()
            }
            Tokenizer::None => None,
        };
        match found {
            None | Some(NULL) => {
                log_warn!("vocab: no token for the end of a line, using the padding token instead");
                self.special.pad
            }
            Some(token) => token,
        }
    }

    /// The tokens that are looked for in texts before anything else.
    fn special_tokens(&self) -> Vec<super::Token> {
        let special = [
            TokenAttr::Control,
            TokenAttr::UserDefined,
            TokenAttr::Unknown,
        ];
        let numbered = self.attrs.iter().zip(0..);
        numbered
            .filter(|(attrs, _)| attrs.has_any(&special))
            .map(|(_, token)| token)
            .collect()
    }

    /// Some models' tokens take the white space around them, which their files do not say.
    fn adjust_stripping(&mut self, metadata: &Metadata, special: &[super::Token]) -> Result<()> {
        let name = metadata
            .get::<&str>("general.name")?
            .unwrap_or("")
            .to_ascii_lowercase();
        let pre: &str = metadata.get(PRE)?.unwrap_or("");
        let architecture: &str = metadata.get("general.architecture")?.unwrap_or("");
        let any = |text: &str, parts: &[&str]| parts.iter().any(|part| text.contains(part));
        let mut set = |token: super::Token, change: fn(Attrs) -> Attrs| {
            let token = usize::try_from(token).ok();
            if let Some(attrs) = token.and_then(|t| self.attrs.get_mut(t)) {
                *attrs = change(*attrs);
            }
        };
        if any(pre, &["jina-v2-de", "jina-v2-es", "jina-v2-code"])
            || any(architecture, &["nomic-bert-moe", "jina-bert-v3"])
        {
            set(self.texts.find(b"<mask>"), |a| a.with(TokenAttr::Lstrip));
        } else if any(&name, &["phi-3", "phi3"]) {
            for &token in special.iter().chain([&self.texts.find(b"</s>")]) {
                set(token, |a| a.with(TokenAttr::Rstrip));
            }
            for name in ["<unk>", "<s>", "<|endoftext|>"] {
                set(self.texts.find(name.as_bytes()), |a| {
                    a.without(TokenAttr::Rstrip)
                });
            }
        } else if any(&name, &["modern-bert"]) {
            set(self.texts.find(b"[MASK]"), |a| a.with(TokenAttr::Lstrip));
        }
        Ok(())
    }
}

/// A vocabulary of nothing but numbers.
fn without_tokens(metadata: &Metadata) -> Result<Vocab> {
    let architecture: &str = metadata.get("general.architecture")?.unwrap_or("");
    let n_tokens = metadata
        .get_u32(&format!("{architecture}.vocab_size"))?
        .unwrap_or(0);
    Ok(Vocab {
        ty: VocabType::None,
        n_tokens: n_tokens as usize,
        n_token_types: 0,
        texts: Texts::default(),
        scores: Vec::new(),
        attrs: Vec::new(),
        pieces: Strings::default(),
        special: SpecialTokens::defaults(VocabType::None),
        flags: Flags::default(),
        tokenizer: Tokenizer::None,
        specials: None,
    })
}

fn pre_tokenizer(metadata: &Metadata) -> Result<&'static PreTokenizer> {
    let name = match metadata.get(PRE)? {
        None | Some("") => {
            log_warn!(
                "vocab: the file does not name its pre-tokenizer ({PRE}), using 'default': the text may come out worse. Consider to convert the model again"
            );
            "default"
        }
        Some(name) => name,
    };
    match PreTokenizer::by_name(name) {
        Some(pre) => Ok(pre),
        None => bail!("unknown pre-tokenizer '{name}' ({PRE})"),
    }
}

fn merges<'a>(metadata: &'a Metadata, pre: &PreTokenizer) -> Result<Option<&'a Strings>> {
    let merges = metadata.get_strings(MERGES)?;
    // Kimi-K2's files have none.
    ensure!(
        merges.is_some() || pre.name() == "kimi-k2",
        "the file has no merges ({MERGES})"
    );
    Ok(merges)
}

fn flags(ty: VocabType, pre: Option<&PreTokenizer>) -> Flags {
    match pre {
        Some(pre) => Flags {
            add_bos: pre.add_bos,
            add_sep: pre.add_sep,
            clean_spaces: pre.clean_spaces,
            escape_whitespaces: pre.plain_text,
            ..Flags::default()
        },
        None => Flags {
            add_space_prefix: ty == VocabType::Spm,
            add_bos: ty == VocabType::Spm,
            escape_whitespaces: true,
            ..Flags::default()
        },
    }
}

fn read_flag(metadata: &Metadata, key: &str, flag: &mut bool) -> Result<()> {
    if let Some(value) = metadata.get(&format!("tokenizer.ggml.{key}"))? {
        *flag = value;
    }
    Ok(())
}

/// Texts, scores and attributes of the tokens.
fn tokens(metadata: &Metadata) -> Result<(Texts, Vec<f32>, Vec<Attrs>)> {
    let Some(all) = metadata.get_strings(TOKENS)? else {
        bail!("the file has no tokens ({TOKENS})");
    };
    let n = all.len();
    let mut texts = Texts::default();
    for i in 0..n {
        let text = all.get_c_str(i).unwrap_or_default().to_bytes();
        let is_new = if text.is_empty() {
            log_warn!("vocab: token {i} is empty");
            texts.push(format!("[EMPTY_{i}]").as_bytes())
        } else {
            texts.push(text)
        };
        ensure!(
            is_new,
            "token {i} '{}' occurs twice in the vocabulary",
            String::from_utf8_lossy(text)
        );
    }
    let scores = match metadata.get_slice::<f32>(SCORES)? {
        None => vec![0.0; n],
        Some(scores) => {
            ensure!(
                scores.len() >= n,
                "{n} tokens have only {} scores",
                scores.len()
            );
            scores[..n].to_vec()
        }
    };
    let attrs = match metadata.get_slice::<i32>(TYPES)? {
        None => vec![TokenAttr::Normal.into(); n],
        Some(types) => {
            ensure!(
                types.len() >= n,
                "{n} tokens have only {} types",
                types.len()
            );
            let types = types[..n].iter().map(|&t| TokenType::from_repr(t as _));
            types
                .map(|t| t.unwrap_or(TokenType::Undefined).into())
                .collect()
        }
    };
    Ok((texts, scores, attrs))
}
