//! Numbers of C enumerations, as they come from and go to C: any number may come, so they are integers here, read with the
//! enumerations' `from_raw`. The headers show the enumerations: the generator goes by these names.

#![allow(non_camel_case_types)]

use std::ffi::c_int;

pub type ggml_type = c_int;
pub type ggml_op = c_int;
pub type ggml_unary_op = c_int;
pub type ggml_glu_op = c_int;
pub type ggml_status = c_int;
pub type ggml_prec = c_int;
pub type ggml_backend_type = c_int;
pub type ggml_ftype = c_int;
pub type ggml_object_type = c_int;
pub type ggml_log_level = c_int;
pub type ggml_tri_type = c_int;
pub type ggml_numa_strategy = c_int;
pub type ggml_cgraph_eval_order = c_int;
pub type ggml_op_pool = c_int;
pub type ggml_scale_mode = c_int;
pub type ggml_sort_order = c_int;
pub type ggml_opt_type = c_int;
pub type ggml_opt_result = c_int;
pub type ggml_linesearch = c_int;
pub type gguf_type = c_int;
pub type ggml_backend_buffer_usage = c_int;
pub type llama_vocab_type = c_int;
pub type llama_rope_type = c_int;
pub type llama_token_type = c_int;
pub type llama_token_attr = c_int;
pub type llama_ftype = c_int;
pub type llama_rope_scaling_type = c_int;
pub type llama_pooling_type = c_int;
pub type llama_attention_type = c_int;
pub type llama_flash_attn_type = c_int;
pub type llama_split_mode = c_int;
pub type llama_mtp_op_type = c_int;
pub type llama_model_kv_override_type = c_int;
