//! Which tensor type each tensor of a model gets for a file type: the mixes that users know by their names.
//!
//! The choices are those of the reference (`llama_tensor_get_type` at the ABI level), so that a file type means the same in
//! both. Names are matched as there: by what they contain, in a fixed order, so `attn_qkv` counts as `attn_q` in most mixes.

use crate::llama::ftype::Ftype::{self, *};
use crate::quant::Type;

/// What the choices depend on besides the tensor.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The architecture, as `general.architecture` says.
    pub arch: String,
    pub n_layer: usize,
    pub n_expert: usize,
    pub n_vocab: usize,
    /// Query heads per key-value head.
    pub n_gqa: usize,
    /// Layers with a value projection.
    pub n_attn_v: usize,
    pub has_imatrix: bool,
    /// The output matrix is a tensor of its own, not the token embedding.
    pub has_output: bool,
}

impl Facts {
    fn is_falcon(&self) -> bool {
        self.arch == "falcon"
    }
    /// An 80-layer model whose value projection is small because heads share it.
    fn is_70b(&self) -> bool {
        self.n_layer == 80 && self.n_gqa > 1
    }
    /// The 8B and 70B models with a large vocabulary.
    fn is_large_llama3(&self) -> bool {
        self.n_vocab >= 127_999 && (self.is_70b() || matches!(self.n_layer, 32 | 36))
    }
}

/// Types that the caller chose for groups of tensors; `None` leaves the choice to the mix.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    pub output: Option<Type>,
    pub token_embd: Option<Type>,
    pub attn_q: Option<Type>,
    pub attn_k: Option<Type>,
    pub attn_v: Option<Type>,
    pub attn_qkv: Option<Type>,
    pub attn_output: Option<Type>,
    pub ffn_gate: Option<Type>,
    pub ffn_down: Option<Type>,
    pub ffn_up: Option<Type>,
    pub ffn_gate_inp: Option<Type>,
}

/// How many tensors of a group came before: mixes treat the first layers differently.
#[derive(Default)]
struct Seen {
    attn_v: usize,
    ffn_down: usize,
    ffn_gate: usize,
    ffn_up: usize,
}

/// Chooses types tensor by tensor, in the order of the file.
pub struct Chooser<'a> {
    ftype: Ftype,
    facts: &'a Facts,
    wishes: &'a Wishes,
    seen: Seen,
}

/// Which layers a mix gives more bits: the first and last eighth, and every third between.
fn gets_more_bits(i: usize, n: usize) -> bool {
    i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2
}

/// The type of most tensors of a file type; `None` if files of it are not made by quantizing.
pub fn default_type(ftype: Ftype) -> Option<Type> {
    Some(match ftype {
        AllF32 => Type::F32,
        MostlyQ2_k_s | MostlyQ2_k => Type::Q2_k,
        MostlyQ3_k_s | MostlyQ3_k_m | MostlyQ3_k_l => Type::Q3_k,
        MostlyQ4_k_s | MostlyQ4_k_m => Type::Q4_k,
        MostlyQ5_k_s | MostlyQ5_k_m => Type::Q5_k,
        MostlyIq2_s => Type::Iq2_xs,
        MostlyIq2_m => Type::Iq2_s,
        MostlyIq2_m_r4 => Type::Iq2_s_r4,
        MostlyIq3_xs | MostlyIq3_s | MostlyIq3_m => Type::Iq3_s,
        MostlyIq3_kl => Type::Iq3_k,
        Guessed => return None,
        // All others are named like their type.
        other => {
            let name = format!("{other:?}");
            let name = name.strip_prefix("Mostly")?;
            *<Type as strum::VariantArray>::VARIANTS
                .iter()
                .find(|t| format!("{t:?}") == name)?
        }
    })
}

