//! A small random model goes through the quantizer.

use super::*;
use crate::gguf::{Array, File, Metadata, Strings, Writer};

fn options(ftype: Ftype) -> Options {
    Options {
        n_threads: 2,
        ftype,
        wishes: Wishes::default(),
        imatrix: None,
        overrides: Vec::new(),
        custom: Vec::new(),
        allow_requantize: false,
        quantize_output: true,
        only_copy: false,
        pure: false,
        keep_split: false,
        ignore_imatrix_rules: false,
        dry_run: false,
        partial: false,
        repack: None,
    }
}

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

const N: usize = 256;
const ROWS: usize = 72;

fn tensor_names() -> Vec<String> {
    let mut names = vec![
        "token_embd.weight".to_owned(),
        "output_norm.weight".to_owned(),
    ];
    for layer in 0..8 {
        for part in [
            "attn_q",
            "attn_k",
            "attn_v",
            "attn_output",
            "ffn_down",
            "ffn_gate",
            "ffn_up",
            "attn_norm",
        ] {
            names.push(format!("blk.{layer}.{part}.weight"));
        }
    }
    names
}

fn value(i: usize) -> f32 {
    ((i as u32).wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 23) as f32 - 1.0
}

fn write_model(path: &Path, bad: Option<usize>) {
    write_model_with(path, None, bad);
}

/// A model, perhaps with one more matrix, or with a value in `blk.3.ffn_up.weight` that is no number.
fn write_model_with(path: &Path, more: Option<&str>, bad: Option<usize>) {
    let mut metadata = Metadata::default();
    metadata.set(
        name("general.architecture"),
        Value::Str(Text::new(b"llama")),
    );
    metadata.set(name("llama.block_count"), Value::U32(8));
    metadata.set(name("llama.attention.head_count"), Value::U32(8));
    metadata.set(name("llama.attention.head_count_kv"), Value::U32(4));
    let mut tokens = Strings::default();
    tokens.push(b"a");
    metadata.set(
        name("tokenizer.ggml.tokens"),
        Value::Array(Array::Str(tokens)),
    );
    let mut names = tensor_names();
    names.extend(more.map(str::to_owned));
    let infos = names.iter().map(|n| {
        let rows = if n.contains("norm") { 1 } else { ROWS as i64 };
        TensorInfo::new(name(n), Type::F32, 2, [N as i64, rows, 1, 1]).unwrap()
    });
    let mut writer = Writer::create(path, &metadata, infos.collect()).unwrap();
    for info in writer.tensors().to_vec() {
        let mut bytes: Vec<u8> = (0..info.size / 4)
            .flat_map(|i| value(i).to_le_bytes())
            .collect();
        if let Some(at) = bad
            && &*info.name == "blk.3.ffn_up.weight"
        {
            bytes[4 * at..4 * at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
        }
        writer.write(&bytes).unwrap();
    }
    writer.finish().unwrap();
}

fn type_of(file: &File, tensor: &str) -> Type {
    file.tensors()[file.find_tensor(tensor).unwrap()].ty
}

#[test]
fn a_mix_gives_each_tensor_its_type_and_close_values() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (
        dir.path().join("in.gguf"),
        dir.path().join("new/dir/out.gguf"),
    );
    write_model(&input, None);
    let mut options = options(Ftype::MostlyQ4_k_m);
    options.overrides = vec![Override {
        key: "general.name".into(),
        value: OverrideValue::Str("small".into()),
    }];
    options.custom = vec![(Regex::new(r"blk\.[67]\.ffn_up").unwrap(), Type::Q5_0)];
    quantize(&input, &output, &options).unwrap();

    let file = File::open(&output).unwrap();
    assert_eq!(
        type_of(&file, "token_embd.weight"),
        Type::Q6_k,
        "tied to the output"
    );
    assert_eq!(type_of(&file, "output_norm.weight"), Type::F32);
    assert_eq!(type_of(&file, "blk.0.attn_v.weight"), Type::Q6_k);
    assert_eq!(type_of(&file, "blk.1.attn_v.weight"), Type::Q4_k);
    assert_eq!(type_of(&file, "blk.1.ffn_up.weight"), Type::Q4_k);
    assert_eq!(type_of(&file, "blk.7.ffn_up.weight"), Type::Q5_0);
    let metadata = file.metadata();
    assert_eq!(
        metadata.get_u32("general.file_type").unwrap(),
        Some(Ftype::MostlyQ4_k_m as u32)
    );
    assert_eq!(
        metadata.get_u32("general.quantization_version").unwrap(),
        Some(2)
    );
    assert_eq!(metadata.get::<&str>("general.name").unwrap(), Some("small"));

    let i = file.find_tensor("blk.2.attn_q.weight").unwrap();
    let q4_k = Type::Q4_k.info().unwrap();
    let mut row = [0.0; N];
    (q4_k.decode)(
        &file.tensor_data(i)[q4_k.row_size(N)..][..q4_k.row_size(N)],
        &mut row,
    );
    let worst = row
        .iter()
        .enumerate()
        .map(|(k, v)| (v - value(N + k)).abs())
        .fold(0.0, f32::max);
    assert!(worst < 0.1, "{worst}");
}

