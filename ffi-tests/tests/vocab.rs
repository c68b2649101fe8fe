//! Vocabularies: against the ids that models' own tokenizers give, and against the reference.

use std::ffi::CString;
use std::path::{Path, PathBuf};

use ffi_tests::libs::Lib;
use ffi_tests::{models, paths};
use ikrs::gguf::{Array, File, Metadata, Name, Strings, Text, Value, Writer};
use ikrs::llama::params::llama_model_params;
use ikrs::llama::vocab::{Token, Vocab};

/// The published vocabularies.
fn published() -> Vec<PathBuf> {
    let dir = std::fs::read_dir(paths::shared().join("data/vocab")).unwrap();
    let mut files: Vec<PathBuf> = dir.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "gguf"));
    files.retain(|path| !path.ends_with("ggml-vocab-bert-bge.gguf"));
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    files
}

fn load(path: &Path) -> Vocab {
    let file = File::open(path).unwrap();
    Vocab::load(file.metadata()).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn beside(path: &Path, suffix: &str) -> String {
    let name = format!("{}{suffix}", path.file_name().unwrap().to_str().unwrap());
    std::fs::read_to_string(path.with_file_name(name)).unwrap()
}

fn texts_of(path: &Path) -> Vec<String> {
    let inputs = beside(path, ".inp");
    let mut texts: Vec<String> = inputs
        .split("\n__ggml_vocab_test__\n")
        .map(str::to_owned)
        .collect();
    // The last text ends in a separator, too.
    assert_eq!(texts.pop().as_deref(), Some(""));
    texts
}

#[test]
fn published_texts_give_the_published_tokens() {
    for path in published() {
        let vocab = load(&path);
        let outputs = beside(&path, ".out");
        let texts = texts_of(&path);
        assert_eq!(texts.len(), outputs.lines().count(), "{}", path.display());
        for (text, ids) in texts.iter().zip(outputs.lines()) {
            let ids: Vec<Token> = ids
                .split_whitespace()
                .map(|id| id.parse().unwrap())
                .collect();
            let tokens = vocab.tokenize(text.as_bytes(), false, false);
            assert_eq!(tokens, ids, "{}: {text:?}", path.display());
            let back = vocab.join_pieces(&tokens, false, true);
            assert_eq!(
                String::from_utf8(back).unwrap(),
                *text,
                "{}",
                path.display()
            );
        }
    }
}

/// A vocabulary behind the C interface.
struct Loaded {
    lib: Lib,
    model: *mut u8,
}

impl Loaded {
    fn load(lib: Lib, path: &Path) -> Loaded {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: signatures as in llama.h.
        let model = unsafe {
            let silent: unsafe extern "C" fn(i32, *const i8, *mut u8) = silent;
            lib.get::<unsafe extern "C" fn(unsafe extern "C" fn(i32, *const i8, *mut u8), *mut u8)>("llama_log_set")(silent, std::ptr::null_mut());
            let mut params = lib
                .get::<unsafe extern "C" fn() -> llama_model_params>("llama_model_default_params")(
            );
            params.vocab_only = true;
            lib.get::<unsafe extern "C" fn(*const i8, llama_model_params) -> *mut u8>(
                "llama_model_load_from_file",
            )(path.as_ptr(), params)
        };
        assert!(!model.is_null());
        Loaded { lib, model }
    }

    fn tokenize(&self, text: &[u8], add_special: bool, parse_special: bool) -> Vec<Token> {
        type Tokenize =
            unsafe extern "C" fn(*mut u8, *const u8, i32, *mut Token, i32, bool, bool) -> i32;
        let mut tokens = vec![0; text.len() + 16];
        // SAFETY: the buffer is as long as it is said to be.
        let n = unsafe {
            self.lib.get::<Tokenize>("llama_tokenize")(
                self.model,
                text.as_ptr(),
                text.len() as i32,
                tokens.as_mut_ptr(),
                tokens.len() as i32,
                add_special,
                parse_special,
            )
        };
        tokens.truncate(usize::try_from(n).unwrap());
        tokens
    }

    fn piece(&self, token: Token, lstrip: i32, special: bool) -> Vec<u8> {
        type Piece = unsafe extern "C" fn(*mut u8, Token, *mut u8, i32, i32, bool) -> i32;
        let mut piece = vec![0; 4096];
        // SAFETY: the buffer is as long as it is said to be.
        let n = unsafe {
            self.lib.get::<Piece>("llama_token_to_piece")(
                self.model,
                token,
                piece.as_mut_ptr(),
                piece.len() as i32,
                lstrip,
                special,
            )
        };
        piece.truncate(usize::try_from(n).unwrap());
        piece
    }

    fn detokenize(&self, tokens: &[Token], remove: bool, unparse: bool) -> Vec<u8> {
        type Detokenize =
            unsafe extern "C" fn(*const u8, *const Token, i32, *mut u8, i32, bool, bool) -> i32;
        let mut text = vec![0; tokens.len() * 64 + 4096];
        // SAFETY: the buffer is as long as it is said to be.
        let n = unsafe {
            let vocab = self
                .lib
                .get::<unsafe extern "C" fn(*mut u8) -> *const u8>("llama_model_get_vocab")(
                self.model,
            );
            self.lib.get::<Detokenize>("llama_detokenize")(
                vocab,
                tokens.as_ptr(),
                tokens.len() as i32,
                text.as_mut_ptr(),
                text.len() as i32,
                remove,
                unparse,
            )
        };
        text.truncate(usize::try_from(n).unwrap());
        text
    }

    fn text(&self, token: Token) -> Vec<u8> {
        // SAFETY: the token exists, so its text is a C string.
        unsafe { std::ffi::CStr::from_ptr(self.of_token("llama_token_get_text", token)) }
            .to_bytes()
            .to_vec()
    }

    fn of_model<T: Copy>(&self, name: &str) -> T {
        // SAFETY: the callers name functions of a model that return a T.
        unsafe { self.lib.get::<unsafe extern "C" fn(*mut u8) -> T>(name)(self.model) }
    }

    fn of_token<T: Copy>(&self, name: &str, token: Token) -> T {
        // SAFETY: the callers name functions of a model and a token that return a T.
        unsafe {
            self.lib
                .get::<unsafe extern "C" fn(*mut u8, Token) -> T>(name)(
                self.model, token
            )
        }
    }
}

unsafe extern "C" fn silent(_: i32, _: *const i8, _: *mut u8) {}

impl Drop for Loaded {
    fn drop(&mut self) {
        // SAFETY: the model is freed once.
        unsafe {
            self.lib
                .get::<unsafe extern "C" fn(*mut u8)>("llama_free_model")(self.model)
        }
    }
}

/// Numbers that look random and are always the same.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        ((self.0 >> 33) as usize) % n
    }

    /// Text of words, numbers, punctuation, white space, many scripts and some bytes that are not UTF-8.
    fn text(&mut self, extra: &[Vec<u8>]) -> Vec<u8> {
        const WORDS: &[&str] = &[
            "Hello",
            " world",
            "don't",
            "I'LL",
            "we've",
            " it's",
            "'S",
            "'re",
            " 'Ve",
            "camelCaseWord",
            "HTTPServer",
            "ÉcoleÀ",
            "ÀB",
            "ß",
            "1",
            "12",
            "1234567",
            " 2024",
            "٣٤٥",
            "½",
            "३",
            " ",
            "  ",
            "   ",
            "\n",
            "\r\n",
            "\n\n  \n",
            "\t",
            "    ",
            "\u{a0}",
            "\u{3000}",
            "\u{85}",
            ".",
            "...",
            "!?",
            " ,",
            "~",
            " ~~",
            "~a",
            "`",
            "$5",
            "a+b=c",
            "<|x|>",
            "/path/to",
            "--",
            "—",
            "…",
            "。",
            "、",
            "“q”",
            "€",
            "¬",
            "(",
            ")",
            "日本語",
            "カタカナ",
            "ひらがな",
            "한국어",
            "ㄱ",
            "ㄅㄆ",
            "中文",
            "ไทย",
            "ລາວ",
            "ខ្មែរ",
            "မြန်မာ",
            "русский",
            "Ελληνικά",
            "עברית",
            "العربية",
            "हिन्दी",
            "e\u{301}",
            "\u{301}",
            "a\u{300}b",
            "ﬁ",
            "Ａ",
            "ǆ",
            "ʰ",
            "ͅ",
            "😀",
            "👨‍👩‍👧",
            "🏳️‍🌈",
            "\u{200b}",
            "\u{feff}",
            "\u{1f1e9}\u{1f1ea}",
            "\0",
            "\u{7f}",
            "𝒳",
            "𠀀",
            "豈",
            "更",
            "a b c d",
            "x  y",
            "IMGIMGABCDZ",
            "<sentinel:12>",
            "▁",
            "Ġ",
            "ſ",
            "'ſ",
            "K",
            "ꙮ",
            "\u{e000}",
            "\u{10ffff}",
        ];
        let mut text = Vec::new();
        for _ in 0..=self.below(12) {
            match self.below(20) {
                0 => {
                    let code = self.below(0x11_0000) as u32;
                    text.extend(char::from_u32(code).unwrap_or('x').to_string().bytes());
                }
                1 => {
                    let code = self.below(0x3000) as u32;
                    text.extend(char::from_u32(code).unwrap_or('x').to_string().bytes());
                }
                2 => text.push(self.below(0xF4) as u8),
                3 if !extra.is_empty() => text.extend(&extra[self.below(extra.len())]),
                4..8 => text.push(0x20 + self.below(0x5F) as u8),
                _ => text.extend(WORDS[self.below(WORDS.len())].bytes()),
            }
        }
        text
    }
}

