//! What stands in front of the tensor data: magic, version, metadata and tensor infos; decoded and encoded.

use std::collections::{HashMap, HashSet};

use super::metadata::Metadata;
use super::text::{Name, Strings, Text};
use super::value::{Array, Element, Value, ValueType, put_str};
use super::{DEFAULT_ALIGNMENT, KEY_ALIGNMENT, MAGIC, VERSION};
use crate::error::{Error, Result};
use crate::graph::MAX_DIMS;
use crate::quant::Type;
use crate::{bail, ensure, log_warn};

/// A tensor of a file: what it is and where its data lies.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorInfo {
    pub name: Name,
    pub ty: Type,
    /// How many dimensions the file gives, at most four.
    pub n_dims: usize,
    /// Elements per dimension, innermost first; 1 beyond `n_dims`.
    pub ne: [i64; MAX_DIMS],
    /// Where the data begins, in bytes from the start of the data section.
    pub offset: usize,
    /// Bytes of data.
    pub size: usize,
}

impl TensorInfo {
    /// An info without an offset. Fails if the shape is empty, overflows, or does not fit the type's blocks.
    pub fn new(name: Name, ty: Type, n_dims: usize, ne: [i64; MAX_DIMS]) -> Result<TensorInfo> {
        let size = data_size(ty, &ne).map_err(|e| Error(format!("tensor '{name}': {e}")))?;
        Ok(TensorInfo {
            name,
            ty,
            n_dims,
            ne,
            offset: 0,
            size,
        })
    }

    /// The end of the data in the data section, padded to the alignment.
    pub fn padded_end(&self, alignment: usize) -> Result<usize> {
        self.offset
            .checked_add(self.size)
            .and_then(|end| end.checked_next_multiple_of(alignment))
            .ok_or_else(|| Error(format!("the data of tensor '{}' is too large", self.name)))
    }
}

/// Bytes of a contiguous tensor.
fn data_size(ty: Type, ne: &[i64; MAX_DIMS]) -> Result<usize> {
    let Some(info) = ty.info() else {
        bail!("type number {} is not supported by this build", ty.raw());
    };
    let mut elements = 1_i64;
    for &n in ne {
        ensure!(n > 0, "the shape {ne:?} is not positive");
        elements = elements
            .checked_mul(n)
            .ok_or_else(|| Error(format!("the shape {ne:?} is too large")))?;
    }
    let columns = ne[0] as usize;
    ensure!(
        columns.is_multiple_of(info.width()),
        "{columns} columns are no multiple of the block size {} of type {}",
        info.width(),
        info.name
    );
    ensure!(
        (ne[1] as usize).is_multiple_of(info.rows),
        "{} rows are not groups of {}, which type {} interleaves",
        ne[1],
        info.rows,
        info.name
    );
    let rows = elements as usize / columns;
    info.row_size(columns)
        .checked_mul(rows)
        .ok_or_else(|| Error(format!("the shape {ne:?} is too large")))
}

/// Everything in front of the tensor data.
#[derive(Clone, Debug)]
pub struct Header {
    pub version: u32,
    pub metadata: Metadata,
    pub tensors: Vec<TensorInfo>,
    /// Alignment of tensor data, a power of two.
    pub alignment: usize,
    /// Where the data section begins in the file.
    pub data_offset: usize,
}