#[test]
fn the_number_of_threads_does_not_change_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.gguf");
    write_model(&input, None);
    let files = [1, 3].map(|n_threads| {
        let output = dir.path().join(format!("{n_threads}.gguf"));
        quantize(
            &input,
            &output,
            &Options {
                n_threads,
                ..options(Ftype::MostlyQ5_k_s)
            },
        )
        .unwrap();
        std::fs::read(output).unwrap()
    });
    assert!(files[0] == files[1]);
}

/// The rows of a tensor as floats.
fn rows(file: &File, tensor: &str) -> Vec<f32> {
    let i = file.find_tensor(tensor).unwrap();
    let info = &file.tensors()[i];
    let (mut x, ty) = (vec![0.0; N * ROWS], info.ty.info().unwrap());
    let encoded = file.tensor_data(i).chunks(ty.group_size(N));
    for (group, x) in encoded.zip(x.chunks_mut(ty.rows * N)) {
        (ty.decode)(group, x);
    }
    x
}

#[test]
fn embeddings_and_output_weigh_columns_of_their_own_if_no_matrix_knows_them() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.gguf"), dir.path().join("out.gguf"));
    // The sum of squares of each column, of tensors that all have the same values.
    let square = |j: usize| -> f64 {
        let of_rows = (0..ROWS).map(|row| f64::from(value(row * N + j)).powi(2));
        of_rows.sum()
    };
    let relative = |of: &dyn Fn(usize) -> f64| -> Vec<f32> {
        let largest = (0..N).map(of).fold(0.0, f64::max);
        (0..N).map(|j| (of(j) / largest) as f32).collect()
    };
    let of_states = relative(&|j| square(j) * f64::from(value(j)).powi(2));
    let looked_up = relative(&|j| square(j).sqrt());
    let known: Vec<f32> = (0..N).map(|i| i as f32).collect();
    let imatrix = HashMap::from([("token_embd.weight".to_owned(), known.clone())]);

    let (embeddings, head) = ("token_embd.weight", "output.weight");
    for (more, ftype, imatrix, expected) in [
        (None, Ftype::MostlyQ4_k_s, None, [Some(&of_states), None]),
        (
            Some(head),
            Ftype::MostlyQ4_k_s,
            None,
            [Some(&looked_up), Some(&of_states)],
        ),
        (
            None,
            Ftype::MostlyQ4_k_s,
            Some(imatrix),
            [Some(&known), None],
        ),
        // What simple types make of values is the same everywhere.
        (Some(head), Ftype::MostlyQ4_0, None, [None, None]),
    ] {
        write_model_with(&input, more, None);
        let options = Options {
            pure: true,
            imatrix,
            ..options(ftype)
        };
        quantize(&input, &output, &options).unwrap();
        let (source, file) = (File::open(&input).unwrap(), File::open(&output).unwrap());
        for (tensor, weights) in [Some(embeddings), more].into_iter().flatten().zip(expected) {
            let i = file.find_tensor(tensor).unwrap();
            let ty = file.tensors()[i].ty.info().unwrap();
            let mut row = vec![0; ty.row_size(N)];
            let encoded = file.tensor_data(i).chunks(row.len());
            for (x, encoded) in rows(&source, tensor).chunks(N).zip(encoded) {
                ty.encode.unwrap()(x, weights.map(|w| &**w), &mut row);
                assert!(row == encoded, "{tensor} as {ftype:?}");
            }
        }
    }
}

