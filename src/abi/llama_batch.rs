//! `llama.h`: batches: their memory, and reading them.

use std::ptr;

use super::guard;
use crate::error::{Error, Result};
use crate::llama::context::batch::{Batch, Input, Positions, Sequences};
use crate::llama::params::{llama_batch, llama_pos, llama_seq_id, llama_token};
use crate::{bail, ensure, log_error};

const EMPTY: llama_batch = llama_batch {
    n_tokens: 0,
    token: ptr::null_mut(),
    embd: ptr::null_mut(),
    pos: ptr::null_mut(),
    n_seq_id: ptr::null_mut(),
    seq_id: ptr::null_mut(),
    logits: ptr::null_mut(),
    all_pos_0: 0,
    all_pos_1: 0,
    all_seq_id: 0,
};

/// A batch of tokens of one sequence from position `pos_0` on. It points to the caller's tokens.
#[unsafe(no_mangle)]
pub extern "C" fn llama_batch_get_one(
    tokens: *mut llama_token,
    n_tokens: i32,
    pos_0: llama_pos,
    seq_id: llama_seq_id,
) -> llama_batch {
    llama_batch {
        n_tokens,
        token: tokens,
        all_pos_0: pos_0,
        all_pos_1: 1,
        all_seq_id: seq_id,
        ..EMPTY
    }
}

/// Memory for `n` elements. It comes from C's `malloc`, because `llama_batch_free` is told no sizes.
fn allocate<T>(n: usize) -> Result<*mut T> {
    // SAFETY: `calloc` checks the product.
    let memory = unsafe { libc::calloc(n.max(1), size_of::<T>()) };
    ensure!(!memory.is_null(), "failed to allocate {n} elements");
    Ok(memory.cast())
}

/// Allocates the arrays of a batch of up to `n_tokens` tokens (embeddings of `embd` values if that is not 0), each in up to `n_seq_max`
/// sequences. On failure all pointers are null.
#[unsafe(no_mangle)]
pub extern "C" fn llama_batch_init(n_tokens: i32, embd: i32, n_seq_max: i32) -> llama_batch {
    guard("llama_batch_init", EMPTY, || {
        let mut batch = EMPTY;
        if let Err(e) = allocate_batch(&mut batch, n_tokens, embd, n_seq_max) {
            log_error!("llama_batch_init: {e}");
            // SAFETY: its pointers are null or from `allocate`.
            unsafe { llama_batch_free(batch) };
            return EMPTY;
        }
        batch
    })
}

fn allocate_batch(b: &mut llama_batch, n_tokens: i32, embd: i32, n_seq_max: i32) -> Result<()> {
    let size = |what: &str, n: i32| {
        usize::try_from(n).map_err(|_| Error(format!("{what} is negative ({n})")))
    };
    let n = size("n_tokens", n_tokens)?;
    let n_seq = size("n_seq_max", n_seq_max)?;
    match size("embd", embd)? {
        0 => b.token = allocate(n)?,
        embd => match n.checked_mul(embd) {
            Some(values) => b.embd = allocate(values)?,
            None => bail!("{n} embeddings of {embd} values are too many"),
        },
    }
    b.pos = allocate(n)?;
    b.n_seq_id = allocate(n)?;
    // one more, to end the list
    b.seq_id = allocate(n + 1)?;
    for i in 0..n {
        let seqs = allocate(n_seq)?;
        // SAFETY: `i` is below the `n + 1` elements.
        unsafe { *b.seq_id.add(i) = seqs };
    }
    b.logits = allocate(n)?;
    Ok(())
}

/// Frees a batch from `llama_batch_init`.
///
/// # Safety
/// The pointers are null or as `llama_batch_init` gave them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_batch_free(batch: llama_batch) {
    // SAFETY: each array is null or from `calloc`; the list of sequences ends with a null.
    unsafe {
        libc::free(batch.token.cast());
        libc::free(batch.embd.cast());
        libc::free(batch.pos.cast());
        libc::free(batch.n_seq_id.cast());
        if !batch.seq_id.is_null() {
            let mut list = batch.seq_id;
            while !(*list).is_null() {
                libc::free((*list).cast());
                list = list.add(1);
            }
            libc::free(batch.seq_id.cast());
        }
        libc::free(batch.logits.cast());
    }
}

/// Reads a batch, for a model whose embeddings have `n_embd` values.
///
/// # Safety
/// The arrays are null or have `n_tokens` elements, the sequences of each token as many as `n_seq_id` says.
pub(super) unsafe fn read<'a>(b: &llama_batch, n_embd: usize) -> Result<Batch<'a>> {
    let Some(n_tokens) = usize::try_from(b.n_tokens).ok().filter(|&n| n > 0) else {
        bail!("the batch has {} tokens", b.n_tokens);
    };
    // SAFETY: null, or an array of so many elements.
    let (tokens, embd, pos, counts, lists, wanted) = unsafe {
        (
            slice(b.token, n_tokens),
            slice(b.embd, n_tokens.saturating_mul(n_embd)),
            slice(b.pos, n_tokens),
            slice(b.n_seq_id, n_tokens),
            slice(b.seq_id, n_tokens),
            slice(b.logits, n_tokens),
        )
    };
    let input = match (tokens, embd) {
        (Some(tokens), None) => Input::Tokens(tokens),
        (None, Some(embd)) => Input::Embd(embd),
        (Some(_), Some(_)) => bail!("the batch has both tokens and embeddings"),
        (None, None) => bail!("the batch has neither tokens nor embeddings"),
    };
    let sequences = match counts.zip(lists) {
        None => Sequences::All([b.all_seq_id]),
        Some((counts, lists)) => {
            let mut each = Vec::with_capacity(n_tokens);
            for (i, (&count, &list)) in counts.iter().zip(lists).enumerate() {
                // SAFETY: null, or `count` elements.
                let seqs = unsafe { slice(list, usize::try_from(count).unwrap_or(0)) };
                match seqs {
                    Some(seqs) => each.push(seqs),
                    None => bail!("token {i} of the batch has no list of sequences"),
                }
            }
            Sequences::Each(each)
        }
    };
    Ok(Batch {
        n_tokens,
        input,
        positions: match pos {
            Some(all) => Positions::Each(all),
            None => Positions::Steps(b.all_pos_0, b.all_pos_1),
        },
        sequences,
        wanted,
    })
}

/// # Safety
/// The pointer is null or to `n` elements that outlive the result.
unsafe fn slice<'a, T>(ptr: *const T, n: usize) -> Option<&'a [T]> {
    // SAFETY: not null, so `n` elements.
    (!ptr.is_null()).then(|| unsafe { std::slice::from_raw_parts(ptr, n) })
}