impl Header {
    /// Decodes the beginning of a file. `bytes` is the whole file: counts and lengths are held against its size before anything
    /// is allocated. Whether the tensors' data lies inside the file is not asked here, see [`Header::data_size`].
    pub fn decode(bytes: &[u8]) -> Result<Header> {
        let mut input = Input { bytes, at: 0 };
        let magic = input.take(4, || "the magic".into())?;
        ensure!(
            magic == MAGIC,
            "not a GGUF file: it begins with {:?}",
            String::from_utf8_lossy(magic)
        );
        let version: u32 = input.scalar(|| "the version".into())?;
        match version {
            2 | 3 => {}
            1 => bail!("GGUF version 1 is no longer supported"),
            v if (2..=3).contains(&v.swap_bytes()) => {
                bail!("big-endian GGUF files are not supported")
            }
            v => bail!("GGUF version {v} is not supported"),
        }
        // Smallest tensor info: empty name, no dimension, type and offset; smallest pair: empty key, type, one byte.
        let n_tensors = input.count(8 + 4 + 4 + 8, || "the number of tensors".into())?;
        let n_kv = input.count(8 + 4 + 1, || "the number of keys".into())?;

        let mut metadata = Metadata::default();
        for i in 0..n_kv {
            let key = input.name(|| format!("key {i}"))?;
            let raw = input.scalar(|| format!("the type of key '{key}'"))?;
            let value = input.value(raw, &key)?;
            if metadata.find(&key).is_some() {
                log_warn!("gguf: key '{key}' occurs twice, its first value counts");
            } else {
                metadata.push(key, value);
            }
        }

        let mut tensors: Vec<TensorInfo> = Vec::new();
        let mut names = HashSet::new();
        for i in 0..n_tensors {
            let tensor = input.tensor(i)?;
            ensure!(
                names.insert(tensor.name.clone()),
                "tensor '{}' occurs twice",
                tensor.name
            );
            tensors.push(tensor);
        }

        let alignment = match metadata.value(KEY_ALIGNMENT) {
            None => DEFAULT_ALIGNMENT,
            Some(&Value::U32(a)) => a as usize,
            Some(v) => bail!("key '{KEY_ALIGNMENT}' has type {}, not u32", v.ty().name()),
        };
        // Eight is what the format's specification asks for.
        ensure!(
            alignment.is_power_of_two() && alignment >= 8,
            "{KEY_ALIGNMENT} is {alignment}, it must be a power of two and at least 8"
        );
        for tensor in &tensors {
            ensure!(
                tensor.offset.is_multiple_of(alignment),
                "the offset {} of tensor '{}' is no multiple of the alignment {alignment}",
                tensor.offset,
                tensor.name
            );
        }
        let data_offset = input.at.next_multiple_of(alignment);
        Ok(Header {
            version,
            metadata,
            tensors,
            alignment,
            data_offset,
        })
    }

    /// Bytes of the data section: up to the end of the last tensor, without padding behind it.
    pub fn data_size(&self) -> Result<usize> {
        self.tensors.iter().try_fold(0, |size: usize, t| {
            t.offset
                .checked_add(t.size)
                .map(|end| size.max(end))
                .ok_or_else(|| Error(format!("the data of tensor '{}' is too large", t.name)))
        })
    }

    /// Positions of the tensors by name.
    pub fn index(&self) -> HashMap<Name, usize> {
        let names = self.tensors.iter().map(|t| t.name.clone());
        names.zip(0..).collect()
    }
}

/// Encodes everything in front of the tensor data, padded to the alignment.
pub fn encode<'a>(
    version: u32,
    metadata: &Metadata,
    tensors: impl ExactSizeIterator<Item = &'a TensorInfo>,
    alignment: usize,
) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    version.put_le(&mut out);
    (tensors.len() as u64).put_le(&mut out);
    (metadata.len() as u64).put_le(&mut out);
    for (key, value) in metadata.iter() {
        put_str(key.as_bytes(), &mut out);
        (value.ty() as u32).put_le(&mut out);
        value.put(&mut out);
    }
    for tensor in tensors {
        put_str(tensor.name.as_bytes(), &mut out);
        (tensor.n_dims as u32).put_le(&mut out);
        for &n in &tensor.ne[..tensor.n_dims] {
            n.put_le(&mut out);
        }
        tensor.ty.raw().put_le(&mut out);
        (tensor.offset as u64).put_le(&mut out);
    }
    out.resize(out.len().next_multiple_of(alignment), 0);
    out
}

