use proptest::prelude::*;

use super::*;
use crate::gguf::{Array, Metadata, Name, OverrideValue, Strings, Text, Value};

fn metadata(entries: &[(&str, Value)]) -> Metadata {
    let mut m = Metadata::default();
    for (key, value) in entries {
        m.set(Name::new(key.as_bytes()).unwrap(), value.clone());
    }
    m
}

fn text(s: &str) -> Value {
    Value::Str(Text::new(s.as_bytes()))
}

fn strings<S: AsRef<[u8]>>(all: &[S]) -> Value {
    Value::Array(Array::Str(
        all.iter().map(AsRef::as_ref).collect::<Strings>(),
    ))
}

/// An SPM vocabulary: `<unk>`, `<s>`, `</s>`, all bytes, and some words with their merges.
fn spm() -> Metadata {
    let mut tokens: Vec<String> = ["<unk>", "<s>", "</s>"].map(String::from).into();
    tokens.extend((0..=255).map(|b| format!("<0x{b:02X}>")));
    let words = [
        "▁", "h", "e", "l", "o", "he", "ll", "hell", "hello", "▁hello", "<sep>",
    ];
    tokens.extend(words.map(String::from));
    let n = tokens.len() as i32;
    let types = (0..n).map(|i| match i {
        0 => 2,
        1 | 2 => 3,
        _ if i < 259 => 6,
        _ if i == n - 1 => 4,
        _ => 1,
    });
    metadata(&[
        ("tokenizer.ggml.model", text("llama")),
        ("tokenizer.ggml.tokens", strings(&tokens)),
        (
            "tokenizer.ggml.scores",
            Value::Array(Array::F32((0..n).map(|i| i as f32).collect())),
        ),
        (
            "tokenizer.ggml.token_type",
            Value::Array(Array::I32(types.collect())),
        ),
    ])
}

/// A BPE vocabulary: all bytes, some merges, one of them of strings that are no tokens.
fn bpe(pre: &str) -> Metadata {
    let mut tokens: Vec<Vec<u8>> = Vec::new();
    for byte in 0..=255 {
        let mut character = Vec::new();
        super::bytes::encode(&[byte], &mut character);
        tokens.push(character);
    }
    tokens.extend(["ab", "abc", "Ġab", "xyz", "<|end|>", "<tool>"].map(|t| t.as_bytes().to_vec()));
    let n = tokens.len() as i32;
    let types = (0..n).map(|i| match n - i {
        2 => 3,
        1 => 4,
        _ => 1,
    });
    metadata(&[
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.pre", text(pre)),
        ("tokenizer.ggml.tokens", strings(&tokens)),
        (
            "tokenizer.ggml.token_type",
            Value::Array(Array::I32(types.collect())),
        ),
        (
            "tokenizer.ggml.merges",
            strings(&["a b", "ab c", "Ġ ab", "y z", "x yz"]),
        ),
        ("tokenizer.ggml.eos_token_id", Value::U32(n as u32 - 2)),
    ])
}

fn shown(vocab: &Vocab, tokens: &[Token]) -> Vec<String> {
    let show = |&t: &Token| String::from_utf8_lossy(vocab.text(t)).into_owned();
    tokens.iter().map(show).collect()
}

fn error(metadata: &Metadata) -> String {
    match Vocab::load(metadata) {
        Ok(_) => panic!("it loads"),
        Err(e) => e.to_string(),
    }
}

#[test]
fn spm_merges_by_score_and_falls_back_to_bytes() {
    let vocab = Vocab::load(&spm()).unwrap();
    let tokens = vocab.tokenize("hello é".as_bytes(), true, true);
    assert_eq!(
        shown(&vocab, &tokens),
        ["<s>", "▁hello", "▁", "<0xC3>", "<0xA9>"]
    );
    assert_eq!(
        vocab.detokenize(&tokens[1..], true, false),
        "hello é".as_bytes()
    );
    // Behind a BOS the space stays, as in the reference.
    assert_eq!(
        vocab.detokenize(&tokens, true, false),
        " hello é".as_bytes()
    );
    assert_eq!(vocab.special().nl, 3 + 10);
    assert!(vocab.is_eog(2) && vocab.is_control(1) && !vocab.is_control(300));
}

