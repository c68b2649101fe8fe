//! `llama.h`: choosing the next token. Candidates come as an array of the caller's, which is thinned out and reordered in place.

#![allow(non_camel_case_types)]

use std::ptr;
use std::slice;
use std::time::Instant;

use super::guard;
use super::llama_context::{context, context_ref, llama_context};
use super::llama_types::llama_sampler;
use crate::llama::params::{LLAMA_TOKEN_NULL, llama_token, llama_token_data_array};
use crate::llama::sampling::{self, AdaptiveP, Candidates, Mt19937, Sampler, pick_with};
use crate::log_error;

/// Runs `f` on the caller's candidates and the context's sampler, counts the time, and tells the caller what is left.
///
/// # Safety
/// `ctx` is null or a context that nothing else uses now; `array` is null or an array of candidates.
pub(super) unsafe fn sample<T: Copy>(
    name: &str,
    ctx: *mut llama_context,
    array: *mut llama_token_data_array,
    none: T,
    f: impl FnOnce(&mut Candidates, Option<&mut Sampler>) -> T,
) -> T {
    guard(name, none, || {
        // SAFETY: as the caller promised.
        let (array, context) = unsafe { (array.as_mut(), context(ctx)) };
        let is_list = |a: &&mut llama_token_data_array| {
            !a.data.is_null() && (1..=i32::MAX as usize).contains(&a.size)
        };
        let Some(array) = array.filter(is_list) else {
            log_error!("{name}: no candidates given");
            return none;
        };
        let start = Instant::now();
        // SAFETY: not null, so there are as many candidates as the caller says.
        let data = unsafe { slice::from_raw_parts_mut(array.data, array.size) };
        let mut candidates = Candidates::new(data, array.sorted);
        let mut sampler = context.map(|c| &mut c.sampler);
        let result = f(&mut candidates, sampler.as_deref_mut());
        array.data = candidates.data.as_mut_ptr();
        array.size = candidates.len();
        array.sorted = candidates.sorted;
        if let Some(sampler) = sampler {
            sampler.t_sample_us += start.elapsed().as_micros() as i64;
        }
        result
    })
}

/// As [`sample`], for what cannot do without a context.
///
/// # Safety
/// As for [`sample`].
unsafe fn sample_with_context<T: Copy>(
    name: &str,
    ctx: *mut llama_context,
    array: *mut llama_token_data_array,
    none: T,
    f: impl FnOnce(&mut Candidates, &mut Sampler) -> T,
) -> T {
    let run = |c: &mut Candidates, sampler: Option<&mut Sampler>| match sampler {
        Some(sampler) => f(c, sampler),
        None => {
            log_error!("{name}: no context given");
            none
        }
    };
    // SAFETY: as the caller promised.
    unsafe { sample(name, ctx, array, none, run) }
}

/// Defines filters of candidates. The context may be null.
macro_rules! filters {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $t:ty),*) => $method:ident($($given:expr),*);)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// `ctx` is null or a context; `candidates` is null or an array of candidates.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(
            ctx: *mut llama_context,
            candidates: *mut llama_token_data_array,
            $($arg: $t),*
        ) {
            // SAFETY: as the caller promised.
            unsafe { sample(stringify!($name), ctx, candidates, (), |c, _| c.$method($($given),*)) }
        }
    )*};
}

