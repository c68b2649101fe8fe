//! The file quantizer: reads a model file, gives each tensor the type its file type asks for, and writes a new file.
//!
//! Types are decided first, for all tensors; then tensors stream through one after the other, rows in parallel. What is in
//! memory is one tensor in its new type and a few rows of floats per thread; the input is mapped. Files are written beside
//! their destination and get their names when they are whole.

mod convert;
mod importance;
pub mod rules;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::error::{Error, Result};
use crate::gguf::{self, Name, Override, OverrideValue, SplitFile, TensorInfo, Text, Value};
use crate::llama::ftype::Ftype;
use crate::llama::model::hparams::Keys;
use crate::log::{Level, write as log_piece};
use crate::quant::Type;
use crate::{bail, ensure, log_info, log_warn};
use rules::{Chooser, Facts, Wishes, fitting, interleaved};

/// `GGML_QNT_VERSION`: the version of the formats, noted in files with quantized tensors.
const QUANTIZATION_VERSION: u32 = 2;

/// How to quantize a file.
pub struct Options {
    /// Threads; all of the machine's if 0.
    pub n_threads: usize,
    pub ftype: Ftype,
    pub wishes: Wishes,
    pub imatrix: Option<Imatrix>,
    pub overrides: Vec<Override>,
    /// Types by name patterns; the first that matches counts, before the mix.
    pub custom: Vec<(Regex, Type)>,
    /// Quantize tensors that are quantized already.
    pub allow_requantize: bool,
    pub quantize_output: bool,
    /// Copy the tensors as they are.
    pub only_copy: bool,
    /// The file type's main type for all tensors.
    pub pure: bool,
    /// Write as many parts as the input has.
    pub keep_split: bool,
    /// Allow very low-bit types without an importance matrix.
    pub ignore_imatrix_rules: bool,
    /// Say what would be done.
    pub dry_run: bool,
    /// Leave output files alone that are there already.
    pub partial: bool,
    /// Only interleave the rows of tensors whose type has such a form, and whose name one of the patterns matches.
    pub repack: Option<Patterns>,
}

/// Importance of each column by tensor name; for stacked experts one such row per expert.
pub type Imatrix = HashMap<String, Vec<f32>>;

/// Patterns of tensor names; no list matches all.
pub type Patterns = Option<Vec<Regex>>;

/// What becomes of a tensor.
#[derive(Clone, Copy, PartialEq)]
enum Work {
    Copy,
    Convert(Type),
    Repack(Type),
}

/// A tensor and what becomes of it.
struct Job<'a> {
    part: usize,
    index: usize,
    info: &'a TensorInfo,
    work: Work,
}

impl Job<'_> {
    fn ty(&self) -> Type {
        match self.work {
            Work::Copy => self.info.ty,
            Work::Convert(ty) | Work::Repack(ty) => ty,
        }
    }
}

/// Quantizes the file (or the first of several parts) `input` to `output`.
pub fn quantize(input: &Path, output: &Path, options: &Options) -> Result<()> {
    if options.partial && !options.keep_split && output.exists() {
        log_info!("output file {} exists, skipping", output.display());
        return Ok(());
    }
    let n_threads = match options.n_threads {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        n => n,
    };
    let mut file = SplitFile::open(input)?;
    file.first_mut()
        .metadata_mut()
        .add_overrides(options.overrides.iter().cloned());
    let facts = facts(&file, options)?;
    let mut ftype = options.ftype;
    if options.only_copy || options.repack.is_some() {
        let number = file
            .first()
            .metadata()
            .get_u32("general.file_type")?
            .unwrap_or(0);
        ftype = Ftype::from_raw(number).unwrap_or(Ftype::AllF32);
    }
    let (jobs, n_fallback) = match &options.repack {
        Some(patterns) => (decide_repacking(&file, patterns), 0),
        None => {
            if let Some(imatrix) = &options.imatrix {
                importance::check(imatrix)?;
            }
            decide(&file, ftype, &facts, options)?
        }
    };
    if options.repack.is_some() {
        if jobs.iter().all(|job| job.work == Work::Copy) {
            log_info!("llama_model_quantize: no tensor can be repacked, nothing to do");
            return Ok(());
        }
        let from = ftype.description();
        ftype = rules::repacked(ftype);
        log_info!(
            "===================== Model ftype: {from}: Repacked ftype: {}",
            ftype.description()
        );
    }
    let n_parts = if options.keep_split {
        file.parts.len()
    } else {
        1
    };
    let mut totals = (0, 0);
    let mut done = 0;
    for part in 0..n_parts {
        let mine: Vec<&Job> = jobs
            .iter()
            .filter(|job| !options.keep_split || job.part == part)
            .collect();
        let path = part_path(output, part, n_parts, options.keep_split)?;
        if options.partial && path.exists() {
            log_info!("split file {} exists, skipping", path.display());
            done += mine.len();
            continue;
        }
        let mut writer = None;
        if !options.dry_run {
            if let Some(directory) = path.parent() {
                std::fs::create_dir_all(directory)
                    .map_err(|e| Error(format!("cannot create {}: {e}", directory.display())))?;
            }
            let metadata = metadata(&file, ftype, part, n_parts, jobs.len(), options)?;
            let infos: Result<Vec<TensorInfo>> = mine
                .iter()
                .map(|job| {
                    let info = job.info;
                    TensorInfo::new(info.name.clone(), job.ty(), info.n_dims, info.ne)
                })
                .collect();
            writer = Some(gguf::Writer::create(&path, &metadata, infos?)?);
        }
        for job in mine {
            done += 1;
            let new_size = run(
                &file,
                job,
                done,
                jobs.len(),
                n_threads,
                options,
                writer.as_mut(),
            )?;
            totals = (totals.0 + job.info.size, totals.1 + new_size);
        }
        if let Some(writer) = writer {
            writer.finish()?;
        }
    }
    log_info!(
        "llama_model_quantize: model size  = {:8.2} MB",
        mib(totals.0)
    );
    log_info!(
        "llama_model_quantize: quant size  = {:8.2} MB",
        mib(totals.1)
    );
    if n_fallback > 0 {
        log_warn!(
            "llama_model_quantize: WARNING: {n_fallback} of {} tensor(s) required fallback quantization",
            jobs.iter().filter(|job| job.work != Work::Copy).count()
        );
    }
    Ok(())
}

