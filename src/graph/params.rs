//! The parameters of operators: where each lies in `op_params`. Builders store them, devices load them.

use super::tensor::{MAX_OP_PARAMS, Tensor};

/// Parameter slots of a tensor: 32-bit integers, or floats by their bits.
pub type Slots = [i32; MAX_OP_PARAMS / 4];

/// A value that fits the parameter slots.
pub trait Slot: Copy {
    fn put(self, slots: &mut Slots, at: usize);
    fn get(slots: &Slots, at: usize) -> Self;
}

impl Slot for i32 {
    fn put(self, slots: &mut Slots, at: usize) {
        slots[at] = self;
    }
    fn get(slots: &Slots, at: usize) -> i32 {
        slots[at]
    }
}

impl Slot for f32 {
    fn put(self, slots: &mut Slots, at: usize) {
        slots[at] = self.to_bits() as i32;
    }
    fn get(slots: &Slots, at: usize) -> f32 {
        f32::from_bits(slots[at] as u32)
    }
}

impl Slot for bool {
    fn put(self, slots: &mut Slots, at: usize) {
        slots[at] = self as i32;
    }
    fn get(slots: &Slots, at: usize) -> bool {
        slots[at] != 0
    }
}

/// Takes two slots, low half first.
impl Slot for usize {
    fn put(self, slots: &mut Slots, at: usize) {
        slots[at] = self as u32 as i32;
        slots[at + 1] = (self as u64 >> 32) as i32;
    }
    fn get(slots: &Slots, at: usize) -> usize {
        (slots[at] as u32 as u64 | ((slots[at + 1] as u32 as u64) << 32)) as usize
    }
}

impl<const N: usize> Slot for [i32; N] {
    fn put(self, slots: &mut Slots, at: usize) {
        slots[at..at + N].copy_from_slice(&self);
    }
    fn get(slots: &Slots, at: usize) -> [i32; N] {
        std::array::from_fn(|i| slots[at + i])
    }
}

impl Tensor {
    /// Reads parameter slot `at`.
    #[inline]
    pub fn param<T: Slot>(self, at: usize) -> T {
        T::get(&self.op_params(), at)
    }

    /// Writes parameter slot `at`.
    #[inline]
    pub fn set_param<T: Slot>(self, at: usize, value: T) {
        let mut slots = self.op_params();
        value.put(&mut slots, at);
        self.set_op_params(slots);
    }
}

