//! Buffers, backends and graph allocation through the C interface: the same calls on both libraries, and what only ours promises,
//! errors instead of a dead process.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::null_mut;

use ffi_tests::libs::Lib;
use ikrs::abi::ggml_types::{ggml_backend_graph_copy, ggml_init_params};
use ikrs::graph::{ggml_cgraph, ggml_tensor};

type T = *mut ggml_tensor;
type Ptr = *mut c_void;

/// The functions under test, of one library.
struct Api {
    init: unsafe extern "C" fn(ggml_init_params) -> Ptr,
    free: unsafe extern "C" fn(Ptr),
    new_2d: unsafe extern "C" fn(Ptr, i32, i64, i64) -> T,
    add: unsafe extern "C" fn(Ptr, T, T) -> T,
    sqr: unsafe extern "C" fn(Ptr, T) -> T,
    view_1d: unsafe extern "C" fn(Ptr, T, i64, usize) -> T,
    set_input: unsafe extern "C" fn(T),
    new_graph: unsafe extern "C" fn(Ptr) -> *mut ggml_cgraph,
    expand: unsafe extern "C" fn(*mut ggml_cgraph, T),
    cpu_init: unsafe extern "C" fn() -> Ptr,
    cpu_type: unsafe extern "C" fn() -> Ptr,
    backend_free: unsafe extern "C" fn(Ptr),
    alloc_ctx: unsafe extern "C" fn(Ptr, Ptr) -> Ptr,
    buffer_free: unsafe extern "C" fn(Ptr),
    set: unsafe extern "C" fn(T, *const f32, usize, usize),
    get: unsafe extern "C" fn(T, *mut f32, usize, usize),
    compute: unsafe extern "C" fn(Ptr, *mut ggml_cgraph) -> i32,
}

impl Api {
    fn of(lib: &Lib) -> Api {
        // SAFETY: the signatures in the headers.
        unsafe {
            Api {
                init: lib.get("ggml_init"),
                free: lib.get("ggml_free"),
                new_2d: lib.get("ggml_new_tensor_2d"),
                add: lib.get("ggml_add"),
                sqr: lib.get("ggml_sqr"),
                view_1d: lib.get("ggml_view_1d"),
                set_input: lib.get("ggml_set_input"),
                new_graph: lib.get("ggml_new_graph"),
                expand: lib.get("ggml_build_forward_expand"),
                cpu_init: lib.get("ggml_backend_cpu_init"),
                cpu_type: lib.get("ggml_backend_cpu_buffer_type"),
                backend_free: lib.get("ggml_backend_free"),
                alloc_ctx: lib.get("ggml_backend_alloc_ctx_tensors"),
                buffer_free: lib.get("ggml_backend_buffer_free"),
                set: lib.get("ggml_backend_tensor_set"),
                get: lib.get("ggml_backend_tensor_get"),
                compute: lib.get("ggml_backend_graph_compute"),
            }
        }
    }

    fn context(&self) -> Ptr {
        let params = ggml_init_params {
            mem_size: 1 << 20,
            mem_buffer: null_mut(),
            no_alloc: true,
        };
        // SAFETY: a context with memory of its own.
        unsafe { (self.init)(params) }
    }

    fn values(&self, t: T) -> Vec<f32> {
        // SAFETY: a live tensor.
        let n = unsafe { (*t).ne.iter().product::<i64>() } as usize;
        let mut values = vec![0.0; n];
        // SAFETY: an allocated tensor of as many values.
        unsafe { (self.get)(t, values.as_mut_ptr(), 0, n * 4) };
        values
    }
}

const INPUT: [f32; 6] = [1.0, -2.0, 3.0, 0.5, 0.0, -1.5];
/// What [`squares`] computes from it.
const OUTPUT: [f32; 6] = [2.0, 2.0, 12.0, 0.75, 0.0, 0.75];

/// `x * x + x`, and its last row as a view: tensors x, x * x + x, and the view.
fn squares(api: &Api, ctx: Ptr) -> [T; 3] {
    // SAFETY: a live context.
    unsafe {
        let x = (api.new_2d)(ctx, 0, 3, 2);
        let y = (api.add)(ctx, (api.sqr)(ctx, x), x);
        [x, y, (api.view_1d)(ctx, y, 3, 12)]
    }
}

#[test]
fn a_context_is_allocated_and_computed() {
    for lib in Lib::both() {
        let api = Api::of(&lib);
        let ctx = api.context();
        let [x, y, last] = squares(&api, ctx);
        // SAFETY: live objects of one library.
        unsafe {
            let backend = (api.cpu_init)();
            let graph = (api.new_graph)(ctx);
            (api.expand)(graph, last);
            let buffer = (api.alloc_ctx)(ctx, backend);
            assert!(!buffer.is_null());
            (api.set)(x, INPUT.as_ptr(), 0, 24);
            assert_eq!((api.compute)(backend, graph), 0, "{}", lib.name);
            assert_eq!(api.values(y), OUTPUT, "{}", lib.name);
            assert_eq!(api.values(last), OUTPUT[3..], "{}", lib.name);
            (api.set)(x, INPUT.as_ptr(), 8, 4);
            assert_eq!(api.values(x)[2], INPUT[0]);
            (api.buffer_free)(buffer);
            (api.backend_free)(backend);
            (api.free)(ctx);
        }
    }
}