filters! {
    /// Sorts by descending logit and computes the probabilities.
    llama_sample_softmax() => softmax(true);
    /// As `llama_sample_softmax`, but the probabilities are relative to the largest.
    llama_sample_dist() => softmax(false);
    /// Keeps the `k` most probable (all if `k` is not positive), at least `min_keep`.
    llama_sample_top_k(k: i32, min_keep: usize) => top_k(k, min_keep);
    /// Keeps the most probable whose probabilities add up to `p`: nucleus sampling, <https://arxiv.org/abs/1904.09751>.
    llama_sample_top_p(p: f32, min_keep: usize) => top_p(p, min_keep);
    /// Keeps those at least `p` times as probable as the most probable one.
    llama_sample_min_p(p: f32, min_keep: usize) => min_p(p, min_keep);
    /// Cuts the tail where the curvature of the sorted probabilities has been spent up to `z`.
    llama_sample_tail_free(z: f32, min_keep: usize) => tail_free(z, min_keep);
    /// Keeps those whose surprise is nearest to the expected one: <https://arxiv.org/abs/2202.00666>.
    llama_sample_typical(p: f32, min_keep: usize) => typical(p, min_keep);
    /// Divides the logits by a temperature that depends on the entropy: <https://arxiv.org/abs/2309.02772>.
    llama_sample_entropy(min_temp: f32, max_temp: f32, exponent_val: f32) => entropy(min_temp, max_temp, exponent_val);
    /// Divides the logits by the temperature.
    llama_sample_temp(temp: f32) => temperature(temp);
    /// Keeps those within `top_n_sigma` standard deviations of the largest logit: <https://arxiv.org/abs/2411.07641>.
    llama_sample_top_n_sigma(top_n_sigma: f32) => top_n_sigma(top_n_sigma);
}

/// With some probability, excludes the most probable tokens above the threshold but the last of them.
///
/// # Safety
/// `ctx` is a context; `candidates` is null or an array of candidates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_xtc(
    ctx: *mut llama_context,
    candidates_p: *mut llama_token_data_array,
    probability: f32,
    threshold: f32,
    min_keep: usize,
) {
    // SAFETY: as the caller promised.
    unsafe {
        sample_with_context("llama_sample_xtc", ctx, candidates_p, (), |c, sampler| {
            c.xtc(probability, threshold, min_keep, sampler);
        });
    }
}

/// Makes the last tokens less likely: `penalty_repeat` divides their logits (multiplies negative ones,
/// <https://arxiv.org/abs/1909.05858>), `penalty_freq` is subtracted per occurrence, `penalty_present` once.
///
/// # Safety
/// `ctx` is null or a context; `candidates` is null or an array of candidates; there are `penalty_last_n` last tokens.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_repetition_penalties(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
    last_tokens: *const llama_token,
    penalty_last_n: usize,
    penalty_repeat: f32,
    penalty_freq: f32,
    penalty_present: f32,
) {
    if last_tokens.is_null() {
        return;
    }
    let name = "llama_sample_repetition_penalties";
    // SAFETY: as the caller promised.
    unsafe {
        sample(name, ctx, candidates, (), |c, _| {
            let last = slice::from_raw_parts(last_tokens, penalty_last_n);
            c.penalties(last, penalty_repeat, penalty_freq, penalty_present);
        });
    }
}

/// Moves logits away from those of a negative prompt: <https://arxiv.org/abs/2306.17806>. Both become log-probabilities.
///
/// # Safety
/// `ctx` is null or a context; there is a logit for each token of its model behind both other pointers unless they are null.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_apply_guidance(
    ctx: *mut llama_context,
    logits: *mut f32,
    logits_guidance: *mut f32,
    scale: f32,
) {
    guard("llama_sample_apply_guidance", (), || {
        // SAFETY: as the caller promised.
        let context = unsafe { context(ctx) };
        let usable = !logits.is_null() && !logits_guidance.is_null() && logits != logits_guidance;
        let Some(c) = context.filter(|_| usable) else {
            log_error!("llama_sample_apply_guidance: no context or no logits given");
            return;
        };
        let n = c.model().hparams.n_vocab as usize;
        // SAFETY: neither null nor the same, and as long as the caller promised.
        let (logits, guidance) = unsafe {
            (
                slice::from_raw_parts_mut(logits, n),
                slice::from_raw_parts_mut(logits_guidance, n),
            )
        };
        c.sampler
            .timed(|_| sampling::apply_guidance(logits, guidance, scale));
    });
}

/// Seeds the random numbers of a context; with `LLAMA_DEFAULT_SEED` by the clock.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_set_rng_seed(ctx: *mut llama_context, seed: u32) {
    // SAFETY: as the caller promised.
    if let Some(c) = unsafe { context(ctx) } {
        c.sampler.set_seed(seed);
    }
}

