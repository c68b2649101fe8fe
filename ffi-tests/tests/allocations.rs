//! A loop over tokens allocates nothing once it is warm. Alone in its binary, since it counts all allocations of the process.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ffi::CString;
use std::sync::atomic::{AtomicUsize, Ordering};

use ffi_tests::models;
use ikrs::abi::llama_batch::llama_batch_get_one;
use ikrs::abi::llama_context::{
    llama_decode, llama_free, llama_get_logits_ith, llama_init_from_model,
};
use ikrs::abi::llama_model::{llama_free_model, llama_model_load_from_file};
use ikrs::abi::llama_sampling::llama_sample_token_greedy;
use ikrs::llama::params::{llama_context_params, llama_token_data, llama_token_data_array};

struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator, counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_token_loop_allocates_nothing() {
    let path = models::model("smollm2-q4_1");
    let path = CString::new(path.to_str().expect("a plain path")).expect("a plain path");
    for (flash_attn, n_threads) in [(true, 2), (false, 1)] {
        let params = llama_context_params {
            n_ctx: 1024,
            n_threads,
            n_threads_batch: n_threads,
            flash_attn,
            ..Default::default()
        };
        // SAFETY: the calls of llama.h, in order; the batch has one token, the candidates are the vocabulary's.
        unsafe {
            let model = llama_model_load_from_file(path.as_ptr(), Default::default());
            let ctx = llama_init_from_model(model, params);
            assert!(!ctx.is_null());
            let n_vocab = 49152;
            let mut candidates = vec![
                llama_token_data {
                    id: 0,
                    logit: 0.0,
                    p: 0.0
                };
                n_vocab
            ];
            let mut token = 1;
            let mut counts = Vec::new();
            for pos in 0..300 {
                let before = COUNT.load(Ordering::Relaxed);
                assert_eq!(
                    llama_decode(ctx, llama_batch_get_one(&mut token, 1, pos, 0)),
                    0
                );
                let logits = std::slice::from_raw_parts(llama_get_logits_ith(ctx, -1), n_vocab);
                for (i, (candidate, logit)) in candidates.iter_mut().zip(logits).enumerate() {
                    *candidate = llama_token_data {
                        id: i as i32,
                        logit: *logit,
                        p: 0.0,
                    };
                }
                let mut array = llama_token_data_array {
                    data: candidates.as_mut_ptr(),
                    size: n_vocab,
                    selected: -1,
                    sorted: false,
                };
                token = llama_sample_token_greedy(ctx, &mut array);
                let n = COUNT.load(Ordering::Relaxed) - before;
                if n > 0 && pos >= 2 {
                    counts.push((pos, n));
                }
            }
            assert!(
                counts.is_empty(),
                "flash attention: {flash_attn}; tokens and their allocations: {counts:?}"
            );
            llama_free(ctx);
            llama_free_model(model);
        }
    }
}
