//! Keys and their values, in the order of the file, found by hash.

use std::collections::HashMap;

use super::overrides::{Override, OverrideValue};
use super::text::{Name, Strings};
use super::value::{Array, Element, Value};
use crate::error::{Error, Result};
use crate::{bail, log_info, log_warn};

/// The keys and values of a file, and the overrides that the typed getters prefer to them.
#[derive(Clone, Debug, Default)]
pub struct Metadata {
    entries: Vec<(Name, Value)>,
    index: HashMap<Name, usize>,
    overrides: HashMap<String, OverrideValue>,
}

impl Metadata {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry at a position, in the order of the file.
    pub fn entry(&self, i: usize) -> Option<(&Name, &Value)> {
        self.entries.get(i).map(|(key, value)| (key, value))
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Name, &Value)> {
        self.entries.iter().map(|(key, value)| (key, value))
    }

    /// The position of a key.
    pub fn find(&self, key: &str) -> Option<usize> {
        self.index.get(key).copied()
    }

    /// The value as the file has it; overrides do not count.
    pub fn value(&self, key: &str) -> Option<&Value> {
        self.find(key).map(|i| &self.entries[i].1)
    }

    /// Sets the value of a key, in place if the key is there, else at the end.
    pub fn set(&mut self, key: Name, value: Value) {
        match self.index.get(&*key) {
            Some(&i) => self.entries[i].1 = value,
            None => self.push(key, value),
        }
    }

    /// Adds a key that is not there yet.
    pub(super) fn push(&mut self, key: Name, value: Value) {
        self.index.insert(key.clone(), self.entries.len());
        self.entries.push((key, value));
    }

    /// Removes a key; the others keep their order.
    pub fn remove(&mut self, key: &str) {
        if let Some(i) = self.index.remove(key) {
            self.entries.remove(i);
            self.index
                .values_mut()
                .filter(|at| **at > i)
                .for_each(|at| *at -= 1);
        }
    }

    /// Adds overrides for the typed getters. The first override of a key counts.
    pub fn add_overrides(&mut self, overrides: impl IntoIterator<Item = Override>) {
        for o in overrides {
            self.overrides.entry(o.key).or_insert(o.value);
        }
    }

    /// The value of a key or of its override; `None` if it has neither. A value of another type is an error: `get::<u32>`
    /// wants a `u32`, see [`Metadata::get_u32`] for any integer that fits.
    pub fn get<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<Option<T>> {
        if let Some(value) = self.overridden(key)? {
            return Ok(Some(value));
        }
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        match T::from_value(value) {
            Some(v) => Ok(Some(v)),
            None => Err(wrong_type(key, value, T::WHAT)),
        }
    }

    /// As [`Metadata::get`], for keys that must be there.
    pub fn require<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<T> {
        self.get(key)?.ok_or_else(|| missing(key))
    }

    /// A value of any integer type, as long as it fits.
    pub fn get_u32(&self, key: &str) -> Result<Option<u32>> {
        if let Some(value) = self.overridden::<u32>(key)? {
            return Ok(Some(value));
        }
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let number: i128 = match *value {
            Value::U8(v) => v.into(),
            Value::I8(v) => v.into(),
            Value::U16(v) => v.into(),
            Value::I16(v) => v.into(),
            Value::U32(v) => v.into(),
            Value::I32(v) => v.into(),
            Value::U64(v) => v.into(),
            Value::I64(v) => v.into(),
            _ => return Err(wrong_type(key, value, "an integer")),
        };
        match u32::try_from(number) {
            Ok(v) => Ok(Some(v)),
            Err(_) => bail!("value {number} of key '{key}' is out of range"),
        }
    }

    /// A value of either float type.
    pub fn get_f32(&self, key: &str) -> Result<Option<f32>> {
        match self.value(key) {
            Some(&Value::F64(v)) => Ok(Some(self.overridden(key)?.unwrap_or(v as f32))),
            _ => self.get(key),
        }
    }

    /// An array of numbers or booleans of exactly this type.
    pub fn get_slice<T: Element>(&self, key: &str) -> Result<Option<&[T]>> {
        self.array(key, T::slice)
    }

    /// An array of strings.
    pub fn get_strings(&self, key: &str) -> Result<Option<&Strings>> {
        self.array(key, |array| match array {
            Array::Str(all) => Some(all),
            _ => None,
        })
    }