/// Picks a token by mirostat, version 1: <https://arxiv.org/abs/2007.14966>.
///
/// # Safety
/// `ctx` is a context; `candidates` is null or an array of candidates; `mu` is null or a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_token_mirostat(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
    tau: f32,
    eta: f32,
    m: i32,
    mu: *mut f32,
) -> llama_token {
    let name = "llama_sample_token_mirostat";
    // SAFETY: as the caller promised.
    unsafe {
        let Some(mu) = mu.as_mut() else {
            log_error!("{name}: no mu given");
            return LLAMA_TOKEN_NULL;
        };
        let n_vocab = context_ref(ctx).map_or(0, |c| c.model().hparams.n_vocab as usize);
        sample_with_context(name, ctx, candidates, LLAMA_TOKEN_NULL, |c, sampler| {
            sampler.mirostat(c, n_vocab, tau, eta, m, mu)
        })
    }
}

/// Picks a token by mirostat, version 2.
///
/// # Safety
/// `ctx` is a context; `candidates` is null or an array of candidates; `mu` is null or a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_token_mirostat_v2(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
    tau: f32,
    eta: f32,
    mu: *mut f32,
) -> llama_token {
    let name = "llama_sample_token_mirostat_v2";
    // SAFETY: as the caller promised.
    unsafe {
        let Some(mu) = mu.as_mut() else {
            log_error!("{name}: no mu given");
            return LLAMA_TOKEN_NULL;
        };
        sample_with_context(name, ctx, candidates, LLAMA_TOKEN_NULL, |c, sampler| {
            sampler.mirostat_v2(c, tau, eta, mu)
        })
    }
}

/// Picks the token of the largest logit. The context may be null.
///
/// # Safety
/// `ctx` is null or a context; `candidates` is null or an array of candidates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_token_greedy(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
) -> llama_token {
    let greedy = |c: &mut Candidates, sampler: Option<&mut Sampler>| match sampler {
        Some(sampler) => sampler.greedy(c),
        None => sampling::greedy(c),
    };
    let name = "llama_sample_token_greedy";
    // SAFETY: as the caller promised.
    unsafe { sample(name, ctx, candidates, LLAMA_TOKEN_NULL, greedy) }
}

/// Picks a token by the probabilities that the logits mean, with the context's random numbers.
///
/// # Safety
/// `ctx` is a context; `candidates` is null or an array of candidates.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_token(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
) -> llama_token {
    let name = "llama_sample_token";
    // SAFETY: as the caller promised.
    unsafe {
        sample_with_context(name, ctx, candidates, LLAMA_TOKEN_NULL, |c, sampler| {
            sampler.pick(c)
        })
    }
}

/// As `llama_sample_token`, with the caller's `std::mt19937`: a C++ function, so exported by the name that compilers give it.
///
/// cbindgen:ignore
///
/// # Safety
/// `ctx` is null or a context; `candidates` is null or an array of candidates; `rng` is null or a generator.
#[unsafe(export_name = "_Z27llama_sample_token_with_rngP13llama_contextP22llama_token_data_arrayRSt23mersenne_twister_engineImLm32ELm624ELm397ELm31ELm2567483615ELm11ELm4294967295ELm7ELm2636928640ELm15ELm4022730752ELm18ELm1812433253EE")]
pub unsafe extern "C" fn sample_token_with_rng(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
    rng: *mut Mt19937,
) -> llama_token {
    let name = "llama_sample_token_with_rng";
    // SAFETY: as the caller promised.
    unsafe {
        let Some(rng) = rng.as_mut() else {
            log_error!("{name}: no random numbers given");
            return LLAMA_TOKEN_NULL;
        };
        sample(name, ctx, candidates, LLAMA_TOKEN_NULL, |c, sampler| {
            if let Some(sampler) = sampler {
                sampler.n_sample += 1;
            }
            pick_with(c, rng)
        })
    }
}

/// What C callers know as `struct llama_sampler_adaptive_p`.
pub struct llama_sampler_adaptive_p(AdaptiveP);