#[test]
fn control_tokens_are_text_unless_parsed() {
    let vocab = Vocab::load(&spm()).unwrap();
    let parsed = vocab.tokenize(b"</s>hello", false, true);
    assert_eq!(shown(&vocab, &parsed), ["</s>", "▁hello"]);
    assert!(!vocab.tokenize(b"</s>", false, false).contains(&2));
    let defined = vocab.tokenize(b"hello<sep>", false, false);
    assert_eq!(shown(&vocab, &defined), ["▁hello", "<sep>"]);
    assert_eq!(vocab.detokenize(&parsed, false, true), b"</s> hello");
    assert_eq!(vocab.detokenize(&parsed, false, false), b" hello");
}

#[test]
fn bpe_merges_by_rank_through_strings_that_are_no_tokens() {
    let vocab = Vocab::load(&bpe("gpt-2")).unwrap();
    let tokens = vocab.tokenize(b"abc ab xyz yz", false, false);
    assert_eq!(
        shown(&vocab, &tokens),
        ["abc", "Ġab", "Ġ", "xyz", "Ġ", "y", "z"],
        "'yz' is no token"
    );
    assert_eq!(
        shown(&vocab, &vocab.tokenize(b"ab<|end|>", false, true)),
        ["ab", "<|end|>"]
    );
    assert!(vocab.is_eog(vocab.find(b"<|end|>")));
}

#[test]
fn cleaning_takes_out_the_right_spaces() {
    let vocab = Vocab::load(&bpe("gpt-2")).unwrap();
    let clean = |s: &str| String::from_utf8(vocab.clean_up(s.into())).unwrap();
    assert_eq!(clean("Hi , you ! Who ? Me ."), "Hi, you! Who? Me.");
    assert_eq!(
        clean("it 's I 'm we 've you 're he 'll don 't"),
        "it's I'm we've you're he 'll don 't"
    );
    assert_eq!(clean("a ' b"), "a'b");
    assert_eq!(clean(" . "), ". ");
    assert_eq!(clean(""), "");
    let kept = Vocab::load(&bpe("qwen2")).unwrap();
    assert_eq!(kept.clean_up(b"Hi , you".to_vec()), b"Hi , you");
}

#[test]
fn bad_vocabularies_are_refused_with_the_reason() {
    let with = |mut m: Metadata, key: &str, value: Value| {
        m.set(Name::new(key.as_bytes()).unwrap(), value);
        m
    };
    let without = |mut m: Metadata, key: &str| {
        m.remove(key);
        m
    };
    assert!(error(&Metadata::default()).contains("tokenizer.ggml.model"));
    assert!(error(&with(spm(), "tokenizer.ggml.model", text("abacus"))).contains("abacus"));
    assert!(error(&bpe("nonsense")).contains("nonsense"));
    assert!(error(&without(spm(), "tokenizer.ggml.tokens")).contains("tokenizer.ggml.tokens"));
    assert!(error(&without(bpe("gpt-2"), "tokenizer.ggml.merges")).contains("merges"));
    let twice = with(
        without(
            without(spm(), "tokenizer.ggml.scores"),
            "tokenizer.ggml.token_type",
        ),
        "tokenizer.ggml.tokens",
        strings(&["a", "a"]),
    );
    assert!(error(&twice).contains("twice"));
    let few = Value::Array(Array::F32(vec![0.0; 3]));
    assert!(error(&with(spm(), "tokenizer.ggml.scores", few)).contains("scores"));
    let few = Value::Array(Array::I32(vec![1; 3]));
    assert!(error(&with(spm(), "tokenizer.ggml.token_type", few)).contains("types"));
    assert!(
        error(&with(spm(), "tokenizer.ggml.tokens", text("one"))).contains("tokenizer.ggml.tokens")
    );
}

