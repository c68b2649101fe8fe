//! The parts that architectures are made of. Each knows its tensors' names and shapes (`load`) and its piece of the graph
//! (`build`). What two architectures share is a block with a parameter, not a copy.

mod attention;
mod ffn;
mod moe;

pub use attention::Attention;
pub use ffn::FeedForward;
pub use moe::Experts;

use super::build::Builder;
use super::load::Loader;
use crate::error::Result;
use crate::graph::Tensor;

/// A matrix, and maybe a bias.
#[derive(Clone, Copy)]
pub struct Linear {
    pub w: Tensor,
    pub b: Option<Tensor>,
}

impl Linear {
    /// `name.weight` of shape `[n_in, n_out]`, and `name.bias` if the file has it.
    pub fn load(l: &mut Loader, name: &str, n_in: u32, n_out: u32) -> Result<Linear> {
        Ok(Linear {
            w: l.tensor(&format!("{name}.weight"), &[n_in, n_out])?,
            b: l.optional(&format!("{name}.bias"), &[n_out])?,
        })
    }

    pub fn build(&self, b: &Builder, x: Tensor) -> Result<Tensor> {
        let y = b.mul_mat(self.w, x)?;
        self.bias(b, y)
    }

    fn bias(&self, b: &Builder, y: Tensor) -> Result<Tensor> {
        self.b.map_or(Ok(y), |bias| b.ctx.add(y, bias))
    }
}

/// A norm by root mean square.
#[derive(Clone, Copy)]
pub struct Norm {
    w: Tensor,
}

impl Norm {
    /// `name.weight` of `n` values.
    pub fn load(l: &mut Loader, name: &str, n: u32) -> Result<Norm> {
        Ok(Norm {
            w: l.tensor(&format!("{name}.weight"), &[n])?,
        })
    }

    pub fn build(&self, b: &Builder, x: Tensor) -> Result<Tensor> {
        b.ctx.fused_rms_norm(x, Some(self.w), b.hp.norm_rms_eps)
    }
}