/// Tokenizes and detokenizes random texts with both.
fn compare(path: &Path, rounds: usize, skip: fn(&[u8]) -> bool) {
    let (ours, theirs) = (load(path), Loaded::load(Lib::reference(), path));
    let specials: Vec<Vec<u8>> = (0..ours.n_tokens() as Token)
        .filter(|&t| ours.attrs(t).bits() & (1 | 8 | 16) != 0)
        .map(|t| ours.text(t).to_vec())
        .collect();
    let mut random = Random(path.to_string_lossy().len() as u64);
    for _ in 0..rounds {
        let text = random.text(&specials);
        if skip(&text) {
            continue;
        }
        let special = random.below(4);
        let (add, parse) = (special & 1 != 0, special & 2 != 0);
        let tokens = ours.tokenize(&text, add, parse);
        let shown = String::from_utf8_lossy(&text);
        let expected = theirs.tokenize(&text, add, parse);
        assert_eq!(
            tokens
                .iter()
                .map(|&t| String::from_utf8_lossy(ours.text(t)))
                .collect::<Vec<_>>(),
            expected
                .iter()
                .map(|&t| String::from_utf8_lossy(ours.text(t)))
                .collect::<Vec<_>>(),
            "{}: {shown:?} {text:?} add {add} parse {parse}",
            path.display()
        );
        let (remove, unparse) = (random.below(2) == 0, random.below(2) == 0);
        assert_eq!(
            ours.detokenize(&tokens, remove, unparse),
            theirs.detokenize(&tokens, remove, unparse),
            "{}: {tokens:?}",
            path.display()
        );
    }
    let long = std::fs::read(models::text()).unwrap();
    let long = &long[..20_000];
    assert!(
        ours.tokenize(long, true, true) == theirs.tokenize(long, true, true),
        "{}: long text",
        path.display()
    );
}

