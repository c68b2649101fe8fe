//! `llama.h`: vocabularies: tokens, tokenizing, detokenizing; chat templates.

use std::ffi::{CStr, c_char, c_int};
use std::{ptr, slice};

use super::guard;
use super::llama_context::{context_ref, llama_context};
use super::llama_model::{llama_model, model};
use super::llama_types::llama_chat_message;
use super::raw::{llama_token_attr, llama_vocab_type};
use crate::gguf::Value;
use crate::llama::chat::{FORMATS, Format, Message};
use crate::llama::params::llama_token;
use crate::llama::vocab::{NULL, Vocab, VocabType};
use crate::log_error;

/// What C callers know as `struct llama_vocab`.
#[allow(non_camel_case_types)]
pub type llama_vocab = Vocab;

/// The vocabulary of a model.
///
/// # Safety
/// The pointer is null or to a model.
unsafe fn of_model<'a>(ptr: *const llama_model) -> Option<&'a Vocab> {
    // SAFETY: as the caller promised.
    unsafe { model(ptr) }.map(|m| &m.vocab)
}

/// # Safety
/// The pointer is null or to a vocabulary.
unsafe fn of_pointer<'a>(ptr: *const llama_vocab) -> Option<&'a Vocab> {
    // SAFETY: as the caller promised.
    unsafe { ptr.as_ref() }
}

/// Defines questions to a vocabulary, given by itself or by its model: what they answer without one, and with one.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident($by:ident: $p:ty $(, $token:ident)?) -> $t:ty = $none:expr, $get:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// The pointer is null or to what its type says, not freed.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($by: *const $p $(, $token: llama_token)?) -> $t {
            guard(stringify!($name), $none, || {
                // SAFETY: as the caller promised.
                match unsafe { getters!(@find $by $by) } {
                    Some(found) => $get(found $(, $token)?),
                    None => {
                        log_error!(concat!(stringify!($name), ": no ", stringify!($by), " given"));
                        $none
                    }
                }
            })
        }
    )*};
    (@find model $p:ident) => { of_model($p) };
    (@find vocab $p:ident) => { of_pointer($p) };
}

getters! {
    /// How the vocabulary makes tokens.
    llama_vocab_type(vocab: llama_vocab) -> llama_vocab_type = VocabType::None as c_int, |v: &Vocab| v.ty() as c_int;
    /// The number of tokens.
    llama_vocab_n_tokens(vocab: llama_vocab) -> i32 = 0, n_tokens;
    llama_n_vocab(model: llama_model) -> i32 = 0, n_tokens;
    /// The text of a token as the vocabulary writes it; null if there is no such token.
    llama_vocab_get_text(vocab: llama_vocab, token) -> *const c_char = ptr::null(), text;
    llama_token_get_text(model: llama_model, token) -> *const c_char = ptr::null(), text;
    /// The score of a token.
    llama_token_get_score(model: llama_model, token) -> f32 = 0.0, |v: &Vocab, t| checked(v, t, |v| v.score(t));
    /// The attributes of a token.
    llama_token_get_attr(model: llama_model, token) -> llama_token_attr = 0, |v: &Vocab, t| checked(v, t, |v| v.attrs(t).bits() as c_int);
    /// Whether a generation ends with this token.
    llama_token_is_eog(model: llama_model, token) -> bool = false, |v: &Vocab, t| v.is_eog(t);
    llama_vocab_is_eog(vocab: llama_vocab, token) -> bool = false, |v: &Vocab, t| v.is_eog(t);
    /// Whether this is a control token, which is not shown.
    llama_token_is_control(model: llama_model, token) -> bool = false, |v: &Vocab, t| checked(v, t, |v| v.is_control(t));
    /// The token of the beginning of a text.
    llama_token_bos(model: llama_model) -> llama_token = NULL, |v: &Vocab| v.special().bos;
    llama_vocab_bos(vocab: llama_vocab) -> llama_token = NULL, |v: &Vocab| v.special().bos;
    /// The token of the end of a text.
    llama_token_eos(model: llama_model) -> llama_token = NULL, |v: &Vocab| v.special().eos;
    llama_vocab_eos(vocab: llama_vocab) -> llama_token = NULL, |v: &Vocab| v.special().eos;
    /// The token that separates sentences.
    llama_token_sep(model: llama_model) -> llama_token = NULL, |v: &Vocab| v.special().sep;
    /// The token of the end of a line.
    llama_token_nl(model: llama_model) -> llama_token = NULL, |v: &Vocab| v.special().nl;
    /// The token that fills up.
    llama_token_pad(model: llama_model) -> llama_token = NULL, |v: &Vocab| v.special().pad;
    /// The token in front of the text before a gap that is to be filled.
    llama_token_prefix(model: llama_model) -> llama_token = NULL, |v: &Vocab| v.special().fim_pre;
    /// The token in front of the filling.
    llama_token_middle(model: llama_model) -> llama_token = NULL, |v: &Vocab| v.special().fim_mid;
    /// The token in front of the text behind the gap.
    llama_token_suffix(model: llama_model) -> llama_token = NULL, |v: &Vocab| v.special().fim_suf;
    /// The token of the end of a turn.
    llama_token_eot(model: llama_model) -> llama_token = NULL, |v: &Vocab| v.special().eot;
    /// Whether `llama_tokenize` begins a text with BOS: 1 or 0, -1 if unknown.
    llama_add_bos_token(model: llama_model) -> i32 = -1, |v: &Vocab| i32::from(v.add_bos());
    /// Whether `llama_tokenize` ends a text with EOS: 1 or 0, -1 if unknown.
    llama_add_eos_token(model: llama_model) -> i32 = -1, |v: &Vocab| i32::from(v.add_eos());
    llama_vocab_get_add_bos(vocab: llama_vocab) -> bool = false, |v: &Vocab| v.add_bos();
    llama_vocab_get_add_eos(vocab: llama_vocab) -> bool = false, |v: &Vocab| v.add_eos();
    /// The vocabulary of a model, which lives as long as the model.
    llama_model_get_vocab(model: llama_model) -> *const llama_vocab = ptr::null(), |v: &Vocab| ptr::from_ref(v);
    llama_get_model_vocab(model: llama_model) -> *const llama_vocab = ptr::null(), |v: &Vocab| ptr::from_ref(v);
}

