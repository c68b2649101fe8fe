//! `llama.h`: LoRA adapters and control vectors.

use std::collections::HashSet;
use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::{Arc, Mutex};

use super::guard;
use super::llama_context::{context, llama_context};
use super::llama_model::llama_model;
use crate::llama::adapter::{ControlVector, LoraAdapter};
use crate::log_error;

/// The adapters of a model that nobody freed; freeing the model frees them.
#[derive(Default)]
pub(super) struct Adapters(Mutex<HashSet<usize>>);

impl Adapters {
    fn with<T>(&self, f: impl FnOnce(&mut HashSet<usize>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(|e| e.into_inner()))
    }
}

impl Drop for Adapters {
    fn drop(&mut self) {
        for address in self.with(std::mem::take) {
            // SAFETY: made by `Box::into_raw`, and not freed, else it would not be listed.
            drop(unsafe {
                Box::from_raw(ptr::with_exposed_provenance_mut::<llama_lora_adapter>(
                    address,
                ))
            });
        }
    }
}

/// What C callers know as `struct llama_lora_adapter`.
#[allow(non_camel_case_types)]
pub struct llama_lora_adapter {
    adapter: Arc<LoraAdapter>,
    /// Where it is listed.
    listed: std::sync::Weak<Adapters>,
}

/// Loads a LoRA adapter for a model from a GGUF file. It is freed with the model, if not before. Null, with a line in the log, if
/// that fails.
///
/// # Safety
/// `model` is null or a model, `path_lora` null or a C string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_lora_adapter_init(
    model: *mut llama_model,
    path_lora: *const c_char,
) -> *mut llama_lora_adapter {
    guard("llama_lora_adapter_init", ptr::null_mut(), || {
        // SAFETY: as the caller promised.
        let Some(model) = (unsafe { model.as_ref() }) else {
            log_error!("llama_lora_adapter_init: no model given");
            return ptr::null_mut();
        };
        if path_lora.is_null() {
            log_error!("llama_lora_adapter_init: no path given");
            return ptr::null_mut();
        }
        // SAFETY: not null, so a C string.
        let path = unsafe { CStr::from_ptr(path_lora) }.to_bytes();
        let path = Path::new(OsStr::from_bytes(path));
        match LoraAdapter::load(&model.model, path) {
            Ok(adapter) => {
                let handle = Box::into_raw(Box::new(llama_lora_adapter {
                    adapter: Arc::new(adapter),
                    listed: Arc::downgrade(&model.adapters),
                }));
                model
                    .adapters
                    .with(|all| all.insert(handle.expose_provenance()));
                handle
            }
            Err(e) => {
                log_error!("failed to load adapter {}: {e}", path.display());
                ptr::null_mut()
            }
        }
    })
}

/// The context and the adapter behind pointers.
///
/// # Safety
/// They are null, or a context that nothing else uses now, and an adapter.
unsafe fn both<'a>(
    what: &str,
    ctx: *mut llama_context,
    adapter: *const llama_lora_adapter,
) -> Option<(&'a mut crate::llama::context::Context, &'a Arc<LoraAdapter>)> {
    // SAFETY: as the caller promised.
    match unsafe { (context(ctx), adapter.as_ref()) } {
        (Some(ctx), Some(adapter)) => Some((ctx, &adapter.adapter)),
        _ => {
            log_error!("{what}: no context or no adapter given");
            None
        }
    }
}

/// Uses an adapter in a context from the next batch on, or changes how strongly it is used. Returns 0, or -1 if it is not an
/// adapter of the context's model.
///
/// # Safety
/// `ctx` is null or a context that nothing else uses now, `adapter` null or an adapter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_lora_adapter_set(
    ctx: *mut llama_context,
    adapter: *mut llama_lora_adapter,
    scale: f32,
) -> i32 {
    guard("llama_lora_adapter_set", -1, || {
        // SAFETY: as the caller promised.
        let Some((ctx, adapter)) = (unsafe { both("llama_lora_adapter_set", ctx, adapter) }) else {
            return -1;
        };
        match ctx.set_adapter(adapter, scale) {
            Ok(()) => 0,
            Err(e) => {
                log_error!("cannot use the adapter: {e}");
                -1
            }
        }
    })
}

/// Uses an adapter in a context no more. Returns 0, or -1 if it was not in use.
///
/// # Safety
/// `ctx` is null or a context that nothing else uses now, `adapter` null or an adapter.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_lora_adapter_remove(
    ctx: *mut llama_context,
    adapter: *mut llama_lora_adapter,
) -> i32 {
    guard("llama_lora_adapter_remove", -1, || {
        // SAFETY: as the caller promised.
        let both = unsafe { both("llama_lora_adapter_remove", ctx, adapter) };
        match both.map(|(ctx, adapter)| ctx.remove_adapter(adapter)) {
            Some(Ok(true)) => 0,
            _ => -1,
        }
    })
}

/// Uses no adapter in a context any more.
///
/// # Safety
/// `ctx` is null or a context that nothing else uses now.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_lora_adapter_clear(ctx: *mut llama_context) {
    guard("llama_lora_adapter_clear", (), || {
        // SAFETY: as the caller promised.
        if let Some(ctx) = unsafe { context(ctx) }
            && let Err(e) = ctx.clear_adapters()
        {
            log_error!("cannot remove the adapters: {e}");
        }
    });
}

/// Frees an adapter. Contexts that use it go on using it.
///
/// # Safety
/// The pointer is null or to an adapter that is not used any more, whose model is not freed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_lora_adapter_free(adapter: *mut llama_lora_adapter) {
    guard("llama_lora_adapter_free", (), || {
        if adapter.is_null() {
            return;
        }
        // SAFETY: made by `Box::into_raw` in `llama_lora_adapter_init`.
        let handle = unsafe { Box::from_raw(adapter) };
        if let Some(listed) = handle.listed.upgrade() {
            listed.with(|all| all.remove(&adapter.addr()));
        }
    });
}

/// Adds directions to the outputs of the layers `il_start..=il_end` from the next batch on; with `data` null, none. `data` has
/// `n_embd` values for each layer from layer 1 on, `len` in all. Returns 0, or another number, with a line in the log, if
/// `n_embd` is not the model's.
///
/// # Safety
/// `lctx` is null or a context that nothing else uses now, `data` null or to `len` values.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_control_vector_apply(
    lctx: *mut llama_context,
    data: *const f32,
    len: usize,
    n_embd: i32,
    il_start: i32,
    il_end: i32,
) -> i32 {
    guard("llama_control_vector_apply", -1, || {
        // SAFETY: as the caller promised.
        let Some(ctx) = (unsafe { context(lctx) }) else {
            log_error!("llama_control_vector_apply: no context given");
            return -1;
        };
        let hp = &ctx.model().hparams;
        let control = if data.is_null() {
            Ok(None)
        } else if i64::from(n_embd) != i64::from(hp.n_embd) || n_embd == 0 {
            log_error!(
                "the control vector is for embeddings of {n_embd} values, the model's have {}",
                hp.n_embd
            );
            return 1;
        } else {
            // SAFETY: not null, so `len` values.
            let data = unsafe { std::slice::from_raw_parts(data, len) };
            let (n_embd, n_layer) = (hp.n_embd as usize, hp.n_layer as usize);
            ControlVector::new(data, n_embd, n_layer, il_start..=il_end).map(Some)
        };
        match control.and_then(|control| ctx.set_control_vector(control)) {
            Ok(()) => 0,
            Err(e) => {
                log_error!("cannot apply the control vector: {e}");
                1
            }
        }
    })
}