    fn array<'a, T>(
        &'a self,
        key: &str,
        take: impl FnOnce(&'a Array) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let taken = match value {
            Value::Array(array) => take(array),
            _ => None,
        };
        match taken {
            Some(all) => Ok(Some(all)),
            None => Err(wrong_type(key, value, "an array of another type")),
        }
    }

    fn overridden<'a, T: FromValue<'a>>(&'a self, key: &str) -> Result<Option<T>> {
        let Some(value) = self.overrides.get(key) else {
            return Ok(None);
        };
        match T::from_override(value) {
            Ok(Some(taken)) => {
                log_info!(
                    "using metadata override ({}) '{key}' = {}",
                    value.kind(),
                    show(value)
                );
                Ok(Some(taken))
            }
            Ok(None) => {
                log_warn!(
                    "ignoring metadata override of key '{key}': it is of type {}, but {} is needed",
                    value.kind(),
                    T::WHAT
                );
                Ok(None)
            }
            Err(OutOfRange) => bail!(
                "metadata override '{key}' = {} is out of range of {}",
                show(value),
                T::WHAT
            ),
        }
    }
}

fn show(value: &OverrideValue) -> String {
    match value {
        OverrideValue::Int(v) => v.to_string(),
        OverrideValue::Float(v) => format!("{v:.6}"),
        OverrideValue::Bool(v) => v.to_string(),
        OverrideValue::Str(v) => v.clone(),
    }
}

fn missing(key: &str) -> Error {
    Error(format!("key '{key}' is missing from the metadata"))
}

fn wrong_type(key: &str, value: &Value, wanted: &str) -> Error {
    let found = match value {
        Value::Array(array) => format!("an array of {}", array.ty().name()),
        _ => value.ty().name().to_owned(),
    };
    Error(format!(
        "key '{key}' has the wrong type: {wanted} is needed, found {found}"
    ))
}

/// An override's number does not fit the type that is asked for.
#[derive(Clone, Copy, Debug)]
pub struct OutOfRange;

/// Types that the getters of [`Metadata`] return.
pub trait FromValue<'a>: Sized {
    /// The type's name in messages.
    const WHAT: &'static str;
    /// `None` for a value of another type.
    fn from_value(value: &'a Value) -> Option<Self>;
    /// `None` for an override of another kind.
    fn from_override(value: &'a OverrideValue) -> std::result::Result<Option<Self>, OutOfRange>;
}

macro_rules! from_value {
    ($($t:ty, $what:literal, $variant:ident($v:ident) = $value:expr, $kind:ident($o:ident) = $over:expr;)*) => {$(
        impl<'a> FromValue<'a> for $t {
            const WHAT: &'static str = $what;
            fn from_value(value: &'a Value) -> Option<$t> {
                match value {
                    Value::$variant($v) => $value,
                    _ => None,
                }
            }
            fn from_override(value: &'a OverrideValue) -> std::result::Result<Option<$t>, OutOfRange> {
                match value {
                    OverrideValue::$kind($o) => $over.map(Some),
                    _ => Ok(None),
                }
            }
        }
    )*};
}
from_value! {
    u8, "u8", U8(v) = Some(*v), Int(o) = u8::try_from(*o).map_err(|_| OutOfRange);
    i8, "i8", I8(v) = Some(*v), Int(o) = i8::try_from(*o).map_err(|_| OutOfRange);
    u16, "u16", U16(v) = Some(*v), Int(o) = u16::try_from(*o).map_err(|_| OutOfRange);
    i16, "i16", I16(v) = Some(*v), Int(o) = i16::try_from(*o).map_err(|_| OutOfRange);
    u32, "u32", U32(v) = Some(*v), Int(o) = u32::try_from(*o).map_err(|_| OutOfRange);
    i32, "i32", I32(v) = Some(*v), Int(o) = i32::try_from(*o).map_err(|_| OutOfRange);
    u64, "u64", U64(v) = Some(*v), Int(o) = u64::try_from(*o).map_err(|_| OutOfRange);
    i64, "i64", I64(v) = Some(*v), Int(o) = Ok(*o);
    f32, "f32", F32(v) = Some(*v), Float(o) = Ok(*o as f32);
    f64, "f64", F64(v) = Some(*v), Float(o) = Ok(*o);
    bool, "bool", Bool(v) = Some(*v), Bool(o) = Ok(*o);
    &'a str, "a UTF-8 string", Str(v) = v.to_str(), Str(o) = Ok(o.as_str());
}
