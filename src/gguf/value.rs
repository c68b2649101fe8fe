//! Values of metadata keys: scalars, strings, and arrays of them.

use std::ffi::CStr;

use strum::FromRepr;

use super::text::{Strings, Text};

/// Types of values, numbered as `enum gguf_type` and in files.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromRepr)]
pub enum ValueType {
    Uint8 = 0,
    Int8 = 1,
    Uint16 = 2,
    Int16 = 3,
    Uint32 = 4,
    Int32 = 5,
    Float32 = 6,
    Bool = 7,
    String = 8,
    Array = 9,
    Uint64 = 10,
    Int64 = 11,
    Float64 = 12,
}

impl ValueType {
    pub fn from_raw(raw: u32) -> Option<ValueType> {
        ValueType::from_repr(raw as _)
    }

    /// Bytes of a scalar in a file (and in memory); `None` for strings and arrays.
    pub fn size(self) -> Option<usize> {
        match self {
            ValueType::Uint8 | ValueType::Int8 | ValueType::Bool => Some(1),
            ValueType::Uint16 | ValueType::Int16 => Some(2),
            ValueType::Uint32 | ValueType::Int32 | ValueType::Float32 => Some(4),
            ValueType::Uint64 | ValueType::Int64 | ValueType::Float64 => Some(8),
            ValueType::String | ValueType::Array => None,
        }
    }

    /// The short name that `gguf_type_name` gives.
    pub fn c_name(self) -> &'static CStr {
        match self {
            ValueType::Uint8 => c"u8",
            ValueType::Int8 => c"i8",
            ValueType::Uint16 => c"u16",
            ValueType::Int16 => c"i16",
            ValueType::Uint32 => c"u32",
            ValueType::Int32 => c"i32",
            ValueType::Float32 => c"f32",
            ValueType::Bool => c"bool",
            ValueType::String => c"str",
            ValueType::Array => c"arr",
            ValueType::Uint64 => c"u64",
            ValueType::Int64 => c"i64",
            ValueType::Float64 => c"f64",
        }
    }

    pub fn name(self) -> &'static str {
        self.c_name().to_str().unwrap_or_default()
    }
}

/// A scalar that lies in files as its little-endian bytes.
pub trait Element: Copy {
    const SIZE: usize;
    /// `bytes` has `SIZE` bytes.
    fn from_le(bytes: &[u8]) -> Self;
    fn put_le(self, out: &mut Vec<u8>);
    fn value(self) -> Value;
    fn array(all: Vec<Self>) -> Array;
    fn slice(array: &Array) -> Option<&[Self]>;
}

macro_rules! scalars {
    ($($variant:ident($t:ty) = $ty:ident),* $(,)?) => {
        /// The value of a key.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Value {
            $($variant($t),)*
            Str(Text),
            Array(Array),
        }

        /// An array, all elements of one type. Arrays of arrays do not exist at this level.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Array {
            $($variant(Vec<$t>),)*
            Str(Strings),
        }

        impl Value {
            /// A scalar from its little-endian bytes; `None` for strings and arrays.
            pub(super) fn from_le(ty: ValueType, bytes: &[u8]) -> Option<Value> {
                match ty {
                    $(ValueType::$ty => Some(<$t as Element>::from_le(bytes).value()),)*
                    ValueType::String | ValueType::Array => None,
                }
            }

            pub fn ty(&self) -> ValueType {
                match self {
                    $(Value::$variant(_) => ValueType::$ty,)*
                    Value::Str(_) => ValueType::String,
                    Value::Array(_) => ValueType::Array,
                }
            }

            /// Appends the value's bytes, without its type.
            pub(super) fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Value::$variant(v) => v.put_le(out),)*
                    Value::Str(text) => put_str(text.as_bytes(), out),
                    Value::Array(array) => {
                        (array.ty() as u32).put_le(out);
                        (array.len() as u64).put_le(out);
                        match array {
                            $(Array::$variant(all) => all.iter().for_each(|v| v.put_le(out)),)*
                            Array::Str(all) => all.iter().for_each(|s| put_str(s, out)),
                        }
                    }
                }
            }

            /// Where a scalar lies in memory; `None` for strings and arrays.
            pub fn scalar_ptr(&self) -> Option<*const std::ffi::c_void> {
                match self {
                    $(Value::$variant(v) => Some(std::ptr::from_ref(v).cast()),)*
                    Value::Str(_) | Value::Array(_) => None,
                }
            }
        }

        impl Array {
            /// Scalars from their little-endian bytes; `None` for strings and arrays.
            pub fn from_le(ty: ValueType, bytes: &[u8]) -> Option<Array> {
                match ty {
                    $(ValueType::$ty => {
                        Some(<$t>::array(bytes.chunks_exact(<$t>::SIZE).map(<$t as Element>::from_le).collect()))
                    })*
                    ValueType::String | ValueType::Array => None,
                }
            }

            /// The type of the elements.
            pub fn ty(&self) -> ValueType {
                match self {
                    $(Array::$variant(_) => ValueType::$ty,)*
                    Array::Str(_) => ValueType::String,
                }
            }

            pub fn len(&self) -> usize {
                match self {
                    $(Array::$variant(all) => all.len(),)*
                    Array::Str(all) => all.len(),
                }
            }

            pub fn is_empty(&self) -> bool {
                self.len() == 0
            }

            /// Where the elements lie in memory; `None` for strings.
            pub fn data_ptr(&self) -> Option<*const std::ffi::c_void> {
                match self {
                    $(Array::$variant(all) => Some(all.as_ptr().cast()),)*
                    Array::Str(_) => None,
                }
            }
        }

        impl Value {
            /// The value as text, the way `llama_model_meta_val_str` shows it: scalars and strings as they are, arrays in
            /// brackets with their strings quoted. Bytes, because strings need not be UTF-8.
            pub fn to_text(&self) -> Vec<u8> {
                let mut out = Vec::new();
                match self {
                    $(Value::$variant(v) => v.show(&mut out),)*
                    Value::Str(text) => out.extend_from_slice(text.as_bytes()),
                    Value::Array(Array::Str(all)) => list(&mut out, all.iter(), quote),
                    $(Value::Array(Array::$variant(all)) => list(&mut out, all.iter(), |v, out| v.show(out)),)*
                }
                out
            }
        }
    };
}