/// The file type after repacking; itself if it has no repacked form.
pub fn repacked(ftype: Ftype) -> Ftype {
    let mix = match ftype {
        MostlyQ3_k_s | MostlyQ3_k_m | MostlyQ3_k_l => return MostlyQ3_k_r4,
        MostlyQ4_k_s | MostlyQ4_k_m => return MostlyQ4_k_r4,
        MostlyQ5_k_s | MostlyQ5_k_m => return MostlyQ5_k_r4,
        // Mixes of types without a repacked file type of their own.
        MostlyQ2_k_s | MostlyIq2_s | MostlyIq3_xs | MostlyIq3_m | MostlyIq3_kl | Guessed => {
            return ftype;
        }
        other => format!("{other:?}"),
    };
    let named = |suffix: &str| {
        let name = format!("{mix}{suffix}");
        <Ftype as strum::VariantArray>::VARIANTS
            .iter()
            .copied()
            .find(|f| format!("{f:?}") == name)
    };
    named("_r4")
        .or_else(|| named("_r8"))
        .or_else(|| named("_r16"))
        .unwrap_or(ftype)
}

/// A row-interleaved type's plain type and how many rows it interleaves; `(ty, 1)` for plain types.
pub fn interleaved(ty: Type) -> (Type, usize) {
    ty.info()
        .map_or((ty, 1), |info| (info.plain.unwrap_or(ty), info.rows))
}

/// Replaces a type whose blocks do not divide rows of `n_per_row` values by one that fits. `None` if none does.
pub fn fitting(ty: Type, n_per_row: usize) -> Option<Type> {
    use Type as T;
    let (plain, _) = interleaved(ty);
    let block = ty.block();
    // Types with blocks of 32 or less fit everything that is quantized at all; the file refuses the rest.
    if block < 64 || n_per_row.is_multiple_of(block) {
        return Some(ty);
    }
    Some(match plain {
        _ if ty == T::Q8_k_r8 => T::Q8_0,
        T::Iq2_xxs
        | T::Iq2_xs
        | T::Iq2_ks
        | T::Iq2_s
        | T::Iq3_xxs
        | T::Iq3_s
        | T::Iq1_s
        | T::Iq1_m
        | T::Q2_k
        | T::Q3_k
        | T::Iq2_k
        | T::Iq2_kl
        | T::Iq3_ks
        | T::Iq3_k
        | T::Iq4_kss
        | T::Iq4_ks
        | T::Iq1_kt
        | T::Iq2_kt
        | T::Iq3_kt
        | T::Iq4_kt
        | T::Iq4_xs => T::Iq4_nl,
        T::Iq4_k | T::Q4_k | T::Iq5_ks => T::Q5_0,
        T::Iq5_k | T::Q5_k => T::Q6_0,
        T::Iq6_k | T::Q6_k => T::Q8_0,
        _ => return None,
    })
}

/// The layer of a tensor named `blk.N.…`.
fn layer_of(name: &str) -> Option<usize> {
    name.strip_prefix("blk.")?.split('.').next()?.parse().ok()
}