#[test]
fn a_graph_is_allocated_again_and_again() {
    for lib in Lib::both() {
        let api = Api::of(&lib);
        // SAFETY: the signatures in ggml-alloc.h.
        let (new, alloc, free) = unsafe {
            let new: unsafe extern "C" fn(Ptr) -> Ptr = lib.get("ggml_gallocr_new");
            let alloc: unsafe extern "C" fn(Ptr, *mut ggml_cgraph) -> bool =
                lib.get("ggml_gallocr_alloc_graph");
            let free: unsafe extern "C" fn(Ptr) = lib.get("ggml_gallocr_free");
            (new, alloc, free)
        };
        // SAFETY: live objects of one library.
        unsafe {
            let backend = (api.cpu_init)();
            let galloc = new((api.cpu_type)());
            for _ in 0..3 {
                let ctx = api.context();
                let [x, y, _] = squares(&api, ctx);
                (api.set_input)(x);
                let graph = (api.new_graph)(ctx);
                (api.expand)(graph, y);
                assert!(alloc(galloc, graph));
                (api.set)(x, INPUT.as_ptr(), 0, 24);
                assert_eq!((api.compute)(backend, graph), 0);
                assert_eq!(api.values(y), OUTPUT, "{}", lib.name);
                (api.free)(ctx);
            }
            free(galloc);
            (api.backend_free)(backend);
        }
    }
}

/// Notes the numbers of nodes; the results are the same.
unsafe extern "C" fn compare(i: i32, a: T, b: T, seen: *mut c_void) -> bool {
    // SAFETY: computed tensors of at least one value, and the list that the test gave.
    unsafe {
        assert_eq!(
            (*a).data.cast::<f32>().read(),
            (*b).data.cast::<f32>().read()
        );
        (*seen.cast::<Vec<i32>>()).push(i);
    }
    true
}