#[test]
fn tensors_of_more_dimensions_are_quantized_with_weights() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.gguf"), dir.path().join("out.gguf"));
    let names = ["token_embd.weight", "blk.0.ffn_up.weight"];
    let infos = names.map(|n| TensorInfo::new(name(n), Type::F32, 4, [N as i64, 4, 3, 2]).unwrap());
    let mut writer = Writer::create(&input, &Metadata::default(), infos.to_vec()).unwrap();
    for info in writer.tensors().to_vec() {
        let values = (0..info.size / 4).flat_map(|i| value(i).to_le_bytes());
        writer.write(&values.collect::<Vec<_>>()).unwrap();
    }
    writer.finish().unwrap();
    let options = Options {
        imatrix: Some(HashMap::from([(names[1].to_owned(), vec![1.0; 3 * N])])),
        ..options(Ftype::MostlyQ4_k_s)
    };
    quantize(&input, &output, &options).unwrap();
    let file = File::open(&output).unwrap();
    assert!(file.tensors().iter().all(|t| t.ty.is_quantized()));
}

#[test]
fn failures_name_the_tensor_and_leave_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (input, output) = (dir.path().join("in.gguf"), dir.path().join("out.gguf"));
    write_model(&input, Some(3 * N + 5));
    let error = quantize(&input, &output, &options(Ftype::MostlyQ8_0))
        .unwrap_err()
        .0;
    assert!(
        error.contains("blk.3.ffn_up.weight") && error.contains("column 5 of row 3"),
        "{error}"
    );
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "only the input is there"
    );

    // Also where a tensor is only copied.
    let copy = Options {
        only_copy: true,
        ..options(Ftype::MostlyQ8_0)
    };
    let error = quantize(&input, &output, &copy).unwrap_err().0;
    assert!(error.contains("column 5 of row 3"), "{error}");

    write_model(&input, None);
    let mut with_imatrix = options(Ftype::MostlyQ8_0);
    with_imatrix.imatrix = Some(HashMap::from([(
        "blk.0.attn_q.weight".into(),
        vec![1.0; N - 1],
    )]));
    let error = quantize(&input, &output, &with_imatrix).unwrap_err().0;
    assert!(error.contains("imatrix size 255"), "{error}");

    quantize(&input, &output, &options(Ftype::MostlyQ8_0)).unwrap();
    let again = dir.path().join("again.gguf");
    let error = quantize(&output, &again, &options(Ftype::MostlyQ4_0))
        .unwrap_err()
        .0;
    assert!(
        error.contains("requantizing from type q8_0 is disabled"),
        "{error}"
    );
    assert!(!again.exists());
}

