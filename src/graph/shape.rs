//! Builders of views and copies: operators that move elements without computing with them.

use super::context::Context;
use super::op::Op;
use super::params;
use super::tensor::{MAX_DIMS, Shape, Strides, Tensor, write_name};
use crate::error::Result;
use crate::quant::Type;
use crate::{bail, ensure};

impl Context {
    /// Copies `a` into `b`, converting to its type; the result looks at `b`.
    pub fn cpy(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        ensure!(
            a.nelements() == b.nelements(),
            "cpy: {a} and {b} differ in size"
        );
        let t = self.view_tensor(b)?;
        let (from, to) = (a.name_bytes(), b.name_bytes());
        if to.as_bytes().is_empty() {
            write_name(t, &[from.as_bytes(), b" (copy)"]);
        } else {
            write_name(t, &[to.as_bytes(), b" (copy of ", from.as_bytes(), b")"]);
        }
        self.node(t, Op::Cpy, [Some(a), Some(b)])
    }

    /// `a` as type `ty`.
    pub fn cast(&self, a: Tensor, ty: Type) -> Result<Tensor> {
        let t = self.new_tensor(ty, &a.ne())?;
        t.set_name_from(a, " (copy)");
        t.set_op(Op::Cpy);
        t.set_src(0, Some(a));
        t.set_src(1, Some(t));
        Ok(t)
    }

    /// A contiguous copy.
    pub fn cont(&self, a: Tensor) -> Result<Tensor> {
        self.cont_as(a, &a.ne())
    }

    /// A contiguous copy with a new shape of as many elements.
    pub fn cont_as(&self, a: Tensor, ne: &[i64]) -> Result<Tensor> {
        ensure!(
            elements(ne) == Some(a.nelements()),
            "cont: {a} does not have the {ne:?} elements asked for"
        );
        let t = self.new_tensor(a.ty(), ne)?;
        t.set_name_from(a, " (cont)");
        self.node(t, Op::Cont, [Some(a)])
    }

    /// A view of the contiguous `a` with a new shape of as many elements.
    pub fn reshape(&self, a: Tensor, ne: &[i64]) -> Result<Tensor> {
        ensure!(a.is_contiguous(), "reshape: {a} must be contiguous");
        ensure!(
            elements(ne) == Some(a.nelements()),
            "reshape: {a} does not have the {ne:?} elements asked for"
        );
        let t = self.new_tensor_impl(a.ty(), ne, Some(a), 0)?;
        t.set_name_from(a, " (reshaped)");
        self.node(t, Op::Reshape, [Some(a)])
    }
    pub fn reshape_1d(&self, a: Tensor, ne0: i64) -> Result<Tensor> {
        self.reshape(a, &[ne0])
    }
    pub fn reshape_2d(&self, a: Tensor, ne0: i64, ne1: i64) -> Result<Tensor> {
        self.reshape(a, &[ne0, ne1])
    }
    pub fn reshape_3d(&self, a: Tensor, ne0: i64, ne1: i64, ne2: i64) -> Result<Tensor> {
        self.reshape(a, &[ne0, ne1, ne2])
    }
    pub fn reshape_4d(&self, a: Tensor, ne0: i64, ne1: i64, ne2: i64, ne3: i64) -> Result<Tensor> {
        self.reshape(a, &[ne0, ne1, ne2, ne3])
    }

