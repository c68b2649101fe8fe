//! A library with a model loaded and a context for it.

use std::ffi::{CString, c_char, c_void};

use ikrs::llama::params::{llama_batch, llama_context_params, llama_model_params, llama_token};

use crate::libs::Lib;
use crate::models;

/// A model in one of the libraries; freed when dropped.
pub struct Session {
    pub lib: Lib,
    pub model: *mut c_void,
    pub ctx: *mut c_void,
    pub vocab: *const c_void,
    pub n_vocab: usize,
}

impl Session {
    /// SmolLM2 as it is published.
    pub fn new(lib: Lib, n_ctx: u32) -> Session {
        Session::of(lib, "smollm2-q4_1", n_ctx)
    }

    /// A model by its name in [`models::model`].
    pub fn of(lib: Lib, model: &str, n_ctx: u32) -> Session {
        let path = models::model(model);
        let path = CString::new(path.to_str().expect("a plain path")).expect("a plain path");
        type Load = unsafe extern "C" fn(*const c_char, llama_model_params) -> *mut c_void;
        type Init = unsafe extern "C" fn(*mut c_void, llama_context_params) -> *mut c_void;
        type Vocab = unsafe extern "C" fn(*const c_void) -> *const c_void;
        type Count = unsafe extern "C" fn(*const c_void) -> i32;
        let params = llama_context_params {
            n_ctx,
            n_threads: 1,
            n_threads_batch: 1,
            ..Default::default()
        };
        // SAFETY: the types are llama.h's, and the path is a C string.
        unsafe {
            let load = lib.get::<Load>("llama_model_load_from_file");
            let model = load(path.as_ptr(), Default::default());
            let ctx = lib.get::<Init>("llama_init_from_model")(model, params);
            assert!(!model.is_null() && !ctx.is_null(), "{}", lib.name);
            Session {
                vocab: lib.get::<Vocab>("llama_model_get_vocab")(model),
                n_vocab: lib.get::<Count>("llama_n_vocab")(model) as usize,
                lib,
                model,
                ctx,
            }
        }
    }

    /// The tokens of a text; names of special tokens become these.
    pub fn tokenize(&self, text: &str) -> Vec<llama_token> {
        type Tokenize =
            unsafe extern "C" fn(*const c_void, *const u8, i32, *mut i32, i32, bool, bool) -> i32;
        let mut tokens = vec![0; text.len() + 8];
        // SAFETY: the type is llama.h's, and there is room for as many tokens as said.
        let n = unsafe {
            self.lib.get::<Tokenize>("llama_tokenize")(
                self.model,
                text.as_ptr(),
                text.len() as i32,
                tokens.as_mut_ptr(),
                tokens.len() as i32,
                false,
                true,
            )
        };
        tokens.truncate(usize::try_from(n).expect("there is room"));
        tokens
    }

    /// Decodes tokens of sequence 0 from a position on; returns the logits of the last.
    pub fn decode(&self, tokens: &[llama_token], pos: usize) -> Vec<f32> {
        type One = unsafe extern "C" fn(*const i32, i32, i32, i32) -> llama_batch;
        type Decode = unsafe extern "C" fn(*mut c_void, llama_batch) -> i32;
        type Logits = unsafe extern "C" fn(*mut c_void, i32) -> *const f32;
        // SAFETY: the types are llama.h's, and there are as many tokens and logits as said.
        unsafe {
            let one = self.lib.get::<One>("llama_batch_get_one");
            let batch = one(tokens.as_ptr(), tokens.len() as i32, pos as i32, 0);
            assert_eq!(self.lib.get::<Decode>("llama_decode")(self.ctx, batch), 0);
            let logits = self.lib.get::<Logits>("llama_get_logits_ith")(self.ctx, -1);
            std::slice::from_raw_parts(logits, self.n_vocab).to_vec()
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        type Free = unsafe extern "C" fn(*mut c_void);
        // SAFETY: the types are llama.h's; neither is used any more.
        unsafe {
            self.lib.get::<Free>("llama_free")(self.ctx);
            self.lib.get::<Free>("llama_free_model")(self.model);
        }
    }
}