fn mib(bytes: usize) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

fn part_path(output: &Path, part: usize, n_parts: usize, split: bool) -> Result<PathBuf> {
    if !split {
        return Ok(output.to_owned());
    }
    let Some(prefix) = output.to_str() else {
        bail!(
            "{}: the prefix of split files must be UTF-8",
            output.display()
        );
    };
    Ok(gguf::split_path(prefix, part as i32, n_parts as i32).into())
}

/// What the mixes need to know about the model. A file without the usual keys is quantized as a model without layers.
fn facts(file: &SplitFile, options: &Options) -> Result<Facts> {
    let metadata = file.first().metadata();
    let arch = metadata
        .get::<&str>("general.architecture")?
        .unwrap_or_default()
        .to_owned();
    let keys = Keys {
        metadata,
        arch: &arch,
    };
    let n_layer = keys.u32("block_count")?.unwrap_or(0);
    let first = |key| -> Result<Option<u32>> {
        Ok(keys
            .per_layer(key, n_layer)?
            .and_then(|all| all.first().copied()))
    };
    let n_head = first("attention.head_count")?.unwrap_or(0);
    let n_head_kv = first("attention.head_count_kv")?.unwrap_or(n_head);
    let n_vocab = match metadata.get_strings("tokenizer.ggml.tokens")? {
        Some(tokens) => tokens.len(),
        None => keys.u32("vocab_size")?.unwrap_or(0) as usize,
    };
    let names = || {
        file.parts
            .iter()
            .flat_map(|p| p.tensors())
            .map(|t| &*t.name)
    };
    Ok(Facts {
        n_layer: n_layer as usize,
        n_expert: keys.u32("expert_count")?.unwrap_or(0) as usize,
        n_vocab,
        n_gqa: n_head.checked_div(n_head_kv).unwrap_or(0) as usize,
        n_attn_v: names()
            .filter(|n| n.contains("attn_v.weight") || n.contains("attn_qkv.weight"))
            .count(),
        has_imatrix: options.imatrix.is_some(),
        has_output: names().any(|n| n == "output.weight"),
        arch,
    })
}

/// Whether a tensor is quantized at all: matrices of weights that are not small or delicate.
fn is_quantized(info: &TensorInfo, options: &Options) -> bool {
    let name = &*info.name;
    let used_dims = info.ne.iter().rposition(|&n| n > 1).map_or(1, |i| i + 1);
    const KEPT: [&str; 7] = [
        "_norm.weight",
        "ssm_conv1d.weight",
        "ssm_x.weight",
        "ssm_dt.weight",
        "attn_rel_b.weight",
        "position_embd.weight",
        "token_types.weight",
    ];
    name.ends_with("weight")
        && used_dims >= 2
        && !KEPT.iter().any(|kept| name.contains(kept))
        && (options.quantize_output || name != "output.weight")
        && (!name.contains("ffn_gate_inp.weight")
            || options.wishes.ffn_gate_inp.is_some_and(|ty| ty != info.ty))
        && !options.only_copy
}

