//! What the tests of operators share: tensors with random values, and graphs computed by teams of several sizes.

use super::{Status, compute, plan, supports_op};
use crate::graph::{Context, Tensor};
use crate::quant::Type;

/// Numbers that look random and are the same every time.
pub struct Random(pub u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        let x = self.0 >> 29 ^ self.0;
        x.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
    }
    /// Evenly between -1 and 1.
    pub fn value(&mut self) -> f32 {
        (self.next() as f64 / (1u64 << 31) as f64 - 1.0) as f32
    }
    pub fn below(&mut self, n: usize) -> usize {
        self.next() as usize % n
    }
}

pub fn context() -> Context {
    Context::new(64 << 20, false).unwrap()
}

/// A tensor of random values between -`scale` and `scale`.
pub fn random(ctx: &Context, ty: Type, ne: &[i64], scale: f32, seed: u64) -> Tensor {
    let t = ctx.new_tensor(ty, ne).unwrap();
    let mut random = Random(seed);
    let values: Vec<f32> = (0..t.nelements()).map(|_| random.value() * scale).collect();
    set(t, &values);
    t
}

/// Writes all values of a contiguous tensor.
pub fn set(t: Tensor, values: &[f32]) {
    let info = t.ty().info().unwrap();
    let n = t.ne()[0] as usize;
    let row = info.row_size(n);
    // SAFETY: the arena holds the data of a contiguous tensor.
    let bytes =
        unsafe { std::slice::from_raw_parts_mut(t.data().cast::<u8>(), row * t.nrows() as usize) };
    for (values, bytes) in values.chunks(n).zip(bytes.chunks_mut(row)) {
        info.encode.unwrap()(values, None, bytes);
    }
}

pub fn set_ids(t: Tensor, ids: &[i32]) {
    // SAFETY: the arena holds the data of an i32 vector.
    unsafe { std::slice::from_raw_parts_mut(t.data().cast::<i32>(), ids.len()) }
        .copy_from_slice(ids);
}

/// All values in order, following the strides.
pub fn values(t: Tensor) -> Vec<f64> {
    let info = t.ty().info().unwrap();
    let (ne, nb) = (t.ne().map(|n| n as usize), t.nb());
    let mut all = Vec::new();
    let mut block = vec![0f32; info.block];
    for i3 in 0..ne[3] {
        for i2 in 0..ne[2] {
            for i1 in 0..ne[1] {
                for i0 in 0..ne[0] {
                    let at = i0 / info.block * nb[0] + i1 * nb[1] + i2 * nb[2] + i3 * nb[3];
                    // SAFETY: inside the tensor.
                    let bytes = unsafe {
                        std::slice::from_raw_parts(t.data().cast::<u8>().add(at), info.block_bytes)
                    };
                    (info.decode)(bytes, &mut block);
                    all.push(block[i0 % info.block] as f64);
                }
            }
        }
    }
    all
}

/// Computes the nodes with a team of `n_threads`.
pub fn run(nodes: &[Tensor], n_threads: usize) -> Status {
    let size = plan(nodes, n_threads);
    let mut work = vec![0u8; size];
    // SAFETY: the work buffer is as large as planned; the tensors live in an arena.
    unsafe { compute(nodes, n_threads, work.as_mut_ptr(), size, None) }
}

/// Computes a node with teams of several sizes, which must give the same bits, and returns its values.
pub fn result(node: Tensor) -> Vec<f64> {
    assert!(
        supports_op(node),
        "{:?} {node:?} is not supported",
        node.op()
    );
    let mut first: Option<Vec<u64>> = None;
    for n_threads in [1, 2, 3, 8] {
        assert_eq!(run(&[node], n_threads), Status::Success);
        let bits = values(node).iter().map(|v| v.to_bits()).collect();
        match &first {
            None => first = Some(bits),
            Some(first) => assert!(
                *first == bits,
                "{:?}: {n_threads} threads differ",
                node.op()
            ),
        }
    }
    values(node)
}

/// Asserts that two lists of values are equal to a tolerance relative to the greatest.
#[track_caller]
pub fn close(got: &[f64], want: &[f64], tolerance: f64) {
    assert_eq!(got.len(), want.len());
    let most = want
        .iter()
        .filter(|v| v.is_finite())
        .fold(1e-6, |m: f64, v| m.max(v.abs()));
    for (i, (g, w)) in got.iter().zip(want).enumerate() {
        let fine = g == w || (g - w).abs() <= tolerance * most;
        assert!(fine, "value {i}: {g} instead of {w}");
    }
}