#[test]
fn graphs_are_copied_and_compared() {
    let seen = Lib::both().map(|lib| {
        let api = Api::of(&lib);
        let ctx = api.context();
        let [x, _, last] = squares(&api, ctx);
        let mut seen: Vec<i32> = Vec::new();
        // SAFETY: live objects of one library, signatures as in ggml-backend.h.
        unsafe {
            let backends = [(api.cpu_init)(), (api.cpu_init)()];
            let graph = (api.new_graph)(ctx);
            (api.expand)(graph, last);
            let buffer = (api.alloc_ctx)(ctx, backends[0]);
            (api.set)(x, INPUT.as_ptr(), 0, 24);

            let copy: unsafe extern "C" fn(Ptr, *mut ggml_cgraph) -> ggml_backend_graph_copy =
                lib.get("ggml_backend_graph_copy");
            let copy_free: unsafe extern "C" fn(ggml_backend_graph_copy) =
                lib.get("ggml_backend_graph_copy_free");
            let copied = copy(backends[1], graph);
            assert_eq!((*copied.graph).n_nodes, (*graph).n_nodes);
            assert_eq!((api.compute)(backends[1], copied.graph), 0);
            let out = *(*copied.graph).nodes.add((*graph).n_nodes as usize - 1);
            assert_eq!(api.values(out), OUTPUT[3..], "{}", lib.name);
            copy_free(copied);

            type Callback = unsafe extern "C" fn(i32, T, T, Ptr) -> bool;
            let run: unsafe extern "C" fn(Ptr, Ptr, *mut ggml_cgraph, Callback, Ptr) -> bool =
                lib.get("ggml_backend_compare_graph_backend");
            assert!(run(
                backends[0],
                backends[1],
                graph,
                compare,
                (&raw mut seen).cast()
            ));
            (api.buffer_free)(buffer);
            for b in backends {
                (api.backend_free)(b);
            }
            (api.free)(ctx);
        }
        seen
    });
    assert_eq!(seen[0], [0, 1]);
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn the_registry_opens_the_cpu() {
    for lib in Lib::both() {
        // SAFETY: the signatures in ggml-backend.h.
        unsafe {
            let count: unsafe extern "C" fn() -> usize = lib.get("ggml_backend_reg_get_count");
            let find: unsafe extern "C" fn(*const c_char) -> usize =
                lib.get("ggml_backend_reg_find_by_name");
            let open: unsafe extern "C" fn(*const c_char) -> Ptr =
                lib.get("ggml_backend_reg_init_backend_from_str");
            let name: unsafe extern "C" fn(Ptr) -> *const c_char = lib.get("ggml_backend_name");
            let is_cpu: unsafe extern "C" fn(Ptr) -> bool = lib.get("ggml_backend_is_cpu");
            let guid: unsafe extern "C" fn(Ptr) -> *const [u8; 16] = lib.get("ggml_backend_guid");
            let buft: unsafe extern "C" fn(usize) -> Ptr =
                lib.get("ggml_backend_reg_get_default_buffer_type");
            let is_host: unsafe extern "C" fn(Ptr) -> bool = lib.get("ggml_backend_buft_is_host");
            assert_eq!(count(), 1);
            assert_eq!(find(c"cpu".as_ptr()), 0);
            assert_eq!(find(c"gpu".as_ptr()), usize::MAX);
            assert!(is_host(buft(0)));
            let backend = open(c"CPU:ignored".as_ptr());
            assert!(is_cpu(backend) && !is_cpu(null_mut()));
            assert_eq!(CStr::from_ptr(name(backend)), c"CPU");
            let guid: [u8; 16] = guid(backend).read();
            assert_eq!(guid[..2], [0xaa, 0x67]);
            (Api::of(&lib).backend_free)(backend);
        }
    }
}

/// Stops at the second question.
unsafe extern "C" fn stop(asked: *mut c_void) -> bool {
    // SAFETY: the counter that the test gave.
    let asked = unsafe { &mut *asked.cast::<i32>() };
    *asked += 1;
    *asked > 1
}

#[test]
fn a_computation_can_be_stopped() {
    let lib = Lib::ikrs();
    let api = Api::of(&lib);
    let ctx = api.context();
    let [x, y, _] = squares(&api, ctx);
    let mut asked = 0i32;
    // SAFETY: live objects, the signature in ggml-backend.h.
    unsafe {
        let backend = (api.cpu_init)();
        let graph = (api.new_graph)(ctx);
        (api.expand)(graph, y);
        let buffer = (api.alloc_ctx)(ctx, backend);
        (api.set)(x, INPUT.as_ptr(), 0, 24);
        let set: unsafe extern "C" fn(Ptr, Option<unsafe extern "C" fn(Ptr) -> bool>, Ptr) =
            lib.get("ggml_backend_cpu_set_abort_callback");
        set(backend, Some(stop), (&raw mut asked).cast());
        asked = 1;
        assert_eq!((api.compute)(backend, graph), 1);
        set(backend, None, null_mut());
        assert_eq!((api.compute)(backend, graph), 0);
        assert_eq!(api.values(y), OUTPUT);
        (api.buffer_free)(buffer);
        (api.backend_free)(backend);
        (api.free)(ctx);
    }
    assert!(asked > 1);
}

#[test]
fn mistakes_are_answered_not_punished() {
    let lib = Lib::ikrs();
    let api = Api::of(&lib);
    let ctx = api.context();
    let [x, y, _] = squares(&api, ctx);
    // SAFETY: live objects or null, signatures as in the headers.
    unsafe {
        // Null in, null out; so a chain of builders ends in null when one refuses.
        assert!((api.add)(ctx, null_mut(), x).is_null());
        let odd = (api.new_2d)(ctx, 0, 5, 2);
        assert!((api.sqr)(ctx, (api.add)(ctx, x, odd)).is_null());
        assert!((api.new_2d)(ctx, 100_000, 1, 1).is_null());
        assert!((api.new_2d)(ctx, 0, -1, 1).is_null());
        assert!((api.new_2d)(null_mut(), 0, 1, 1).is_null());
        // Data of tensors without memory, and outside of it.
        (api.set)(x, INPUT.as_ptr(), 0, 24);
        let backend = (api.cpu_init)();
        let graph = (api.new_graph)(ctx);
        (api.expand)(graph, y);
        (api.expand)(graph, null_mut());
        let buffer = (api.alloc_ctx)(ctx, backend);
        (api.set)(x, INPUT.as_ptr(), 0, 24);
        (api.set)(x, [9.0; 2].as_ptr(), 20, 8);
        (api.set)(x, [9.0; 2].as_ptr(), usize::MAX - 3, 8);
        assert_eq!(api.values(x), INPUT);
        assert_eq!((api.compute)(backend, null_mut()), -1);
        assert_eq!((api.compute)(null_mut(), graph), -1);
        // More memory than there is.
        let alloc: unsafe extern "C" fn(Ptr, usize) -> Ptr =
            lib.get("ggml_backend_buft_alloc_buffer");
        assert!(alloc((api.cpu_type)(), 1 << 60).is_null());
        assert!(
            (api.init)(ggml_init_params {
                mem_size: usize::MAX - 5,
                mem_buffer: null_mut(),
                no_alloc: false
            })
            .is_null()
        );
        (api.buffer_free)(null_mut());
        (api.backend_free)(null_mut());
        (api.free)(null_mut());
        (api.buffer_free)(buffer);
        (api.backend_free)(backend);
        (api.free)(ctx);
    }
}
