//! `llama.h`: loading models and asking about them.

use std::ffi::{CStr, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use super::guard;
use super::llama::write_text;
use super::llama_adapter::Adapters;
use super::raw::llama_rope_type;
use crate::gguf::{Override, OverrideValue, Value};
use crate::graph::{Tensor, ggml_tensor};
use crate::llama::model::load::Options;
use crate::llama::model::{LoadParams, Model};
use crate::llama::params::{
    KvOverrideType, llama_model_kv_override, llama_model_params, llama_token,
};
use crate::{log_error, log_warn};

/// What C callers know as `struct llama_model`.
#[allow(non_camel_case_types)]
pub struct llama_model {
    pub(super) model: Arc<Model>,
    pub(super) adapters: Arc<Adapters>,
}

/// The model behind a pointer.
///
/// # Safety
/// The pointer is null or from `llama_model_load_from_file`, and not freed.
pub(super) unsafe fn model<'a>(ptr: *const llama_model) -> Option<&'a Model> {
    // SAFETY: as the caller promised.
    unsafe { ptr.as_ref() }.map(|m| &*m.model)
}

/// Loads a model. Null, with a line in the log, if that fails or the progress callback cancels it.
///
/// # Safety
/// `path_model` is null or a C string; the pointers in `params` are as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_model_load_from_file(
    path_model: *const c_char,
    params: llama_model_params,
) -> *mut llama_model {
    guard("llama_model_load_from_file", ptr::null_mut(), || {
        if path_model.is_null() {
            log_error!("llama_model_load_from_file: no path given");
            return ptr::null_mut();
        }
        // SAFETY: not null, so a C string.
        let path = Path::new(OsStr::from_bytes(
            unsafe { CStr::from_ptr(path_model) }.to_bytes(),
        ));
        let load = LoadParams {
            vocab_only: params.vocab_only,
            // SAFETY: null or a list as the header says.
            overrides: unsafe { overrides(params.kv_overrides) },
            options: Options {
                use_mmap: params.use_mmap,
                use_thp: params.use_thp,
                use_mlock: params.use_mlock,
                check_tensors: params.check_tensors || params.validate_quants,
                dry_run: params.dry_run,
            },
        };
        let mut progress = |fraction: f32| match params.progress_callback {
            // SAFETY: the caller gave the function for this use.
            Some(callback) => unsafe { callback(fraction, params.progress_callback_user_data) },
            None => true,
        };
        match Model::load(path, load, &mut progress) {
            Ok(Some(model)) => Box::into_raw(Box::new(llama_model {
                model: Arc::new(model),
                adapters: Arc::default(),
            })),
            Ok(None) => {
                log_warn!("loading {} was cancelled", path.display());
                ptr::null_mut()
            }
            Err(e) => {
                log_error!("failed to load model {}: {e}", path.display());
                ptr::null_mut()
            }
        }
    })
}

/// Reads a list of overrides that ends with an empty key.
///
/// # Safety
/// The pointer is null or to such a list.
unsafe fn overrides(mut list: *const llama_model_kv_override) -> Vec<Override> {
    let mut all = Vec::new();
    // SAFETY: null, or an element of the list; the one with an empty key is the last.
    while let Some(o) = unsafe { list.as_ref() } {
        let key = chars(&o.key);
        if key.is_empty() {
            break;
        }
        // SAFETY: the tag says which field is set, and any bits are a number or characters; a bool is read as a byte.
        let value = unsafe {
            match KvOverrideType::from_raw(o.tag) {
                Some(KvOverrideType::Int) => Some(OverrideValue::Int(o.value.val_i64)),
                Some(KvOverrideType::Float) => Some(OverrideValue::Float(o.value.val_f64)),
                Some(KvOverrideType::Bool) => Some(OverrideValue::Bool(o.value.val_str[0] != 0)),
                Some(KvOverrideType::Str) => Some(OverrideValue::Str(chars(&o.value.val_str))),
                None => None,
            }
        };
        match value {
            Some(value) => all.push(Override { key, value }),
            None => log_warn!("metadata override '{key}' has the unknown type {}", o.tag),
        }
        // SAFETY: this one had a key, so another follows.
        list = unsafe { list.add(1) };
    }
    all
}

/// The text in a fixed array of characters, up to its null byte or end.
fn chars(array: &[c_char]) -> String {
    let bytes: Vec<u8> = array
        .iter()
        .take_while(|c| **c != 0)
        .map(|c| *c as u8)
        .collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Frees a model. Contexts that still use it keep what they need.
///
/// # Safety
/// The pointer is null or from `llama_model_load_from_file`, and not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_free_model(model: *mut llama_model) {
    guard("llama_free_model", (), || {
        if !model.is_null() {
            // SAFETY: made by `Box::into_raw` in `llama_model_load_from_file`.
            drop(unsafe { Box::from_raw(model) });
        }
    });
}

/// Defines getters of numbers: the value without a model, and the value with one.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident -> $t:ty = $none:expr, $get:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// The pointer is null or to a model.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(model: *const llama_model) -> $t {
            // SAFETY: as the caller promised.
            unsafe { self::model(model) }.map_or($none, $get)
        }
    )*};
}

