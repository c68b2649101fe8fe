use proptest::prelude::*;

use super::*;
use crate::quant::Type;

fn name(text: &str) -> Name {
    Name::new(text.as_bytes()).unwrap()
}

/// One key of each type.
fn sample_metadata() -> Metadata {
    let mut m = Metadata::default();
    m.set(
        name("general.architecture"),
        Value::Str(Text::new(b"llama")),
    );
    m.set(name("u8"), Value::U8(1));
    m.set(name("i8"), Value::I8(-1));
    m.set(name("u16"), Value::U16(2));
    m.set(name("i16"), Value::I16(-2));
    m.set(name("u32"), Value::U32(3));
    m.set(name("i32"), Value::I32(-3));
    m.set(name("f32"), Value::F32(1.5));
    m.set(name("u64"), Value::U64(1 << 40));
    m.set(name("i64"), Value::I64(-4));
    m.set(name("f64"), Value::F64(2.5));
    m.set(name("bool"), Value::Bool(true));
    m.set(name("floats"), Value::Array(Array::F32(vec![1.0, -2.0])));
    m.set(name("bools"), Value::Array(Array::Bool(vec![true, false])));
    let words: Strings = [&b"one"[..], b"", b"\xff\"\\", b"with\0null"]
        .into_iter()
        .collect();
    m.set(name("words"), Value::Array(Array::Str(words)));
    m
}

fn sample_tensors() -> Vec<TensorInfo> {
    vec![
        TensorInfo::new(name("a"), Type::F32, 2, [3, 2, 1, 1]).unwrap(),
        TensorInfo::new(name("b"), Type::F16, 1, [5, 1, 1, 1]).unwrap(),
    ]
}

fn write_sample(path: &std::path::Path, metadata: &Metadata) {
    let mut writer = Writer::create(path, metadata, sample_tensors()).unwrap();
    writer.write(&[1; 10]).unwrap();
    writer.write(&[2; 14]).unwrap();
    writer.write(&[3; 10]).unwrap();
    writer.finish().unwrap();
}

fn sample_bytes() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    write_sample(&dir.path().join("m.gguf"), &sample_metadata());
    std::fs::read(dir.path().join("m.gguf")).unwrap()
}

fn decode_error(bytes: &[u8]) -> String {
    Header::decode(bytes).unwrap_err().to_string()
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    write_sample(&dir.path().join("m.gguf"), &sample_metadata());
    let file = File::open(dir.path().join("m.gguf")).unwrap();
    assert_eq!(file.version(), 3);
    let written = sample_metadata();
    assert!(file.metadata().iter().eq(written.iter()));
    assert_eq!(file.metadata().get::<u16>("u16").unwrap(), Some(2));
    assert_eq!(
        file.metadata().get_u32("u64").unwrap_err().to_string(),
        "value 1099511627776 of key 'u64' is out of range"
    );
    assert_eq!(
        file.metadata().get_slice::<f32>("floats").unwrap(),
        Some(&[1.0, -2.0][..])
    );
    let words = file.metadata().get_strings("words").unwrap().unwrap();
    assert_eq!(words.get(3), Some(&b"with\0null"[..]));
    assert_eq!(words.get_c_str(3), Some(c"with"));
    assert_eq!(
        file.metadata().value("words").unwrap().to_text(),
        b"[\"one\", \"\", \"\xff\\\"\\\\\", \"with\0null\"]"
    );

    let b = file.find_tensor("b").unwrap();
    assert_eq!(file.tensors()[b].ne, [5, 1, 1, 1]);
    assert_eq!(file.tensor_data(b), [3; 10]);
    assert_eq!(file.tensor_data(0)[8..12], [1, 1, 2, 2]);
    assert_eq!(file.tensor_offset(b) % 32, 0);
    assert_eq!(
        std::fs::read_dir(dir.path()).unwrap().count(),
        1,
        "no temporary file stays"
    );
}

#[test]
fn an_unfinished_file_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = Writer::create(
        dir.path().join("m.gguf"),
        &sample_metadata(),
        sample_tensors(),
    )
    .unwrap();
    assert!(
        writer.write(&[0; 25]).is_err(),
        "more than the tensor holds"
    );
    writer.write(&[0; 20]).unwrap();
    assert!(writer.finish().is_err());
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn a_truncated_file_is_refused_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let whole = sample_bytes();
    // Behind the last tensor is only padding.
    let last = whole.len() - (32 - 10);
    for n in 0..last {
        std::fs::write(dir.path().join("t.gguf"), &whole[..n]).unwrap();
        assert!(File::open(dir.path().join("t.gguf")).is_err(), "{n} bytes");
    }
    std::fs::write(dir.path().join("t.gguf"), &whole[..last]).unwrap();
    assert!(File::open(dir.path().join("t.gguf")).is_ok());
}

