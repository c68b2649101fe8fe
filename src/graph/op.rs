//! Operator numbers.

use strum::{FromRepr, VariantArray};

/// Graph operators, numbered as `enum ggml_op`.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromRepr, VariantArray)]
pub enum Op {
    None = 0,
    Dup = 1,
    Add = 2,
    Add_id = 3,
    Add1 = 4,
    Acc = 5,
    Sub = 6,
    Mul = 7,
    Div = 8,
    Sqr = 9,
    Sqrt = 10,
    Log = 11,
    Sum = 12,
    Sum_rows = 13,
    Mean = 14,
    Argmax = 15,
    Repeat = 16,
    Repeat_back = 17,
    Concat = 18,
    Silu_back = 19,
    Norm = 20,
    Rms_norm = 21,
    Rms_norm_back = 22,
    Group_norm = 23,
    Fused_rms_norm = 24,
    Fused_mul_unary = 25,
    Multi_add = 26,
    Mul_mat = 27,
    Mul_mat_id = 28,
    Out_prod = 29,
    Fused_up_gate = 30,
    Moe_fused_up_gate = 31,
    Mul_multi_add = 32,
    Hadamard = 33,
    Scale = 34,
    Set = 35,
    Cpy = 36,
    Cont = 37,
    Reshape = 38,
    View = 39,
    Permute = 40,
    Transpose = 41,
    Get_rows = 42,
    Get_rows_back = 43,
    Set_rows = 44,
    Diag = 45,
    Diag_mask_inf = 46,
    Diag_mask_zero = 47,
    Soft_max = 48,
    Soft_max_back = 49,
    Rope = 50,
    Rope_back = 51,
    Rope_cache = 52,
    Rope_fast = 53,
    Clamp = 54,
    Conv_transpose_1d = 55,
    Im2col = 56,
    Conv_transpose_2d = 57,
    Pool_1d = 58,
    Pool_2d = 59,
    Upscale = 60,
    Pad = 61,
    Arange = 62,
    Timestep_embedding = 63,
    Argsort = 64,
    Argsort_thresh = 65,
    Grouped_topk = 66,
    Leaky_relu = 67,
    Softcap = 68,
    Soft_cap_max = 69,
    Conv_2d = 70,
    Conv_2d_dw = 71,
    Flash_attn_ext = 72,
    Flash_attn_back = 73,
    Ssm_conv = 74,
    Ssm_scan = 75,
    Win_part = 76,
    Win_unpart = 77,
    Get_rel_pos = 78,
    Add_rel_pos = 79,
    Unary = 80,
    Cumsum = 81,
    L2_norm = 82,
    Tri = 83,
    Fill = 84,
    Solve_tri = 85,
    Delta_net = 86,
    Map_unary = 87,
    Map_binary = 88,
    Map_custom1_f32 = 89,
    Map_custom2_f32 = 90,
    Map_custom3_f32 = 91,
    Map_custom1 = 92,
    Map_custom2 = 93,
    Map_custom3 = 94,
    Cross_entropy_loss = 95,
    Cross_entropy_loss_back = 96,
    Glu = 97,
    Reduce = 98,
    Fake_cpy = 99,
    Fused_norm = 100,
    Fused_rms_rms_add = 101,
}

/// Element-wise unary operators of [`Op::Unary`], numbered as `enum ggml_unary_op`.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromRepr, VariantArray)]
pub enum UnaryOp {
    Abs = 0,
    Sgn = 1,
    Neg = 2,
    Step = 3,
    Tanh = 4,
    Elu = 5,
    Relu = 6,
    Sigmoid = 7,
    Gelu_erf = 8,
    Gelu_quick = 9,
    Silu = 10,
    Hardswish = 11,
    Hardsigmoid = 12,
    Swiglu = 13,
    Swiglu_oai = 14,
    Gelu = 15,
    Exp = 16,
    Softplus = 17,
}

impl Op {
    /// The operator with this number of `enum ggml_op`, if there is one.
    pub fn from_raw(raw: i32) -> Option<Op> {
        usize::try_from(raw)
            .ok()
            .and_then(|r| Op::from_repr(r as _))
    }
}

impl UnaryOp {
    /// The operator with this number of `enum ggml_unary_op`, if there is one.
    pub fn from_raw(raw: i32) -> Option<UnaryOp> {
        usize::try_from(raw)
            .ok()
            .and_then(|r| UnaryOp::from_repr(r as _))
    }
}
