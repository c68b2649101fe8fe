//! `llama.h`: the KV cache: sequence operations, upkeep, and looking at it.

use std::ptr;

use super::guard;
use super::llama_context::{context, context_ref, llama_context, report};
use crate::llama::context::cells::Cells;
use crate::llama::params::{
    llama_kv_cache_view, llama_kv_cache_view_cell, llama_pos, llama_seq_id,
};
use crate::log_error;

/// Runs `f` on the cells of a context that has some.
///
/// # Safety
/// The pointer is null or to a context.
unsafe fn with_cells<T>(
    name: &str,
    ctx: *mut llama_context,
    none: T,
    f: impl FnOnce(&mut Cells) -> T,
) -> T
where
    T: Copy,
{
    guard(name, none, || {
        // SAFETY: as the caller promised.
        unsafe { context(ctx) }
            .and_then(|c| c.cells_mut())
            .map_or(none, f)
    })
}

/// The sequences of all cells together.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_kv_cache_token_count(ctx: *const llama_context) -> i32 {
    // SAFETY: as the caller promised.
    let cells = unsafe { context_ref(ctx) }.and_then(|c| c.cells());
    cells.map_or(0, |c| c.token_count() as i32)
}

/// Cells in use.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_kv_cache_used_cells(ctx: *const llama_context) -> i32 {
    // SAFETY: as the caller promised.
    let cells = unsafe { context_ref(ctx) }.and_then(|c| c.cells());
    cells.map_or(0, |c| c.used() as i32)
}

/// Empties the cache and zeroes its data.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_clear(ctx: *mut llama_context) {
    guard("llama_kv_cache_clear", (), || {
        // SAFETY: as the caller promised.
        if let Some(c) = unsafe { context(ctx) } {
            c.clear_cache();
        }
    });
}

/// Takes a sequence (any if negative) out of the cells with positions in `p0..p1`; negative ends are open.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_seq_rm(
    ctx: *mut llama_context,
    seq_id: llama_seq_id,
    p0: llama_pos,
    p1: llama_pos,
) -> bool {
    // SAFETY: as the caller promised.
    unsafe {
        with_cells("llama_kv_cache_seq_rm", ctx, false, |c| {
            c.seq_rm(seq_id, p0, p1);
            true
        })
    }
}

/// Puts the cells of one sequence with positions in `p0..p1` into another, too.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_seq_cp(
    ctx: *mut llama_context,
    seq_id_src: llama_seq_id,
    seq_id_dst: llama_seq_id,
    p0: llama_pos,
    p1: llama_pos,
) {
    if seq_id_dst < 0 {
        log_error!("llama_kv_cache_seq_cp: there is no sequence {seq_id_dst}");
        return;
    }
    // SAFETY: as the caller promised.
    unsafe {
        with_cells("llama_kv_cache_seq_cp", ctx, (), |c| {
            if seq_id_src != seq_id_dst {
                c.seq_cp(seq_id_src, seq_id_dst, p0, p1);
            }
        });
    }
}

/// Drops all sequences but one.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_seq_keep(ctx: *mut llama_context, seq_id: llama_seq_id) {
    // SAFETY: as the caller promised.
    unsafe { with_cells("llama_kv_cache_seq_keep", ctx, (), |c| c.seq_keep(seq_id)) }
}

/// Adds `delta` to the sequence's positions in `p0..p1`; the keys follow before the next batch.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_seq_add(
    ctx: *mut llama_context,
    seq_id: llama_seq_id,
    p0: llama_pos,
    p1: llama_pos,
    delta: llama_pos,
) {
    // SAFETY: as the caller promised.
    unsafe {
        with_cells("llama_kv_cache_seq_add", ctx, (), |c| {
            if delta != 0 {
                c.seq_add(seq_id, p0, p1, delta);
            }
        });
    }
}

/// Divides the sequence's positions in `p0..p1` by `d`, which is above 1; the keys follow before the next batch.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_seq_div(
    ctx: *mut llama_context,
    seq_id: llama_seq_id,
    p0: llama_pos,
    p1: llama_pos,
    d: i32,
) {
    if d < 1 {
        log_error!("llama_kv_cache_seq_div: cannot divide positions by {d}");
        return;
    }
    // SAFETY: as the caller promised.
    unsafe {
        with_cells("llama_kv_cache_seq_div", ctx, (), |c| {
            if d > 1 {
                c.seq_div(seq_id, p0, p1, d);
            }
        });
    }
}

