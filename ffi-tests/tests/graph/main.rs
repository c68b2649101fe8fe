//! Graphs against the reference: sizes of arenas, what builders make, the order of nodes, the results of operators, how much memory
//! a graph takes, and in which order the scheduler shows nodes.

mod api;
mod cases;

use std::ffi::{CStr, c_void};
use std::ptr::null_mut;

use ffi_tests::libs::Lib;
use ikrs::graph::{Op, ggml_cgraph};
use ikrs::quant::Type;

use api::{Ggml, T, describe, floats, name};
use cases::{CASES, REFERENCE_ABORTS, decoder, tolerance};

#[test]
fn arenas_and_graphs_take_the_same_memory() {
    let [ours, theirs] = Lib::both();
    for lib in [&ours, &theirs] {
        Ggml::new(lib, 1024, true);
    }
    // SAFETY: the signatures in ggml.h and ggml-impl.h.
    unsafe {
        let tensor =
            |lib: &Lib| lib.get::<unsafe extern "C" fn() -> usize>("ggml_tensor_overhead")();
        assert_eq!(tensor(&ours), tensor(&theirs));
        let plain = |lib: &Lib| lib.get::<unsafe extern "C" fn() -> usize>("ggml_graph_overhead")();
        assert_eq!(plain(&ours), plain(&theirs));
        type Custom = unsafe extern "C" fn(usize, bool) -> usize;
        let custom: [Custom; 2] = [&ours, &theirs].map(|l| l.get("ggml_graph_overhead_custom"));
        type Hash = unsafe extern "C" fn(usize) -> usize;
        let hash: [Hash; 2] = [&ours, &theirs].map(|l| l.get("ggml_hash_size"));
        for size in (1..200).chain([1000, 2048, 8192, 65536, 100_000, 1 << 25]) {
            for grads in [false, true] {
                assert_eq!(
                    custom[0](size, grads),
                    custom[1](size, grads),
                    "{size} {grads}"
                );
            }
            assert_eq!(hash[0](size), hash[1](size), "{size}");
        }
        assert_eq!(hash[0](1 << 40), hash[1](1 << 40));
    }
}

#[test]
fn operators_have_the_same_names() {
    let libs = Lib::both();
    for function in ["ggml_op_name", "ggml_op_symbol"] {
        for op in 0..=Op::Fused_rms_rms_add as i32 {
            let [ours, theirs] = [&libs[0], &libs[1]].map(|lib| {
                // SAFETY: the signature in ggml.h.
                unsafe {
                    let name: unsafe extern "C" fn(i32) -> *const std::ffi::c_char =
                        lib.get(function);
                    CStr::from_ptr(name(op)).to_string_lossy().into_owned()
                }
            });
            // The reference's formula of gated linear units ends in a comma.
            assert_eq!(ours, theirs.trim_end_matches(','), "{function}({op})");
        }
    }
}

