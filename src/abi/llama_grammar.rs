//! `llama.h`: grammars.
//!
//! C++ programs made for the original also read some fields of its `struct llama_grammar`, to make a grammar anew, and call two
//! of its C++ functions. So the struct here begins as that one does, as far as they look.

#![allow(non_camel_case_types)]

use std::ffi::{CStr, CString, c_char};
use std::{ptr, slice};

use super::cxx::{CxxString, CxxVector};
use super::guard;
use super::llama_context::{context_ref, llama_context};
use super::llama_sampling::sample;
use super::vocab::llama_vocab;
use crate::error::{Error, Result};
use crate::llama::grammar::{Grammar, Triggers};
use crate::llama::params::{llama_token, llama_token_data_array};
use crate::llama::vocab::Vocab;
use crate::{ensure, log_error};

/// The original's `llama_grammar_trigger_pattern`: a `std::string`, and a `std::regex` which nobody else looks at.
#[repr(C)]
struct CxxPattern {
    text: CxxString,
    regex: [u64; 4],
}

/// What C callers know as `struct llama_grammar`.
#[repr(C)]
pub struct llama_grammar {
    vocab: *const llama_vocab,
    rules_and_stacks: [u64; 6],
    partial_utf8: [u32; 2],
    lazy: bool,
    awaiting_trigger: bool,
    trigger_buffer: [u64; 4],
    trigger_buffer_positions: [u64; 3],
    trigger_tokens: CxxVector<llama_token>,
    trigger_patterns: CxxVector<CxxPattern>,
    own: Own,
}

const _: () = {
    assert!(std::mem::offset_of!(llama_grammar, lazy) == 64);
    assert!(std::mem::offset_of!(llama_grammar, trigger_tokens) == 128);
    assert!(std::mem::offset_of!(llama_grammar, trigger_patterns) == 152);
    assert!(size_of::<CxxPattern>() == 64);
};

/// What the fields above show.
struct Own {
    grammar: Grammar,
    tokens: Box<[llama_token]>,
    /// The texts that `patterns` point to.
    texts: Box<[CString]>,
    patterns: Box<[CxxPattern]>,
}

impl Own {
    fn new(grammar: Grammar, tokens: Box<[llama_token]>, texts: Box<[CString]>) -> Own {
        let pattern = |text: &CString| CxxPattern {
            text: CxxString::of(text),
            regex: [0; 4],
        };
        Own {
            patterns: texts.iter().map(pattern).collect(),
            grammar,
            tokens,
            texts,
        }
    }

    fn into_raw(self, vocab: *const llama_vocab, lazy: bool) -> *mut llama_grammar {
        Box::into_raw(Box::new(llama_grammar {
            vocab,
            rules_and_stacks: [0; 6],
            partial_utf8: [0; 2],
            lazy,
            awaiting_trigger: self.grammar.is_awaiting(),
            trigger_buffer: [0; 4],
            trigger_buffer_positions: [0; 3],
            trigger_tokens: CxxVector::of(&self.tokens),
            trigger_patterns: CxxVector::of(&self.patterns),
            own: self,
        }))
    }
}

/// A list from C.
///
/// # Safety
/// The pointer is null or to `n` elements.
unsafe fn list<'a, T>(ptr: *const T, n: usize) -> &'a [T] {
    if ptr.is_null() || n == 0 {
        return &[];
    }
    // SAFETY: not null, so there are `n`.
    unsafe { slice::from_raw_parts(ptr, n) }
}

/// Copies of the texts of a list from C; nulls are left out.
///
/// # Safety
/// The pointer is null or to `n` C strings or nulls.
pub(super) unsafe fn texts(ptr: *const *const c_char, n: usize) -> Vec<CString> {
    // SAFETY: as the caller promised.
    let all = unsafe { list(ptr, n) }.iter().filter(|s| !s.is_null());
    // SAFETY: not null, so a C string.
    all.map(|&s| unsafe { CStr::from_ptr(s) }.to_owned())
        .collect()
}

