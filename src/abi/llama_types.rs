//! Types of `llama.h` that callers may name but that no room works with. Enumerators have their C names here, since nothing
//! inside uses them.

#![allow(non_camel_case_types)]

use std::ffi::{c_char, c_void};

use crate::llama::params::{llama_token, llama_token_data_array};

/// How a model's vocabulary makes tokens of text.
#[repr(C)]
pub enum llama_vocab_type {
    /// The model has none.
    LLAMA_VOCAB_TYPE_NONE = 0,
    /// SentencePiece: merges by score, bytes as fallback.
    LLAMA_VOCAB_TYPE_SPM = 1,
    /// Byte-pair encoding: merges by rank.
    LLAMA_VOCAB_TYPE_BPE = 2,
    /// WordPiece, of BERT.
    LLAMA_VOCAB_TYPE_WPM = 3,
    /// Unigram, of T5.
    LLAMA_VOCAB_TYPE_UGM = 4,
    /// Greedy, of RWKV.
    LLAMA_VOCAB_TYPE_RWKV = 5,
    /// PLaMo 2.
    LLAMA_VOCAB_TYPE_PLAMO2 = 6,
}

/// The kind of a token, as in model files.
#[repr(C)]
pub enum llama_token_type {
    LLAMA_TOKEN_TYPE_UNDEFINED = 0,
    LLAMA_TOKEN_TYPE_NORMAL = 1,
    LLAMA_TOKEN_TYPE_UNKNOWN = 2,
    LLAMA_TOKEN_TYPE_CONTROL = 3,
    LLAMA_TOKEN_TYPE_USER_DEFINED = 4,
    LLAMA_TOKEN_TYPE_UNUSED = 5,
    LLAMA_TOKEN_TYPE_BYTE = 6,
}

/// Properties of a token: bits.
#[repr(C)]
pub enum llama_token_attr {
    LLAMA_TOKEN_ATTR_UNDEFINED = 0,
    LLAMA_TOKEN_ATTR_UNKNOWN = 1,
    LLAMA_TOKEN_ATTR_UNUSED = 2,
    LLAMA_TOKEN_ATTR_NORMAL = 4,
    LLAMA_TOKEN_ATTR_CONTROL = 8,
    LLAMA_TOKEN_ATTR_USER_DEFINED = 16,
    LLAMA_TOKEN_ATTR_BYTE = 32,
    LLAMA_TOKEN_ATTR_NORMALIZED = 64,
    /// Takes the white space on its left.
    LLAMA_TOKEN_ATTR_LSTRIP = 128,
    /// Takes the white space on its right.
    LLAMA_TOKEN_ATTR_RSTRIP = 256,
    LLAMA_TOKEN_ATTR_SINGLE_WORD = 512,
}

/// A message of a chat.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct llama_chat_message {
    pub role: *const c_char,
    pub content: *const c_char,
}

/// Bits that say what `llama_state_seq_*` save.
pub type llama_state_seq_flags = u32;

/// What a caller's own sampler keeps.
pub type llama_sampler_context_t = *mut c_void;

/// A sampler of the caller's own: its functions and what they keep.
#[repr(C)]
pub struct llama_sampler {
    pub iface: *mut llama_sampler_i,
    pub ctx: llama_sampler_context_t,
}

/// The functions of a [`llama_sampler`].
#[repr(C)]
pub struct llama_sampler_i {
    pub name: Option<unsafe extern "C" fn(*const llama_sampler) -> *const c_char>,
    pub accept: Option<unsafe extern "C" fn(*mut llama_sampler, llama_token)>,
    /// The only one that must not be null.
    pub apply: Option<unsafe extern "C" fn(*mut llama_sampler, *mut llama_token_data_array)>,
    pub reset: Option<unsafe extern "C" fn(*mut llama_sampler)>,
    pub clone: Option<unsafe extern "C" fn(*const llama_sampler) -> *mut llama_sampler>,
    pub free: Option<unsafe extern "C" fn(smpl: *mut llama_sampler)>,
}
