//! Speed of matrix products by tensor type, beside the reference's if its `libggml.so` is named:
//!
//! ```text
//! cargo bench --bench matmul -- [--threads N] [--k K] [--cols M,M,..] [--reference PATH/libggml.so] [TYPE..]
//! ```
//!
//! Columns up to 8 are measured over 192 MiB of weights, more than most caches, and given in GB/s of weights read; more columns
//! in Gop/s (two per weight and column). Both also as a share of the limit: what the threads do when they only read the same weights, or
//! only multiply bytes in registers, with the level's instructions. Libraries and limit take turns; the figures are medians, and ratios are
//! those of the ratios within each turn, since another machine on the same CPU slows down some turns more than others.

use std::ffi::{c_int, c_void};
use std::time::{Duration, Instant};

use ikrs::graph::Context;
use ikrs::quant::{TYPES, Type, TypeInfo};
use ikrs::simd::{Compiled, Kernel, Simd};
use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};

/// The few functions of the reference that are needed, by `dlsym`.
struct Reference {
    init: unsafe extern "C" fn(InitParams) -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    new_tensor: unsafe extern "C" fn(*mut c_void, c_int, i64, i64) -> *mut c_void,
    mul_mat: unsafe extern "C" fn(*mut c_void, *mut c_void, *mut c_void) -> *mut c_void,
    data: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    new_graph: unsafe extern "C" fn(*mut c_void) -> *mut c_void,
    expand: unsafe extern "C" fn(*mut c_void, *mut c_void),
    compute: unsafe extern "C" fn(*mut c_void, *mut c_void, c_int),
}

#[repr(C)]
struct InitParams {
    size: usize,
    buffer: *mut c_void,
    no_alloc: bool,
}

impl Reference {
    fn open(path: &str) -> Reference {
        // SAFETY: loads the library that the caller named; the fields have the types of ggml.h. The library stays loaded.
        unsafe {
            let lib =
                Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL).expect("the reference's library");
            let lib = Box::leak(Box::new(lib));
            macro_rules! symbol {
                ($name:literal) => {
                    *lib.get($name).expect("a function of ggml.h")
                };
            }
            Reference {
                init: symbol!(b"ggml_init"),
                free: symbol!(b"ggml_free"),
                new_tensor: symbol!(b"ggml_new_tensor_2d"),
                mul_mat: symbol!(b"ggml_mul_mat"),
                data: symbol!(b"ggml_get_data"),
                new_graph: symbol!(b"ggml_new_graph"),
                expand: symbol!(b"ggml_build_forward_expand"),
                compute: symbol!(b"ggml_graph_compute_with_ctx"),
            }
        }
    }
}

/// Dot products of bytes as fast as the level can: enough of them at a time that none waits for another.
struct Limit;

#[derive(Clone, Copy)]
struct LimitArgs {
    rounds: usize,
    bytes: *const u8,
    out: *mut u8,
}

impl Limit {
    const CHAINS: usize = 12;

    /// Seconds that threads take for so many operations: long enough that a busy machine disturbs them as it disturbs a product.
    fn run(threads: usize, ops: usize) -> f64 {
        static KERNEL: Compiled<LimitArgs> = Compiled::new::<Limit>();
        let level = ikrs::simd::level();
        let rounds = ops.div_ceil(2 * 4 * level.lanes() * Limit::CHAINS * threads);
        let start = Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    let (bytes, mut out) = (std::hint::black_box([1u8; 64]), [0u8; 64]);
                    let args = LimitArgs {
                        rounds,
                        bytes: bytes.as_ptr(),
                        out: out.as_mut_ptr(),
                    };
                    // SAFETY: both arrays are as long as the longest vector.
                    unsafe { KERNEL.run(level, args) };
                    std::hint::black_box(out);
                });
            }
        });
        start.elapsed().as_secs_f64()
    }
}

impl Kernel for Limit {
    type Args = LimitArgs;

    /// The pointers are to a vector each.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: LimitArgs) {
        // SAFETY: the caller's promise.
        let x = unsafe { s.load_int(a.bytes) };
        let mut acc = [x; Limit::CHAINS];
        for _ in 0..a.rounds {
            for acc in &mut acc {
                *acc = s.dot(*acc, x, x);
            }
        }
        let mut sum = x;
        for acc in acc {
            sum = s.add_i32(sum, acc);
        }
        // SAFETY: the caller's promise.
        unsafe { s.store_int(a.out, sum) };
    }
}

/// Reads memory and does nothing else.
struct Reading;

#[derive(Clone, Copy)]
struct ReadingArgs {
    from: *const u8,
    bytes: usize,
    out: *mut u8,
}

impl Reading {
    const CHAINS: usize = 8;