/// The vocabulary of a context's model. The reference declares it outside `llama.h`, in C++: `llama_get_vocab(llama_context const*)`.
///
/// cbindgen:ignore
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(export_name = "_Z15llama_get_vocabPK13llama_context")]
pub unsafe extern "C" fn get_vocab(ctx: *const llama_context) -> *const llama_vocab {
    guard("llama_get_vocab", ptr::null(), || {
        // SAFETY: as the caller promised.
        let context = unsafe { context_ref(ctx) };
        context.map_or(ptr::null(), |c| ptr::from_ref(&c.model().vocab))
    })
}

/// The method `llama_vocab::token_bos() const`, which some programs of the reference call.
///
/// cbindgen:ignore
///
/// # Safety
/// The pointer is null or to a vocabulary.
#[unsafe(export_name = "_ZNK11llama_vocab9token_bosEv")]
pub unsafe extern "C" fn vocab_token_bos(vocab: *const llama_vocab) -> llama_token {
    // SAFETY: as the caller promised.
    unsafe { llama_vocab_bos(vocab) }
}

fn n_tokens(vocab: &Vocab) -> i32 {
    i32::try_from(vocab.n_tokens()).unwrap_or(i32::MAX)
}

fn text(vocab: &Vocab, token: llama_token) -> *const c_char {
    match vocab.text_c_str(token) {
        Some(text) => text.as_ptr(),
        None => {
            log_error!("token {token} is out of range");
            ptr::null()
        }
    }
}

fn checked<T: Default>(vocab: &Vocab, token: llama_token, get: impl FnOnce(&Vocab) -> T) -> T {
    if !vocab.contains(token) {
        log_error!(
            "token {token} is out of range, the vocabulary has {} tokens",
            vocab.n_tokens()
        );
        return T::default();
    }
    get(vocab)
}

/// Copies to the caller's buffer what fits entirely. Returns how much there is, negated if it does not fit.
///
/// # Safety
/// `out` is writable for `length` elements, if that is positive.
unsafe fn give<T: Copy>(what: &[T], out: *mut T, length: i32) -> i32 {
    let Ok(n) = i32::try_from(what.len()) else {
        log_error!(
            "a result of {} elements is too long for this interface",
            what.len()
        );
        return i32::MIN;
    };
    if n > length || out.is_null() && n > 0 {
        return -n;
    }
    if n > 0 {
        // SAFETY: `n` elements fit, as the caller promised.
        unsafe { ptr::copy_nonoverlapping(what.as_ptr(), out, what.len()) };
    }
    n
}

/// The elements a caller gives; none if the pointer is null or the count is not positive.
///
/// # Safety
/// `ptr` is null or readable for `n` elements for as long as the result is used.
unsafe fn given<'a, T>(ptr: *const T, n: i32) -> &'a [T] {
    match usize::try_from(n) {
        // SAFETY: as the caller promised.
        Ok(n) if n > 0 && !ptr.is_null() => unsafe { slice::from_raw_parts(ptr, n) },
        _ => &[],
    }
}