/// A checked reader. The closures name what is being read, for errors.
struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Input<'a> {
    fn take(&mut self, n: usize, what: impl Fn() -> String) -> Result<&'a [u8]> {
        match self.bytes[self.at..].get(..n) {
            Some(taken) => {
                self.at += n;
                Ok(taken)
            }
            None => bail!(
                "{} at offset {} needs {n} bytes, but the file has only {} more",
                what(),
                self.at,
                self.bytes.len() - self.at
            ),
        }
    }

    fn scalar<T: Element>(&mut self, what: impl Fn() -> String) -> Result<T> {
        self.take(T::SIZE, what).map(T::from_le)
    }

    /// A count of things of which each takes at least `least` bytes of what is left of the file.
    fn count(&mut self, least: usize, what: impl Fn() -> String) -> Result<usize> {
        let at = self.at;
        let n: u64 = self.scalar(&what)?;
        let left = self.bytes.len() - self.at;
        match usize::try_from(n) {
            // The C interface counts in `int`.
            Ok(n) if n <= left / least && n <= i32::MAX as usize => Ok(n),
            _ => bail!(
                "{} at offset {at} is {n}, more than the {left} bytes left in the file can hold",
                what()
            ),
        }
    }

    fn str(&mut self, what: impl Fn() -> String) -> Result<&'a [u8]> {
        let length: u64 = self.scalar(&what)?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX), what)
    }

    fn name(&mut self, what: impl Fn() -> String) -> Result<Name> {
        let bytes = self.str(&what)?;
        match Name::new(bytes) {
            Some(name) => Ok(name),
            None => bail!(
                "{} {:?} is not UTF-8 or contains a null byte",
                what(),
                String::from_utf8_lossy(bytes)
            ),
        }
    }

    fn value(&mut self, raw: u32, key: &str) -> Result<Value> {
        let what = || format!("the value of key '{key}'");
        let ty = value_type(raw, key)?;
        if let Some(size) = ty.size()
            && let Some(scalar) = Value::from_le(ty, self.take(size, what)?)
        {
            return Ok(scalar);
        }
        match ty {
            ValueType::String => Ok(Value::Str(Text::new(self.str(what)?))),
            _ => self.array(key).map(Value::Array),
        }
    }

    fn array(&mut self, key: &str) -> Result<Array> {
        let raw = self.scalar(|| format!("the element type of key '{key}'"))?;
        let ty = value_type(raw, key)?;
        ensure!(
            ty != ValueType::Array,
            "key '{key}' is an array of arrays, which is not supported"
        );
        // A string takes at least its length.
        let size = ty.size().unwrap_or(8);
        let n = self.count(size, || format!("the length of array '{key}'"))?;
        if ty == ValueType::String {
            let mut all = Strings::default();
            for i in 0..n {
                all.push(self.str(|| format!("string {i} of array '{key}'"))?);
            }
            return Ok(Array::Str(all));
        }
        let bytes = self.take(n * size, || format!("array '{key}'"))?;
        match Array::from_le(ty, bytes) {
            Some(array) => Ok(array),
            None => bail!("key '{key}' is an array of {}", ty.name()),
        }
    }

    fn tensor(&mut self, i: usize) -> Result<TensorInfo> {
        let name = self.name(|| format!("the name of tensor {i}"))?;
        let n_dims: u32 = self.scalar(|| format!("the dimensions of tensor '{name}'"))?;
        let n_dims = n_dims as usize;
        ensure!(
            n_dims <= MAX_DIMS,
            "tensor '{name}' has {n_dims} dimensions, more than {MAX_DIMS}"
        );
        let mut ne = [1; MAX_DIMS];
        for n in &mut ne[..n_dims] {
            *n = self.scalar(|| format!("the shape of tensor '{name}'"))?;
        }
        let raw: i32 = self.scalar(|| format!("the type of tensor '{name}'"))?;
        let Some(ty) = Type::from_raw(raw) else {
            bail!("tensor '{name}' has unknown type number {raw}");
        };
        let offset: u64 = self.scalar(|| format!("the offset of tensor '{name}'"))?;
        let Ok(offset) = usize::try_from(offset) else {
            bail!("the offset {offset} of tensor '{name}' is too large");
        };
        Ok(TensorInfo {
            offset,
            ..TensorInfo::new(name, ty, n_dims, ne)?
        })
    }
}

fn value_type(raw: u32, key: &str) -> Result<ValueType> {
    match ValueType::from_raw(raw) {
        Some(ty) => Ok(ty),
        None => bail!("key '{key}' has unknown value type {raw}"),
    }
}

impl Header {
    /// A header without keys and tensors.
    pub fn empty() -> Header {
        Header {
            version: VERSION,
            metadata: Metadata::default(),
            tensors: Vec::new(),
            alignment: DEFAULT_ALIGNMENT,
            data_offset: 0,
        }
    }
}
