//! Tokens with a role: which they are by default, by metadata and by their text.

use std::collections::BTreeSet;

use super::texts::Texts;
use super::token::{Attrs, NULL, Token, TokenAttr, VocabType};
use crate::error::Result;
use crate::gguf::Metadata;
use crate::{log_info, log_warn};

/// The tokens with a role; [`NULL`] for roles that none has.
#[derive(Clone, Debug)]
pub struct SpecialTokens {
    pub bos: Token,
    pub eos: Token,
    /// End of turn.
    pub eot: Token,
    /// End of message.
    pub eom: Token,
    pub unk: Token,
    pub sep: Token,
    pub pad: Token,
    pub mask: Token,
    /// New line.
    pub nl: Token,
    pub fim_pre: Token,
    pub fim_suf: Token,
    pub fim_mid: Token,
    pub fim_pad: Token,
    /// Name of a repository.
    pub fim_rep: Token,
    /// Separator of files.
    pub fim_sep: Token,
    /// The tokens that end a generation.
    pub eog: BTreeSet<Token>,
}

impl SpecialTokens {
    /// What a kind of vocabulary has unless its file says otherwise.
    pub fn defaults(ty: VocabType) -> SpecialTokens {
        let none = SpecialTokens {
            bos: NULL,
            eos: NULL,
            eot: NULL,
            eom: NULL,
            unk: NULL,
            sep: NULL,
            pad: NULL,
            mask: NULL,
            nl: NULL,
            fim_pre: NULL,
            fim_suf: NULL,
            fim_mid: NULL,
            fim_pad: NULL,
            fim_rep: NULL,
            fim_sep: NULL,
            eog: BTreeSet::new(),
        };
        match ty {
            VocabType::None | VocabType::Rwkv => none,
            VocabType::Spm => SpecialTokens {
                bos: 1,
                eos: 2,
                unk: 0,
                ..none
            },
            VocabType::Bpe => SpecialTokens {
                bos: 11,
                eos: 11,
                ..none
            },
            VocabType::Wpm => SpecialTokens {
                bos: 101,
                unk: 100,
                sep: 102,
                pad: 0,
                mask: 103,
                ..none
            },
            VocabType::Ugm => SpecialTokens {
                eos: 1,
                unk: 2,
                pad: 0,
                ..none
            },
            VocabType::Plamo2 => SpecialTokens {
                bos: 1,
                eos: 2,
                unk: 0,
                pad: 3,
                ..none
            },
        }
    }

    /// Takes the tokens that the metadata names. Numbers that are no tokens are ignored with a warning.
    pub fn read(&mut self, metadata: &Metadata, n_tokens: usize) -> Result<()> {
        for (key, token) in [
            ("bos_token_id", &mut self.bos),
            ("eos_token_id", &mut self.eos),
            ("eot_token_id", &mut self.eot),
            ("eom_token_id", &mut self.eom),
            ("unknown_token_id", &mut self.unk),
            ("seperator_token_id", &mut self.sep),
            ("padding_token_id", &mut self.pad),
            ("mask_token_id", &mut self.mask),
            ("fim_pre_token_id", &mut self.fim_pre),
            ("fim_suf_token_id", &mut self.fim_suf),
            ("fim_mid_token_id", &mut self.fim_mid),
            ("fim_pad_token_id", &mut self.fim_pad),
            ("fim_rep_token_id", &mut self.fim_rep),
            ("fim_sep_token_id", &mut self.fim_sep),
        ] {
            read_one(metadata, key, token, n_tokens)?;
        }
        // Older names of three of them, which win.
        read_one(metadata, "prefix_token_id", &mut self.fim_pre, n_tokens)?;
        read_one(metadata, "suffix_token_id", &mut self.fim_suf, n_tokens)?;
        read_one(metadata, "middle_token_id", &mut self.fim_mid, n_tokens)
    }