/// # Safety
/// As for [`llama_vocab_tokenize`].
unsafe fn tokenize(
    vocab: Option<&Vocab>,
    text: *const c_char,
    text_len: i32,
    tokens: *mut llama_token,
    n_tokens_max: i32,
    add_special: bool,
    parse_special: bool,
) -> i32 {
    let Some(vocab) = vocab else {
        log_error!("llama_tokenize: no vocabulary given");
        return 0;
    };
    // SAFETY: the caller's text.
    let text = unsafe { given(text.cast::<u8>(), text_len) };
    let found = vocab.tokenize(text, add_special, parse_special);
    // SAFETY: the caller's buffer.
    unsafe { give(&found, tokens, n_tokens_max) }
}

/// Tokenizes a text. Returns the number of tokens, negated if they do not fit into `n_tokens_max`.
///
/// # Safety
/// `model` is null or a model; `text` is readable for `text_len` bytes and `tokens` writable for `n_tokens_max` tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_tokenize(
    model: *const llama_model,
    text: *const c_char,
    text_len: i32,
    tokens: *mut llama_token,
    n_tokens_max: i32,
    add_special: bool,
    parse_special: bool,
) -> i32 {
    guard("llama_tokenize", 0, || {
        // SAFETY: as the caller promised.
        unsafe {
            let vocab = of_model(model);
            tokenize(
                vocab,
                text,
                text_len,
                tokens,
                n_tokens_max,
                add_special,
                parse_special,
            )
        }
    })
}

/// As [`llama_tokenize`], with a vocabulary.
///
/// # Safety
/// `vocab` is null or a vocabulary; the rest as for [`llama_tokenize`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_vocab_tokenize(
    vocab: *const llama_vocab,
    text: *const c_char,
    text_len: i32,
    tokens: *mut llama_token,
    n_tokens_max: i32,
    add_special: bool,
    parse_special: bool,
) -> i32 {
    guard("llama_vocab_tokenize", 0, || {
        // SAFETY: as the caller promised.
        unsafe {
            let vocab = of_pointer(vocab);
            tokenize(
                vocab,
                text,
                text_len,
                tokens,
                n_tokens_max,
                add_special,
                parse_special,
            )
        }
    })
}

/// # Safety
/// As for [`llama_token_to_piece`].
unsafe fn piece(
    vocab: Option<&Vocab>,
    token: llama_token,
    buf: *mut c_char,
    length: i32,
    lstrip: i32,
    special: bool,
) -> i32 {
    let Some(vocab) = vocab else {
        log_error!("llama_token_to_piece: no vocabulary given");
        return 0;
    };
    let piece = vocab.token_to_piece(token, usize::try_from(lstrip).unwrap_or(0), special);
    // SAFETY: the caller's buffer.
    unsafe { give(piece, buf.cast(), length) }
}

/// What a token reads as, without a null byte at its end. Returns its length, negated if it does not fit into `length`.
///
/// # Safety
/// `model` is null or a model; `buf` is writable for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_token_to_piece(
    model: *const llama_model,
    token: llama_token,
    buf: *mut c_char,
    length: i32,
    lstrip: i32,
    special: bool,
) -> i32 {
    guard("llama_token_to_piece", 0, || {
        // SAFETY: as the caller promised.
        unsafe { piece(of_model(model), token, buf, length, lstrip, special) }
    })
}

/// As [`llama_token_to_piece`], with a vocabulary.
///
/// # Safety
/// `vocab` is null or a vocabulary; `buf` is writable for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_token_to_piece_vocab(
    vocab: *const llama_vocab,
    token: llama_token,
    buf: *mut c_char,
    length: i32,
    lstrip: i32,
    special: bool,
) -> i32 {
    guard("llama_token_to_piece_vocab", 0, || {
        // SAFETY: as the caller promised.
        unsafe { piece(of_pointer(vocab), token, buf, length, lstrip, special) }
    })
}

