//! Builders of convolutions, pooling, and other operators on images and signals.

use super::context::Context;
use super::op::Op;
use super::params::{self, PoolOp};
use super::tensor::{Shape, Tensor};
use crate::error::{Error, Result};
use crate::quant::Type;
use crate::{bail, ensure};

/// How a kernel moves over an image, horizontally and vertically.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Window {
    pub stride: [i32; 2],
    pub padding: [i32; 2],
    pub dilation: [i32; 2],
}

impl Window {
    fn params(self) -> params::Conv2d {
        let ([s0, s1], [p0, p1], [d0, d1]) = (self.stride, self.padding, self.dilation);
        params::Conv2d {
            s0,
            s1,
            p0,
            p1,
            d0,
            d1,
        }
    }

    /// Outputs along axis `i` for an input and a kernel of these lengths.
    fn output(self, i: usize, input: i64, kernel: i64) -> Result<i64> {
        let (s, p, d) = (
            i64::from(self.stride[i]),
            i64::from(self.padding[i]),
            i64::from(self.dilation[i]),
        );
        ensure!(s > 0, "a window cannot move by {s}");
        let span = kernel
            .checked_sub(1)
            .and_then(|k| k.checked_mul(d))
            .and_then(|k| input.checked_add(2 * p)?.checked_sub(k)?.checked_sub(1));
        match span {
            Some(span) if span >= 0 => Ok(span / s + 1),
            _ => bail!("a window of {kernel} does not fit into {input}"),
        }
    }
}

fn product(dims: &[i64]) -> Result<i64> {
    dims.iter()
        .try_fold(1i64, |n, &d| n.checked_mul(d))
        .ok_or_else(|| Error(format!("sizes {dims:?} are out of range")))
}

impl Context {
    /// The patches of `b` under kernel `a` as rows, so that a convolution becomes a matrix product.
    pub fn im2col(&self, a: Tensor, b: Tensor, w: Window, is_2d: bool, ty: Type) -> Result<Tensor> {
        let (na, nb) = (a.ne(), b.ne());
        let channels = if is_2d { 2 } else { 1 };
        ensure!(
            na[channels] == nb[channels],
            "im2col: {a} and {b} differ in channels"
        );
        let width = w.output(0, nb[0], na[0])?;
        let ne: Shape = if is_2d {
            let height = w.output(1, nb[1], na[1])?;
            [product(&na[..3])?, width, height, nb[3]]
        } else {
            [product(&na[..2])?, width, nb[2], 1]
        };
        let t = self.new_tensor(ty, &ne)?;
        let params::Conv2d {
            s0,
            s1,
            p0,
            p1,
            d0,
            d1,
        } = w.params();
        params::Im2col {
            s0,
            s1,
            p0,
            p1,
            d0,
            d1,
            is_2d,
        }
        .store(t);
        self.node(t, Op::Im2col, [Some(a), Some(b)])
    }

    /// Convolves `b` `[length, channels, n]` with `a` `[k, channels, out]`.
    pub fn conv_1d(&self, a: Tensor, b: Tensor, s0: i32, p0: i32, d0: i32) -> Result<Tensor> {
        let w = Window {
            stride: [s0, 0],
            padding: [p0, 0],
            dilation: [d0, 0],
        };
        let cols = self.im2col(a, b, w, false, Type::F16)?;
        let (na, nc) = (a.ne(), cols.ne());
        let patches = self.reshape_2d(cols, nc[0], product(&nc[1..3])?)?;
        let kernel = self.reshape_2d(a, product(&na[..2])?, na[2])?;
        let t = self.mul_mat(patches, kernel)?;
        self.reshape_3d(t, nc[1], na[2], nc[2])
    }

    /// Convolves `b` `[width, height, channels, n]` with `a` `[kw, kh, channels, out]`.
    pub fn conv_2d(&self, a: Tensor, b: Tensor, w: Window) -> Result<Tensor> {
        let cols = self.im2col(a, b, w, true, Type::F16)?;
        let (na, nc) = (a.ne(), cols.ne());
        let patches = self.reshape_2d(cols, nc[0], product(&nc[1..])?)?;
        let kernel = self.reshape_2d(a, product(&na[..3])?, na[3])?;
        let t = self.mul_mat(patches, kernel)?;
        let t = self.reshape_4d(t, nc[1], nc[2], nc[3], na[3])?;
        self.cont(self.permute(t, [0, 1, 3, 2])?)
    }