#[test]
fn a_dry_run_writes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in.gguf");
    write_model(&input, None);
    let options = Options {
        dry_run: true,
        ..options(Ftype::MostlyQ8_0)
    };
    quantize(&input, &dir.path().join("out.gguf"), &options).unwrap();
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn repacking_interleaves_the_rows_of_matching_tensors() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write_model(&path("in"), None);
    quantize(&path("in"), &path("plain"), &options(Ftype::MostlyQ4_k_s)).unwrap();
    let pattern = Regex::new(r"blk\..*attn").unwrap();
    let repack = Options {
        repack: Some(Some(vec![pattern])),
        ..options(Ftype::AllF32)
    };
    quantize(&path("plain"), &path("packed"), &repack).unwrap();

    let (plain, packed) = (
        File::open(path("plain")).unwrap(),
        File::open(path("packed")).unwrap(),
    );
    let ftype = packed.metadata().get_u32("general.file_type").unwrap();
    assert_eq!(ftype, Some(Ftype::MostlyQ4_k_r4 as u32));
    let mut n_packed = 0;
    for (i, info) in plain.tensors().iter().enumerate() {
        let to = &packed.tensors()[i];
        if !info.name.contains("attn") || !info.ty.is_quantized() {
            assert!(to.ty == info.ty && packed.tensor_data(i) == plain.tensor_data(i));
            continue;
        }
        n_packed += 1;
        let (a, b) = (info.ty.info().unwrap(), to.ty.info().unwrap());
        assert_eq!(b.plain, Some(a.ty));
        let (x, y) = (rows(&plain, &info.name), rows(&packed, &info.name));
        assert!(x == y, "{}", &*info.name);
    }
    assert_eq!(n_packed, 32);

    // Once more there is nothing to do.
    let again = Options {
        repack: Some(Some(vec![Regex::new("attn").unwrap()])),
        ..options(Ftype::AllF32)
    };
    quantize(&path("packed"), &path("again"), &again).unwrap();
    assert!(!path("again").exists());
}

#[test]
fn parts_stay_parts_and_those_that_are_there_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("in-00001-of-00002.gguf");
    for no in 0..2u16 {
        let mut metadata = Metadata::default();
        if no == 0 {
            let arch = Value::Str(Text::new(b"llama"));
            metadata.set(name("general.architecture"), arch);
            metadata.set(name("llama.block_count"), Value::U32(2));
        }
        metadata.set(name("split.no"), Value::U16(no));
        metadata.set(name("split.count"), Value::U16(2));
        metadata.set(name("split.tensors.count"), Value::I32(4));
        let infos = ["attn_v", "ffn_up"].map(|part| {
            let tensor = name(&format!("blk.{no}.{part}.weight"));
            TensorInfo::new(tensor, Type::F32, 2, [N as i64, ROWS as i64, 1, 1]).unwrap()
        });
        let path = dir.path().join(format!("in-0000{}-of-00002.gguf", no + 1));
        let mut writer = Writer::create(path, &metadata, infos.to_vec()).unwrap();
        for info in writer.tensors().to_vec() {
            let values = (0..info.size / 4).flat_map(|i| value(i).to_le_bytes());
            writer.write(&values.collect::<Vec<_>>()).unwrap();
        }
        writer.finish().unwrap();
    }
    let part = |no: u32| dir.path().join(format!("out-0000{no}-of-00002.gguf"));
    let split = Options {
        keep_split: true,
        partial: true,
        ..options(Ftype::MostlyQ8_0)
    };
    quantize(&input, &dir.path().join("out"), &split).unwrap();
    for no in 1..=2 {
        let file = File::open(part(no)).unwrap();
        assert_eq!(file.tensors().len(), 2);
        assert!(file.tensors().iter().all(|t| t.ty == Type::Q8_0));
        let says = |key| file.metadata().get_u32(key).unwrap();
        assert_eq!(
            (says("split.no"), says("split.count")),
            (Some(no - 1), Some(2))
        );
        // Only the first part has the model's keys.
        assert_eq!(says("llama.block_count").is_some(), no == 1);
    }

    // What is missing is made again, the other part is not touched.
    let second = std::fs::read(part(2)).unwrap();
    std::fs::remove_file(part(2)).unwrap();
    std::fs::write(part(1), "mine").unwrap();
    quantize(&input, &dir.path().join("out"), &split).unwrap();
    assert!(std::fs::read(part(2)).unwrap() == second);
    assert_eq!(std::fs::read(part(1)).unwrap(), b"mine");

    // Joined, it is one file of the whole model.
    let whole = dir.path().join("whole.gguf");
    quantize(&input, &whole, &options(Ftype::MostlyQ8_0)).unwrap();
    let whole = File::open(whole).unwrap();
    assert_eq!(whole.tensors().len(), 4);
    assert!(whole.metadata().value("split.count").is_none());
}