    /// Finds by their text the tokens that the metadata does not name, and those that end a generation, and corrects their attributes.
    pub fn detect(&mut self, texts: &Texts, attrs: &mut [Attrs]) {
        for (token, names) in [
            (&mut self.eot, EOT),
            (&mut self.eom, EOM),
            (&mut self.fim_pre, FIM_PRE),
            (&mut self.fim_suf, FIM_SUF),
            (&mut self.fim_mid, FIM_MID),
            (&mut self.fim_pad, FIM_PAD),
            (&mut self.fim_rep, FIM_REP),
            (&mut self.fim_sep, FIM_SEP),
        ] {
            let mut named = names.iter().map(|name| texts.find(name.as_bytes()));
            if *token == NULL
                && let Some(found) = named.find(|&t| t != NULL)
            {
                *token = found;
                make_control(found, texts, attrs);
            }
        }
        for (token, text) in texts.iter().enumerate() {
            let attrs = &mut attrs[token];
            if attrs.has(TokenAttr::Control) && memchr::memmem::find(text, b"unused").is_some() {
                *attrs = attrs.with(TokenAttr::Unused);
            }
        }
        self.eog.extend([self.fim_pad, self.fim_rep, self.fim_sep]);
        for token in find_all(texts, EOG) {
            self.eog.insert(token);
            make_control(token, texts, attrs);
        }
        // gpt-oss writes these, and they are to be seen.
        for token in find_all(texts, HARMONY) {
            attrs[token as usize] = TokenAttr::UserDefined.into();
        }
        for (what, token) in [("EOS", self.eos), ("EOT", self.eot), ("EOM", self.eom)] {
            if token != NULL && self.eog.insert(token) {
                log_warn!(
                    "vocab: the {what} token {token} does not look like one that ends a generation; the tokenizer may be configured wrongly"
                );
            }
        }
        self.eog.remove(&NULL);
        self.correct_eog(texts, attrs);
    }

    /// Some models have among their tokens a name that elsewhere ends a generation, but here does not.
    fn correct_eog(&mut self, texts: &Texts, attrs: &mut [Attrs]) {
        let ends = |name: &str| self.eog.contains(&texts.find(name.as_bytes()));
        let call = ends("<|call|>") || ends("<|calls|>");
        let channels = call && (ends("<|return|>") || ends("<|flush|>"));
        let tools = ends("<|tool_response>");
        for (applies, name, becomes) in [
            (channels, "<|end|>", TokenAttr::UserDefined),
            (tools, "</s>", TokenAttr::Normal),
        ] {
            let token = texts.find(name.as_bytes());
            if applies && self.eog.remove(&token) {
                attrs[token as usize] = becomes.into();
                log_info!("vocab: {token} '{name}' does not end a generation in this vocabulary");
            }
        }
    }
}

fn read_one(metadata: &Metadata, key: &str, token: &mut Token, n_tokens: usize) -> Result<()> {
    let key = format!("tokenizer.ggml.{key}");
    match metadata.get::<u32>(&key)? {
        Some(number) if (number as usize) < n_tokens => *token = number as Token,
        Some(number) => {
            log_warn!("vocab: bad special token '{key}' = {number}, using {token} instead")
        }
        None => {}
    }
    Ok(())
}

fn find_all(texts: &Texts, names: &[&str]) -> impl Iterator<Item = Token> {
    let found = names.iter().map(|name| texts.find(name.as_bytes()));
    found.filter(|&t| t != NULL)
}

fn make_control(token: Token, texts: &Texts, attrs: &mut [Attrs]) {
    let attrs = &mut attrs[token as usize];
    if !attrs.has(TokenAttr::Control) {
        log_warn!(
            "vocab: token {token} '{}' looks like a control token but its type is another; the type is overridden",
            String::from_utf8_lossy(texts.get(token))
        );
        *attrs = attrs.with(TokenAttr::Control);
    }
}

const EOT: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "<｜end▁of▁sentence｜>",
    "<end_of_utterance>",
];
const EOM: &[&str] = &["<|eom_id|>"];
const FIM_PRE: &[&str] = &[
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<｜fim▁begin｜>",
    "<PRE>",
    "▁<PRE>",
    "<|code_prefix|>",
    "<|prefix|>",
];
const FIM_SUF: &[&str] = &[
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<｜fim▁hole｜>",
    "<SUF>",
    "▁<SUF>",
    "<|code_suffix|>",
    "<|suffix|>",
];
const FIM_MID: &[&str] = &[
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<｜fim▁end｜>",
    "<MID>",
    "▁<MID>",
    "<|code_middle|>",
    "<|middle|>",
];
const FIM_PAD: &[&str] = &["<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"];
const FIM_REP: &[&str] = &[
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
];
const FIM_SEP: &[&str] = &["<|file_sep|>"];
const EOG: &[&str] = &[
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<|return|>",
    "<|call|>",
    "<|flush|>",
    "<|calls|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "</s>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "[EOT]",
    "[EOS]",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<eos>",
    "<turn|>",
    "<|tool_response>",
    "<｜end▁of▁sentence｜>",
];
const HARMONY: &[&str] = &["<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"];