/// Decides what becomes of each tensor, and counts those whose rows did not fit the type of the mix.
fn decide<'a>(
    file: &'a SplitFile,
    ftype: Ftype,
    facts: &Facts,
    options: &Options,
) -> Result<(Vec<Job<'a>>, usize)> {
    let Some(default) = rules::default_type(ftype) else {
        bail!("invalid output file type {ftype:?}");
    };
    let mut chooser = Chooser::new(ftype, facts, &options.wishes);
    let mut n_fallback = 0;
    let mut jobs = Vec::new();
    for (part, parts_file) in file.parts.iter().enumerate() {
        for (index, info) in parts_file.tensors().iter().enumerate() {
            let mut job = Job {
                part,
                index,
                info,
                work: Work::Copy,
            };
            if is_quantized(info, options) {
                let ty = decide_one(info, default, &mut chooser, &mut n_fallback, options)?;
                if ty != info.ty {
                    check_encodable(ty, info, ftype, options)?;
                    job.work = Work::Convert(ty);
                }
            }
            jobs.push(job);
        }
    }
    Ok((jobs, n_fallback))
}

/// Decides which tensors get their rows interleaved.
fn decide_repacking<'a>(file: &'a SplitFile, patterns: &Patterns) -> Vec<Job<'a>> {
    let work = |info: &TensorInfo| {
        let matches = |all: &Vec<Regex>| all.iter().any(|p| p.is_match(&info.name));
        match convert::repacked_type(info) {
            Some(ty) if patterns.as_ref().is_none_or(matches) => Work::Repack(ty),
            _ => Work::Copy,
        }
    };
    let parts = file.parts.iter().enumerate();
    parts
        .flat_map(|(part, of_part)| {
            let tensors = of_part.tensors().iter().enumerate();
            tensors.map(move |(index, info)| Job {
                part,
                index,
                info,
                work: work(info),
            })
        })
        .collect()
}

fn decide_one(
    info: &TensorInfo,
    default: Type,
    chooser: &mut Chooser,
    n_fallback: &mut usize,
    options: &Options,
) -> Result<Type> {
    let (name, n_per_row) = (&*info.name, info.ne[0] as usize);
    let mut ty = default;
    if !options.pure && default.info().is_none_or(|i| i.quantized) {
        ty = chooser.choose(name, n_per_row, default);
        if let Some((_, custom)) = options
            .custom
            .iter()
            .find(|(pattern, _)| pattern.is_match(name))
        {
            ty = *custom;
            log_info!("Using custom type {} for tensor {name}", ty.name());
        }
    }
    if options.pure || default.info().is_none_or(|i| i.quantized) {
        let Some(fits) = fitting(ty, n_per_row) else {
            bail!(
                "tensor '{name}': no type like {} fits rows of {n_per_row} values",
                ty.name()
            );
        };
        if fits != ty {
            log_warn!(
                "tensor '{name}': rows of {n_per_row} values do not fit blocks of {}, using {} instead",
                ty.name(),
                fits.name()
            );
            *n_fallback += 1;
            ty = fits;
        }
    }
    let wishes = &options.wishes;
    ty = match name {
        "token_embd.weight" => wishes.token_embd.unwrap_or(ty),
        "output.weight" => wishes.output.unwrap_or(ty),
        _ if name.contains("ffn_gate_inp.weight") => wishes.ffn_gate_inp.unwrap_or(ty),
        _ => ty,
    };
    let (plain, n_rows) = interleaved(ty);
    // Token embeddings are read row by row; and interleaved rows come in groups.
    if plain != ty && (name == "token_embd.weight" || !(info.ne[1] as usize).is_multiple_of(n_rows))
    {
        log_info!(
            "tensor '{name}' cannot have interleaved rows: {} instead of {}",
            plain.name(),
            ty.name()
        );
        ty = plain;
    }
    Ok(ty)
}

/// Very low-bit types that give garbage without an importance matrix.
fn is_very_low_bit(ty: Type, ftype: Ftype) -> bool {
    matches!(
        interleaved(ty).0,
        Type::Iq2_xxs
            | Type::Iq2_xs
            | Type::Iq2_s
            | Type::Iq1_s
            | Type::Iq1_m
            | Type::Iq1_kt
            | Type::Iq2_kt
    ) || (ty == Type::Q2_k && ftype == Ftype::MostlyQ2_k_s)
}

