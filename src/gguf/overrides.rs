//! Overrides of metadata: what `llama_model_kv_override` says, as values.

/// A value that takes the place of a key's value, whether the file has the key or not. It counts where a value of its kind is asked for
/// (an integer for any integer type, a float for both float types); elsewhere it is ignored with a warning.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    pub key: String,
    pub value: OverrideValue,
}

#[derive(Clone, Debug, PartialEq)]
pub enum OverrideValue {
    Int(i64),
    Float(f64),
    Bool(bool),
    Str(String),
}

impl OverrideValue {
    pub fn kind(&self) -> &'static str {
        match self {
            OverrideValue::Int(_) => "int",
            OverrideValue::Float(_) => "float",
            OverrideValue::Bool(_) => "bool",
            OverrideValue::Str(_) => "str",
        }
    }
}
