//! Questions about a tensor's shape and strides.

use std::fmt;

use super::op::Op;
use super::tensor::{MAX_DIMS, Tensor};
use crate::quant::TypeInfo;

impl Tensor {
    #[inline]
    fn info(self) -> Option<&'static TypeInfo> {
        self.ty().info()
    }

    /// Values per block of the type.
    #[inline]
    pub fn block_size(self) -> usize {
        self.info().map_or(1, |i| i.block)
    }

    /// Bytes per block of the type.
    #[inline]
    pub fn type_size(self) -> usize {
        self.info().map_or(0, |i| i.block_bytes)
    }

    /// Bytes of one row's values (which the stride may exceed).
    #[inline]
    pub fn row_size(self) -> usize {
        let n = usize::try_from(self.ne()[0]).unwrap_or(0);
        self.info().map_or(0, |i| i.row_size(n))
    }

    /// Bytes from the first to the last element. For block types that is a whole number of row strides.
    pub fn nbytes(self) -> usize {
        let (ne, nb) = (self.ne(), self.nb());
        if ne.iter().any(|&n| n <= 0) {
            return 0;
        }
        let span = |i: usize| (ne[i] as usize - 1).saturating_mul(nb[i]);
        let rows = (1..MAX_DIMS).fold(0usize, |sum, i| sum.saturating_add(span(i)));
        if self.block_size() == 1 {
            let bytes = self
                .type_size()
                .saturating_add(span(0))
                .saturating_add(rows);
            // i2_s packs four values into a byte and keeps its scale behind them.
            if self.ty() == crate::quant::Type::I2_s {
                bytes / 4 + 32
            } else {
                bytes
            }
        } else {
            nb[1].saturating_add(rows)
        }
    }

    /// Dimensions up to the last that is not 1, at least one.
    pub fn n_dims(self) -> usize {
        let ne = self.ne();
        (1..MAX_DIMS)
            .rev()
            .find(|&i| ne[i] > 1)
            .map_or(1, |i| i + 1)
    }

    pub fn is_scalar(self) -> bool {
        self.ne() == [1; MAX_DIMS]
    }
    /// At most one row.
    pub fn is_vector(self) -> bool {
        self.ne()[1..] == [1; 3]
    }
    /// At most two dimensions.
    pub fn is_matrix(self) -> bool {
        self.ne()[2..] == [1; 2]
    }
    /// At most three dimensions.
    pub fn is_3d(self) -> bool {
        self.ne()[3] == 1
    }

    pub fn is_transposed(self) -> bool {
        let nb = self.nb();
        nb[0] > nb[1]
    }

    /// Strides that do not grow from dimension to dimension.
    pub fn is_permuted(self) -> bool {
        !self.nb().is_sorted()
    }

    /// No gaps between elements, in order.
    #[inline]
    pub fn is_contiguous(self) -> bool {
        self.is_contiguous_from(0)
    }
    /// Contiguous from dimension 1 on: only rows may be apart.
    pub fn is_contiguous_1(self) -> bool {
        self.is_contiguous_from(1)
    }
    /// Contiguous from dimension 2 on.
    pub fn is_contiguous_2(self) -> bool {
        self.is_contiguous_from(2)
    }

    fn is_contiguous_from(self, n: usize) -> bool {
        let (ne, nb) = (self.ne(), self.nb());
        if !self.is_contiguous_rows() {
            return false;
        }
        let mut next = self.row_size();
        for i in 1..MAX_DIMS {
            if ne[i] == 1 {
                continue;
            }
            if i > n {
                if nb[i] != next {
                    return false;
                }
                next = next.saturating_mul(ne[i] as usize);
            } else {
                next = (ne[i] as usize).saturating_mul(nb[i]);
            }
        }
        true
    }

    /// Neighbours of a row are neighbours in memory.
    #[inline]
    pub fn is_contiguous_rows(self) -> bool {
        self.ne()[0] == self.block_size() as i64 || self.nb()[0] == self.type_size()
    }

    /// No gaps, though perhaps in another order of dimensions.
    pub fn is_contiguously_allocated(self) -> bool {
        self.nbytes() == (self.nrows() as usize).saturating_mul(self.row_size())
    }

    /// Channels are the innermost in memory: stored as C×W×H×N, seen as W×H×C×N.
    pub fn is_contiguous_channels(self) -> bool {
        let nb = self.nb();
        nb[0] > nb[2] && nb[1] > nb[0] && nb[2] == self.type_size()
    }

    /// Dense but for the distance of rows.
    pub fn is_padded_1d(self) -> bool {
        let (ne, nb) = (self.ne(), self.nb());
        nb[0] == self.type_size()
            && nb[2] == nb[1].saturating_mul(ne[1] as usize)
            && nb[3] == nb[2].saturating_mul(ne[2] as usize)
    }

    pub fn same_shape(self, other: Tensor) -> bool {
        self.ne() == other.ne()
    }

    pub fn same_stride(self, other: Tensor) -> bool {
        self.nb() == other.nb()
    }

    /// Whether repeating this tensor gives one of `other`'s shape.
    pub fn can_repeat(self, other: Tensor) -> bool {
        if self.is_empty() {
            return other.is_empty();
        }
        let (a, b) = (self.ne(), other.ne());
        (0..MAX_DIMS).all(|i| b[i] % a[i] == 0)
    }

    /// As [`Tensor::can_repeat`], with rows of the same length.
    pub fn can_repeat_rows(self, other: Tensor) -> bool {
        self.ne()[0] == other.ne()[0] && self.can_repeat(other)
    }

    /// Whether `self` (the weights) times `other` is defined: equal rows, and a whole number of broadcasts.
    pub fn can_mul_mat(self, other: Tensor) -> bool {
        let (a, b) = (self.ne(), other.ne());
        a[0] == b[0] && broadcasts(a[2], b[2]) && broadcasts(a[3], b[3])
    }

    /// Whether the outer product of the two is defined.
    pub fn can_out_prod(self, other: Tensor) -> bool {
        let (a, b) = (self.ne(), other.ne());
        a[1] == b[1] && broadcasts(a[2], b[2]) && broadcasts(a[3], b[3])
    }

    /// Whether computing the node does nothing: leafs, views, and tensors without elements.
    #[inline]
    pub fn is_noop(self) -> bool {
        matches!(
            self.op(),
            Op::None | Op::Reshape | Op::View | Op::Permute | Op::Transpose
        ) || self.is_empty()
    }

    /// Whether the tensor looks into another's memory.
    #[inline]
    pub fn is_view(self) -> bool {
        self.view_src().is_some()
    }

    /// The coordinates of the `i`-th element in row order.
    pub fn unravel(self, i: i64) -> [i64; MAX_DIMS] {
        let ne = self.ne();
        let mut rest = i;
        let mut at = [0; MAX_DIMS];
        for d in 0..MAX_DIMS {
            if ne[d] > 0 {
                at[d] = rest % ne[d];
                rest /= ne[d];
            }
        }
        at
    }

    /// The node's sources that are set, in order.
    pub fn srcs(self) -> impl Iterator<Item = Tensor> {
        (0..super::tensor::MAX_SRC).filter_map(move |i| self.src(i))
    }
}

/// Whether a dimension of `a` repeats to one of `b`.
fn broadcasts(a: i64, b: i64) -> bool {
    if a == 0 { b == 0 } else { b % a == 0 }
}

/// How error messages show a tensor: its name, shape and type.
impl fmt::Display for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let t = *self;
        let [a, b, c, d] = t.ne();
        let name = t.name();
        let ty = t.info().map_or("unknown type", |i| i.name);
        write!(f, "'{name}' [{a} {b} {c} {d}] {ty}")
    }
}
