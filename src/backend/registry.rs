//! The devices this build has.

use std::ffi::CStr;
use std::sync::Arc;

use super::buffer::{BufferType, cpu_buffer_type};
use super::cpu::cpu_backend;
use super::device::Backend;

/// A device that can be made by name.
pub struct Entry {
    pub name: &'static CStr,
    pub default_buffer_type: fn() -> BufferType,
    /// Makes a backend; the text is device-specific, and the CPU needs none.
    pub init: fn(params: &CStr) -> Option<Arc<Backend>>,
}

static REGISTRY: [Entry; 1] = [Entry {
    name: c"CPU",
    default_buffer_type: cpu_buffer_type,
    init: |_| Some(cpu_backend()),
}];

/// All devices, the CPU first.
pub fn registry() -> &'static [Entry] {
    &REGISTRY
}