#[test]
fn the_c_interface_gives_the_same() {
    for path in [models::model("smollm2-q4_1")].into_iter().chain(
        published()
            .into_iter()
            .filter(|p| p.to_string_lossy().contains("spm")),
    ) {
        let [ours, theirs] = Lib::both().map(|lib| Loaded::load(lib, &path));
        let mut random = Random(5);
        for _ in 0..300 {
            let text = random.text(&[b"<s>".to_vec(), b"<|im_end|>".to_vec()]);
            let (add, parse) = (random.below(2) == 0, random.below(2) == 0);
            let tokens = ours.tokenize(&text, add, parse);
            assert_eq!(tokens, theirs.tokenize(&text, add, parse));
            assert_eq!(
                ours.detokenize(&tokens, add, parse),
                theirs.detokenize(&tokens, add, parse)
            );
            for &token in &tokens {
                assert_eq!(ours.piece(token, 1, parse), theirs.piece(token, 1, parse));
            }
        }
        for name in [
            "llama_n_vocab",
            "llama_token_bos",
            "llama_token_eos",
            "llama_token_sep",
            "llama_token_nl",
            "llama_token_pad",
            "llama_token_prefix",
            "llama_token_middle",
            "llama_token_suffix",
            "llama_add_bos_token",
            "llama_add_eos_token",
        ] {
            assert_eq!(
                ours.of_model::<i32>(name),
                theirs.of_model::<i32>(name),
                "{name}"
            );
        }
        for token in (0..ours.of_model::<i32>("llama_n_vocab")).step_by(7) {
            assert_eq!(ours.text(token), theirs.text(token));
            let attr = "llama_token_get_attr";
            assert_eq!(
                ours.of_token::<u32>(attr, token),
                theirs.of_token::<u32>(attr, token),
                "{token}"
            );
            let score = "llama_token_get_score";
            assert_eq!(
                ours.of_token::<f32>(score, token),
                theirs.of_token::<f32>(score, token),
                "{token}"
            );
            for name in ["llama_token_is_eog", "llama_token_is_control"] {
                assert_eq!(
                    ours.of_token::<bool>(name, token),
                    theirs.of_token::<bool>(name, token),
                    "{name} {token}"
                );
            }
        }
    }
}