scalars! {
    U8(u8) = Uint8,
    I8(i8) = Int8,
    U16(u16) = Uint16,
    I16(i16) = Int16,
    U32(u32) = Uint32,
    I32(i32) = Int32,
    F32(f32) = Float32,
    Bool(bool) = Bool,
    U64(u64) = Uint64,
    I64(i64) = Int64,
    F64(f64) = Float64,
}

macro_rules! elements {
    ($($variant:ident($t:ty)),* $(,)?) => {$(
        impl Element for $t {
            const SIZE: usize = size_of::<$t>();
            fn from_le(bytes: &[u8]) -> $t {
                let mut le = [0; size_of::<$t>()];
                le.copy_from_slice(bytes);
                <$t>::from_le_bytes(le)
            }
            fn put_le(self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
            elements!(@wrap $variant, $t);
        }
    )*};
    (@wrap $variant:ident, $t:ty) => {
        fn value(self) -> Value {
            Value::$variant(self)
        }
        fn array(all: Vec<$t>) -> Array {
            Array::$variant(all)
        }
        fn slice(array: &Array) -> Option<&[$t]> {
            match array {
                Array::$variant(all) => Some(all),
                _ => None,
            }
        }
    };
}

elements! {
    U8(u8), I8(i8), U16(u16), I16(i16), U32(u32), I32(i32), F32(f32), U64(u64), I64(i64), F64(f64),
}

impl Element for bool {
    const SIZE: usize = 1;
    /// Any byte but zero is true.
    fn from_le(bytes: &[u8]) -> bool {
        bytes[0] != 0
    }
    fn put_le(self, out: &mut Vec<u8>) {
        out.push(u8::from(self));
    }
    elements!(@wrap Bool, bool);
}

/// Appends a length and the bytes.
pub(super) fn put_str(text: &[u8], out: &mut Vec<u8>) {
    (text.len() as u64).put_le(out);
    out.extend_from_slice(text);
}

/// How a scalar is shown: floats as C's `%f` has them.
trait Show {
    fn show(&self, out: &mut Vec<u8>);
}
macro_rules! show {
    ($format:literal: $($t:ty)*) => {$(
        impl Show for $t {
            fn show(&self, out: &mut Vec<u8>) {
                out.extend(format!($format, self).to_ascii_lowercase().bytes());
            }
        }
    )*};
}
show!("{}": u8 i8 u16 i16 u32 i32 u64 i64 bool);
show!("{:.6}": f32 f64);

fn list<T>(out: &mut Vec<u8>, all: impl Iterator<Item = T>, show: impl Fn(T, &mut Vec<u8>)) {
    out.push(b'[');
    for (i, item) in all.enumerate() {
        if i > 0 {
            out.extend(b", ");
        }
        show(item, out);
    }
    out.push(b']');
}

fn quote(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for &byte in text {
        if byte == b'\\' || byte == b'"' {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
}