    /// A view of a part of `a`, `offset` bytes from its start. `nb` are the byte strides of dimensions 1 on, one less than
    /// dimensions (further strides follow from the last); empty means contiguous.
    pub fn view(&self, a: Tensor, ne: &[i64], nb: &[usize], offset: usize) -> Result<Tensor> {
        let t = self.new_tensor_impl(a.ty(), ne, Some(a), offset)?;
        let mut strides: Strides = t.nb();
        if !nb.is_empty() {
            ensure!(
                nb.len() + 1 == ne.len(),
                "view: {} strides for {} dimensions",
                nb.len(),
                ne.len()
            );
            strides[1..=nb.len()].copy_from_slice(nb);
            for i in nb.len() + 1..MAX_DIMS {
                strides[i] = strides[i - 1].saturating_mul(t.ne()[i - 1] as usize);
            }
            t.set_nb(strides);
        }
        if !t.is_empty() {
            let span = |i: usize| (t.ne()[i] as usize - 1).saturating_mul(strides[i]);
            let end = (1..MAX_DIMS)
                .fold(t.row_size(), |end, i| end.saturating_add(span(i)))
                .saturating_add(t.view_offs());
            let root = t.view_src().map_or(0, Tensor::nbytes);
            ensure!(
                end <= root,
                "view: {ne:?} with strides {nb:?} at {offset} reaches byte {end} of the {root} of {a}"
            );
        }
        t.set_name_from(a, " (view)");
        params::View { offset }.store(t);
        self.node(t, Op::View, [Some(a)])
    }
    pub fn view_1d(&self, a: Tensor, ne0: i64, offset: usize) -> Result<Tensor> {
        self.view(a, &[ne0], &[], offset)
    }
    pub fn view_2d(
        &self,
        a: Tensor,
        ne0: i64,
        ne1: i64,
        nb1: usize,
        offset: usize,
    ) -> Result<Tensor> {
        self.view(a, &[ne0, ne1], &[nb1], offset)
    }
    pub fn view_3d(
        &self,
        a: Tensor,
        ne0: i64,
        ne1: i64,
        ne2: i64,
        nb1: usize,
        nb2: usize,
        offset: usize,
    ) -> Result<Tensor> {
        self.view(a, &[ne0, ne1, ne2], &[nb1, nb2], offset)
    }
    pub fn view_4d(
        &self,
        a: Tensor,
        ne: Shape,
        nb1: usize,
        nb2: usize,
        nb3: usize,
        offset: usize,
    ) -> Result<Tensor> {
        self.view(a, &ne, &[nb1, nb2, nb3], offset)
    }

    /// A view with dimensions in another order: dimension `i` of `a` becomes dimension `axes[i]`.
    pub fn permute(&self, a: Tensor, axes: [usize; MAX_DIMS]) -> Result<Tensor> {
        let mut seen = [false; MAX_DIMS];
        for &axis in &axes {
            match seen.get_mut(axis) {
                Some(s) if !*s => *s = true,
                _ => bail!("permute: {axes:?} is not an order of dimensions"),
            }
        }
        let t = self.view_tensor(a)?;
        t.set_name_from(a, " (permuted)");
        let (mut ne, mut nb) = (t.ne(), t.nb());
        for (from, &to) in axes.iter().enumerate() {
            ne[to] = a.ne()[from];
            nb[to] = a.nb()[from];
        }
        t.set_ne(ne);
        t.set_nb(nb);
        params::Permute {
            axes: axes.map(|a| a as i32),
        }
        .store(t);
        self.node(t, Op::Permute, [Some(a)])
    }

    /// A view with dimensions 0 and 1 exchanged.
    pub fn transpose(&self, a: Tensor) -> Result<Tensor> {
        let t = self.view_tensor(a)?;
        t.set_name_from(a, " (transposed)");
        let (mut ne, mut nb) = (a.ne(), a.nb());
        ne.swap(0, 1);
        nb.swap(0, 1);
        t.set_ne(ne);
        t.set_nb(nb);
        self.node(t, Op::Transpose, [Some(a)])
    }

    /// The rows of `a` that `rows` (i32) names, as f32 (i32 stays i32).
    pub fn get_rows(&self, a: Tensor, rows: Tensor) -> Result<Tensor> {
        let (na, nr) = (a.ne(), rows.ne());
        ensure!(
            na[2] == nr[1] && nr[3] == 1 && rows.ty() == Type::I32,
            "get_rows: {rows} does not name rows of {a}"
        );
        let ty = if a.ty() == Type::I32 {
            Type::I32
        } else {
            Type::F32
        };
        let t = self.new_tensor(ty, &[na[0], nr[0], nr[1], nr[2]])?;
        self.node(t, Op::Get_rows, [Some(a), Some(rows)])
    }

