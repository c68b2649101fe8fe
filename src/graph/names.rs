//! The names of operators, as users see them in logs, callbacks and drawings of graphs.

use std::ffi::{CStr, CString};
use std::sync::LazyLock;

use strum::VariantArray;

use super::op::{Op, UnaryOp};
use super::tensor::Tensor;

fn c_string(text: String) -> CString {
    CString::new(text).unwrap_or_default()
}

/// The variants spell the C names.
fn upper(variant: impl std::fmt::Debug) -> CString {
    c_string(format!("{variant:?}").to_uppercase())
}

static NAMES: LazyLock<Vec<CString>> = LazyLock::new(|| Op::VARIANTS.iter().map(upper).collect());
static UNARY_NAMES: LazyLock<Vec<CString>> =
    LazyLock::new(|| UnaryOp::VARIANTS.iter().map(upper).collect());
static SYMBOLS: LazyLock<Vec<CString>> = LazyLock::new(|| {
    Op::VARIANTS
        .iter()
        .map(|&op| c_string(symbol(op)))
        .collect()
});

impl Op {
    /// The name in capitals, like `MUL_MAT`.
    pub fn name(self) -> &'static CStr {
        &NAMES[self as usize]
    }

    /// A short formula, like `X*Y`.
    pub fn symbol(self) -> &'static CStr {
        &SYMBOLS[self as usize]
    }
}

impl UnaryOp {
    /// The name in capitals, like `SILU`.
    pub fn name(self) -> &'static CStr {
        &UNARY_NAMES[self as usize]
    }
}

impl Tensor {
    /// The name of the operator that computes the tensor, or of the unary operator.
    pub fn op_desc(self) -> &'static CStr {
        match self.op() {
            Op::Unary => self.unary_op().map_or(Op::Unary.name(), UnaryOp::name),
            op => op.name(),
        }
    }
}

fn symbol(op: Op) -> String {
    let formula = match op {
        Op::None => "none",
        Op::Dup => "x",
        Op::Add | Op::Add1 => "x+y",
        Op::Add_id => "x[i]+y",
        Op::Acc => "view(x,nb,offset)+=y->x",
        Op::Sub => "x-y",
        Op::Mul => "x*y",
        Op::Div => "x/y",
        Op::Sqr => "x^2",
        Op::Sqrt => "√x",
        Op::Sum => "Σx",
        Op::Sum_rows => "Σx_k",
        Op::Mean => "Σx/n",
        Op::Concat => "concat(x, y)",
        Op::Multi_add => "x1+x2+x3+...",
        Op::Mul_multi_add => "x1*y1+x2*y2+...",
        Op::Mul_mat | Op::Out_prod => "X*Y",
        Op::Mul_mat_id => "X[i]*Y",
        Op::Fused_up_gate | Op::Moe_fused_up_gate => "X*Y1&X*Y2",
        Op::Scale => "x*v",
        Op::Set => "y-\\>view(x)",
        Op::Cpy => "x-\\>y",
        Op::Rope_cache => "rope_cache(pos)",
        Op::Arange => "arange(start, stop, step)",
        Op::Timestep_embedding => "timestep_embedding(timesteps, dim, max_period)",
        Op::Softcap => "k2*tanh(k1*x)",
        Op::Soft_cap_max => "soft_max(k2*tanh(k1*x))",
        Op::Delta_net => "delta_net",
        Op::Map_unary => "f(x)",
        Op::Map_binary => "f(x,y)",
        Op::Map_custom1_f32 => "custom_f32(x)",
        Op::Map_custom2_f32 => "custom_f32(x,y)",
        Op::Map_custom3_f32 => "custom_f32(x,y,z)",
        Op::Map_custom1 => "custom(x)",
        Op::Map_custom2 => "custom(x,y)",
        Op::Map_custom3 => "custom(x,y,z)",
        Op::Cross_entropy_loss => "cross_entropy_loss(x,y)",
        Op::Cross_entropy_loss_back => "cross_entropy_loss_back(x,y)",
        Op::Reduce => "reduce(x1,x2,...)",
        Op::Fake_cpy => "fake_cpy(x,y)",
        Op::Fused_norm => "norm(x,y)",
        Op::Fused_rms_rms_add => "rms(x1)+rms(x2)",
        other => return format!("{}(x)", format!("{other:?}").to_lowercase()),
    };
    formula.to_string()
}
