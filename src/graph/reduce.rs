//! Builders of sums, sorting and selection.

use super::context::Context;
use super::op::Op;
use super::params::{self, SortOrder};
use super::tensor::Tensor;
use crate::ensure;
use crate::error::Result;
use crate::quant::Type;

impl Context {
    /// The sum of all elements.
    pub fn sum(&self, a: Tensor) -> Result<Tensor> {
        self.node(self.new_tensor(a.ty(), &[1])?, Op::Sum, [Some(a)])
    }

    /// The sum of each row.
    pub fn sum_rows(&self, a: Tensor) -> Result<Tensor> {
        let [_, b, c, d] = a.ne();
        let t = self.new_tensor(a.ty(), &[1, b, c, d])?;
        self.node(t, Op::Sum_rows, [Some(a)])
    }

    /// The mean of each row, in f32.
    pub fn mean(&self, a: Tensor) -> Result<Tensor> {
        let [_, b, c, d] = a.ne();
        let t = self.new_tensor(Type::F32, &[1, b, c, d])?;
        self.node(t, Op::Mean, [Some(a)])
    }

    /// The running sum of each row.
    pub fn cumsum(&self, a: Tensor) -> Result<Tensor> {
        ensure!(a.ty() == Type::F32, "cumsum: {a} must be f32");
        self.node(self.dup_tensor(a)?, Op::Cumsum, [Some(a)])
    }

    /// The place of the largest value of each row, as i32.
    pub fn argmax(&self, a: Tensor) -> Result<Tensor> {
        ensure!(a.is_matrix(), "argmax: {a} must be a matrix");
        let t = self.new_tensor(Type::I32, &[a.ne()[1]])?;
        self.node(t, Op::Argmax, [Some(a)])
    }

    /// The places of each row's values in sorted order, as i32.
    pub fn argsort(&self, a: Tensor, order: SortOrder) -> Result<Tensor> {
        let t = self.new_tensor(Type::I32, &a.ne())?;
        params::Argsort {
            order: order as i32,
            k: a.ne()[0] as i32,
        }
        .store(t);
        self.node(t, Op::Argsort, [Some(a)])
    }

    /// As [`Context::argsort`], descending; places whose value is below `thresh` times the largest are -1, but for the first `min_entries`.
    pub fn argsort_thresh(&self, a: Tensor, min_entries: i32, thresh: f32) -> Result<Tensor> {
        let t = self.new_tensor(Type::I32, &a.ne())?;
        params::ArgsortThresh {
            min_entries,
            thresh,
        }
        .store(t);
        self.node(t, Op::Argsort_thresh, [Some(a)])
    }

    fn first_columns(&self, a: Tensor, k: i32) -> Result<Tensor> {
        let ([_, b, c, d], nb) = (a.ne(), a.nb());
        self.view_4d(a, [k.into(), b, c, d], nb[1], nb[2], nb[3], 0)
    }

    /// The places of the `k` largest values of each row, largest first.
    pub fn top_k(&self, a: Tensor, k: i32) -> Result<Tensor> {
        ensure!(
            (0..=a.ne()[0]).contains(&k.into()),
            "top_k: the rows of {a} do not have {k} values"
        );
        let t = self.argsort(a, SortOrder::Desc)?;
        t.set_name_from(a, " (sort)");
        t.set_param(1, k);
        self.first_columns(t, k)
    }

    /// As [`Context::top_k`] over [`Context::argsort_thresh`].
    pub fn top_k_thresh(&self, a: Tensor, k: i32, min_entries: i32, thresh: f32) -> Result<Tensor> {
        ensure!(
            (0..=a.ne()[0]).contains(&k.into()),
            "top_k_thresh: the rows of {a} do not have {k} values"
        );
        let t = if min_entries <= 0 || thresh <= 0.0 {
            self.argsort(a, SortOrder::Desc)?
        } else {
            self.argsort_thresh(a, min_entries, thresh)?
        };
        self.first_columns(t, k)
    }

    /// The places of the `k` largest values of each row among its best `n_top_groups` of `n_groups` equal groups, which are
    /// ranked by the sum of their `nk` largest values.
    pub fn grouped_topk(
        &self,
        a: Tensor,
        n_groups: i32,
        n_top_groups: i32,
        nk: i32,
        k: i32,
    ) -> Result<Tensor> {
        let [n, b, c, d] = a.ne();
        let groups = i64::from(n_groups);
        ensure!(
            n_groups > 0
                && (1..=n_groups).contains(&n_top_groups)
                && nk > 0
                && n % groups == 0
                && n >= k.into()
                && n / groups >= nk.into(),
            "grouped_topk: {k} of {n_top_groups} of {n_groups} groups by their best {nk} cannot be chosen from {a}"
        );
        let t = self.new_tensor(Type::I32, &[k.into(), b, c, d])?;
        params::GroupedTopk {
            n_groups,
            n_top_groups,
            nk,
        }
        .store(t);
        self.node(t, Op::Grouped_topk, [Some(a)])
    }
}