    /// As [`Context::conv_2d`] with a kernel of its own for each channel.
    pub fn conv_2d_dw(&self, a: Tensor, b: Tensor, w: Window) -> Result<Tensor> {
        let (na, nb) = (a.ne(), b.ne());
        let kernels = self.reshape_4d(a, na[0], na[1], 1, product(&na[2..])?)?;
        let images = self.reshape_4d(b, nb[0], nb[1], 1, product(&nb[2..])?)?;
        let cols = self.im2col(kernels, images, w, true, Type::F16)?;
        let nc = cols.ne();
        let patches = self.reshape_4d(cols, nc[0], product(&nc[1..3])?, nb[2], nb[3])?;
        let nk = kernels.ne();
        let kernels = self.reshape_4d(kernels, product(&nk[..2])?, nk[2], nk[3], 1)?;
        let t = self.mul_mat(kernels, patches)?;
        self.reshape_4d(t, nc[1], nc[2], nb[2], nb[3])
    }

    /// As [`Context::conv_2d_dw`] as one node.
    pub fn conv_2d_dw_direct(&self, a: Tensor, b: Tensor, w: Window) -> Result<Tensor> {
        let (na, nb) = (a.ne(), b.ne());
        ensure!(
            na[2] == 1 && na[3] == nb[2],
            "conv_2d_dw: {a} does not have a kernel for each channel of {b}"
        );
        let ne = [
            w.output(0, nb[0], na[0])?,
            w.output(1, nb[1], na[1])?,
            nb[2],
            nb[3],
        ];
        let t = self.new_tensor(b.ty(), &ne)?;
        if b.is_contiguous_channels() {
            ensure!(
                b.block_size() == 1,
                "conv_2d_dw: {b} cannot have its channels innermost"
            );
            let mut nb = t.nb();
            nb[2] = t.type_size();
            nb[0] = ne[2] as usize * nb[2];
            nb[1] = ne[0] as usize * nb[0];
            t.set_nb(nb);
        }
        w.params().store(t);
        self.node(t, Op::Conv_2d_dw, [Some(a), Some(b)])
    }

    /// The transpose of a convolution: `a` `[k, out, channels]`, `b` `[length, channels]`. No padding, no dilation.
    pub fn conv_transpose_1d(
        &self,
        a: Tensor,
        b: Tensor,
        stride: i32,
        padding: i32,
        dilation: i32,
    ) -> Result<Tensor> {
        let (na, nb) = (a.ne(), b.ne());
        ensure!(
            b.is_matrix() && na[2] == nb[1] && na[3] == 1 && padding == 0 && dilation == 1,
            "conv_transpose_1d: {a} and {b} do not fit"
        );
        let t = self.new_tensor(
            Type::F32,
            &[transposed(nb[0], na[0], stride)?, na[1], nb[2]],
        )?;
        params::ConvTranspose1d {
            stride,
            padding,
            dilation,
        }
        .store(t);
        self.node(t, Op::Conv_transpose_1d, [Some(a), Some(b)])
    }

    /// The transpose of a two-dimensional convolution without padding.
    pub fn conv_transpose_2d(&self, a: Tensor, b: Tensor, stride: i32) -> Result<Tensor> {
        let (na, nb) = (a.ne(), b.ne());
        ensure!(
            na[3] == nb[2],
            "conv_transpose_2d: {a} and {b} differ in channels"
        );
        let ne = [
            transposed(nb[0], na[0], stride)?,
            transposed(nb[1], na[1], stride)?,
            na[2],
            nb[3],
        ];
        let t = self.new_tensor(Type::F32, &ne)?;
        t.set_param(0, stride);
        self.node(t, Op::Conv_transpose_2d, [Some(a), Some(b)])
    }

    /// The largest value or the mean of each run of `k0` values.
    pub fn pool_1d(&self, a: Tensor, op: PoolOp, k0: i32, s0: i32, p0: i32) -> Result<Tensor> {
        let [_, b, c, d] = a.ne();
        let n = pooled(a.ne()[0], k0, s0, p0 as f32)?;
        let t = self.new_tensor(Type::F32, &[n, b, c, d])?;
        params::Pool1d {
            op: op as i32,
            k0,
            s0,
            p0,
        }
        .store(t);
        self.node(t, Op::Pool_1d, [Some(a)])
    }

    /// The largest value or the mean of each window.
    pub fn pool_2d(
        &self,
        a: Tensor,
        op: PoolOp,
        k: [i32; 2],
        s: [i32; 2],
        p: [f32; 2],
    ) -> Result<Tensor> {
        let ne = a.ne();
        let out = [
            pooled(ne[0], k[0], s[0], p[0])?,
            pooled(ne[1], k[1], s[1], p[1])?,
            ne[2],
        ];
        let t = self.new_tensor(Type::F32, &out)?;
        params::Pool2d {
            op: op as i32,
            k0: k[0],
            k1: k[1],
            s0: s[0],
            s1: s[1],
            p0: p[0] as i32,
            p1: p[1] as i32,
        }
        .store(t);
        self.node(t, Op::Pool_2d, [Some(a)])
    }

