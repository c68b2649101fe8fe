//! Which C name a Rust name stands for, and which header it belongs to.

/// An enumeration: its Rust name, its C name, what its enumerators begin with, and enumerators that have no variant: the count
/// that ends some C enumerations, and second names of a number.
pub struct EnumName {
    pub rust: &'static str,
    pub c: &'static str,
    pub prefix: &'static str,
    pub extra: &'static [(&'static str, i64)],
}

const fn named(
    rust: &'static str,
    c: &'static str,
    prefix: &'static str,
    extra: &'static [(&'static str, i64)],
) -> EnumName {
    EnumName {
        rust,
        c,
        prefix,
        extra,
    }
}

/// Enumerations whose Rust name differs from the C name. `RawX` means a number of the enumeration `X` and is printed as the
/// enumeration, too.
pub const ENUMS: &[EnumName] = &[
    named(
        "Type",
        "ggml_type",
        "GGML_TYPE_",
        &[("GGML_TYPE_COUNT", 400)],
    ),
    named("Op", "ggml_op", "GGML_OP_", &[("GGML_OP_COUNT", 102)]),
    named(
        "UnaryOp",
        "ggml_unary_op",
        "GGML_UNARY_OP_",
        &[("GGML_UNARY_OP_COUNT", 18)],
    ),
    named(
        "GluOp",
        "ggml_glu_op",
        "GGML_GLU_OP_",
        &[("GGML_GLU_OP_COUNT", 6)],
    ),
    named(
        "PoolOp",
        "ggml_op_pool",
        "GGML_OP_POOL_",
        &[("GGML_OP_POOL_COUNT", 2)],
    ),
    named("SortOrder", "ggml_sort_order", "GGML_SORT_ORDER_", &[]),
    named("TriType", "ggml_tri_type", "GGML_TRI_TYPE_", &[]),
    named("Level", "ggml_log_level", "GGML_LOG_LEVEL_", &[]),
    named("Status", "ggml_status", "GGML_STATUS_", &[]),
    named("FileType", "ggml_ftype", "GGML_FTYPE_", &[]),
    named("ObjectType", "ggml_object_type", "GGML_OBJECT_TYPE_", &[]),
    named(
        "EvalOrder",
        "ggml_cgraph_eval_order",
        "GGML_CGRAPH_EVAL_ORDER_",
        &[("GGML_CGRAPH_EVAL_ORDER_COUNT", 2)],
    ),
    named(
        "ValueType",
        "gguf_type",
        "GGUF_TYPE_",
        &[("GGUF_TYPE_COUNT", 13)],
    ),
    named(
        "BufferUsage",
        "ggml_backend_buffer_usage",
        "GGML_BACKEND_BUFFER_USAGE_",
        &[],
    ),
    named("Ftype", "llama_ftype", "LLAMA_FTYPE_", &[]),
    named("RopeType", "llama_rope_type", "LLAMA_ROPE_TYPE_", &[]),
    named(
        "RopeScalingType",
        "llama_rope_scaling_type",
        "LLAMA_ROPE_SCALING_TYPE_",
        &[("LLAMA_ROPE_SCALING_TYPE_MAX_VALUE", 3)],
    ),
    named(
        "PoolingType",
        "llama_pooling_type",
        "LLAMA_POOLING_TYPE_",
        &[],
    ),
    named(
        "AttentionType",
        "llama_attention_type",
        "LLAMA_ATTENTION_TYPE_",
        &[],
    ),
    named(
        "FlashAttnType",
        "llama_flash_attn_type",
        "LLAMA_FLASH_ATTN_TYPE_",
        &[],
    ),
    named("SplitMode", "llama_split_mode", "LLAMA_SPLIT_MODE_", &[]),
    named("MtpOpType", "llama_mtp_op_type", "MTP_OP_", &[]),
    named(
        "KvOverrideType",
        "llama_model_kv_override_type",
        "LLAMA_KV_OVERRIDE_TYPE_",
        &[],
    ),
];

/// Enumerators without a variant in enumerations that have their C names.
pub const EXTRA: &[(&str, &[(&str, i64)])] =
    &[("ggml_linesearch", &[("GGML_LINESEARCH_DEFAULT", 1)])];