#[test]
fn buffers_that_are_too_small_are_said_to_be() {
    type Tokenize =
        unsafe extern "C" fn(*mut u8, *const u8, i32, *mut Token, i32, bool, bool) -> i32;
    type Piece = unsafe extern "C" fn(*mut u8, Token, *mut u8, i32, i32, bool) -> i32;
    let [ours, theirs] = Lib::both().map(|lib| Loaded::load(lib, &models::model("smollm2-q4_1")));
    for room in [0, 1, 2, 3, 10] {
        let [a, b] = [&ours, &theirs].map(|l| {
            let text = b"Hello there, world";
            let (mut tokens, mut piece) = ([-7; 16], [7; 16]);
            // SAFETY: the buffers are at least as long as they are said to be.
            let (n, m) = unsafe {
                (
                    l.lib.get::<Tokenize>("llama_tokenize")(
                        l.model,
                        text.as_ptr(),
                        text.len() as i32,
                        tokens.as_mut_ptr(),
                        room,
                        true,
                        true,
                    ),
                    l.lib.get::<Piece>("llama_token_to_piece")(
                        l.model,
                        28120,
                        piece.as_mut_ptr(),
                        room,
                        0,
                        true,
                    ),
                )
            };
            (n, tokens, m, piece)
        });
        assert_eq!(a, b, "room for {room}");
    }
}