    /// `a` scaled to another size; the low byte of `mode` says how (`enum ggml_scale_mode`), the others are flags.
    pub fn interpolate(&self, a: Tensor, ne: Shape, mode: u32) -> Result<Tensor> {
        ensure!(mode & 0xff < 3, "interpolate: there is no mode {mode}");
        let t = self.new_tensor(a.ty(), &ne)?;
        t.set_param(0, mode as i32);
        self.node(t, Op::Upscale, [Some(a)])
    }

    /// Cuts `a` `[n, width, height]` into windows of `w` by `w`, padded with zeros.
    pub fn win_part(&self, a: Tensor, w: i32) -> Result<Tensor> {
        let ne = a.ne();
        ensure!(
            ne[3] == 1 && a.ty() == Type::F32 && w > 0,
            "win_part: {a} cannot be cut into windows of {w}"
        );
        let side = i64::from(w);
        let (npx, npy) = ((ne[1] + side - 1) / side, (ne[2] + side - 1) / side);
        let t = self.new_tensor(Type::F32, &[ne[0], side, side, product(&[npx, npy])?])?;
        params::WinPart {
            npx: npx as i32,
            npy: npy as i32,
            w,
        }
        .store(t);
        self.node(t, Op::Win_part, [Some(a)])
    }

    /// The inverse of [`Context::win_part`].
    pub fn win_unpart(&self, a: Tensor, width: i32, height: i32, w: i32) -> Result<Tensor> {
        ensure!(a.ty() == Type::F32, "win_unpart: {a} must be f32");
        let t = self.new_tensor(Type::F32, &[a.ne()[0], width.into(), height.into()])?;
        t.set_param(0, w);
        self.node(t, Op::Win_unpart, [Some(a)])
    }

    /// Relative positions of a query and a key side, both `n` long, from the table `a`.
    pub fn get_rel_pos(&self, a: Tensor, qh: i32, kh: i32) -> Result<Tensor> {
        ensure!(
            qh == kh && 2 * i64::from(qh) - 1 == a.ne()[1],
            "get_rel_pos: {a} does not hold the positions for {qh} and {kh}"
        );
        let t = self.new_tensor(Type::F16, &[a.ne()[0], kh.into(), qh.into()])?;
        self.node(t, Op::Get_rel_pos, [Some(a)])
    }

    /// Adds relative positions in both directions to attention scores.
    pub fn add_rel_pos(&self, a: Tensor, pw: Tensor, ph: Tensor, inplace: bool) -> Result<Tensor> {
        let (na, np) = (a.ne(), pw.ne());
        ensure!(
            pw.same_shape(ph)
                && [a, pw, ph].iter().all(|t| t.is_contiguous())
                && [pw, ph].iter().all(|t| t.ty() == Type::F32)
                && np[3] == na[2]
                && product(&[np[0], np[0]])? == na[0]
                && product(&np[1..3])? == na[1],
            "add_rel_pos: {pw} and {ph} do not fit {a}"
        );
        let t = self.like(a, inplace)?;
        t.set_param(0, inplace);
        self.node(t, Op::Add_rel_pos, [Some(a), Some(pw), Some(ph)])
    }

    /// Cosines and sines of each time step, `dim` values (one more if odd).
    pub fn timestep_embedding(&self, steps: Tensor, dim: i32, max_period: i32) -> Result<Tensor> {
        ensure!(dim >= 0, "timestep_embedding: {dim} dimensions");
        let n = i64::from(dim) + i64::from(dim % 2);
        let t = self.new_tensor(Type::F32, &[n, steps.ne()[0]])?;
        params::TimestepEmbedding { dim, max_period }.store(t);
        self.node(t, Op::Timestep_embedding, [Some(steps)])
    }

    /// The numbers `start`, `start + step`, … below `stop`.
    pub fn arange(&self, start: f32, stop: f32, step: f32) -> Result<Tensor> {
        let n = ((stop - start) / step).ceil();
        ensure!(
            stop > start && (0.0..1e15).contains(&n),
            "arange: no numbers from {start} to {stop} by {step}"
        );
        let t = self.new_tensor(Type::F32, &[n as i64])?;
        params::Arange { start, stop, step }.store(t);
        self.node::<0>(t, Op::Arange, [])
    }
}

fn transposed(input: i64, kernel: i64, stride: i32) -> Result<i64> {
    input
        .checked_sub(1)
        .and_then(|n| n.checked_mul(stride.into()))
        .and_then(|n| n.checked_add(kernel))
        .ok_or_else(|| Error(format!("sizes {input} and {kernel} are out of range")))
}

fn pooled(input: i64, kernel: i32, stride: i32, padding: f32) -> Result<i64> {
    ensure!(stride > 0, "a window cannot move by {stride}");
    let span = input as f32 + 2.0 * padding - kernel as f32;
    ensure!(
        span >= 0.0,
        "a window of {kernel} does not fit into {input}"
    );
    Ok((span / stride as f32 + 1.0) as i64)
}