/// Fields that are plain numbers or pointers to anything inside, because rooms don't know the rooms above them or because C may
/// put any number there: struct, field, the field's C name, its C type.
pub const FIELDS: &[(&str, &str, &str, &str)] = &[
    ("ggml_tensor", "type_", "type_", "ggml_type"),
    ("ggml_tensor", "backend", "__backend", "ggml_backend_type"),
    (
        "ggml_tensor",
        "buffer",
        "buffer",
        "*mut ggml_backend_buffer",
    ),
    ("ggml_tensor", "op", "op", "ggml_op"),
    ("ggml_cgraph", "order", "order", "ggml_cgraph_eval_order"),
    ("ggml_hash_set", "used", "used", "*mut ggml_bitset_t"),
    ("ggml_tallocr", "buffer", "buffer", "ggml_backend_buffer_t"),
    (
        "ggml_type_traits_t",
        "vec_dot_type",
        "vec_dot_type",
        "ggml_type",
    ),
];

/// Types that are not for C: parts of what `ffi-tests/headers` writes by hand.
pub const HIDDEN: &[&str] = &["llama_model_kv_override_value"];

/// The entry of an enumeration, by its Rust or its C name, or by the alias of its raw number.
pub fn enum_name(ident: &str) -> Option<&'static EnumName> {
    let ident = ident.strip_prefix("Raw").unwrap_or(ident);
    ENUMS.iter().find(|e| e.rust == ident || e.c == ident)
}

/// Whether C could know a type or function by this name.
pub fn is_c_name(ident: &str) -> bool {
    ["ggml_", "gguf_", "llama_"]
        .iter()
        .any(|p| ident.starts_with(p))
}

/// The C spelling of a variant: `Iq4_nl` is `IQ4_NL`, `NonCausal` is `NON_CAUSAL`.
pub fn enumerator(variant: &str) -> String {
    let mut out = String::new();
    for c in variant.chars() {
        if c.is_uppercase() && !out.is_empty() && !out.ends_with('_') {
            out.push('_');
        }
        out.extend(c.to_uppercase());
    }
    out
}

/// The header that declares a C name.
pub fn home(ident: &str) -> &'static str {
    let starts = |prefixes: &[&str]| prefixes.iter().any(|p| ident.starts_with(p));
    if starts(&["ggml_backend_cuda_", "ggml_backend_is_cuda"]) {
        "ggml-cuda.h"
    } else if starts(&["ggml_backend_rpc_", "ggml_backend_is_rpc"]) {
        "ggml-rpc.h"
    } else if starts(&[
        "ggml_tallocr",
        "ggml_gallocr",
        "ggml_backend_alloc_ctx_tensors",
    ]) || [
        "ggml_backend_t",
        "ggml_backend_buffer_t",
        "ggml_backend_buffer_type_t",
    ]
    .contains(&ident)
    {
        "ggml-alloc.h"
    } else if [
        "ggml_backend",
        "ggml_backend_buffer",
        "ggml_backend_buffer_type",
    ]
    .contains(&ident)
    {
        // Opaque; ggml_tensor points to a buffer.
        "ggml.h"
    } else if ident == "ggml_backend_type" {
        "ggml.h"
    } else if starts(&["ggml_backend_"]) {
        "ggml-backend.h"
    } else if starts(&["llama_"]) {
        "llama.h"
    } else {
        "ggml.h"
    }
}

/// Structs that C only points to, whatever Rust knows of them.
pub const OPAQUE: &[&str] = &[
    "ggml_backend",
    "ggml_backend_buffer",
    "ggml_backend_buffer_type",
    "ggml_backend_event",
    "ggml_backend_sched",
    "ggml_context",
    "ggml_gallocr",
    "gguf_context",
    "llama_context",
    "llama_grammar",
    "llama_lora_adapter",
    "llama_model",
    "llama_model_kv_override",
    "llama_sampler_adaptive_p",
    "llama_sampler_dry",
    "llama_sampler_grammar",
    "llama_vocab",
];