#[test]
fn nonsense_is_answered_and_logged() {
    let ours = Loaded::load(Lib::ikrs(), &models::model("smollm2-q4_1"));
    for token in [-1, i32::MIN, i32::MAX, 1 << 20] {
        assert_eq!(ours.piece(token, 0, true), b"");
        assert_eq!(ours.of_token::<u32>("llama_token_get_attr", token), 0);
        assert!(!ours.of_token::<bool>("llama_token_is_eog", token));
    }
    assert_eq!(ours.detokenize(&[-1, 1 << 20], true, true), b"");
    let none = Loaded {
        lib: Lib::ikrs(),
        model: std::ptr::null_mut(),
    };
    assert!(none.tokenize(b"text", true, true).is_empty());
    assert_eq!(none.of_model::<i32>("llama_n_vocab"), 0);
    assert_eq!(none.of_model::<i32>("llama_token_bos"), -1);
}

#[test]
fn published_vocabularies_behave_as_in_the_reference() {
    for path in published()
        .into_iter()
        .chain([models::model("smollm2-q4_1")])
    {
        compare(&path, 3000, |_| false);
        let (ours, theirs) = (load(&path), Loaded::load(Lib::reference(), &path));
        let special = ours.special();
        let name = path.display();
        assert_eq!(
            ours.n_tokens() as i32,
            theirs.of_model::<i32>("llama_n_vocab"),
            "{name}"
        );
        for (token, function) in [
            (special.bos, "llama_token_bos"),
            (special.eos, "llama_token_eos"),
            (special.sep, "llama_token_sep"),
            (special.nl, "llama_token_nl"),
            (special.pad, "llama_token_pad"),
            (special.fim_pre, "llama_token_prefix"),
            (special.fim_mid, "llama_token_middle"),
            (special.fim_suf, "llama_token_suffix"),
        ] {
            assert_eq!(
                token,
                theirs.of_model::<Token>(function),
                "{name}: {function}"
            );
        }
        // Of several tokens that may end a turn the reference takes any, as its hash map has them.
        let eot: Token = theirs.of_model("llama_token_eot");
        assert!(
            eot == special.eot || ours.is_eog(eot) && ours.is_eog(special.eot),
            "{name}"
        );
        assert_eq!(
            i32::from(ours.add_bos()),
            theirs.of_model::<i32>("llama_add_bos_token"),
            "{name}"
        );
        assert_eq!(
            i32::from(ours.add_eos()),
            theirs.of_model::<i32>("llama_add_eos_token"),
            "{name}"
        );
        for token in 0..ours.n_tokens() as Token {
            assert_eq!(
                ours.attrs(token).bits(),
                theirs.of_token::<u32>("llama_token_get_attr", token),
                "{name}: {token}"
            );
            assert_eq!(
                ours.score(token),
                theirs.of_token::<f32>("llama_token_get_score", token),
                "{name}: {token}"
            );
            assert_eq!(
                ours.is_eog(token),
                theirs.of_token::<bool>("llama_token_is_eog", token),
                "{name}: {token}"
            );
            for (lstrip, special) in [(0, false), (0, true), (1, true)] {
                assert_eq!(
                    ours.token_to_piece(token, lstrip, special),
                    theirs.piece(token, lstrip as i32, special),
                    "{name}: {token}"
                );
            }
        }
    }
}