    pub fn get_rows_back(&self, a: Tensor, b: Tensor, c: Tensor) -> Result<Tensor> {
        ensure!(
            a.is_matrix()
                && b.is_vector()
                && b.ty() == Type::I32
                && c.is_matrix()
                && a.ne()[0] == c.ne()[0],
            "get_rows_back: {a}, {b} and {c} do not fit"
        );
        let t = self.new_tensor(Type::F32, &c.ne()[..2])?;
        self.node(t, Op::Get_rows_back, [Some(a), Some(b)])
    }

    /// Writes the rows of `b` (f32) to the rows of `a` that `rows` (i64 or i32) names; the result looks at `a`.
    pub fn set_rows(&self, a: Tensor, b: Tensor, rows: Tensor) -> Result<Tensor> {
        let (na, nb, nr) = (a.ne(), b.ne(), rows.ne());
        let divides = |n: i64, by: i64| if by == 0 { n == 0 } else { n % by == 0 };
        ensure!(
            na[0] == nb[0]
                && na[2..] == nb[2..]
                && nb[1] == nr[0]
                && divides(nb[2], nr[1])
                && divides(nb[3], nr[2])
                && nr[3] == 1,
            "set_rows: {rows} does not say where the rows of {b} go in {a}"
        );
        ensure!(
            b.ty() == Type::F32 && matches!(rows.ty(), Type::I64 | Type::I32),
            "set_rows: rows are f32 and their places integers, not {b} and {rows}"
        );
        ensure!(
            a.is_contiguous_rows() && b.is_contiguous_rows(),
            "set_rows: the rows of {a} and {b} must be contiguous"
        );
        let t = self.view_tensor(a)?;
        self.node(t, Op::Set_rows, [Some(b), Some(rows), Some(a)])
    }

    /// `a` with `b` written over (`Op::Set`) or added to (`Op::Acc`) the part at `offset` with strides `nb`, all in bytes.
    fn write_part(
        &self,
        op: Op,
        a: Tensor,
        b: Tensor,
        nb: [usize; 3],
        offset: usize,
        inplace: bool,
    ) -> Result<Tensor> {
        ensure!(
            a.nelements() >= b.nelements(),
            "{op:?}: {b} is larger than {a}"
        );
        let slot = |bytes: usize| {
            i32::try_from(bytes).map_err(|_| {
                crate::error::Error(format!("{op:?}: {bytes} bytes are too far into {a}"))
            })
        };
        let t = self.like(a, inplace)?;
        params::Set {
            nb1: slot(nb[0])?,
            nb2: slot(nb[1])?,
            nb3: slot(nb[2])?,
            offset: slot(offset)?,
            inplace,
        }
        .store(t);
        self.node(t, op, [Some(a), Some(b)])
    }

    /// `a` with `b` written over the part at `offset` with strides `nb` (of dimensions 1 to 3), in bytes.
    pub fn set(
        &self,
        a: Tensor,
        b: Tensor,
        nb: [usize; 3],
        offset: usize,
        inplace: bool,
    ) -> Result<Tensor> {
        self.write_part(Op::Set, a, b, nb, offset, inplace)
    }

    /// `a` with `b` added to the part at `offset` with strides `nb` (of dimensions 1 to 3), in bytes.
    pub fn acc(
        &self,
        a: Tensor,
        b: Tensor,
        nb: [usize; 3],
        offset: usize,
        inplace: bool,
    ) -> Result<Tensor> {
        ensure!(
            a.is_contiguous() && a.ty() == Type::F32 && b.ty() == Type::F32,
            "acc: {a} and {b} must be f32, the first contiguous"
        );
        self.write_part(Op::Acc, a, b, nb, offset, inplace)
    }

