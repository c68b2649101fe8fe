//! The allocator never lets tensors that are needed at the same time overlap, and a graph gives the same result however it
//! is split over devices.

use std::any::Any;
use std::ffi::CStr;
use std::ops::Range;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::error::Result;
use crate::graph::{Context, Graph, TENSOR_FLAG_INPUT, TENSOR_FLAG_OUTPUT, Tensor, graph_overhead};
use crate::quant::Type;

fn arena() -> Context {
    Context::for_tensors(512, graph_overhead(512, false)).unwrap()
}

/// A graph of random adds, products, scalings, copies and views over a few inputs.
fn random_graph(ctx: &Context, choices: &[(u8, usize, usize)]) -> Graph {
    let mut tensors: Vec<Tensor> = (0..3)
        .map(|_| {
            let t = ctx.new_tensor(Type::F32, &[32, 4]).unwrap();
            t.set_flags(TENSOR_FLAG_INPUT);
            t
        })
        .collect();
    for &(kind, a, b) in choices {
        let (a, b) = (tensors[a % tensors.len()], tensors[b % tensors.len()]);
        let new = match kind % 6 {
            0 => ctx.add(a, b),
            1 => ctx.mul(a, b),
            2 => ctx.scale(a, 0.5),
            3 => ctx.cont(a),
            4 => ctx.view_2d(a, 32, 4, a.nb()[1], 0),
            _ => ctx.silu(b),
        }
        .unwrap();
        if kind == 77 {
            new.set_flags(TENSOR_FLAG_OUTPUT);
        }
        tensors.push(new);
    }
    let graph = ctx.new_graph(512, false).unwrap();
    for &t in tensors.iter().rev().take(3) {
        graph.build_forward_expand(t).unwrap();
    }
    graph
}

fn span(t: Tensor) -> Range<usize> {
    t.data().addr()..t.data().addr() + t.nbytes()
}