/// Makes a grammar; null, with a line in the log, if it is empty or wrong.
///
/// # Safety
/// The pointers are null or to what their types say.
unsafe fn init(
    vocab: *const llama_vocab,
    grammar_str: *const c_char,
    grammar_root: *const c_char,
    lazy: bool,
    patterns: Vec<CString>,
    tokens: &[llama_token],
) -> *mut llama_grammar {
    guard("llama_sampler_init_grammar", ptr::null_mut(), || {
        if grammar_str.is_null() {
            log_error!("grammar: no text given");
            return ptr::null_mut();
        }
        // SAFETY: not null, so C strings; the vocabulary as the caller promised.
        let (text, root, words) = unsafe {
            let root = match grammar_root.is_null() {
                true => c"root",
                false => CStr::from_ptr(grammar_root),
            };
            (CStr::from_ptr(grammar_str), root, vocab.as_ref())
        };
        if text.is_empty() {
            log_error!("grammar: the text is empty");
            return ptr::null_mut();
        }
        let make = || -> Result<Own> {
            let regex = |p: &CString| match p.to_str() {
                Ok(p) => Ok(p.to_owned()),
                Err(_) => Err(Error("grammar: a trigger pattern is not UTF-8".into())),
            };
            let triggers = Triggers {
                tokens: tokens.to_vec(),
                patterns: patterns.iter().map(regex).collect::<Result<_>>()?,
            };
            let words = words.map(|v| v as _);
            let grammar = Grammar::new(text.to_bytes(), root.to_bytes(), words, lazy, triggers)?;
            Ok(Own::new(grammar, tokens.into(), patterns.into()))
        };
        match make() {
            Ok(own) => own.into_raw(vocab, lazy),
            Err(e) => {
                log_error!("{e}");
                ptr::null_mut()
            }
        }
    })
}

/// Makes a grammar from its rules in GBNF, beginning at the rule `grammar_root`. Null, with a line in the log, if they are wrong.
///
/// # Safety
/// The pointers are null or to what their types say; the vocabulary outlives the grammar.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sampler_init_grammar(
    vocab: *const llama_vocab,
    grammar_str: *const c_char,
    grammar_root: *const c_char,
) -> *mut llama_grammar {
    // SAFETY: as the caller promised.
    unsafe { init(vocab, grammar_str, grammar_root, false, Vec::new(), &[]) }
}

/// Makes a grammar that waits until one of the words has been generated, or one of the tokens.
///
/// # Safety
/// As for `llama_sampler_init_grammar`; the lists have as many elements as said.
#[deprecated(note = "use llama_sampler_init_grammar_lazy_patterns instead")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sampler_init_grammar_lazy(
    vocab: *const llama_vocab,
    grammar_str: *const c_char,
    grammar_root: *const c_char,
    trigger_words: *mut *const c_char,
    num_trigger_words: usize,
    trigger_tokens: *const llama_token,
    num_trigger_tokens: usize,
) -> *mut llama_grammar {
    // SAFETY: as the caller promised.
    unsafe {
        let words = texts(trigger_words, num_trigger_words);
        let words: Vec<String> = words
            .iter()
            .map(|w| regex::escape(&w.to_string_lossy()))
            .collect();
        let pattern = CString::new(format!(r"[\s\S]*?({})[\s\S]*", words.join("|"))).ok();
        let patterns = pattern.into_iter().filter(|_| !words.is_empty()).collect();
        let tokens = list(trigger_tokens, num_trigger_tokens);
        init(vocab, grammar_str, grammar_root, true, patterns, tokens)
    }
}

/// Makes a grammar that waits until the generated text matches one of the regular expressions, from whose first group that
/// matched on the text has to follow the grammar; or until one of the tokens was generated.
///
/// # Safety
/// As for `llama_sampler_init_grammar`; the lists have as many elements as said.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sampler_init_grammar_lazy_patterns(
    vocab: *const llama_vocab,
    grammar_str: *const c_char,
    grammar_root: *const c_char,
    trigger_patterns: *mut *const c_char,
    num_trigger_patterns: usize,
    trigger_tokens: *const llama_token,
    num_trigger_tokens: usize,
) -> *mut llama_grammar {
    // SAFETY: as the caller promised.
    unsafe {
        let patterns = texts(trigger_patterns, num_trigger_patterns);
        let tokens = list(trigger_tokens, num_trigger_tokens);
        init(vocab, grammar_str, grammar_root, true, patterns, tokens)
    }
}