getters! {
    /// How positions are rotated.
    llama_rope_type -> llama_rope_type = -1, |m| m.page.rope_type as llama_rope_type;
    /// The context that the model was trained on.
    llama_n_ctx_train -> i32 = 0, |m| m.hparams.n_ctx_train as i32;
    /// Values per embedding.
    llama_model_n_embd -> i32 = 0, |m| m.hparams.n_embd as i32;
    /// Values per embedding that is given as input.
    llama_model_n_embd_inp -> i32 = 0, |m| m.hparams.n_embd as i32;
    llama_n_layer -> i32 = 0, |m| m.hparams.n_layer as i32;
    /// Layers that predict further tokens.
    llama_model_n_nextn_layer -> i32 = 0, |_| 0;
    /// The scale of the rotation's frequencies in training.
    llama_rope_freq_scale_train -> f32 = 0.0, |m| m.hparams.rope_freq_scale;
    /// Bytes of all tensors.
    llama_model_size -> u64 = 0, |m| m.body.as_ref().map_or(0, |b| b.size);
    /// Values of all tensors.
    llama_model_n_params -> u64 = 0, |m| m.body.as_ref().map_or(0, |b| b.n_params);
    /// Whether the model has an encoder, for `llama_encode`.
    llama_model_has_encoder -> bool = false, |_| false;
    /// Whether the model has a decoder, for `llama_decode`.
    llama_model_has_decoder -> bool = false, |_| true;
    /// The token that a decoder begins with, -1 for models without an encoder.
    llama_model_decoder_start_token -> llama_token = -1, |_| -1;
    llama_model_is_recurrent -> bool = false, |_| false;
    llama_model_is_hybrid -> bool = false, |_| false;
    llama_model_has_recurrent -> bool = false, |_| false;
    /// How many keys the functions below go through: those whose values are not arrays.
    llama_model_meta_count -> i32 = 0, |m| scalars(m).count() as i32;
}

/// The metadata whose values are not arrays.
fn scalars(m: &Model) -> impl Iterator<Item = (&str, &Value)> {
    let all = m.metadata.iter().map(|(key, value)| (&**key, value));
    all.filter(|(_, value)| !matches!(value, Value::Array(_)))
}

/// Writes a text to the caller's buffer; without a text, clears the buffer and gives -1.
///
/// # Safety
/// `buf` is null or writable for `size` bytes.
unsafe fn give(buf: *mut c_char, size: usize, text: Option<&[u8]>) -> i32 {
    // SAFETY: as the caller promised.
    let length = unsafe { write_text(buf, size, text.unwrap_or_default()) };
    if text.is_some() { length } else { -1 }
}

/// The value of a key as text. Returns its length, or -1 if there is none.
///
/// # Safety
/// The pointers are null or as their types say; `buf` is writable for `buf_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_model_meta_val_str(
    model: *const llama_model,
    key: *const c_char,
    buf: *mut c_char,
    buf_size: usize,
) -> i32 {
    guard("llama_model_meta_val_str", -1, || {
        // SAFETY: as the caller promised.
        let (model, key) = unsafe { (self::model(model), super::text(key)) };
        let value = model.zip(key).and_then(|(m, key)| {
            let found = scalars(m).find(|(k, _)| *k == key);
            found.map(|(_, value)| value.to_text())
        });
        // SAFETY: the caller's buffer.
        unsafe { give(buf, buf_size, value.as_deref()) }
    })
}

/// The `i`-th key. Returns its length, or -1 if there is none.
///
/// # Safety
/// As for [`llama_model_meta_val_str`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_model_meta_key_by_index(
    model: *const llama_model,
    i: i32,
    buf: *mut c_char,
    buf_size: usize,
) -> i32 {
    guard("llama_model_meta_key_by_index", -1, || {
        // SAFETY: as the caller promised.
        let entry = unsafe { entry(model, i) };
        // SAFETY: the caller's buffer.
        unsafe { give(buf, buf_size, entry.map(|(key, _)| key.as_bytes())) }
    })
}

/// The `i`-th value as text. Returns its length, or -1 if there is none.
///
/// # Safety
/// As for [`llama_model_meta_val_str`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_model_meta_val_str_by_index(
    model: *const llama_model,
    i: i32,
    buf: *mut c_char,
    buf_size: usize,
) -> i32 {
    guard("llama_model_meta_val_str_by_index", -1, || {
        // SAFETY: as the caller promised.
        let value = unsafe { entry(model, i) }.map(|(_, value)| value.to_text());
        // SAFETY: the caller's buffer.
        unsafe { give(buf, buf_size, value.as_deref()) }
    })
}

/// # Safety
/// As for [`model`].
unsafe fn entry<'a>(model: *const llama_model, i: i32) -> Option<(&'a str, &'a Value)> {
    // SAFETY: as the caller promised.
    let model = unsafe { self::model(model) }?;
    scalars(model).nth(usize::try_from(i).ok()?)
}

/// Architecture, size and quantization, as `llama 7B Q4_0`. Returns the length.
///
/// # Safety
/// As for [`llama_model_meta_val_str`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_model_desc(
    model: *const llama_model,
    buf: *mut c_char,
    buf_size: usize,
) -> i32 {
    guard("llama_model_desc", -1, || {
        // SAFETY: as the caller promised.
        let text = unsafe { self::model(model) }.map(Model::description);
        // SAFETY: the caller's buffer.
        unsafe { give(buf, buf_size, text.as_deref().map(str::as_bytes)) }
    })
}

/// A tensor of the model by name, or null.
///
/// # Safety
/// The pointers are null or as their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_get_model_tensor(
    model: *mut llama_model,
    name: *const c_char,
) -> *mut ggml_tensor {
    guard("llama_get_model_tensor", ptr::null_mut(), || {
        // SAFETY: as the caller promised.
        let (model, name) = unsafe { (self::model(model), super::text(name)) };
        let found = model.zip(name).and_then(|(m, name)| m.tensor(&name));
        found.map_or(ptr::null_mut(), Tensor::as_ptr)
    })
}
