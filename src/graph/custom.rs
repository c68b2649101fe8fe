//! Builders of operators that call functions of the user, and of losses.

use std::ffi::c_void;

use super::context::Context;
use super::op::Op;
use super::params::Slot;
use super::tensor::Tensor;
use crate::ensure;
use crate::error::Result;

/// The task count of an operator that takes as many threads as there are (`GGML_N_TASKS_MAX`).
pub const N_TASKS_MAX: i32 = -1;

/// A user's function with what it is called with, as `op_params` hold it: of `Op::Map_custom1` to `Op::Map_custom3`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Custom {
    /// The function's address: `ggml_custom1_op_t` to `ggml_custom3_op_t`.
    pub fun: usize,
    /// Most threads that call it, or [`N_TASKS_MAX`].
    pub n_tasks: i32,
    pub userdata: *mut c_void,
}

impl Custom {
    pub fn load(t: Tensor) -> Custom {
        let slots = t.op_params();
        Custom {
            fun: Slot::get(&slots, 0),
            n_tasks: Slot::get(&slots, 2),
            userdata: <usize as Slot>::get(&slots, 4) as *mut c_void,
        }
    }

    fn store(self, t: Tensor) {
        let mut slots = t.op_params();
        self.fun.put(&mut slots, 0);
        self.n_tasks.put(&mut slots, 2);
        self.userdata.addr().put(&mut slots, 4);
        t.set_op_params(slots);
    }
}

impl Context {
    /// A node like the first of `srcs` that a user's function computes from all of them.
    pub fn map_custom<const N: usize>(
        &self,
        srcs: [Tensor; N],
        custom: Custom,
        inplace: bool,
    ) -> Result<Tensor> {
        ensure!(
            custom.n_tasks == N_TASKS_MAX || custom.n_tasks > 0,
            "map_custom: {} is not a number of tasks",
            custom.n_tasks
        );
        let op = [Op::Map_custom1, Op::Map_custom2, Op::Map_custom3];
        let t = self.like(srcs[0], inplace)?;
        custom.store(t);
        self.node(t, op[N - 1], srcs.map(Some))
    }

    /// The older form: a function without a task number, by its address. `op` is one of `Op::Map_unary`, `Map_binary` (which call it
    /// for rows of f32) or `Map_custom1_f32` to `Map_custom3_f32` (for whole tensors).
    pub fn map_function<const N: usize>(
        &self,
        op: Op,
        srcs: [Tensor; N],
        fun: usize,
        inplace: bool,
    ) -> Result<Tensor> {
        ensure!(
            op != Op::Map_binary || srcs.iter().all(|s| s.same_shape(srcs[0])),
            "map_binary: {} and {} differ in shape",
            srcs[0],
            srcs[N - 1]
        );
        let t = self.like(srcs[0], inplace)?;
        t.set_param(0, fun);
        self.node(t, op, srcs.map(Some))
    }

    /// The mean cross entropy between logits `a` and probabilities `b`.
    pub fn cross_entropy_loss(&self, a: Tensor, b: Tensor) -> Result<Tensor> {
        ensure!(
            a.same_shape(b),
            "cross_entropy_loss: {a} and {b} differ in shape"
        );
        let t = self.new_tensor(a.ty(), &[1])?;
        self.node(t, Op::Cross_entropy_loss, [Some(a), Some(b)])
    }

    pub fn cross_entropy_loss_back(&self, a: Tensor, b: Tensor, c: Tensor) -> Result<Tensor> {
        ensure!(
            a.same_shape(b) && c.is_scalar(),
            "cross_entropy_loss_back: {a}, {b} and {c} do not fit"
        );
        let t = self.dup_tensor(a)?;
        self.node(t, Op::Cross_entropy_loss_back, [Some(a), Some(b), Some(c)])
    }

    /// Marks a tensor as a parameter to be trained, and gives it a gradient.
    pub fn set_param(&self, t: Tensor) -> Result<()> {
        ensure!(t.grad().is_none(), "set_param: {t} is a parameter already");
        t.set_flags(t.flags() | super::tensor::TENSOR_FLAG_PARAM);
        let grad = self.dup_tensor(t)?;
        grad.set_name_from(t, " (grad)");
        t.set_grad(Some(grad));
        Ok(())
    }
}