#[test]
fn foreign_files_are_named_for_what_they_are() {
    let sample = sample_bytes();
    let with = |at: usize, bytes: &[u8]| {
        let mut all = sample.clone();
        all[at..at + bytes.len()].copy_from_slice(bytes);
        all
    };
    assert!(decode_error(b"PK\x03\x04 and more").contains("not a GGUF file"));
    assert!(decode_error(&with(4, &[1, 0, 0, 0])).contains("version 1 "));
    assert!(decode_error(&with(4, &[0, 0, 0, 3])).contains("big-endian"));
    assert!(decode_error(&with(4, &[4, 0, 0, 0])).contains("version 4 "));
    assert!(decode_error(&with(8, &u64::MAX.to_le_bytes())).contains("number of tensors"));
    assert!(decode_error(&with(16, &(1_u64 << 60).to_le_bytes())).contains("number of keys"));
}

#[test]
fn hostile_tensor_infos_are_refused() {
    let encoded = |tensor: TensorInfo, metadata: &Metadata| {
        Header::decode(&header::encode(
            3,
            metadata,
            [&tensor, &tensor].into_iter(),
            32,
        ))
    };
    let good = sample_tensors().remove(0);
    let none = Metadata::default();
    let error = |tensor: TensorInfo| encoded(tensor, &none).unwrap_err().to_string();
    assert!(error(good.clone()).contains("tensor 'a' occurs twice"));
    assert!(
        error(TensorInfo {
            ne: [0, 1, 1, 1],
            ..good.clone()
        })
        .contains("not positive")
    );
    assert!(
        error(TensorInfo {
            ne: [-3, 2, 1, 1],
            ..good.clone()
        })
        .contains("not positive")
    );
    assert!(
        error(TensorInfo {
            ne: [i64::MAX, 2, 1, 1],
            ..good.clone()
        })
        .contains("too large")
    );
    assert!(
        error(TensorInfo {
            ne: [i64::MAX / 2, 2, 1, 1],
            ..good.clone()
        })
        .contains("too large")
    );
    assert!(
        TensorInfo::new(name("q"), Type::Q4_0_4_4, 1, [32, 1, 1, 1]).is_err(),
        "removed type"
    );

    let mut alignment = Metadata::default();
    for bad in [Value::U32(0), Value::U32(3), Value::U32(1), Value::U64(32)] {
        alignment.set(name(KEY_ALIGNMENT), bad.clone());
        let e = encoded(good.clone(), &alignment).unwrap_err().to_string();
        assert!(
            e.contains(KEY_ALIGNMENT) || e.contains("twice"),
            "{bad:?}: {e}"
        );
    }
    let single = |t: &TensorInfo| Header::decode(&header::encode(3, &none, [t].into_iter(), 32));
    assert!(
        single(&TensorInfo {
            offset: 7,
            ..good.clone()
        })
        .unwrap_err()
        .to_string()
        .contains("alignment")
    );
    let far = single(&TensorInfo {
        offset: usize::MAX - 31,
        ..good.clone()
    })
    .unwrap();
    assert!(file::check_ranges(&far, usize::MAX).is_err());
    assert!(far.data_size().is_ok_and(|size| size > usize::MAX / 2));
}

#[test]
fn of_a_repeated_key_the_first_counts() {
    let mut m = Metadata::default();
    m.push(name("k"), Value::U32(1));
    m.push(name("k"), Value::U32(2));
    let header = Header::decode(&header::encode(3, &m, [].into_iter(), 32)).unwrap();
    assert_eq!(header.metadata.get::<u32>("k").unwrap(), Some(1));
    assert_eq!(header.metadata.len(), 1);
}

#[test]
fn keys_are_replaced_in_place_and_removed_in_order() {
    let mut m = sample_metadata();
    m.set(name("u16"), Value::Bool(false));
    assert_eq!(m.find("u16"), Some(3));
    m.remove("i8");
    m.remove("nothing");
    assert_eq!(m.find("i8"), None);
    for (i, (key, _)) in m.iter().enumerate() {
        assert_eq!(m.find(key), Some(i));
    }
}