    /// Seconds that threads take to read all of these matrices, each an even share of each.
    fn run(threads: usize, matrices: &[&[u8]]) -> f64 {
        static KERNEL: Compiled<ReadingArgs> = Compiled::new::<Reading>();
        let level = ikrs::simd::level();
        let start = Instant::now();
        std::thread::scope(|scope| {
            for ith in 0..threads {
                scope.spawn(move || {
                    let mut out = [0u8; 64];
                    for matrix in matrices {
                        let share = matrix.len() / threads;
                        let args = ReadingArgs {
                            from: matrix[ith * share..].as_ptr(),
                            bytes: share,
                            out: out.as_mut_ptr(),
                        };
                        // SAFETY: the share is inside the matrix, the array as long as the longest vector.
                        unsafe { KERNEL.run(level, args) };
                        std::hint::black_box(&mut out);
                    }
                });
            }
        });
        start.elapsed().as_secs_f64()
    }
}

impl Kernel for Reading {
    type Args = ReadingArgs;

    /// The pointers are to so many bytes and to a vector.
    #[inline(always)]
    unsafe fn run<S: Simd>(s: S, a: ReadingArgs) {
        let vector = 4 * S::N;
        // SAFETY: the caller's promise; what is left at the end is less than a step.
        unsafe {
            let mut acc = [s.load_int(a.out); Reading::CHAINS];
            for at in (0..a.bytes.saturating_sub(Reading::CHAINS * vector))
                .step_by(Reading::CHAINS * vector)
            {
                for (i, acc) in acc.iter_mut().enumerate() {
                    *acc = s.add_i32(*acc, s.load_int(a.from.add(at + i * vector)));
                }
            }
            let mut sum = acc[0];
            for acc in acc {
                sum = s.add_i32(sum, acc);
            }
            s.store_int(a.out, sum);
        }
    }
}

/// One measurement: `matrices` products of `[k, n]` weights with `[k, m]` activations.
struct Case<'a> {
    info: &'a TypeInfo,
    k: usize,
    n: usize,
    m: usize,
    matrices: usize,
    threads: usize,
}

impl Case<'_> {
    /// Rows with plausible values, repeated.
    fn weights(&self) -> Vec<u8> {
        let distinct = 16;
        let mut bytes = Vec::new();
        for row in 0..distinct {
            let values: Vec<f32> = (0..self.k)
                .map(|i| ((i * 31 + row * 17) % 101) as f32 / 50.0 - 1.0)
                .collect();
            let mut out = vec![0; self.info.row_size(self.k)];
            match (self.info.encode_fast, self.info.encode) {
                (Some(encode), _) => encode(&values, &mut out),
                (None, Some(encode)) => encode(&values, None, &mut out),
                _ => {}
            }
            bytes.extend(out);
        }
        let rows: Vec<u8> = bytes.iter().copied().cycle().take(self.bytes()).collect();
        rows
    }

    fn bytes(&self) -> usize {
        self.info.row_size(self.k) * self.n
    }

    fn ops(&self) -> usize {
        2 * self.k * self.n * self.m
    }

    fn activations(&self) -> Vec<f32> {
        (0..self.k * self.m)
            .map(|i| ((i * 7) % 199) as f32 / 100.0 - 1.0)
            .collect()
    }

    fn memory(&self) -> usize {
        self.matrices * (self.bytes() + 4 * self.n * self.m + 1024)
            + 4 * self.k * self.m
            + (16 << 20)
    }

    /// Seconds of each of some runs: the library's, the reference's and the limit's in turns, the last for as many bytes or operations.
    fn run(&self, reference: Option<&Reference>) -> [Vec<f64>; 3] {
        let (weights, activations) = (self.weights(), self.activations());
        let ctx = Context::new(self.memory(), false).expect("memory");
        let (k, n, m) = (self.k as i64, self.n as i64, self.m as i64);
        let x = ctx.new_tensor(Type::F32, &[k, m]).expect("tensor");
        // SAFETY: the tensor has as many values.
        unsafe { std::ptr::copy(activations.as_ptr(), x.data().cast(), activations.len()) };
        let (mut nodes, mut matrices) = (Vec::new(), Vec::new());
        for _ in 0..self.matrices {
            let w = ctx.new_tensor(self.info.ty, &[k, n]).expect("tensor");
            // SAFETY: the tensor has as many bytes.
            let copy = unsafe {
                std::ptr::copy(weights.as_ptr(), w.data().cast(), weights.len());
                std::slice::from_raw_parts(w.data().cast::<u8>(), weights.len())
            };
            matrices.push(copy);
            nodes.push(ctx.mul_mat(w, x).expect("product"));
        }
        let mut work = vec![0u8; ikrs::cpu::plan(&nodes, self.threads)];
        let mut ours = || {
            // SAFETY: the tensors have data, the work buffer is as large as planned.
            unsafe {
                ikrs::cpu::compute(&nodes, self.threads, work.as_mut_ptr(), work.len(), None)
            };
        };
        // SAFETY: calls as ggml.h describes them; the context's memory is enough for the tensors.
        let theirs = reference.map(|r| unsafe {
            let ctx = (r.init)(InitParams {
                size: self.memory() + self.bytes().max(64 << 20),
                buffer: std::ptr::null_mut(),
                no_alloc: false,
            });
            let graph = (r.new_graph)(ctx);
            let x = (r.new_tensor)(ctx, Type::F32.raw(), k, m);
            std::ptr::copy(activations.as_ptr(), (r.data)(x).cast(), activations.len());
            for _ in 0..self.matrices {
                let w = (r.new_tensor)(ctx, self.info.ty.raw(), k, n);
                std::ptr::copy(weights.as_ptr(), (r.data)(w).cast(), weights.len());
                (r.expand)(graph, (r.mul_mat)(ctx, w, x));
            }
            (r, ctx, graph)
        });
        let mut seconds = [Vec::new(), Vec::new(), Vec::new()];
        let begin = Instant::now();
        while seconds[0].len() < LEAST_TURNS || begin.elapsed() < LEAST_TIME {
            let start = Instant::now();
            ours();
            seconds[0].push(start.elapsed().as_secs_f64());
            if let Some((r, ctx, graph)) = theirs {
                let start = Instant::now();
                // SAFETY: as above.
                unsafe { (r.compute)(ctx, graph, self.threads as c_int) };
                seconds[1].push(start.elapsed().as_secs_f64());
            }
            seconds[2].push(match self.m > FEW {
                true => Limit::run(self.threads, self.ops()),
                false => Reading::run(self.threads, &matrices),
            });
        }
        if let Some((r, ctx, _)) = theirs {
            // SAFETY: nothing of the context is used any more.
            unsafe { (r.free)(ctx) };
        }
        seconds
    }
}