/// Walks the graph as a device would: every source must still be whole when it is read.
fn check_lifetimes(graph: Graph) {
    let root = |t: Tensor| t.view_src().unwrap_or(t);
    // Which storage was last written where.
    let mut owner: std::collections::HashMap<usize, Tensor> = std::collections::HashMap::new();
    let mut write = |t: Tensor| {
        for at in span(t).step_by(4) {
            owner.insert(at, root(t));
        }
        owner.clone()
    };
    let mut memory = std::collections::HashMap::new();
    for &leaf in graph.leafs() {
        memory = write(leaf);
    }
    for &node in graph.nodes() {
        for src in node.srcs() {
            for at in span(src).step_by(4) {
                assert_eq!(
                    memory.get(&at),
                    Some(&root(src)),
                    "{} overwritten",
                    src.name()
                );
            }
        }
        if node.view_src().is_none() {
            memory = write(node);
        }
    }
    for &node in graph.nodes() {
        let read = graph.nodes().iter().any(|n| n.srcs().any(|s| s == node));
        if !read || node.flags() & TENSOR_FLAG_OUTPUT != 0 {
            for at in span(node).step_by(4) {
                assert_eq!(
                    memory.get(&at),
                    Some(&root(node)),
                    "result {} lost",
                    node.name()
                );
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn live_tensors_never_overlap(choices in prop::collection::vec((any::<u8>(), any::<usize>(), any::<usize>()), 1..60)) {
        let ctx = arena();
        let graph = random_graph(&ctx, &choices);
        let mut galloc = Gallocr::new(vec![cpu_buffer_type()]);
        galloc.alloc_graph(graph).unwrap();
        check_lifetimes(graph);
    }
}

#[test]
fn a_chain_works_in_place() {
    let ctx = arena();
    let input = ctx.new_tensor(Type::F32, &[1024]).unwrap();
    input.set_flags(TENSOR_FLAG_INPUT);
    let mut t = input;
    for _ in 0..20 {
        t = ctx.scale(t, 1.01).unwrap();
    }
    let graph = ctx.new_graph(512, false).unwrap();
    graph.build_forward_expand(t).unwrap();
    let mut galloc = Gallocr::new(vec![cpu_buffer_type()]);
    galloc.reserve(graph, &[], &[]).unwrap();
    assert_eq!(galloc.buffer_size(0), 4096);
    assert!(t.data().is_null(), "reserve touches no tensor");
}

/// A second device: the CPU behind a kind of memory that the first can't use.
struct Far(Arc<Backend>);

struct FarKind;
static FAR: ggml_backend_buffer_type = ggml_backend_buffer_type(&FarKind);
impl BufferKind for FarKind {
    fn name(&self) -> &CStr {
        c"FAR"
    }
    fn alloc(&self, size: usize) -> Result<Box<dyn Memory>> {
        cpu_buffer_type().alloc(size)
    }
}

impl Device for Far {
    fn name(&self) -> &CStr {
        c"FAR"
    }
    fn guid(&self) -> &'static [u8; 16] {
        b"a far away device"[..16].try_into().unwrap()
    }
    fn default_buffer_type(&self) -> BufferType {
        &FAR
    }
    fn compute(&self, nodes: &[Tensor]) -> Status {
        for node in nodes {
            for t in node.srcs().chain([*node]) {
                assert!(
                    buffer_of(t).unwrap().buffer_type() == &FAR,
                    "{} is not here",
                    t.name()
                );
            }
        }
        self.0.compute(nodes)
    }
    fn supports_op(&self, node: Tensor) -> bool {
        self.0.supports_op(node)
    }
    fn supports_buffer_type(&self, buft: BufferType) -> bool {
        buft == &FAR
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn floats(t: Tensor) -> Vec<f32> {
    let mut bytes = vec![0; t.nbytes()];
    tensor_get(t, &mut bytes, 0).unwrap();
    bytes
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

/// y = silu(w1·x) + w2·x, with w1 in far memory.
fn two_weights(ctx: &Context, far: bool) -> (Graph, [Tensor; 4], Vec<Box<Buffer>>) {
    let x = ctx.new_tensor(Type::F32, &[64, 2]).unwrap().set_name("x");
    x.set_flags(TENSOR_FLAG_INPUT);
    let w1 = ctx.new_tensor(Type::F32, &[64, 16]).unwrap().set_name("w1");
    let w2 = ctx.new_tensor(Type::F32, &[64, 16]).unwrap().set_name("w2");
    let at = |t, buft| {
        let buffer = alloc_tensors([t].into_iter(), buft).unwrap().unwrap();
        buffer.set_usage(BufferUsage::Weights);
        buffer
    };
    let buffers = vec![
        at(w1, if far { &FAR } else { cpu_buffer_type() }),
        at(w2, cpu_buffer_type()),
    ];
    let h = ctx.silu(ctx.mul_mat(w1, x).unwrap()).unwrap();
    let y = ctx
        .add(h, ctx.mul_mat(w2, x).unwrap())
        .unwrap()
        .set_name("y");
    let graph = ctx.new_graph(512, false).unwrap();
    graph.build_forward_expand(y).unwrap();
    (graph, [x, w1, w2, y], buffers)
}

fn run_two_weights(backends: Vec<Arc<Backend>>, far: bool, n_splits: usize) -> Vec<f32> {
    let ctx = arena();
    let (graph, [x, w1, w2, y], _buffers) = two_weights(&ctx, far);
    for (k, w) in [w1, w2].into_iter().enumerate() {
        let values: Vec<f32> = (0..w.nelements())
            .map(|i| ((i * 7 + k as i64) % 23) as f32 / 23.0 - 0.4)
            .collect();
        tensor_set(w, bytemuck::cast_slice(&values), 0).unwrap();
    }
    let mut sched = Sched::new(backends, None, 512).unwrap();
    sched.reserve(graph).unwrap();
    sched.alloc_graph(graph).unwrap();
    assert_eq!(sched.n_splits(), n_splits);
    let values: Vec<f32> = (0..128).map(|i| (i % 11) as f32 / 11.0).collect();
    tensor_set(x, bytemuck::cast_slice(&values), 0).unwrap();
    assert_eq!(sched.graph_compute(graph), Status::Success);
    floats(y)
}

#[test]
fn a_split_graph_gives_the_same_result() {
    let near = run_two_weights(vec![cpu_backend()], false, 1);
    let both = run_two_weights(
        vec![Backend::new(Far(cpu_backend())), cpu_backend()],
        true,
        2,
    );
    assert_eq!(near, both);
    assert!(near.iter().any(|&v| v != 0.0));
}

#[test]
fn the_callback_sees_the_nodes_it_asked_for_in_order_and_can_stop() {
    let ctx = arena();
    let x = ctx.new_tensor(Type::F32, &[8]).unwrap();
    x.set_flags(TENSOR_FLAG_INPUT);
    let mut t = x;
    for i in 0..6 {
        t = ctx.scale(t, 2.0).unwrap().set_name(format!("n{i}"));
    }
    let graph = ctx.new_graph(512, false).unwrap();
    graph.build_forward_expand(t).unwrap();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let mut sched = Sched::new(vec![cpu_backend()], None, 512).unwrap();
    let log = seen.clone();
    sched.set_eval_callback(Some(Arc::new(move |t, ask| {
        let name = t.name();
        if ask {
            return name == "n1" || name == "n3" || name == "n5";
        }
        log.lock().unwrap().push((name.clone(), floats(t)[0]));
        name != "n3"
    })));
    sched.alloc_graph(graph).unwrap();
    tensor_set(x, bytemuck::bytes_of(&[1f32; 8]), 0).unwrap();
    assert_eq!(sched.graph_compute(graph), Status::Success);
    assert_eq!(
        *seen.lock().unwrap(),
        [("n1".to_string(), 4.0), ("n3".to_string(), 16.0)]
    );
}

#[test]
fn transfers_outside_of_a_tensor_are_errors() {
    let ctx = arena();
    let t = ctx.new_tensor(Type::F32, &[8]).unwrap();
    assert!(tensor_set(t, &[0; 4], 0).is_err(), "not allocated");
    let _buffer = alloc_tensors([t].into_iter(), cpu_buffer_type()).unwrap();
    assert!(tensor_set(t, &[0; 4], 28).is_ok());
    assert!(tensor_set(t, &[0; 4], 29).is_err());
    assert!(tensor_get(t, &mut [0; 4], usize::MAX).is_err());
}