impl<'a> Chooser<'a> {
    pub fn new(ftype: Ftype, facts: &'a Facts, wishes: &'a Wishes) -> Chooser<'a> {
        Chooser {
            ftype,
            facts,
            wishes,
            seen: Seen::default(),
        }
    }

    /// The next tensor's type in the mix, before fitting it to the row size.
    pub fn choose(&mut self, name: &str, n_per_row: usize, default: Type) -> Type {
        let has = |part: &str| name.contains(part);
        if name == "output.weight" || (!self.facts.has_output && name == "token_embd.weight") {
            return self
                .wishes
                .output
                .unwrap_or_else(|| self.output(n_per_row, default));
        }
        if name == "token_embd.weight" {
            return self
                .wishes
                .token_embd
                .unwrap_or_else(|| self.token_embd(default));
        }
        match self.ftype {
            MostlyIq1_s_r4 | MostlyIq1_m_r4 | MostlyIq2_kt => self.below_2_bits(name, default),
            MostlyIq2_xxs | MostlyIq2_xs | MostlyIq1_s | MostlyIq2_s | MostlyIq2_m
            | MostlyIq1_m | MostlyIq2_ks | MostlyIq2_xxs_r4 | MostlyIq2_xs_r4 | MostlyIq2_m_r4 => {
                self.about_2_bits(name, default)
            }
            _ if has("attn_v.weight") => self.attn_v(default),
            _ if has("attn_k") => self.attn_k(default),
            _ if has("attn_q") => self.attn_q(default),
            _ if has("ffn_down") => self.ffn_down(name, default),
            _ if has("attn_output.weight") => self.attn_output(default),
            _ if has("ffn_gate") => {
                let i = self.layer(name, |s| &mut s.ffn_gate);
                self.wishes
                    .ffn_gate
                    .unwrap_or_else(|| self.ffn_up_or_gate(i, default))
            }
            _ if has("ffn_up") => {
                let i = self.layer(name, |s| &mut s.ffn_up);
                self.wishes
                    .ffn_up
                    .unwrap_or_else(|| self.ffn_up_or_gate(i, default))
            }
            _ => default,
        }
    }

    /// The layer a tensor of a group belongs to. Experts of a layer are not always next to each other, so with experts the
    /// name says it; without, the count of the group's tensors so far does.
    fn layer(&mut self, name: &str, group: fn(&mut Seen) -> &mut usize) -> usize {
        let seen = group(&mut self.seen);
        let i = *seen;
        *seen += 1;
        match self.facts.n_expert {
            0 | 1 => i,
            _ => layer_of(name).unwrap_or(i),
        }
    }

    fn output(&self, n_per_row: usize, ty: Type) -> Type {
        let own = self.facts.has_output;
        if self.facts.is_falcon() || !n_per_row.is_multiple_of(256) {
            return Type::Q8_0;
        }
        match self.ftype {
            MostlyIq2_xxs | MostlyIq2_xs | MostlyIq3_xxs | MostlyIq1_s | MostlyIq2_s
            | MostlyIq2_m | MostlyIq1_m | MostlyIq2_k | MostlyIq3_k | MostlyIq2_ks
            | MostlyIq3_k_r4 | MostlyIq3_ks | MostlyIq2_k_r4 | MostlyIq3_xxs_r4 | MostlyIq2_kl
            | MostlyIq2_m_r4 | MostlyIq1_s_r4 | MostlyIq1_m_r4 | MostlyIq2_kt | MostlyIq3_kt
            | MostlyIq1_kt => {
                if own {
                    Type::Q5_k
                } else {
                    Type::Iq4_k
                }
            }
            MostlyIq2_xxs_r4 | MostlyIq2_xs_r4 => {
                if own {
                    Type::Q5_k_r4
                } else {
                    Type::Iq4_k_r4
                }
            }
            MostlyIq3_s | MostlyIq3_m | MostlyIq3_kl | MostlyIq4_xs | MostlyIq3_s_r4
            | MostlyIq4_ks | MostlyIq4_kss | MostlyIq4_ks_r4
                if !own =>
            {
                Type::Iq5_k
            }
            _ => match ty {
                Type::Q8_0
                | Type::Q8_0_r8
                | Type::Iq6_k
                | Type::Q6_k_r4
                | Type::Q8_k_r8
                | Type::Q8_kv
                | Type::Q8_kv_r8 => ty,
                _ => Type::Q6_k,
            },
        }
    }

    fn token_embd(&self, ty: Type) -> Type {
        match self.ftype {
            MostlyIq2_xxs | MostlyIq2_xs | MostlyIq1_s | MostlyIq1_m | MostlyIq2_xxs_r4
            | MostlyIq2_xs_r4 | MostlyIq1_s_r4 | MostlyIq1_m_r4 => Type::Q2_k,
            MostlyIq2_s | MostlyIq2_m | MostlyIq2_m_r4 | MostlyIq3_xxs | MostlyIq3_kt => {
                Type::Iq3_s
            }
            MostlyIq3_xxs_r4 => Type::Iq3_k,
            MostlyIq1_bn | MostlyIq2_bn | MostlyIq2_bn_r4 => Type::Iq4_nl,
            _ => ty,
        }
    }

    /// IQ1_S_R4, IQ1_M_R4 and IQ2_KT: everything but the bulk of the feed-forward network gets far more bits.
    fn below_2_bits(&mut self, name: &str, ty: Type) -> Type {
        let repacked = self.ftype != MostlyIq2_kt;
        let pick = |r4: Type, plain: Type| if repacked { r4 } else { plain };
        let Facts {
            n_expert,
            n_gqa,
            n_layer,
            ..
        } = *self.facts;
        let has = |part: &str| name.contains(part);
        if has("attn_v.weight") {
            self.seen.attn_v += 1;
            match () {
                _ if n_expert >= 4 || n_gqa >= 4 => pick(Type::Iq4_k_r4, Type::Iq4_k),
                _ if n_gqa >= 2 => pick(Type::Iq3_k_r4, Type::Iq3_k),
                _ => pick(Type::Q2_k_r4, Type::Q2_k),
            }
        } else if n_expert >= 8 && has("attn_k") {
            pick(Type::Q4_k_r4, Type::Q4_k)
        } else if n_expert >= 8
            && ["blk.0.ffn_down", "blk.0.ffn_gate", "blk.0.ffn_up"]
                .into_iter()
                .any(has)
        {
            pick(Type::Iq3_k_r4, Type::Iq3_k)
        } else if n_expert >= 8 && has("attn_q") {
            pick(Type::Q4_k_r4, Type::Q4_k)
        } else if has("attn_qkv.weight") {
            pick(Type::Iq2_k_r4, Type::Iq3_k)
        } else if has("_shexp.weight") {
            pick(Type::Iq4_k_r4, Type::Iq4_k)
        } else if has("ffn_down") {
            let i = self.layer(name, |s| &mut s.ffn_down);
            match self.wishes.ffn_down {
                Some(wish) => wish,
                None if i < n_layer / 8 => pick(Type::Q2_k_r4, Type::Iq3_k),
                None => ty,
            }
        } else if has("attn_output.weight") {
            match n_expert >= 4 {
                true => pick(Type::Q5_k_r4, Type::Q5_k),
                false => pick(Type::Iq2_k_r4, Type::Iq3_k),
            }
        } else {
            ty
        }
    }

    /// The other mixes of one to two and a half bits.
    fn about_2_bits(&mut self, name: &str, ty: Type) -> Type {
        let Facts {
            n_expert,
            n_gqa,
            n_layer,
            ..
        } = *self.facts;
        let larger = matches!(self.ftype, MostlyIq2_s | MostlyIq2_m | MostlyIq2_m_r4);
        let has = |part: &str| name.contains(part);
        if has("attn_v.weight") {
            self.seen.attn_v += 1;
            match () {
                _ if n_gqa >= 4 || n_expert >= 4 => Type::Iq4_k,
                _ if n_gqa >= 2 || n_expert >= 2 => Type::Iq3_k,
                _ if larger => Type::Iq3_s,
                _ => Type::Q2_k,
            }
        } else if n_expert >= 8 && (has("attn_k") || has("attn_q")) {
            Type::Q4_k
        } else if has("attn_qkv.weight") {
            if larger { Type::Iq3_xxs } else { Type::Iq2_k }
        } else if has("ffn_down") {
            let i = self.seen.ffn_down;
            self.seen.ffn_down += 1;
            match i < n_layer / 8 {
                true if larger => Type::Iq3_s,
                true => Type::Q2_k,
                false => ty,
            }
        } else if has("attn_output.weight") {
            match self.ftype {
                _ if self.wishes.attn_output.is_some() => self.wishes.attn_output.unwrap_or(ty),
                _ if n_expert >= 4 => Type::Q5_k,
                MostlyIq1_s | MostlyIq1_m => Type::Iq2_k,
                _ if larger => Type::Iq3_s,
                _ => ty,
            }
        } else {
            ty
        }
    }

    fn attn_v(&mut self, ty: Type) -> Type {
        let i = self.seen.attn_v;
        self.seen.attn_v += 1;
        let Facts {
            n_expert,
            n_gqa,
            n_attn_v,
            has_imatrix,
            ..
        } = *self.facts;
        let by_gqa = |shared: Type, single: Type| if n_gqa >= 2 { shared } else { single };
        match self.ftype {
            _ if self.wishes.attn_v.is_some() => self.wishes.attn_v.unwrap_or(ty),
            // With few experts the attention is a small part of the model.
            _ if n_expert >= 4 => Type::Q8_0,
            // Eight heads share each value head: more bits for it cost little.
            _ if self.facts.is_70b() => match ty {
                Type::Q3_k | Type::Q4_k => Type::Q5_k,
                Type::Iq3_k => Type::Iq5_k,
                _ => ty,
            },
            MostlyQ2_k => {
                if n_gqa >= 4 {
                    Type::Q4_k
                } else {
                    Type::Q3_k
                }
            }
            MostlyIq2_k => by_gqa(Type::Iq4_k, Type::Iq3_k),
            MostlyIq2_k_r4 => by_gqa(Type::Iq4_k_r4, Type::Iq3_k_r4),
            MostlyQ2_k_s if n_gqa >= 4 => Type::Q4_k,
            MostlyQ2_k_r4 if n_gqa >= 4 => Type::Q4_k_r4,
            MostlyIq3_xxs => match n_gqa {
                4.. => Type::Q4_k,
                2..4 => Type::Iq3_k,
                _ if !has_imatrix => Type::Iq3_s,
                _ => Type::Iq3_xxs,
            },
            MostlyIq3_kt => {
                if n_gqa >= 4 {
                    Type::Iq4_k
                } else {
                    Type::Iq3_k
                }
            }
            MostlyIq4_kt => {
                if n_gqa >= 4 {
                    Type::Iq5_k
                } else {
                    Type::Iq4_k
                }
            }
            MostlyIq3_xxs_r4 => match n_gqa {
                4.. => Type::Q4_k_r4,
                2..4 => Type::Iq3_k_r4,
                _ if !has_imatrix => Type::Iq3_k_r4,
                _ => Type::Iq3_xxs_r4,
            },
            MostlyIq3_xs | MostlyIq3_s | MostlyIq3_k if n_gqa >= 2 => Type::Iq4_k,
            MostlyIq3_s_r4 | MostlyIq3_k_r4 if n_gqa >= 2 => Type::Iq4_k_r4,
            MostlyIq3_ks | MostlyIq2_kl if n_gqa >= 2 => Type::Iq4_ks,
            MostlyIq3_kl | MostlyIq3_m => by_gqa(Type::Iq5_k, Type::Iq4_k),
            MostlyQ3_k_m => {
                if i < 2 {
                    Type::Q5_k
                } else {
                    Type::Q4_k
                }
            }
            MostlyQ3_k_l => Type::Q5_k,
            MostlyIq4_nl | MostlyIq4_xs | MostlyIq4_nl_r4 | MostlyIq4_xs_r8 | MostlyIq4_ks
            | MostlyIq4_kss | MostlyIq4_k | MostlyIq4_k_r4
                if n_gqa >= 2 =>
            {
                Type::Iq5_k
            }
            MostlyIq4_ks_r4 if n_gqa >= 2 => Type::Iq5_k_r4,
            MostlyQ4_k_m | MostlyQ5_k_m if gets_more_bits(i, n_attn_v) => Type::Q6_k,
            MostlyQ4_k_s | MostlyQ4_k_r4 if i < 4 => Type::Q5_k,
            MostlyQ5_k_s => {
                if self.facts.is_large_llama3() {
                    Type::Q6_k
                } else {
                    ty
                }
            }
            MostlyIq5_k | MostlyIq5_ks => {
                if self.facts.is_large_llama3() {
                    Type::Iq6_k
                } else {
                    ty
                }
            }
            _ if n_gqa >= 4 => one_step_up(ty),
            _ => ty,
        }
    }

    fn attn_k(&self, ty: Type) -> Type {
        match self.ftype {
            _ if self.wishes.attn_k.is_some() => self.wishes.attn_k.unwrap_or(ty),
            _ if self.facts.n_expert >= 4 => Type::Q8_0,
            MostlyIq3_xs => Type::Iq3_xxs,
            MostlyIq3_xxs | MostlyIq3_xxs_r4 => Type::Iq2_s,
            _ => ty,
        }
    }

    fn attn_q(&self, ty: Type) -> Type {
        match self.ftype {
            _ if self.wishes.attn_q.is_some() => self.wishes.attn_q.unwrap_or(ty),
            MostlyIq3_xs => Type::Iq3_xxs,
            MostlyIq3_xxs | MostlyIq3_xxs_r4 => Type::Iq2_s,
            MostlyQ5_k_s if self.facts.is_large_llama3() => Type::Q4_k,
            MostlyIq5_k if self.facts.is_large_llama3() => Type::Iq4_k,
            MostlyIq5_ks if self.facts.is_large_llama3() => Type::Iq4_ks,
            _ => ty,
        }
    }

    fn ffn_down(&mut self, name: &str, ty: Type) -> Type {
        let i = self.layer(name, |s| &mut s.ffn_down);
        let Facts {
            n_layer: n,
            n_expert,
            has_imatrix,
            ..
        } = *self.facts;
        let falcon = self.facts.is_falcon();
        let first = i < n / 8;
        let more = gets_more_bits(i, n);
        let by_depth = |first_layers: Type, others: Type| if first { first_layers } else { others };
        match self.ftype {
            _ if self.wishes.ffn_down.is_some() => self.wishes.ffn_down.unwrap_or(ty),
            MostlyQ2_k => Type::Q3_k,
            MostlyQ2_k_s if first => Type::Q4_k,
            MostlyQ2_k_r4 if first => Type::Q4_k_r4,
            MostlyIq3_xxs if !has_imatrix => by_depth(Type::Q4_k, Type::Q3_k),
            MostlyIq3_kt if !has_imatrix => by_depth(Type::Iq4_k, Type::Iq3_k),
            MostlyIq3_xxs_r4 if !has_imatrix => by_depth(Type::Q4_k_r4, Type::Iq3_k_r4),
            MostlyQ3_k_m => match () {
                _ if i < n / 16 => Type::Q5_k,
                _ if !falcon || more => Type::Q4_k,
                _ => Type::Q3_k,
            },
            MostlyIq3_m if first || (n_expert >= 4 && more) => Type::Iq4_k,
            MostlyQ3_k_l => {
                if falcon {
                    Type::Q4_k
                } else {
                    Type::Q5_k
                }
            }
            MostlyIq3_kl => {
                if more {
                    Type::Iq4_ks
                } else {
                    Type::Iq3_k
                }
            }
            MostlyQ4_k_m if falcon => match () {
                _ if i < n / 16 => Type::Q6_k,
                _ if more => Type::Q5_k,
                _ => Type::Q4_k,
            },
            MostlyQ4_k_m | MostlyQ5_k_m if more => Type::Q6_k,
            MostlyIq4_nl | MostlyIq4_xs | MostlyIq4_ks | MostlyIq4_kss | MostlyIq4_nl_r4
            | MostlyIq4_xs_r8
                if first && !has_imatrix =>
            {
                Type::Q5_k
            }
            MostlyIq4_ks_r4 if first && !has_imatrix => Type::Q5_k_r4,
            MostlyQ4_k_s | MostlyQ4_k_r4 if first && !falcon => Type::Q5_k,
            // The first layers can go wrong in these types even with an importance matrix.
            MostlyQ4_0 if first && has_imatrix => Type::Q4_1,
            MostlyQ5_0 if first && has_imatrix => Type::Q5_1,
            MostlyQ4_0_r8 if first && has_imatrix => Type::Iq4_nl_r4,
            _ => ty,
        }
    }

    fn attn_output(&self, ty: Type) -> Type {
        let Facts {
            n_expert, n_gqa, ..
        } = *self.facts;
        if let Some(wish) = self.wishes.attn_output {
            return wish;
        }
        if self.facts.is_falcon() {
            return if self.ftype == MostlyQ3_k_l {
                Type::Q4_k
            } else {
                ty
            };
        }
        if n_expert >= 4 {
            return match self.ftype {
                MostlyQ2_k | MostlyIq3_xs | MostlyIq3_xxs | MostlyQ3_k_s | MostlyQ3_k_m
                | MostlyIq4_nl | MostlyQ4_k_s | MostlyQ4_k_m | MostlyIq3_s | MostlyIq3_m
                | MostlyIq4_xs | MostlyIq4_k | MostlyIq4_kss | MostlyIq4_ks | MostlyIq4_ks_r4
                | MostlyIq5_ks | MostlyIq5_ks_r4 | MostlyIq2_k | MostlyIq3_k | MostlyIq3_kl
                | MostlyQ4_k_r4 | MostlyIq4_nl_r4 | MostlyIq4_xs_r8 | MostlyQ3_k_r4
                | MostlyIq3_kt | MostlyIq3_ks | MostlyQ2_k_r4 | MostlyIq4_k_r4 | MostlyIq3_k_r4
                | MostlyIq2_k_r4 | MostlyIq3_xxs_r4 | MostlyIq3_s_r4 => Type::Q5_k,
                MostlyIq2_kl => Type::Iq4_ks,
                _ => ty,
            };
        }
        match self.ftype {
            MostlyQ2_k => Type::Q3_k,
            MostlyIq3_xxs => Type::Iq3_s,
            MostlyIq3_kt if n_gqa >= 4 => Type::Iq3_k,
            MostlyIq3_xxs_r4 | MostlyIq2_k_r4 => Type::Iq3_k_r4,
            MostlyQ3_k_m => Type::Q4_k,
            MostlyQ3_k_l => Type::Q5_k,
            MostlyIq3_m => Type::Iq4_k,
            MostlyIq2_k => Type::Iq3_k,
            MostlyIq3_kl => Type::Iq4_ks,
            _ => ty,
        }
    }

    fn ffn_up_or_gate(&self, i: usize, ty: Type) -> Type {
        let n = self.facts.n_layer;
        match self.ftype {
            MostlyIq3_xs if i >= n / 8 && i < 7 * n / 8 => Type::Iq3_xxs,
            MostlyIq3_kl if gets_more_bits(i, n) => Type::Iq4_ks,
            _ => ty,
        }
    }
}

/// The next better type of the same kind, for value projections that many heads share.
fn one_step_up(ty: Type) -> Type {
    match ty {
        Type::Q2_k | Type::Iq3_xxs => Type::Iq3_s,
        Type::Q2_k_r4 | Type::Iq3_xxs_r4 => Type::Iq3_k_r4,
        Type::Q3_k | Type::Iq3_s => Type::Q4_k,
        Type::Iq3_k => Type::Iq4_k,
        Type::Iq3_ks | Type::Iq2_kl => Type::Iq4_ks,
        Type::Iq3_s_r4 | Type::Q3_k_r4 => Type::Q4_k_r4,
        Type::Q4_k | Type::Iq4_xs | Type::Iq4_nl | Type::Iq4_nl_r4 | Type::Iq4_xs_r8 => Type::Q5_k,
        Type::Iq4_k | Type::Iq4_ks => Type::Iq5_k,
        Type::Q5_k => Type::Q6_k,
        Type::Iq5_k | Type::Iq5_ks => Type::Iq6_k,
        _ => ty,
    }
}