/// The text of tokens, without a null byte at its end. Returns its length; if it does not fit into `text_len_max`, the
/// negated length that is enough.
///
/// # Safety
/// `vocab` is null or a vocabulary; `tokens` is readable for `n_tokens` tokens and `text` writable for `text_len_max` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_detokenize(
    vocab: *const llama_vocab,
    tokens: *const llama_token,
    n_tokens: i32,
    text: *mut c_char,
    text_len_max: i32,
    remove_special: bool,
    unparse_special: bool,
) -> i32 {
    guard("llama_detokenize", 0, || {
        // SAFETY: as the caller promised.
        let Some(vocab) = (unsafe { of_pointer(vocab) }) else {
            log_error!("llama_detokenize: no vocabulary given");
            return 0;
        };
        // SAFETY: the caller's tokens.
        let tokens = unsafe { given(tokens, n_tokens) };
        let raw = vocab.join_pieces(tokens, remove_special, unparse_special);
        // The buffer must hold the text as it is before spaces are taken out, as in the reference.
        let needed = i32::try_from(raw.len()).unwrap_or(i32::MAX);
        if needed > text_len_max {
            return -needed;
        }
        // SAFETY: the caller's buffer.
        unsafe { give(&vocab.clean_up(raw), text.cast(), text_len_max) }
    })
}

/// The chat template of a model: the default one, or the one with this name. Null if it has none.
///
/// # Safety
/// `model` is null or a model; `name` is null or a C string. The result lives as long as the model.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_model_chat_template(
    model: *const llama_model,
    name: *const c_char,
) -> *const c_char {
    guard("llama_model_chat_template", ptr::null(), || {
        // SAFETY: as the caller promised.
        let (model, name) = unsafe { (self::model(model), super::text(name)) };
        let Some(model) = model else {
            log_error!("llama_model_chat_template: no model given");
            return ptr::null();
        };
        const DEFAULT: &str = "tokenizer.chat_template";
        let found = match &name {
            Some(name) => model.metadata.value(&format!("{DEFAULT}.{name}")),
            None => model.metadata.value(DEFAULT),
        };
        match found {
            Some(Value::Str(template)) => template.as_c_str().as_ptr(),
            // Mistral-Small comes without its template.
            None if name.is_none()
                && model.vocab.pre_name() == Some("tekken")
                && model.hparams.n_layer == 40 =>
            {
                c"mistral-v7-tekken".as_ptr()
            }
            _ => ptr::null(),
        }
    })
}

/// Writes a chat as a template has it. Returns the length of the text, of which at most `length` bytes are written; -1 if
/// the template is not known.
///
/// # Safety
/// `tmpl` is null or a C string, the name of a built-in template or the text of a model's; `chat` has `n_msg` messages of C
/// strings; `buf` is null or writable for `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_chat_apply_template(
    tmpl: *const c_char,
    chat: *const llama_chat_message,
    n_msg: usize,
    add_ass: bool,
    buf: *mut c_char,
    length: i32,
) -> i32 {
    guard("llama_chat_apply_template", -1, || {
        // SAFETY: as the caller promised.
        let template = unsafe { c_bytes(tmpl) };
        let Some(format) = Format::of_template(template) else {
            log_error!(
                "llama_chat_apply_template: the template is not one of those that are known"
            );
            return -1;
        };
        if chat.is_null() && n_msg > 0 {
            log_error!("llama_chat_apply_template: no messages given");
            return -1;
        }
        let messages: Vec<Message> = (0..n_msg)
            .map(|i| {
                // SAFETY: as the caller promised.
                let (role, content) = unsafe {
                    let message = *chat.add(i);
                    (c_bytes(message.role), c_bytes(message.content))
                };
                Message { role, content }
            })
            .collect();
        let text = format.apply(&messages, add_ass);
        if let Ok(room) = usize::try_from(length)
            && room > 0
            && !buf.is_null()
        {
            let n = text.len().min(room);
            // SAFETY: the buffer has this room. What the text does not fill is cleared, so that the text is terminated if it can be.
            unsafe {
                ptr::copy_nonoverlapping(text.as_ptr(), buf.cast(), n);
                ptr::write_bytes(buf.add(n), 0, room - n);
            }
        }
        i32::try_from(text.len()).unwrap_or(i32::MAX)
    })
}

/// # Safety
/// The pointer is null or a C string that outlives the result.
unsafe fn c_bytes<'a>(ptr: *const c_char) -> &'a [u8] {
    match ptr.is_null() {
        true => &[],
        // SAFETY: not null, so a C string.
        false => unsafe { CStr::from_ptr(ptr) }.to_bytes(),
    }
}

/// The names of the built-in chat templates: stores the first `len` of them, returns how many there are.
///
/// # Safety
/// `output` is writable for `len` pointers.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_chat_builtin_templates(
    output: *mut *const c_char,
    len: usize,
) -> i32 {
    guard("llama_chat_builtin_templates", 0, || {
        if !output.is_null() {
            for (i, format) in FORMATS.iter().take(len).enumerate() {
                // SAFETY: as the caller promised.
                unsafe { *output.add(i) = format.name.as_ptr() };
            }
        }
        FORMATS.len() as i32
    })
}