    /// `a` and `b` one behind the other in dimension `dim`.
    pub fn concat(&self, a: Tensor, b: Tensor, dim: usize) -> Result<Tensor> {
        ensure!(dim < MAX_DIMS, "concat: there is no dimension {dim}");
        let mut ne = a.ne();
        for (d, (n, more)) in ne.iter_mut().zip(b.ne()).enumerate() {
            if d == dim {
                *n = n.saturating_add(more);
            } else {
                ensure!(*n == more, "concat: {a} and {b} do not fit");
            }
        }
        let t = self.new_tensor(a.ty(), &ne)?;
        t.set_param(0, dim as i32);
        self.node(t, Op::Concat, [Some(a), Some(b)])
    }

    /// `a` repeated to the shape of `b`.
    pub fn repeat(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        self.repeat_4d(a, b.ne())
    }

    /// `a` repeated to a shape.
    pub fn repeat_4d(&self, a: Tensor, ne: Shape) -> Result<Tensor> {
        let fits = if a.is_empty() {
            ne.contains(&0)
        } else {
            (0..MAX_DIMS).all(|i| ne[i] % a.ne()[i] == 0)
        };
        ensure!(fits, "repeat: {a} does not repeat to {ne:?}");
        let t = self.new_tensor(a.ty(), &ne)?;
        self.node(t, Op::Repeat, [Some(a)])
    }

    /// The sum of the parts of `a` that repeating `b`'s shape would have made.
    pub fn repeat_back(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        ensure!(b.can_repeat(a), "repeat_back: {b} does not repeat to {a}");
        if a.same_shape(b) && a.grad().is_none() {
            return Ok(a);
        }
        let t = self.new_tensor(a.ty(), &b.ne())?;
        self.node(t, Op::Repeat_back, [Some(a)])
    }

    /// `a` with zeros behind it in each dimension.
    pub fn pad(&self, a: Tensor, by: [i32; MAX_DIMS]) -> Result<Tensor> {
        let ne = std::array::from_fn::<_, MAX_DIMS, _>(|i| a.ne()[i].saturating_add(by[i].into()));
        let t = self.new_tensor(a.ty(), &ne)?;
        self.node(t, Op::Pad, [Some(a)])
    }

    /// Diagonal matrices with the rows of `a` on the diagonals.
    pub fn diag(&self, a: Tensor) -> Result<Tensor> {
        let [n, one, c, d] = a.ne();
        ensure!(one == 1, "diag: {a} must have one row per matrix");
        let t = self.new_tensor(a.ty(), &[n, n, c, d])?;
        self.node(t, Op::Diag, [Some(a)])
    }

    /// The sum of `parts` on several devices; the result looks at the last of them.
    pub fn reduce(&self, parts: &[Option<Tensor>], op: Op) -> Result<Tensor> {
        ensure!(
            op == Op::Add && (2..=super::tensor::MAX_SRC).contains(&parts.len()),
            "reduce: only sums of 2 to {} tensors",
            super::tensor::MAX_SRC
        );
        let n_have = parts.iter().flatten().count();
        let (Some(&last), true) = (parts.iter().flatten().last(), n_have > 1) else {
            bail!("reduce: {n_have} tensors need no sum");
        };
        let t = self.view_tensor(last)?;
        for (i, &part) in parts.iter().enumerate() {
            t.set_src(i, part);
        }
        t.set_op(Op::Reduce);
        params::Reduce {
            op: op as i32,
            n: parts.len() as i32,
            n_have: n_have as i32,
        }
        .store(t);
        Ok(t)
    }

    /// A view of `dst` that is computed after `src`, without copying anything.
    pub fn fake_cpy(&self, dst: Tensor, src: Tensor) -> Result<Tensor> {
        self.node(self.view_tensor(dst)?, Op::Fake_cpy, [Some(dst), Some(src)])
    }
}

fn elements(ne: &[i64]) -> Option<i64> {
    ne.iter().try_fold(1i64, |n, &d| n.checked_mul(d))
}
