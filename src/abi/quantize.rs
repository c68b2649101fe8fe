//! `llama_model_quantize`. Its parameters carry libstdc++ containers behind `void *`, as `llama-quantize` passes them; they are
//! read here by their layout in memory (x86-64 libstdc++, the C++11 ABI).

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, c_char, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use regex::Regex;

use super::guard;
use crate::error::{Error, Result};
use crate::gguf::{Override, OverrideValue};
use crate::llama::ftype::Ftype;
use crate::llama::params::{
    KvOverrideType, RawType, llama_model_kv_override, llama_model_quantize_params,
};
use crate::llama::quantize::rules::Wishes;
use crate::llama::quantize::{Options, Patterns, quantize};
use crate::quant::Type;
use crate::{bail, ensure, log_error};

/// `std::vector<T>`.
#[repr(C)]
struct StdVector<T> {
    begin: *const T,
    end: *const T,
    end_of_storage: *const T,
}

impl<T> StdVector<T> {
    /// # Safety
    /// The vector is a live `std::vector` of this element type.
    unsafe fn as_slice(&self) -> &[T] {
        let len = (self.end.addr() - self.begin.addr()) / size_of::<T>();
        match len {
            0 => &[],
            // SAFETY: a vector's elements lie between its pointers.
            _ => unsafe { std::slice::from_raw_parts(self.begin, len) },
        }
    }
}

/// `std::string`.
#[repr(C)]
struct StdString {
    data: *const u8,
    len: usize,
    local: [u8; 16],
}

impl StdString {
    /// # Safety
    /// The string is a live `std::string`.
    unsafe fn to_str(&self) -> Result<&str> {
        // SAFETY: `data` points to `len` bytes.
        let bytes = unsafe { std::slice::from_raw_parts(self.data, self.len) };
        std::str::from_utf8(bytes).map_err(|_| Error("a string is not UTF-8".into()))
    }
}

/// `std::pair<std::string, ggml_type>`.
#[repr(C)]
struct StdRule {
    pattern: StdString,
    ty: RawType,
}

/// A node of `std::unordered_map<std::string, std::vector<float>>`.
#[repr(C)]
struct StdNode {
    next: *const StdNode,
    key: StdString,
    values: StdVector<f32>,
    hash: usize,
}

/// `std::unordered_map<std::string, std::vector<float>>`: a list of nodes behind its buckets.
#[repr(C)]
struct StdMap {
    buckets: *const c_void,
    n_buckets: usize,
    first: *const StdNode,
    len: usize,
}

/// # Safety
/// `map` is null or a live `std::unordered_map<std::string, std::vector<float>>`.
unsafe fn read_imatrix(map: *const c_void) -> Result<Option<HashMap<String, Vec<f32>>>> {
    // SAFETY: the layout is that of libstdc++.
    let Some(map) = (unsafe { map.cast::<StdMap>().as_ref() }) else {
        return Ok(None);
    };
    let mut entries = HashMap::new();
    let mut node = map.first;
    // SAFETY: the nodes form a list that ends in null.
    while let Some(entry) = unsafe { node.as_ref() } {
        // SAFETY: key and values of a live map are live.
        let (key, values) = unsafe { (entry.key.to_str()?, entry.values.as_slice()) };
        entries.insert(key.to_owned(), values.to_vec());
        node = entry.next;
    }
    ensure!(
        entries.len() == map.len,
        "imatrix: {} entries found, {} expected",
        entries.len(),
        map.len
    );
    Ok(Some(entries))
}

/// # Safety
/// `vector` is null or a live `std::vector<llama_model_kv_override>`.
unsafe fn read_overrides(vector: *const c_void) -> Result<Vec<Override>> {
    // SAFETY: the layout is that of libstdc++.
    let Some(vector) = (unsafe { vector.cast::<StdVector<llama_model_kv_override>>().as_ref() })
    else {
        return Ok(Vec::new());
    };
    // SAFETY: as above. The list may end early with an empty key.
    let all = unsafe { vector.as_slice() }.iter();
    all.take_while(|o| o.key[0] != 0)
        .map(|o| {
            let text = |chars: &[c_char]| {
                let bytes: Vec<u8> = chars
                    .iter()
                    .map(|&c| c as u8)
                    .take_while(|&c| c != 0)
                    .collect();
                String::from_utf8(bytes)
                    .map_err(|_| Error("a metadata override is not UTF-8".into()))
            };
            // SAFETY: the tag says which member of the union was written.
            let value = unsafe {
                match KvOverrideType::from_raw(o.tag) {
                    Some(KvOverrideType::Int) => OverrideValue::Int(o.value.val_i64),
                    Some(KvOverrideType::Float) => OverrideValue::Float(o.value.val_f64),
                    Some(KvOverrideType::Bool) => OverrideValue::Bool(o.value.val_bool),
                    Some(KvOverrideType::Str) => OverrideValue::Str(text(&o.value.val_str)?),
                    None => bail!("metadata override of unknown kind {}", o.tag),
                }
            };
            Ok(Override {
                key: text(&o.key)?,
                value,
            })
        })
        .collect()
}