/// Defines a struct of parameters with the slot of each field, and how it is loaded from and stored to a tensor.
macro_rules! params {
    ($($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $slot:literal $field:ident: $t:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq)]
            pub struct $name { $($(#[$field_doc])* pub $field: $t,)* }

            impl $name {
                #[inline]
                pub fn load(t: Tensor) -> $name {
                    let slots = t.op_params();
                    $name { $($field: Slot::get(&slots, $slot),)* }
                }
                #[inline]
                pub fn store(self, t: Tensor) {
                    let mut slots = t.op_params();
                    $(self.$field.put(&mut slots, $slot);)*
                    t.set_op_params(slots);
                }
            }
        )*
    };
}

params! {
    /// Of `Op::Norm`, `Rms_norm`, `Rms_norm_back`, `L2_norm`, `Fused_norm`, `Fused_rms_norm` and `Fused_rms_rms_add`.
    Norm { 0 eps: f32, }
    /// Of `Op::Group_norm`.
    GroupNorm { 0 n_groups: i32, 1 eps: f32, }
    /// Of `Op::Scale`: `x * scale + bias`.
    Scale { 0 scale: f32, 1 bias: f32, }
    /// Of `Op::Softcap`: `after * tanh(before * x)`.
    Softcap { 0 before: f32, 1 after: f32, }
    /// Of `Op::Soft_cap_max`: a soft-cap and then a soft-max.
    SoftcapMax { 0 scale: f32, 1 max_bias: f32, 2 before: f32, 3 after: f32, }
    /// Of `Op::Soft_max`: `max_bias` above 0 turns ALiBi on.
    SoftMax { 0 scale: f32, 1 max_bias: f32, }
    /// Of `Op::Flash_attn_ext`; a `softcap` of 0 means none; `prec` is an `enum ggml_prec`.
    FlashAttn { 0 scale: f32, 1 max_bias: f32, 2 softcap: f32, 3 prec: i32, }
    /// Of `Op::Clamp`.
    Clamp { 0 min: f32, 1 max: f32, }
    /// Of `Op::Rope`, `Rope_back` and `Rope_cache`. `mode` holds `GGML_ROPE_TYPE_*` bits; `sections` count the
    /// dimensions of each position in multi-dimensional rope.
    Rope {
        1 n_dims: i32, 2 mode: i32, 4 n_ctx_orig: i32, 5 freq_base: f32, 6 freq_scale: f32, 7 ext_factor: f32,
        8 attn_factor: f32, 9 beta_fast: f32, 10 beta_slow: f32, 11 sections: [i32; 4],
    }
    /// Of `Op::Rope_fast`.
    RopeFast { 0 n_dims: i32, 1 mode: i32, }
    /// Of `Op::Set` and `Op::Acc`: strides and offset of the part that is written, in bytes.
    Set { 0 nb1: i32, 1 nb2: i32, 2 nb3: i32, 3 offset: i32, 4 inplace: bool, }
    /// Of `Op::View`: where it begins in its source.
    View { 0 offset: usize, }
    /// Of `Op::Permute`: where each dimension goes.
    Permute { 0 axes: [i32; 4], }
    /// Of `Op::Argsort`: `order` is a [`SortOrder`]; `k` entries in front need to be right.
    Argsort { 0 order: i32, 1 k: i32, }
    /// Of `Op::Argsort_thresh`: entries below `thresh` times the best are dropped, but for `min_entries`.
    ArgsortThresh { 0 min_entries: i32, 1 thresh: f32, }
    /// Of `Op::Grouped_topk`: the best `n_top_groups` of `n_groups` by the sum of their best `nk` entries.
    GroupedTopk { 0 n_groups: i32, 1 n_top_groups: i32, 2 nk: i32, }
    /// Of `Op::Unary` with `UnaryOp::Swiglu_oai`.
    SwigluOai { 0 op: i32, 2 alpha: f32, 3 limit: f32, }
    /// Of `Op::Glu`: `op` is a [`GluOp`]; `swapped` takes the second half as the gate.
    Glu { 0 op: i32, 1 swapped: bool, }
    /// Of `Op::Reduce`: the operator, the number of sources, and how many of them are there.
    Reduce { 0 op: i32, 1 n: i32, 2 n_have: i32, }
    /// Of `Op::Conv_transpose_1d`.
    ConvTranspose1d { 0 stride: i32, 1 padding: i32, 2 dilation: i32, }
    /// Of `Op::Im2col`: strides, paddings, dilations in both directions.
    Im2col { 0 s0: i32, 1 s1: i32, 2 p0: i32, 3 p1: i32, 4 d0: i32, 5 d1: i32, 6 is_2d: bool, }
    /// Of `Op::Conv_2d` and `Op::Conv_2d_dw`.
    Conv2d { 0 s0: i32, 1 s1: i32, 2 p0: i32, 3 p1: i32, 4 d0: i32, 5 d1: i32, }
    /// Of `Op::Pool_1d`: `op` is a [`PoolOp`].
    Pool1d { 0 op: i32, 1 k0: i32, 2 s0: i32, 3 p0: i32, }
    /// Of `Op::Pool_2d`: `op` is a [`PoolOp`].
    Pool2d { 0 op: i32, 1 k0: i32, 2 k1: i32, 3 s0: i32, 4 s1: i32, 5 p0: i32, 6 p1: i32, }
    /// Of `Op::Arange`.
    Arange { 0 start: f32, 1 stop: f32, 2 step: f32, }
    /// Of `Op::Timestep_embedding`.
    TimestepEmbedding { 0 dim: i32, 1 max_period: i32, }
    /// Of `Op::Win_part`: how many windows in both directions, and how wide.
    WinPart { 0 npx: i32, 1 npy: i32, 2 w: i32, }
}

/// `enum ggml_sort_order`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::FromRepr)]
pub enum SortOrder {
    Asc = 0,
    Desc = 1,
}

/// `enum ggml_glu_op`.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::FromRepr)]
pub enum GluOp {
    Reglu = 0,
    Geglu = 1,
    Swiglu = 2,
    Swiglu_oai = 3,
    Geglu_erf = 4,
    Geglu_quick = 5,
}

/// `enum ggml_op_pool`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::FromRepr)]
pub enum PoolOp {
    Max = 0,
    Avg = 1,
}

/// `enum ggml_tri_type`: which triangle of a matrix is kept.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, strum::FromRepr)]
pub enum TriType {
    Lower = 0,
    Upper = 1,
    Lower_diag = 2,
    Upper_diag = 3,
}
