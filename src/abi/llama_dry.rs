//! `llama.h`: the DRY sampler.

#![allow(non_camel_case_types)]

use std::ffi::c_char;
use std::ptr;

use super::guard;
use super::llama_context::llama_context;
use super::llama_grammar::texts;
use super::llama_sampling::sample;
use super::vocab::llama_vocab;
use crate::llama::params::{llama_token, llama_token_data_array};
use crate::llama::sampling::{Breakers, Dry, DryParams, find_breakers};
use crate::log_error;

/// What C callers know as `struct llama_sampler_dry`.
pub struct llama_sampler_dry(Dry);

/// Makes a sampler that penalizes tokens which would continue a repetition of `dry_allowed_length` tokens or more, by
/// `dry_multiplier * dry_base^(length - dry_allowed_length)`, among the last `dry_penalty_last_n` tokens (-1: as many as the
/// vocabulary has). Repetitions end at the sequence breakers.
///
/// # Safety
/// `vocab` is null or a vocabulary; `seq_breakers` is null or has `num_breakers` C strings or nulls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sampler_init_dry(
    vocab: *const llama_vocab,
    dry_multiplier: f32,
    dry_base: f32,
    dry_allowed_length: i32,
    dry_penalty_last_n: i32,
    seq_breakers: *mut *const c_char,
    num_breakers: usize,
) -> *mut llama_sampler_dry {
    guard("llama_sampler_init_dry", ptr::null_mut(), || {
        // SAFETY: as the caller promised.
        let Some(vocab) = (unsafe { vocab.as_ref() }) else {
            log_error!("llama_sampler_init_dry: no vocabulary given");
            return ptr::null_mut();
        };
        let params = DryParams {
            multiplier: dry_multiplier,
            base: dry_base,
            allowed_length: dry_allowed_length,
            last_n: dry_penalty_last_n,
        };
        // SAFETY: as the caller promised.
        let strings = unsafe { texts(seq_breakers, num_breakers) };
        let strings: Vec<&[u8]> = strings.iter().map(|s| s.to_bytes()).collect();
        let breakers = if params.is_on() && !strings.is_empty() {
            let n = vocab.n_tokens() as llama_token;
            let words: Vec<_> = (0..n)
                .map(|t| vocab.detokenize(&[t], false, true))
                .collect();
            find_breakers(&words, &strings, |text| vocab.tokenize(text, false, false))
        } else {
            Breakers::new()
        };
        let dry = Dry::new(params, vocab.n_tokens(), breakers);
        Box::into_raw(Box::new(llama_sampler_dry(dry)))
    })
}

/// Runs `f` on a sampler, if there is one.
///
/// # Safety
/// The pointer is null or from `llama_sampler_init_dry`, and nothing else uses it now.
unsafe fn with(name: &str, smpl: *mut llama_sampler_dry, f: impl FnOnce(&mut Dry)) {
    guard(name, (), || {
        // SAFETY: as the caller promised.
        if let Some(smpl) = unsafe { smpl.as_mut() } {
            f(&mut smpl.0);
        }
    });
}

/// Penalizes candidates that would continue a repetition. The context may be null.
///
/// # Safety
/// The pointers are null or to what their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_dry(
    ctx: *mut llama_context,
    smpl: *mut llama_sampler_dry,
    candidates_p: *mut llama_token_data_array,
) {
    // SAFETY: as the caller promised.
    unsafe {
        let Some(smpl) = smpl.as_ref() else {
            return;
        };
        sample("llama_sample_dry", ctx, candidates_p, (), |c, _| {
            smpl.0.apply(c)
        });
    }
}

/// Forgets the accepted tokens.
///
/// # Safety
/// The pointer is null or from `llama_sampler_init_dry`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sampler_dry_reset(smpl: *mut llama_sampler_dry) {
    // SAFETY: as the caller promised.
    unsafe { with("llama_sampler_dry_reset", smpl, Dry::reset) }
}

/// Takes note of a token that was chosen.
///
/// # Safety
/// The pointer is null or from `llama_sampler_init_dry`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sampler_dry_accept(
    smpl: *mut llama_sampler_dry,
    token: llama_token,
) {
    // SAFETY: as the caller promised.
    unsafe { with("llama_sampler_dry_accept", smpl, |dry| dry.accept(token)) }
}

/// A copy of a sampler with all it knows; null for null.
///
/// # Safety
/// The pointer is null or from `llama_sampler_init_dry`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sampler_dry_clone(
    smpl: *mut llama_sampler_dry,
) -> *mut llama_sampler_dry {
    guard("llama_sampler_dry_clone", ptr::null_mut(), || {
        // SAFETY: as the caller promised.
        unsafe { smpl.as_ref() }.map_or(ptr::null_mut(), |s| {
            Box::into_raw(Box::new(llama_sampler_dry(s.0.clone())))
        })
    })
}

/// Frees a sampler.
///
/// # Safety
/// The pointer is null or from `llama_sampler_init_dry`, and not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sampler_dry_free(smpl: *mut llama_sampler_dry) {
    guard("llama_sampler_dry_free", (), || {
        if !smpl.is_null() {
            // SAFETY: made by `Box::into_raw`.
            drop(unsafe { Box::from_raw(smpl) });
        }
    });
}