/// A vocabulary of all bytes and all pairs of bytes: how a word is tokenized shows where it begins and ends.
fn pairs(path: &Path, pre: &str) {
    let name = |text: &str| Name::new(text.as_bytes()).unwrap();
    let string = |text: &str| Value::Str(Text::new(text.as_bytes()));
    let alphabet: Vec<char> = {
        let printable = |b: u32| matches!(b, 0x21..=0x7E | 0xA1..=0xAC | 0xAE..=0xFF);
        let mut moved = 255;
        let character = |b| {
            if printable(b) {
                b
            } else {
                moved += 1;
                moved
            }
        };
        (0..256)
            .map(character)
            .map(|c| char::from_u32(c).unwrap())
            .collect()
    };
    let mut tokens = Strings::default();
    let mut merges = Strings::default();
    for c in &alphabet {
        tokens.push(c.to_string().as_bytes());
    }
    for (i, a) in alphabet.iter().enumerate() {
        for j in 0..alphabet.len() {
            // The order of ranks is not that of the alphabet.
            let b = alphabet[(j * 77 + i * 31) % 256];
            tokens.push(format!("{a}{b}").as_bytes());
            merges.push(format!("{a} {b}").as_bytes());
        }
    }
    for special in ["<|s|>", "<|e|>", "<|user|>"] {
        tokens.push(special.as_bytes());
    }
    let n = tokens.len();
    let types = (0..n)
        .map(|i| match n - i {
            1 => 4,
            2 | 3 => 3,
            _ => 1,
        })
        .collect();
    let mut m = Metadata::default();
    m.set(name("general.architecture"), string("llama"));
    for key in [
        "block_count",
        "context_length",
        "embedding_length",
        "feed_forward_length",
        "attention.head_count",
    ] {
        m.set(name(&format!("llama.{key}")), Value::U32(32));
    }
    m.set(
        name("llama.attention.layer_norm_rms_epsilon"),
        Value::F32(1e-5),
    );
    m.set(name("tokenizer.ggml.model"), string("gpt2"));
    m.set(name("tokenizer.ggml.pre"), string(pre));
    m.set(
        name("tokenizer.ggml.tokens"),
        Value::Array(Array::Str(tokens)),
    );
    m.set(
        name("tokenizer.ggml.merges"),
        Value::Array(Array::Str(merges)),
    );
    m.set(
        name("tokenizer.ggml.token_type"),
        Value::Array(Array::I32(types)),
    );
    m.set(
        name("tokenizer.ggml.bos_token_id"),
        Value::U32(n as u32 - 3),
    );
    m.set(
        name("tokenizer.ggml.eos_token_id"),
        Value::U32(n as u32 - 2),
    );
    Writer::create(path, &m, Vec::new())
        .unwrap()
        .finish()
        .unwrap();
}

/// Whether a text has something like `'S`. Models' own tokenizers take that for a contraction as they do `'s`, and so do we;
/// the reference means to, but its search for lower-case letters in some pre-tokenizers is broken.
fn contracts_in_upper_case(text: &[u8]) -> bool {
    let contraction =
        |w: &[u8]| w[0] == b'\'' && (w[1].is_ascii_uppercase() || w[2].is_ascii_uppercase());
    [text, b"\0"].concat().windows(3).any(contraction)
}

#[test]
fn every_pre_tokenizer_cuts_as_in_the_reference() {
    let dir = paths::scratch();
    let path = dir.path().join("pairs.gguf");
    for pre in [
        "default",
        "llama-bpe",
        "deepseek-llm",
        "deepseek-coder",
        "deepseek-v3",
        "youtu",
        "falcon",
        "mpt",
        "starcoder",
        "gpt-2",
        "jais-2",
        "jina-v1-en",
        "refact",
        "command-r",
        "qwen2",
        "qwen35",
        "stablelm2",
        "olmo",
        "dbrx",
        "smaug-bpe",
        "poro-chat",
        "glm4",
        "viking",
        "jais",
        "tekken",
        "smollm",
        "codeshell",
        "bloom",
        "gpt3-finnish",
        "exaone",
        "exaone4",
        "exaone-moe",
        "chameleon",
        "minerva-7b",
        "megrez",
        "gpt-4o",
        "tiny_aya",
        "superbpe",
        "trillion",
        "granite-docling",
        "bailingmoe",
        "seed-coder",
        "hunyuan",
        "hunyuan-dense",
        "joyai-llm",
        "kimi-k2",
        "grok-2",
        "afmoe",
        "minimax-m2",
        "solar-open",
        "gemma4",
    ] {
        pairs(&path, pre);
        compare(&path, 400, contracts_in_upper_case);
    }
}