/// Makes an adaptive-p sampler for a vocabulary: it selects tokens near the probability `target` (negative turns it off), which
/// adapts by `decay` (0 to 1).
#[unsafe(no_mangle)]
pub extern "C" fn llama_init_adaptive_p(
    n_vocab: i32,
    target: f32,
    decay: f32,
    updt_w_cur: bool,
    seed: u32,
) -> *mut llama_sampler_adaptive_p {
    guard("llama_init_adaptive_p", ptr::null_mut(), || {
        if n_vocab <= 0 {
            log_error!("llama_init_adaptive_p: a vocabulary of {n_vocab} tokens is none");
            return ptr::null_mut();
        }
        let sampler = AdaptiveP::new(n_vocab as usize, target, decay, updt_w_cur, seed);
        Box::into_raw(Box::new(llama_sampler_adaptive_p(sampler)))
    })
}

/// Takes down the probabilities before any other sampler.
///
/// # Safety
/// `ctx` is null or a context; `candidates` is null or an array of candidates; `adapt_p_ctx` is null or from
/// `llama_init_adaptive_p`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_prep_adaptive_p(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
    adapt_p_ctx: *mut llama_sampler_adaptive_p,
) {
    let name = "llama_prep_adaptive_p";
    // SAFETY: as the caller promised.
    unsafe {
        let Some(adaptive) = adapt_p_ctx.as_mut() else {
            log_error!("{name}: no sampler given");
            return;
        };
        sample(name, ctx, candidates, (), |c, _| {
            if let Err(e) = adaptive.0.prepare(c) {
                log_error!("{name}: {e}");
            }
        });
    }
}

/// Replaces the logits by how near the probabilities are to the adapted target.
///
/// # Safety
/// As for `llama_prep_adaptive_p`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_adaptive_p(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
    adapt_p_ctx: *mut llama_sampler_adaptive_p,
) {
    let name = "llama_sample_adaptive_p";
    // SAFETY: as the caller promised.
    unsafe {
        let Some(adaptive) = adapt_p_ctx.as_mut() else {
            log_error!("{name}: no sampler given");
            return;
        };
        sample(name, ctx, candidates, (), |c, _| adaptive.0.apply(c));
    }
}

/// Picks a token after `llama_sample_adaptive_p`.
///
/// # Safety
/// As for `llama_prep_adaptive_p`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sample_token_adaptive_p(
    ctx: *mut llama_context,
    candidates: *mut llama_token_data_array,
    adapt_p_ctx: *mut llama_sampler_adaptive_p,
) -> llama_token {
    let name = "llama_sample_token_adaptive_p";
    // SAFETY: as the caller promised.
    unsafe {
        let Some(adaptive) = adapt_p_ctx.as_mut() else {
            log_error!("{name}: no sampler given");
            return LLAMA_TOKEN_NULL;
        };
        sample(name, ctx, candidates, LLAMA_TOKEN_NULL, |c, sampler| {
            if let Some(sampler) = sampler {
                sampler.n_sample += 1;
            }
            adaptive.0.pick(c)
        })
    }
}

/// Shortens the sampler's history once tokens were sent to the user, or taken back.
///
/// # Safety
/// The pointer is null or from `llama_init_adaptive_p`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_review_adaptive_p(
    adapt_p_ctx: *mut llama_sampler_adaptive_p,
    n_unsent: usize,
    rewind_status: bool,
) {
    guard("llama_review_adaptive_p", (), || {
        // SAFETY: as the caller promised.
        if let Some(adaptive) = unsafe { adapt_p_ctx.as_mut() } {
            adaptive.0.review(n_unsent, rewind_status);
        }
    });
}

/// Calls the `reset` function of a caller's own sampler.
///
/// # Safety
/// The pointer is null or to a sampler whose functions are what they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_sampler_reset(smpl: *mut llama_sampler) {
    // SAFETY: as the caller promised.
    unsafe {
        let iface = smpl.as_ref().and_then(|s| s.iface.as_ref());
        if let Some(reset) = iface.and_then(|i| i.reset) {
            reset(smpl);
        }
    }
}
