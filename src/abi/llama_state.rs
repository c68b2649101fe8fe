//! `llama.h`: saving and restoring contexts and sequences, to memory and to files.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::guard;
use super::llama_context::{context, llama_context};
use super::llama_types::llama_state_seq_flags;
use crate::error::{Error, Result};
use crate::llama::context::Context;
use crate::llama::params::{llama_seq_id, llama_token};
use crate::{ensure, log_error};

/// Runs `f` on a context; on failure, logs why and gives the default.
///
/// # Safety
/// The pointer is null or to a context.
unsafe fn with<T: Default>(
    name: &str,
    ctx: *mut llama_context,
    f: impl FnOnce(&mut Context) -> Result<T>,
) -> T {
    guard(name, T::default(), || {
        // SAFETY: as the caller promised.
        let result = match unsafe { context(ctx) } {
            Some(c) => f(c),
            None => Err(Error("no context given".into())),
        };
        result.unwrap_or_else(|e| {
            log_error!("{name}: {e}");
            T::default()
        })
    })
}

/// # Safety
/// The pointer is null or to `size` bytes.
unsafe fn bytes<'a>(ptr: *const u8, size: usize) -> Result<&'a [u8]> {
    ensure!(!ptr.is_null(), "no buffer given");
    // SAFETY: not null, so `size` bytes.
    Ok(unsafe { std::slice::from_raw_parts(ptr, size) })
}

/// # Safety
/// The pointer is null or to `size` bytes that nothing else uses.
unsafe fn bytes_mut<'a>(ptr: *mut u8, size: usize) -> Result<&'a mut [u8]> {
    ensure!(!ptr.is_null(), "no buffer given");
    // SAFETY: not null, so `size` bytes.
    Ok(unsafe { std::slice::from_raw_parts_mut(ptr, size) })
}

/// # Safety
/// The pointer is null or a C string.
unsafe fn path<'a>(ptr: *const c_char) -> Result<&'a Path> {
    ensure!(!ptr.is_null(), "no path given");
    // SAFETY: not null, so a C string.
    let bytes = unsafe { CStr::from_ptr(ptr) }.to_bytes();
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// # Safety
/// The pointer is null or to `n` tokens.
unsafe fn tokens<'a>(ptr: *const llama_token, n: usize) -> Result<&'a [llama_token]> {
    if n == 0 {
        return Ok(&[]);
    }
    ensure!(!ptr.is_null(), "no tokens given");
    // SAFETY: not null, so `n` tokens.
    Ok(unsafe { std::slice::from_raw_parts(ptr, n) })
}

/// Gives the caller tokens, and how many.
///
/// # Safety
/// The pointers are null or to as many tokens as are given, and to a number.
unsafe fn give_tokens(
    found: &[llama_token],
    out: *mut llama_token,
    n_out: *mut usize,
) -> Result<()> {
    ensure!(
        found.is_empty() || !out.is_null(),
        "no room for tokens given"
    );
    // SAFETY: as the caller promised.
    unsafe {
        if !found.is_empty() {
            std::ptr::copy_nonoverlapping(found.as_ptr(), out, found.len());
        }
        if let Some(n) = n_out.as_mut() {
            *n = found.len();
        }
    }
    Ok(())
}

/// Bytes that the state takes now.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_get_size(ctx: *mut llama_context) -> usize {
    // SAFETY: as the caller promised.
    unsafe { with("llama_state_get_size", ctx, |c| c.state_size()) }
}

/// Copies the state to `dst`. Returns how many bytes, 0 if they are more than `size`.
///
/// # Safety
/// The pointers are null or to a context and `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_get_data(
    ctx: *mut llama_context,
    dst: *mut u8,
    size: usize,
) -> usize {
    // SAFETY: as the caller promised.
    unsafe {
        with("llama_state_get_data", ctx, |c| {
            c.save(bytes_mut(dst, size)?)
        })
    }
}

/// Restores a state. Returns how many bytes were read, 0 on failure.
///
/// # Safety
/// The pointers are null or to a context and `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_set_data(
    ctx: *mut llama_context,
    src: *const u8,
    size: usize,
) -> usize {
    // SAFETY: as the caller promised.
    unsafe {
        with("llama_state_set_data", ctx, |c| {
            c.restore(bytes(src, size)?)
        })
    }
}

/// Restores the state and the tokens that led to it from a file.
///
/// # Safety
/// The pointers are null or as their types say; `tokens_out` has room for `n_token_capacity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_load_file(
    ctx: *mut llama_context,
    path_session: *const c_char,
    tokens_out: *mut llama_token,
    n_token_capacity: usize,
    n_token_count_out: *mut usize,
) -> bool {
    // SAFETY: as the caller promised.
    unsafe {
        with("llama_state_load_file", ctx, |c| {
            let found = c.restore_file(path(path_session)?, n_token_capacity)?;
            give_tokens(&found, tokens_out, n_token_count_out)?;
            Ok(true)
        })
    }
}