#[test]
fn overrides_replace_values_of_their_kind() {
    let mut m = sample_metadata();
    let over = |key: &str, value| Override {
        key: key.into(),
        value,
    };
    m.add_overrides([
        over("u32", OverrideValue::Int(7)),
        over("u32", OverrideValue::Int(8)),
        over("new", OverrideValue::Str("text".into())),
        over("f32", OverrideValue::Float(0.25)),
        over("f64", OverrideValue::Float(0.5)),
        over("bool", OverrideValue::Int(0)),
        over("u8", OverrideValue::Int(300)),
    ]);
    assert_eq!(m.require::<u32>("u32").unwrap(), 7);
    assert_eq!(m.get_u32("u32").unwrap(), Some(7));
    assert_eq!(m.get::<&str>("new").unwrap(), Some("text"));
    assert_eq!(m.get::<&str>("newer").unwrap(), None);
    assert_eq!(m.get_f32("f32").unwrap(), Some(0.25));
    assert_eq!(m.get_f32("f64").unwrap(), Some(0.5));
    assert_eq!(
        m.get::<bool>("bool").unwrap(),
        Some(true),
        "an override of another kind does not count"
    );
    assert!(m.get::<u8>("u8").is_err());
    assert_eq!(
        m.value("u32"),
        Some(&Value::U32(3)),
        "the file's value is still there"
    );
}

#[test]
fn a_wrong_type_is_an_error_that_names_the_key() {
    let m = sample_metadata();
    assert!(
        m.get::<u32>("i32")
            .unwrap_err()
            .to_string()
            .contains("'i32'")
    );
    assert!(
        m.get_u32("i32")
            .unwrap_err()
            .to_string()
            .contains("out of range")
    );
    assert!(m.get_u32("f32").is_err());
    assert!(m.get_slice::<u8>("floats").is_err());
    assert!(m.get_strings("general.architecture").is_err());
    assert!(
        m.require::<u32>("absent")
            .unwrap_err()
            .to_string()
            .contains("'absent'")
    );
}

#[test]
fn split_paths_are_made_and_taken_apart() {
    assert_eq!(split_path("/m/x", 1, 3), "/m/x-00002-of-00003.gguf");
    assert_eq!(split_prefix("/m/x-00002-of-00003.gguf", 1, 3), Some("/m/x"));
    assert_eq!(split_prefix("/m/x-00002-of-00003.gguf", 0, 3), None);
    assert_eq!(split_prefix("-00001-of-00003.gguf", 0, 3), None);
}

#[test]
fn parts_open_together() {
    let dir = tempfile::tempdir().unwrap();
    let prefix = dir.path().join("m").to_str().unwrap().to_owned();
    let part = |no: u16, tensors: Vec<TensorInfo>| {
        let mut m = Metadata::default();
        m.set(name("split.no"), Value::U16(no));
        m.set(name("split.count"), Value::U16(2));
        m.set(name("split.tensors.count"), Value::I32(2));
        let sizes: Vec<usize> = tensors.iter().map(|t| t.size).collect();
        let mut writer = Writer::create(split_path(&prefix, no.into(), 2), &m, tensors).unwrap();
        for size in sizes {
            writer.write(&vec![no as u8; size]).unwrap();
        }
        writer.finish().unwrap();
    };
    let [a, b] = sample_tensors().try_into().unwrap();
    part(0, vec![a.clone()]);
    let first = split_path(&prefix, 0, 2);
    assert!(
        SplitFile::open(&first).is_err(),
        "the second part is missing"
    );
    part(1, vec![a.clone()]);
    assert!(
        SplitFile::open(&first)
            .unwrap_err()
            .to_string()
            .contains("'a'")
    );
    part(1, vec![b]);
    let whole = SplitFile::open(&first).unwrap();
    let (file, i) = whole.find_tensor("b").unwrap();
    assert_eq!(file.tensor_data(i), [1; 10]);
    assert!(
        SplitFile::open(split_path(&prefix, 1, 2))
            .unwrap_err()
            .to_string()
            .contains("part 2")
    );
    std::fs::copy(&first, dir.path().join("renamed.gguf")).unwrap();
    assert!(SplitFile::open(dir.path().join("renamed.gguf")).is_err());
}

proptest! {
    /// Whatever is changed in a good file, it is read or refused, without a panic.
    #[test]
    fn corruptions_never_panic(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        static SAMPLE: std::sync::LazyLock<Vec<u8>> = std::sync::LazyLock::new(sample_bytes);
        let mut bytes = SAMPLE.clone();
        for (at, to) in changes {
            let at = at.index(bytes.len());
            bytes[at] = to;
        }
        for bytes in [&bytes[..], &bytes[..cut.index(bytes.len())]] {
            if let Ok(header) = Header::decode(bytes) {
                let _ = file::check_ranges(&header, bytes.len());
                let again = header::encode(header.version, &header.metadata, header.tensors.iter(), header.alignment.min(1 << 12));
                prop_assert!(again.len() <= bytes.len() + (1 << 12));
            }
        }
    }
}