/// Makes a grammar that waits if `lazy` says so: a C++ function of the original.
///
/// cbindgen:ignore
///
/// # Safety
/// As for `llama_sampler_init_grammar_lazy_patterns`.
#[unsafe(export_name = "_Z23llama_grammar_init_implPK11llama_vocabPKcS3_bPS3_mPKim")]
pub unsafe extern "C" fn grammar_init_impl(
    vocab: *const llama_vocab,
    grammar_str: *const c_char,
    grammar_root: *const c_char,
    lazy: bool,
    trigger_patterns: *mut *const c_char,
    num_trigger_patterns: usize,
    trigger_tokens: *const llama_token,
    num_trigger_tokens: usize,
) -> *mut llama_grammar {
    // SAFETY: as the caller promised.
    unsafe {
        let patterns = texts(trigger_patterns, num_trigger_patterns);
        let tokens = list(trigger_tokens, num_trigger_tokens);
        init(vocab, grammar_str, grammar_root, lazy, patterns, tokens)
    }
}

/// Frees a grammar.
///
/// # Safety
/// The pointer is null or a grammar that is not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_grammar_free(grammar: *mut llama_grammar) {
    guard("llama_grammar_free", (), || {
        if !grammar.is_null() {
            // SAFETY: made by `Box::into_raw`.
            drop(unsafe { Box::from_raw(grammar) });
        }
    });
}

/// Frees a grammar: a C++ function of the original.
///
/// cbindgen:ignore
///
/// # Safety
/// As for `llama_grammar_free`.
#[unsafe(export_name = "_Z23llama_grammar_free_implP13llama_grammar")]
pub unsafe extern "C" fn grammar_free_impl(grammar: *mut llama_grammar) {
    // SAFETY: as the caller promised.
    unsafe { llama_grammar_free(grammar) }
}

/// A copy of a grammar and of how far it has been followed.
///
/// # Safety
/// The pointer is null or to a grammar.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_grammar_copy(grammar: *const llama_grammar) -> *mut llama_grammar {
    guard("llama_grammar_copy", ptr::null_mut(), || {
        // SAFETY: as the caller promised.
        let Some(g) = (unsafe { grammar.as_ref() }) else {
            return ptr::null_mut();
        };
        let own = Own::new(
            g.own.grammar.clone(),
            g.own.tokens.clone(),
            g.own.texts.clone(),
        );
        own.into_raw(g.vocab, g.lazy)
    })
}

/// The vocabulary of the context's model, or the grammar's own.
///
/// # Safety
/// The context is null or one; the grammar's vocabulary still exists.
unsafe fn words<'a>(ctx: *const llama_context, vocab: *const llama_vocab) -> Result<&'a Vocab> {
    // SAFETY: as the caller promised.
    let (context, own) = unsafe { (context_ref(ctx), vocab.as_ref()) };
    let words = context.map(|c| &c.model().vocab).or(own);
    words.ok_or_else(|| Error("no vocabulary given".into()))
}

/// Makes the candidates impossible that the grammar doesn't allow next.
///
/// # Safety
/// The pointers are null or to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_grammar_sample(
    grammar: *const llama_grammar,
    ctx: *const llama_context,
    candidates: *mut llama_token_data_array,
) {
    let name = "llama_grammar_sample";
    // SAFETY: as the caller promised.
    unsafe {
        let Some(g) = grammar.as_ref() else {
            return log_error!("{name}: no grammar given");
        };
        sample(name, ptr::null_mut(), candidates, (), |c, _| {
            if let Err(e) = words(ctx, g.vocab).and_then(|w| g.own.grammar.apply(w, c)) {
                log_error!("{name}: {e}");
            }
        });
    }
}

/// As `llama_grammar_sample`.
///
/// # Safety
/// As for `llama_grammar_sample`.
#[deprecated(note = "use llama_grammar_sample instead")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_grammar(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
    grammar: *const llama_grammar,
) {
    // SAFETY: as the caller promised.
    unsafe { llama_grammar_sample(grammar, ctx, candidates) }
}

/// Follows the grammar over a token that was chosen. A token that it doesn't allow changes nothing and leaves a line in the log.
///
/// # Safety
/// The pointers are null or to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_grammar_accept_token(
    grammar: *mut llama_grammar,
    ctx: *mut llama_context,
    token: llama_token,
) {
    guard("llama_grammar_accept_token", (), || {
        // SAFETY: as the caller promised.
        let accepted = unsafe { grammar.as_mut() }
            .ok_or_else(|| Error("no grammar given".into()))
            .and_then(|g| {
                // SAFETY: as the caller promised.
                let words = unsafe { words(ctx, g.vocab) }?;
                ensure!(words.contains(token), "there is no token {token}");
                let result = g.own.grammar.accept(words, token);
                g.awaiting_trigger = g.own.grammar.is_awaiting();
                result
            });
        if let Err(e) = accepted {
            log_error!("llama_grammar_accept_token: {e}");
        }
    });
}