#[test]
fn numbers_that_are_no_tokens_are_no_special_tokens() {
    let mut m = spm();
    m.set(
        Name::new(b"tokenizer.ggml.bos_token_id").unwrap(),
        Value::U32(1 << 20),
    );
    let vocab = Vocab::load(&m).unwrap();
    assert_eq!(vocab.special().bos, 1);
    // A default may be out of range in a small vocabulary.
    let tiny = metadata(&[
        ("tokenizer.ggml.model", text("gpt2")),
        ("tokenizer.ggml.tokens", strings(&["a"])),
        ("tokenizer.ggml.merges", strings::<&str>(&[])),
    ]);
    let vocab = Vocab::load(&tiny).unwrap();
    assert_eq!(vocab.tokenize(b"aa b", true, true), [0, 0]);
    for token in [-1, 1, i32::MAX, i32::MIN] {
        assert!(vocab.token_to_piece(token, 0, true).is_empty());
        assert!(!vocab.is_eog(token) || token == vocab.special().eos);
        assert_eq!(vocab.attrs(token).bits(), 0);
    }
}

#[test]
fn overrides_count() {
    let mut m = spm();
    let over = |key: &str, value| crate::gguf::Override {
        key: key.into(),
        value,
    };
    m.add_overrides([
        over("tokenizer.ggml.eos_token_id", OverrideValue::Int(5)),
        over("tokenizer.ggml.add_bos_token", OverrideValue::Bool(false)),
    ]);
    let vocab = Vocab::load(&m).unwrap();
    assert_eq!(vocab.special().eos, 5);
    assert!(vocab.is_eog(5) && !vocab.add_bos());
}

#[test]
fn a_model_without_vocabulary_has_numbers_only() {
    let m = metadata(&[
        ("tokenizer.ggml.model", text("none")),
        ("general.architecture", text("llama")),
        ("llama.vocab_size", Value::U32(7)),
    ]);
    let vocab = Vocab::load(&m).unwrap();
    assert_eq!((vocab.ty(), vocab.n_tokens()), (VocabType::None, 7));
    assert_eq!(vocab.tokenize(b"text", true, true), []);
    assert_eq!(vocab.detokenize(&[1, 2, 99], true, true), b"");
}

#[test]
fn long_texts_take_no_quadratic_time() {
    let (spm, bpe) = (
        Vocab::load(&spm()).unwrap(),
        Vocab::load(&bpe("gpt-2")).unwrap(),
    );
    for unit in ["hello", "a", " ", "ab", "<sep>", "</s>", "é", "\n"] {
        let long = unit.repeat(1_000_000 / unit.len());
        for vocab in [&spm, &bpe] {
            assert!(!vocab.tokenize(long.as_bytes(), true, true).is_empty());
        }
    }
}

proptest! {
    /// Every text comes back from an SPM vocabulary with all bytes, and no bytes crash either.
    #[test]
    fn texts_come_back(text in "[ a-o▁é\\n]{0,40}|.{0,20}", bytes in prop::collection::vec(any::<u8>(), 0..64), add in any::<bool>(), parse in any::<bool>()) {
        static SPM: std::sync::LazyLock<Vocab> = std::sync::LazyLock::new(|| Vocab::load(&spm()).unwrap());
        static BPE: std::sync::LazyLock<Vocab> = std::sync::LazyLock::new(|| Vocab::load(&bpe("llama-bpe")).unwrap());
        let tokens = SPM.tokenize(text.as_bytes(), false, false);
        // The escaped space is read as a space.
        prop_assert_eq!(SPM.detokenize(&tokens, true, false), text.replace('▁', " ").into_bytes());
        for vocab in [&*SPM, &*BPE] {
            let tokens = vocab.tokenize(&bytes, add, parse);
            prop_assert!(tokens.iter().all(|&t| vocab.contains(t)));
            vocab.detokenize(&tokens, add, parse);
        }
    }
}