fn check_encodable(ty: Type, info: &TensorInfo, ftype: Ftype, options: &Options) -> Result<()> {
    let name = &*info.name;
    ensure!(
        ty.info().is_some_and(|i| i.encode.is_some()),
        "tensor '{name}': this build cannot write type {ty:?}"
    );
    let Some(from) = info.ty.info() else {
        bail!("tensor '{name}': this build cannot read type {:?}", info.ty);
    };
    ensure!(
        !from.quantized || options.allow_requantize || options.dry_run,
        "tensor '{name}': requantizing from type {} is disabled",
        from.name
    );
    let weights = importance::find(info, options)?;
    ensure!(
        options.ignore_imatrix_rules
            || weights.is_some()
            || !is_very_low_bit(ty, ftype)
            || importance::is_of_vocabulary(name),
        "Missing importance matrix for tensor {name} in a very low-bit quantization. The result would be garbage"
    );
    Ok(())
}

/// The metadata of one part of the output: everything goes to the first.
fn metadata(
    file: &SplitFile,
    ftype: Ftype,
    part: usize,
    n_parts: usize,
    n_tensors: usize,
    options: &Options,
) -> Result<gguf::Metadata> {
    let key = |key: &str| {
        Name::new(key.as_bytes()).ok_or_else(|| Error(format!("bad metadata key '{key}'")))
    };
    let mut metadata = gguf::Metadata::default();
    if part == 0 {
        for (name, value) in file.first().metadata().iter() {
            metadata.set(name.clone(), value.clone());
        }
        metadata.set(
            key("general.quantization_version")?,
            Value::U32(QUANTIZATION_VERSION),
        );
        for split_key in ["split.no", "split.count", "split.tensors.count"] {
            metadata.remove(split_key);
        }
        for o in &options.overrides {
            let value = match &o.value {
                OverrideValue::Float(v) => Value::F32(*v as f32),
                OverrideValue::Int(v) => Value::I32(*v as i32),
                OverrideValue::Bool(v) => Value::Bool(*v),
                OverrideValue::Str(v) => Value::Str(Text::new(v.as_bytes())),
            };
            metadata.set(key(&o.key)?, value);
        }
        metadata.set(key("general.file_type")?, Value::U32(ftype as u32));
    }
    if n_parts > 1 {
        metadata.set(key("split.no")?, Value::U16(part as u16));
        metadata.set(key("split.count")?, Value::U16(n_parts as u16));
        metadata.set(key("split.tensors.count")?, Value::I32(n_tensors as i32));
    }
    Ok(metadata)
}

/// Does one tensor, and says so in the lines that users know. Returns its new size.
fn run(
    file: &SplitFile,
    job: &Job,
    number: usize,
    total: usize,
    n_threads: usize,
    options: &Options,
    writer: Option<&mut gguf::Writer>,
) -> Result<usize> {
    let info = job.info;
    let [a, b, c, d] = info.ne;
    log_piece(
        Level::Info,
        &format!(
            "[{number:4}/{total:4}] {:>36} - [{a:5}, {b:5}, {c:5}, {d:5}], type = {:>6}, ",
            &*info.name,
            info.ty.name()
        ),
    );
    let data = file.parts[job.part].tensor_data(job.index);
    let (ty, rows) = (job.ty(), (info.ne[1] * info.ne[2] * info.ne[3]) as usize);
    let new_size = ty.row_size(info.ne[0] as usize) * rows;
    if let Work::Copy = job.work {
        log_info!("size = {:8.3} MB", mib(info.size));
        if let Some(writer) = writer {
            convert::check(info, data, n_threads)?;
            writer.write(data)?;
        }
        return Ok(info.size);
    }
    if let Work::Repack(ty) = job.work {
        log_info!("size = {:8.3} MB, type = {}", mib(new_size), ty.name());
        if let Some(writer) = writer {
            convert::check(info, data, n_threads)?;
            let mut out = vec![0; new_size];
            convert::repack(info, data, ty, &mut out, n_threads)?;
            writer.write(&out)?;
        }
        return Ok(new_size);
    }
    let weights = importance::find(info, options)?;
    if options.imatrix.is_some() && weights.is_none() {
        log_info!(
            "\n====== llama_model_quantize: did not find weights for {}",
            &*info.name
        );
    }
    log_piece(Level::Info, &format!("converting to {} .. ", ty.name()));
    if let Some(writer) = writer {
        let mut out = vec![0; new_size];
        let weights = importance::of_columns(file, info, data, ty, weights, n_threads);
        convert::convert(info, data, weights.as_deref(), ty, &mut out, n_threads)?;
        writer.write(&out)?;
    }
    log_info!(
        "size = {:8.2} MiB -> {:8.2} MiB",
        mib(info.size),
        mib(new_size)
    );
    Ok(new_size)
}

#[cfg(test)]
mod tests;