/// The largest position of a sequence; 0 if it has none.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_seq_pos_max(
    ctx: *mut llama_context,
    seq_id: llama_seq_id,
) -> llama_pos {
    // SAFETY: as the caller promised.
    unsafe {
        with_cells("llama_kv_cache_seq_pos_max", ctx, 0, |c| {
            c.seq_pos_max(seq_id)
        })
    }
}

/// The smallest position of a sequence; -1 if it has none.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_seq_pos_min(
    ctx: *mut llama_context,
    seq_id: llama_seq_id,
) -> llama_pos {
    // SAFETY: as the caller promised.
    unsafe {
        with_cells("llama_kv_cache_seq_pos_min", ctx, -1, |c| {
            c.seq_pos_min(seq_id).unwrap_or(-1)
        })
    }
}

/// Asks for holes in the cache to be closed before the next batch.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_defrag(ctx: *mut llama_context) {
    // SAFETY: as the caller promised.
    if let Some(c) = unsafe { context(ctx) } {
        c.defrag();
    }
}

/// Does now what is due before the next batch: rotating shifted keys, closing holes. 0: done; else as `llama_decode`.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_update(ctx: *mut llama_context) -> i32 {
    guard("llama_kv_cache_update", -2, || {
        // SAFETY: as the caller promised.
        match unsafe { context(ctx) } {
            Some(c) => report("llama_kv_cache_update", c.update_cache()),
            None => -1,
        }
    })
}

/// A picture of the cache, still empty.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_view_init(
    ctx: *const llama_context,
    n_seq_max: i32,
) -> llama_kv_cache_view {
    llama_kv_cache_view {
        n_cells: 0,
        n_seq_max: n_seq_max.max(0),
        token_count: 0,
        // SAFETY: as the caller promised.
        used_cells: unsafe { llama_get_kv_cache_used_cells(ctx) },
        max_contiguous: 0,
        max_contiguous_idx: -1,
        cells: ptr::null_mut(),
        cells_sequences: ptr::null_mut(),
    }
}

/// Frees what a picture of the cache holds.
///
/// # Safety
/// The pointer is null or to a view from `llama_kv_cache_view_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_view_free(view: *mut llama_kv_cache_view) {
    // SAFETY: as the caller promised; the arrays are null or from `calloc`.
    if let Some(view) = unsafe { view.as_mut() } {
        // SAFETY: as above.
        unsafe {
            libc::free(view.cells.cast());
            libc::free(view.cells_sequences.cast());
        }
        view.cells = ptr::null_mut();
        view.cells_sequences = ptr::null_mut();
        view.n_cells = 0;
    }
}

/// Brings a picture of the cache up to date.
///
/// # Safety
/// The pointers are null or to a context and to a view from `llama_kv_cache_view_init`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_kv_cache_view_update(
    ctx: *const llama_context,
    view: *mut llama_kv_cache_view,
) {
    guard("llama_kv_cache_view_update", (), || {
        // SAFETY: as the caller promised.
        let (context, view) = unsafe { (context_ref(ctx), view.as_mut()) };
        let (Some(cells), Some(view)) = (context.and_then(|c| c.cells()), view) else {
            return;
        };
        let n_seq_max = view.n_seq_max.max(0) as usize;
        if view.n_cells as usize != cells.size() || view.cells.is_null() {
            // SAFETY: the view's arrays are null or from `calloc`, which checks its product.
            unsafe {
                llama_kv_cache_view_free(view);
                view.cells =
                    libc::calloc(cells.size(), size_of::<llama_kv_cache_view_cell>()).cast();
                let n = cells.size().saturating_mul(n_seq_max).max(1);
                view.cells_sequences = libc::calloc(n, size_of::<llama_seq_id>()).cast();
            }
            if view.cells.is_null() || view.cells_sequences.is_null() {
                log_error!("llama_kv_cache_view_update: not enough memory");
                // SAFETY: as above.
                unsafe { llama_kv_cache_view_free(view) };
                return;
            }
            view.n_cells = cells.size() as i32;
        }
        // SAFETY: the arrays were made for so many cells, then or just now.
        let (positions, sequences) = unsafe {
            (
                std::slice::from_raw_parts_mut(view.cells, cells.size()),
                std::slice::from_raw_parts_mut(view.cells_sequences, cells.size() * n_seq_max),
            )
        };
        for (i, cell) in cells.cells().iter().enumerate() {
            positions[i].pos = cell.pos;
            let mut ids = cell.seqs.iter();
            for slot in &mut sequences[i * n_seq_max..][..n_seq_max] {
                *slot = ids.next().unwrap_or(-1);
            }
        }
        view.token_count = cells.token_count() as i32;
        view.used_cells = cells.used() as i32;
        (view.max_contiguous_idx, view.max_contiguous) = cells.longest_free_run();
    });
}