/// Most columns that are measured over much memory.
const FEW: usize = 8;
/// Each case is measured so often and for so long, at least.
const LEAST_TURNS: usize = 9;
const LEAST_TIME: Duration = Duration::from_secs(1);

fn median(mut x: Vec<f64>) -> Option<f64> {
    x.sort_by(f64::total_cmp);
    x.get(x.len() / 2).copied()
}

fn main() {
    let (mut threads, mut k, mut cols, mut reference, mut names) =
        (2, 4096, vec![1, 512], None, Vec::new());
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        let mut value = || args.next().unwrap_or_default();
        match arg.as_str() {
            "--threads" => threads = value().parse().expect("a number"),
            "--k" => k = value().parse().expect("a number"),
            "--cols" => {
                cols = value()
                    .split(',')
                    .map(|m| m.parse().expect("a number"))
                    .collect()
            }
            "--reference" => reference = Some(Reference::open(&value())),
            "--bench" => {}
            name => names.push(name.to_string()),
        }
    }
    println!(
        "level {:?}, {threads} threads, k = {k}",
        ikrs::simd::level()
    );
    println!("type\tcolumns\tikrs\treference\tratio\tunit\tof the limit");
    for info in TYPES
        .iter()
        .filter(|t| t.quantized || matches!(t.ty, Type::F32 | Type::F16 | Type::Bf16))
    {
        let wanted = names.is_empty() || names.iter().any(|n| n == info.name);
        if !wanted || k % info.block != 0 || info.encode.is_none() {
            continue;
        }
        for &m in &cols {
            let n = 4096;
            let bytes = info.row_size(k) * n;
            let few = m <= FEW;
            let matrices = if few {
                (192usize << 20).div_ceil(bytes)
            } else {
                1
            };
            let case = Case {
                info,
                k,
                n,
                m,
                matrices,
                threads,
            };
            let amount = if few {
                (bytes * matrices) as f64
            } else {
                case.ops() as f64
            };
            let seconds = case.run(reference.as_ref());
            let [ours, theirs, _] = seconds
                .each_ref()
                .map(|s| median(s.clone()).map(|s| amount / s / 1e9));
            let show = |x: Option<f64>| x.map_or("-".into(), |x| format!("{x:.1}"));
            let ratio =
                |to: &[f64]| median(to.iter().zip(&seconds[0]).map(|(to, s)| to / s).collect());
            println!(
                "{}\t{m}\t{}\t{}\t{}\t{}\t{}",
                info.name,
                show(ours),
                show(theirs),
                ratio(&seconds[1]).map_or("-".into(), |x| format!("{x:.2}")),
                if few { "GB/s" } else { "Gop/s" },
                ratio(&seconds[2]).map_or("-".into(), |x| format!("{:.0} %", 100.0 * x))
            );
        }
    }
}