/// Saves the state and the tokens that led to it to a file.
///
/// # Safety
/// The pointers are null or as their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_save_file(
    ctx: *mut llama_context,
    path_session: *const c_char,
    tokens_in: *const llama_token,
    n_token_count: usize,
) -> bool {
    // SAFETY: as the caller promised.
    unsafe {
        with("llama_state_save_file", ctx, |c| {
            c.save_file(path(path_session)?, tokens(tokens_in, n_token_count)?)?;
            Ok(true)
        })
    }
}

/// Bytes that the state of a sequence takes now.
///
/// # Safety
/// The pointer is null or to a context.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_seq_get_size(
    ctx: *mut llama_context,
    seq_id: llama_seq_id,
    flags: llama_state_seq_flags,
) -> usize {
    // SAFETY: as the caller promised.
    unsafe {
        with("llama_state_seq_get_size", ctx, |c| {
            c.seq_state_size(seq_id, flags)
        })
    }
}

/// Copies the state of a sequence to `dst`. Returns how many bytes, 0 if they are more than `size`.
///
/// # Safety
/// The pointers are null or to a context and `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_seq_get_data(
    ctx: *mut llama_context,
    dst: *mut u8,
    size: usize,
    seq_id: llama_seq_id,
    flags: llama_state_seq_flags,
) -> usize {
    // SAFETY: as the caller promised.
    unsafe {
        with("llama_state_seq_get_data", ctx, |c| {
            c.save_seq(bytes_mut(dst, size)?, seq_id, flags)
        })
    }
}

/// Replaces a sequence by a saved one. Returns how many bytes were read, 0 on failure.
///
/// # Safety
/// The pointers are null or to a context and `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_seq_set_data(
    ctx: *mut llama_context,
    src: *const u8,
    size: usize,
    dest_seq_id: llama_seq_id,
    flags: llama_state_seq_flags,
) -> usize {
    // SAFETY: as the caller promised.
    unsafe {
        with("llama_state_seq_set_data", ctx, |c| {
            c.restore_seq(bytes(src, size)?, dest_seq_id, flags)
        })
    }
}

/// Saves a sequence and its tokens to a file. Returns the file's size, 0 on failure.
///
/// # Safety
/// The pointers are null or as their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_seq_save_file(
    ctx: *mut llama_context,
    filepath: *const c_char,
    seq_id: llama_seq_id,
    tokens_in: *const llama_token,
    n_token_count: usize,
) -> usize {
    // SAFETY: as the caller promised.
    unsafe {
        with("llama_state_seq_save_file", ctx, |c| {
            c.save_seq_file(path(filepath)?, seq_id, tokens(tokens_in, n_token_count)?)
        })
    }
}

/// Replaces a sequence by that of a file. Returns how many bytes were read, 0 on failure.
///
/// # Safety
/// The pointers are null or as their types say; `tokens_out` has room for `n_token_capacity`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_state_seq_load_file(
    ctx: *mut llama_context,
    filepath: *const c_char,
    dest_seq_id: llama_seq_id,
    tokens_out: *mut llama_token,
    n_token_capacity: usize,
    n_token_count_out: *mut usize,
) -> usize {
    // SAFETY: as the caller promised.
    unsafe {
        with("llama_state_seq_load_file", ctx, |c| {
            let (found, n) = c.restore_seq_file(path(filepath)?, dest_seq_id, n_token_capacity)?;
            give_tokens(&found, tokens_out, n_token_count_out)?;
            Ok(n)
        })
    }
}

/// The old name of [`llama_state_get_size`].
///
/// # Safety
/// As for [`llama_state_get_size`].
#[deprecated = "use llama_state_get_size instead"]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_state_size(ctx: *mut llama_context) -> usize {
    // SAFETY: as the caller promised.
    unsafe { llama_state_get_size(ctx) }
}

/// As [`llama_state_get_data`], with as much room as it needs.
///
/// # Safety
/// As for [`llama_state_get_data`].
#[deprecated = "use llama_state_get_data instead"]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_copy_state_data(ctx: *mut llama_context, dst: *mut u8) -> usize {
    // SAFETY: as the caller promised.
    unsafe { llama_state_get_data(ctx, dst, llama_state_get_size(ctx)) }
}

/// The old name of [`llama_state_load_file`].
///
/// # Safety
/// As for [`llama_state_load_file`].
#[deprecated = "use llama_state_load_file instead"]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_load_session_file(
    ctx: *mut llama_context,
    path_session: *const c_char,
    tokens_out: *mut llama_token,
    n_token_capacity: usize,
    n_token_count_out: *mut usize,
) -> bool {
    // SAFETY: as the caller promised.
    unsafe {
        llama_state_load_file(
            ctx,
            path_session,
            tokens_out,
            n_token_capacity,
            n_token_count_out,
        )
    }
}

/// The old name of [`llama_state_save_file`].
///
/// # Safety
/// As for [`llama_state_save_file`].
#[deprecated = "use llama_state_save_file instead"]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_save_session_file(
    ctx: *mut llama_context,
    path_session: *const c_char,
    tokens_in: *const llama_token,
    n_token_count: usize,
) -> bool {
    // SAFETY: as the caller promised.
    unsafe { llama_state_save_file(ctx, path_session, tokens_in, n_token_count) }
}