#[test]
fn builders_make_the_same_tensors() {
    let [ours, theirs] = Lib::both();
    let mut wrong = Vec::new();
    for (case, build) in CASES {
        let [a, b] = [&ours, &theirs].map(|lib| {
            let g = Ggml::new(lib, 1 << 20, false);
            let t = build(&g);
            assert!(!t.is_null(), "{case}: {} refused it", lib.name);
            (describe(t), g.used())
        });
        if a != b {
            wrong.push(format!(
                "{case}:\nours {} {}theirs {} {}",
                a.1, a.0, b.1, b.0
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn operators_give_the_same_results() {
    let [ours, theirs] = Lib::both();
    let mut wrong = Vec::new();
    for (case, build) in CASES {
        // Seen with --nocapture: which one made the reference end the process.
        println!("{case}");
        let theirs = match REFERENCE_ABORTS.contains(case) {
            true => &ours,
            false => &theirs,
        };
        let results = [(theirs, 1), (&ours, 1), (&ours, 3)].map(|(lib, n_threads)| {
            let g = Ggml::new(lib, 16 << 20, false);
            let t = build(&g);
            let status = g.compute(t, n_threads);
            // SAFETY: a tensor of a live context.
            match unsafe { (*t).type_ } {
                _ if status != 0 => Err(status),
                0 => Ok(floats(t).to_vec()),
                26 => Ok(floats(t).iter().map(|v| v.to_bits() as f32).collect()),
                1 => Ok(halves(t)),
                other => panic!("{case}: results of type {other}"),
            }
        });
        let [Ok(reference), Ok(one), Ok(three)] = results else {
            wrong.push(format!("{case}: status {:?}", results.map(|r| r.err())));
            continue;
        };
        let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        if bits(&one) != bits(&three) {
            wrong.push(format!("{case}: depends on the number of threads"));
        }
        let error = distance(&reference, &one);
        if error.is_nan() || error >= tolerance(case) {
            wrong.push(format!(
                "{case}: relative error {error}\n  ours   {:?}\n  theirs {:?}",
                &one[..one.len().min(12)],
                &reference[..reference.len().min(12)]
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn halves(t: T) -> Vec<f32> {
    // SAFETY: a contiguous tensor of half floats with data.
    unsafe {
        let n = (*t).ne.iter().product::<i64>() as usize;
        std::slice::from_raw_parts((*t).data.cast::<half::f16>(), n)
    }
    .iter()
    .map(|h| h.to_f32())
    .collect()
}

/// The root of the normalized squared error; infinities and NaNs must agree.
fn distance(reference: &[f32], ours: &[f32]) -> f64 {
    assert_eq!(reference.len(), ours.len());
    let (mut error, mut norm) = (0.0, 1e-12);
    for (&r, &o) in reference.iter().zip(ours) {
        if !r.is_finite() || !o.is_finite() {
            if r.to_bits() != o.to_bits() {
                return f64::INFINITY;
            }
            continue;
        }
        error += f64::from(r - o).powi(2);
        norm += f64::from(r).powi(2);
    }
    (error / norm).sqrt()
}

#[test]
fn graphs_have_the_same_order() {
    let libs = Lib::both();
    let [ours, theirs] = [&libs[0], &libs[1]].map(|lib| {
        let g = Ggml::new(lib, 16 << 20, true);
        let (out, _) = decoder(&g, 4, 32);
        let graph = g.graph(&[out]);
        // SAFETY: a graph of a live context.
        unsafe {
            let graph = &*graph;
            let list =
                |p: *mut T, n: i32| (0..n as usize).map(|i| name(*p.add(i))).collect::<Vec<_>>();
            (
                list(graph.nodes, graph.n_nodes),
                list(graph.leafs, graph.n_leafs),
            )
        }
    });
    assert_eq!(ours, theirs);
}

#[test]
fn graphs_take_no_more_memory() {
    let libs = Lib::both();
    for n_tokens in [1, 32, 512] {
        let [ours, theirs] = [&libs[0], &libs[1]].map(|lib| {
            let g = Ggml::new(lib, 16 << 20, true);
            let (out, _) = decoder(&g, 12, n_tokens);
            let graph = g.graph(&[out]);
            let weights = unallocated_leafs(&g, graph);
            // SAFETY: the signatures in ggml-backend.h and ggml-alloc.h.
            unsafe {
                let buft: unsafe extern "C" fn() -> *mut c_void =
                    lib.get("ggml_backend_cpu_buffer_type");
                let new: unsafe extern "C" fn(*mut c_void) -> *mut c_void =
                    lib.get("ggml_gallocr_new");
                let reserve: unsafe extern "C" fn(*mut c_void, *mut ggml_cgraph) -> bool =
                    lib.get("ggml_gallocr_reserve");
                let size: unsafe extern "C" fn(*mut c_void, i32) -> usize =
                    lib.get("ggml_gallocr_get_buffer_size");
                let free: unsafe extern "C" fn(*mut c_void) = lib.get("ggml_gallocr_free");
                let galloc = new(buft());
                assert!(reserve(galloc, graph));
                let bytes = size(galloc, 0);
                free(galloc);
                drop(weights);
                bytes
            }
        });
        assert!(
            ours <= theirs,
            "{n_tokens} tokens: {ours} bytes, the reference {theirs}"
        );
    }
}

/// Gives the weights of a graph (leafs that are no inputs) an address, so that the allocator leaves them alone.
fn unallocated_leafs(_g: &Ggml, graph: *mut ggml_cgraph) -> Vec<u8> {
    let mut somewhere = vec![0u8; 64];
    // SAFETY: a graph of a live context; nothing is computed.
    unsafe {
        for i in 0..(*graph).n_leafs as usize {
            let leaf = *(*graph).leafs.add(i);
            if (*leaf).flags == 0 {
                (*leaf).data = somewhere.as_mut_ptr().cast();
            }
        }
    }
    somewhere
}

/// What a callback was told.
struct Seen {
    log: Vec<String>,
    wanted: fn(&str) -> bool,
    stop_at: &'static str,
}

unsafe extern "C" fn observe(t: T, ask: bool, data: *mut c_void) -> bool {
    // SAFETY: the pointer that `show` gave.
    let seen = unsafe { &mut *data.cast::<Seen>() };
    let name = name(t);
    seen.log
        .push(format!("{} {name}", if ask { "ask" } else { "see" }));
    if ask {
        (seen.wanted)(&name)
    } else {
        name != seen.stop_at
    }
}

/// Runs a small graph through a scheduler with a callback; what it was told.
fn show(lib: &Lib, wanted: fn(&str) -> bool, stop_at: &'static str) -> Vec<String> {
    let g = Ggml::new(lib, 1 << 20, true);
    let a = g.set_name(g.tensor(Type::F32, &[8, 4]), "a");
    let b = g.set_name(g.one("ggml_sqr", a), "b");
    let c = g.set_name(g.two("ggml_add", b, a), "c");
    let v = g.set_name(g.call("ggml_reshape_1d", &[c], &[32], &[]), "v");
    let d = g.set_name(g.one("ggml_sum", v), "d");
    let graph = g.graph(&[d]);
    let mut seen = Seen {
        log: Vec::new(),
        wanted,
        stop_at,
    };
    // SAFETY: the signatures in ggml-backend.h.
    unsafe {
        let init: unsafe extern "C" fn() -> *mut c_void = lib.get("ggml_backend_cpu_init");
        let new: unsafe extern "C" fn(
            *mut *mut c_void,
            *mut *mut c_void,
            i32,
            usize,
            bool,
        ) -> *mut c_void = lib.get("ggml_backend_sched_new");
        let set: unsafe extern "C" fn(
            *mut c_void,
            unsafe extern "C" fn(T, bool, *mut c_void) -> bool,
            *mut c_void,
        ) = lib.get("ggml_backend_sched_set_eval_callback");
        let compute: unsafe extern "C" fn(*mut c_void, *mut ggml_cgraph) -> i32 =
            lib.get("ggml_backend_sched_graph_compute");
        let free: unsafe extern "C" fn(*mut c_void) = lib.get("ggml_backend_sched_free");
        let free_backend: unsafe extern "C" fn(*mut c_void) = lib.get("ggml_backend_free");
        let mut backend = init();
        let sched = new(&mut backend, null_mut(), 1, 64, false);
        set(sched, observe, (&raw mut seen).cast());
        assert_eq!(compute(sched, graph), 0);
        free(sched);
        free_backend(backend);
    }
    seen.log
}

#[test]
fn the_scheduler_shows_the_same_nodes() {
    let [ours, theirs] = Lib::both();
    let choices: [fn(&str) -> bool; 3] = [|_| true, |_| false, |name| name == "c"];
    for wanted in choices {
        for stop_at in ["", "c"] {
            assert_eq!(show(&ours, wanted, stop_at), show(&theirs, wanted, stop_at));
        }
    }
}