/// # Safety
/// `vector` is null or a live `std::vector<std::pair<std::string, ggml_type>>`.
unsafe fn read_rules(vector: *const c_void) -> Result<Vec<(Regex, Type)>> {
    // SAFETY: the layout is that of libstdc++.
    let Some(vector) = (unsafe { vector.cast::<StdVector<StdRule>>().as_ref() }) else {
        return Ok(Vec::new());
    };
    // SAFETY: as above.
    let rules = unsafe { vector.as_slice() }.iter();
    rules
        .map(|rule| {
            // SAFETY: strings of a live vector are live.
            let pattern = unsafe { rule.pattern.to_str()? };
            let regex =
                Regex::new(pattern).map_err(|e| Error(format!("custom quantization rule: {e}")))?;
            let Some(ty) = Type::from_raw(rule.ty) else {
                bail!(
                    "custom quantization rule '{pattern}': {} is not a tensor type",
                    rule.ty
                );
            };
            Ok((regex, ty))
        })
        .collect()
}

/// # Safety
/// `vector` is null or a live `std::vector<std::string>`.
unsafe fn read_patterns(vector: *const c_void) -> Result<Patterns> {
    // SAFETY: the layout is that of libstdc++.
    let Some(vector) = (unsafe { vector.cast::<StdVector<StdString>>().as_ref() }) else {
        return Ok(None);
    };
    // SAFETY: as above.
    let patterns = unsafe { vector.as_slice() }.iter();
    let read = patterns.map(|pattern| {
        // SAFETY: strings of a live vector are live.
        let pattern = unsafe { pattern.to_str()? };
        Regex::new(pattern).map_err(|e| Error(format!("repack pattern: {e}")))
    });
    read.collect::<Result<Vec<_>>>().map(Some)
}

/// # Safety
/// The pointers in `params` are null or live containers of the types that `llama.h` documents.
unsafe fn read_options(params: &llama_model_quantize_params) -> Result<Options> {
    let Some(ftype) = Ftype::from_raw(params.ftype) else {
        bail!("invalid output file type {}", params.ftype);
    };
    let wish = Type::from_raw;
    // SAFETY: the caller's promise.
    let (imatrix, overrides, custom, patterns) = unsafe {
        (
            read_imatrix(params.imatrix)?,
            read_overrides(params.kv_overrides)?,
            read_rules(params.custom_quants)?,
            read_patterns(params.repack_pattern)?,
        )
    };
    Ok(Options {
        n_threads: usize::try_from(params.nthread).unwrap_or(0),
        ftype,
        wishes: Wishes {
            output: wish(params.output_tensor_type),
            token_embd: wish(params.token_embedding_type),
            attn_q: wish(params.attn_q_type),
            attn_k: wish(params.attn_k_type),
            attn_v: wish(params.attn_v_type),
            attn_qkv: wish(params.attn_qkv_type),
            attn_output: wish(params.attn_output_type),
            ffn_gate: wish(params.ffn_gate_type),
            ffn_down: wish(params.ffn_down_type),
            ffn_up: wish(params.ffn_up_type),
            ffn_gate_inp: wish(params.ffn_gate_inp_type),
        },
        imatrix,
        overrides,
        custom,
        allow_requantize: params.allow_requantize,
        quantize_output: params.quantize_output_tensor,
        only_copy: params.only_copy,
        pure: params.pure_,
        keep_split: params.keep_split,
        ignore_imatrix_rules: params.ignore_imatrix_rules,
        dry_run: params.dry_run,
        partial: params.partial_requant,
        repack: params.only_repack.then_some(patterns),
    })
}

/// Quantizes a model file. Returns 0 on success, 1 on failure, with the reason in the log; a failure leaves no output file.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn llama_model_quantize(
    fname_inp: *const c_char,
    fname_out: *const c_char,
    params: *const llama_model_quantize_params,
) -> u32 {
    guard("llama_model_quantize", 1, || {
        // SAFETY: null or what `llama.h` asks for.
        let Some(params) = (unsafe { params.as_ref() }) else {
            log_error!("llama_model_quantize: no parameters given");
            return 1;
        };
        if fname_inp.is_null() || fname_out.is_null() {
            log_error!("llama_model_quantize: a file name is missing");
            return 1;
        }
        // SAFETY: C strings.
        let path = |p| Path::new(OsStr::from_bytes(unsafe { CStr::from_ptr(p) }.to_bytes()));
        // SAFETY: the caller's containers are live during the call.
        let result = unsafe { read_options(params) }
            .and_then(|options| quantize(path(fname_inp), path(fname_out), &options));
        match result {
            Ok(()) => 0,
            Err(e) => {
                log_error!("llama_model_quantize: failed to quantize: {e}");
                1
            }
        }
    })
}
