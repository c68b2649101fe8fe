//! `ggml.h`: GGUF files: reading their headers, and making files.

use std::collections::HashMap;
use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::{ptr, slice};

use super::ggml_types::gguf_init_params;
use super::guard;
use super::raw::{ggml_type, gguf_type};
use crate::error::{Error, Result};
use crate::gguf::{
    self, Array, FileBeside, Header, KEY_ALIGNMENT, Metadata, Name, Strings, TensorInfo, Text,
    Value, ValueType,
};
use crate::graph::{Context, MAX_DIMS, Tensor, ggml_tensor, tensor_overhead};
use crate::quant::Type;
use crate::{bail, ensure, log_error};

/// What C callers know as `struct gguf_context`: the header of a file, read or to be written.
#[allow(non_camel_case_types)]
pub struct gguf_context {
    header: Header,
    index: HashMap<Name, usize>,
    /// Where the data of the tensors is, for writing; as many as tensors.
    sources: Vec<*const u8>,
    /// The tensors' data as read, in a tensor of the context that `gguf_init_params.ctx` asked for.
    data: *mut c_void,
}

impl gguf_context {
    fn new(header: Header) -> gguf_context {
        gguf_context {
            index: header.index(),
            sources: vec![ptr::null(); header.tensors.len()],
            header,
            data: ptr::null_mut(),
        }
    }

    fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// The key and value with this number, with a line in the log if there is none.
    fn entry(&self, id: c_int) -> Option<(&Name, &Value)> {
        let found = usize::try_from(id)
            .ok()
            .and_then(|i| self.metadata().entry(i));
        if found.is_none() {
            log_error!(
                "gguf: key number {id} is out of range, there are {}",
                self.metadata().len()
            );
        }
        found
    }

    /// The tensor with this number, with a line in the log if there is none.
    fn tensor(&self, i: c_int) -> Option<&TensorInfo> {
        let found = usize::try_from(i)
            .ok()
            .and_then(|i| self.header.tensors.get(i));
        if found.is_none() {
            log_error!(
                "gguf: tensor number {i} is out of range, there are {}",
                self.header.tensors.len()
            );
        }
        found
    }

    fn array(&self, id: c_int) -> Option<&Array> {
        match self.entry(id)? {
            (_, Value::Array(array)) => Some(array),
            (key, value) => {
                log_error!(
                    "gguf: key '{key}' is not an array but {}",
                    value.ty().name()
                );
                None
            }
        }
    }

    fn set(&mut self, key: &CStr, value: Value) -> Result<()> {
        let Some(key) = Name::new(key.to_bytes()) else {
            bail!("key {key:?} is not UTF-8");
        };
        if &*key == KEY_ALIGNMENT
            && let Value::U32(alignment) = value
        {
            ensure!(
                alignment.is_power_of_two() && alignment >= 8,
                "{KEY_ALIGNMENT} = {alignment} is not a power of two from 8 on"
            );
            self.header.alignment = alignment as usize;
            gguf::assign_offsets(&mut self.header.tensors, alignment as usize)?;
        }
        self.header.metadata.set(key, value);
        Ok(())
    }

    fn add_tensor(&mut self, tensor: Tensor) -> Result<()> {
        let name = tensor.name();
        let Some(name) = Name::new(name.as_bytes()) else {
            bail!("the name of a tensor is not valid");
        };
        ensure!(
            !self.index.contains_key(&name),
            "tensor '{name}' is already there"
        );
        let mut info = TensorInfo::new(name.clone(), tensor.ty(), tensor.n_dims(), tensor.ne())?;
        info.size = tensor.nbytes();
        if let Some(last) = self.header.tensors.last() {
            info.offset = last.padded_end(self.header.alignment)?;
        }
        self.index.insert(name, self.header.tensors.len());
        self.header.tensors.push(info);
        self.sources.push(tensor.data().cast::<u8>());
        Ok(())
    }

    /// Everything in front of the tensor data.
    fn meta_data(&self) -> Vec<u8> {
        let h = &self.header;
        gguf::encode(h.version, &h.metadata, h.tensors.iter(), h.alignment)
    }

    /// # Safety
    /// Unless `only_meta`, the data of every tensor that was set is still there.
    unsafe fn write(&self, path: &Path, only_meta: bool) -> Result<()> {
        let mut file = FileBeside::create(path)?;
        file.write(&self.meta_data())?;
        let mut offset = 0;
        for (tensor, &source) in self.header.tensors.iter().zip(&self.sources) {
            if only_meta {
                break;
            }
            ensure!(!source.is_null(), "tensor '{}' has no data", tensor.name);
            ensure!(
                tensor.offset == offset,
                "the offset {} of tensor '{}' does not follow the tensor before it",
                tensor.offset,
                tensor.name
            );
            // SAFETY: the caller promised that the data is there.
            file.write(unsafe { slice::from_raw_parts(source, tensor.size) })?;
            let end = tensor.padded_end(self.header.alignment)?;
            file.write(&vec![0; end - offset - tensor.size])?;
            offset = end;
        }
        file.finish()
    }
}

/// # Safety
/// `path` is null or a C string.
unsafe fn path<'a>(path: *const c_char) -> Result<&'a Path> {
    ensure!(!path.is_null(), "no path given");
    // SAFETY: not null, so a C string.
    let bytes = unsafe { CStr::from_ptr(path) }.to_bytes();
    Ok(Path::new(OsStr::from_bytes(bytes)))
}

/// A context without keys and tensors, to be filled and written. Freed by `gguf_free`.
#[unsafe(no_mangle)]
pub extern "C" fn gguf_init_empty() -> *mut gguf_context {
    guard("gguf_init_empty", ptr::null_mut(), || {
        Box::into_raw(Box::new(gguf_context::new(Header::empty())))
    })
}

/// Reads the header of a file; null, with a line in the log, if that fails.
///
/// If `params.ctx` is not null, a context with the tensors is made and stored there, to be freed by `ggml_free`; unless
/// `params.no_alloc`, it holds their data, too.
///
/// # Safety
/// `fname` is null or a C string; `params.ctx` is null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gguf_init_from_file(
    fname: *const c_char,
    params: gguf_init_params,
) -> *mut gguf_context {
    guard("gguf_init_from_file", ptr::null_mut(), || {
        // SAFETY: as the caller promised.
        match unsafe { path(fname) }.and_then(|path| read(path, params)) {
            Ok((read, tensors)) => {
                if let Some(tensors) = tensors {
                    // SAFETY: there are only tensors if there is a place for them.
                    unsafe { *params.ctx = Box::into_raw(Box::new(tensors)) };
                }
                Box::into_raw(Box::new(read))
            }
            Err(e) => {
                log_error!("gguf_init_from_file: {e}");
                ptr::null_mut()
            }
        }
    })
}

fn read(path: &Path, params: gguf_init_params) -> Result<(gguf_context, Option<Context>)> {
    let in_file = |e: Error| Error(format!("{}: {e}", path.display()));
    let map = gguf::map(path).map_err(in_file)?;
    let header = Header::decode(&map).map_err(in_file)?;
    let mut read = gguf_context::new(header);
    if params.ctx.is_null() {
        return Ok((read, None));
    }
    let with_data = !params.no_alloc;
    if with_data {
        gguf::check_ranges(&read.header, map.len()).map_err(in_file)?;
    }
    let tensors = tensors(&mut read, &map, with_data).map_err(in_file)?;
    Ok((read, Some(tensors)))
}

/// Makes a context with the tensors of a file, after a tensor with the whole data section if `with_data`.
fn tensors(read: &mut gguf_context, file: &[u8], with_data: bool) -> Result<Context> {
    let h = &read.header;
    let size = if with_data {
        h.data_size()?.next_multiple_of(h.alignment)
    } else {
        0
    };
    // Data is aligned in the arena, which costs a little beyond its size.
    let memory = (h.tensors.len() + 1)
        .checked_mul(tensor_overhead())
        .and_then(|n| n.checked_add(size)?.checked_add(64));
    let Some(memory) = memory else {
        bail!("the data of the tensors is too large");
    };
    let context = Context::new(memory, !with_data)?;
    if with_data && size > 0 {
        let all = context.new_tensor_1d(Type::I8, size as i64)?;
        let present = &file[h.data_offset..];
        let n = present.len().min(size);
        // SAFETY: the tensor is contiguous and has `size` bytes.
        unsafe { ptr::copy_nonoverlapping(present.as_ptr(), all.data().cast::<u8>(), n) };
        read.data = all.data();
    }
    context.set_no_alloc(true);
    for t in &h.tensors {
        let n_dims = match t.n_dims {
            0 => t.ne.iter().rposition(|&n| n > 1).map_or(1, |i| i + 1),
            n => n.min(MAX_DIMS),
        };
        let tensor = context
            .new_tensor(t.ty, &t.ne[..n_dims])?
            .set_name(&*t.name);
        if with_data {
            tensor.set_data(read.data.cast::<u8>().wrapping_add(t.offset).cast());
        }
    }
    context.set_no_alloc(!with_data);
    Ok(context)
}

/// Frees a context, but not what `gguf_init_params.ctx` asked for.
///
/// # Safety
/// The pointer is null or from `gguf_init_empty` or `gguf_init_from_file`, and not used any more.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gguf_free(ctx: *mut gguf_context) {
    guard("gguf_free", (), || {
        if !ctx.is_null() {
            // SAFETY: made by a box, and freed once.
            drop(unsafe { Box::from_raw(ctx) });
        }
    });
}

/// The short name of a type of values; null for numbers that are no type.
#[unsafe(no_mangle)]
pub extern "C" fn gguf_type_name(type_: gguf_type) -> *const c_char {
    let ty = u32::try_from(type_).ok().and_then(ValueType::from_raw);
    ty.map_or(ptr::null(), |ty| ty.c_name().as_ptr())
}

/// Defines questions to a context: what they answer without one, and with one.
macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $a:ty),*) -> $t:ty = $none:expr, $get:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// The pointer is null or to a context, not freed.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(ctx: *const gguf_context $(, $arg: $a)*) -> $t {
            guard(stringify!($name), $none, || {
                // SAFETY: as the caller promised.
                match unsafe { ctx.as_ref() } {
                    Some(ctx) => $get(ctx $(, $arg)*),
                    None => {
                        log_error!(concat!(stringify!($name), ": no context given"));
                        $none
                    }
                }
            })
        }
    )*};
}

fn count(n: usize) -> c_int {
    c_int::try_from(n).unwrap_or(c_int::MAX)
}

getters! {
    /// The version of the format.
    gguf_get_version() -> c_int = 0, |c: &gguf_context| c.header.version as c_int;
    /// The alignment of tensor data.
    gguf_get_alignment() -> usize = 0, |c: &gguf_context| c.header.alignment;
    /// Where the data section begins in the file.
    gguf_get_data_offset() -> usize = 0, |c: &gguf_context| c.header.data_offset;
    /// The data section, if it was read.
    gguf_get_data() -> *mut c_void = ptr::null_mut(), |c: &gguf_context| c.data;
    gguf_get_n_kv() -> c_int = 0, |c: &gguf_context| count(c.metadata().len());
    gguf_get_key(key_id: c_int) -> *const c_char = ptr::null(),
        |c: &gguf_context, id| c.entry(id).map_or(ptr::null(), |(key, _)| key.as_ptr());
    /// The type of a value; -1 if there is no such key.
    gguf_get_kv_type(key_id: c_int) -> gguf_type = -1,
        |c: &gguf_context, id| c.entry(id).map_or(-1, |(_, value)| value.ty() as c_int);
    /// The type of an array's elements; -1 if there is no such array.
    gguf_get_arr_type(key_id: c_int) -> gguf_type = -1,
        |c: &gguf_context, id| c.array(id).map_or(-1, |array| array.ty() as c_int);
    gguf_get_arr_n(key_id: c_int) -> c_int = 0,
        |c: &gguf_context, id| c.array(id).map_or(0, |array| count(array.len()));
    /// The elements of an array of scalars; null for other keys.
    gguf_get_arr_data(key_id: c_int) -> *const c_void = ptr::null(), arr_data;
    /// A string of an array of strings; null if there is none.
    gguf_get_arr_str(key_id: c_int, i: c_int) -> *const c_char = ptr::null(), arr_str;
    gguf_get_val_str(key_id: c_int) -> *const c_char = ptr::null(), val_str;
    /// Where a scalar lies; null for strings and arrays.
    gguf_get_val_data(key_id: c_int) -> *const c_void = ptr::null(), val_data;
    gguf_get_n_tensors() -> c_int = 0, |c: &gguf_context| count(c.header.tensors.len());
    /// Where the data of a tensor begins in the data section.
    gguf_get_tensor_offset(i: c_int) -> usize = 0,
        |c: &gguf_context, i| c.tensor(i).map_or(0, |t| t.offset);
    gguf_get_tensor_name(i: c_int) -> *mut c_char = ptr::null_mut(),
        |c: &gguf_context, i| c.tensor(i).map_or(ptr::null_mut(), |t| t.name.as_ptr().cast_mut());
    /// The type of a tensor; -1 if there is no such tensor.
    gguf_get_tensor_type(i: c_int) -> ggml_type = -1,
        |c: &gguf_context, i| c.tensor(i).map_or(-1, |t| t.ty.raw());
    /// Bytes that [`gguf_get_meta_data`] writes: header, keys and tensor infos with their padding.
    gguf_get_meta_size() -> usize = 0, |c: &gguf_context| c.meta_data().len();
}

fn arr_data(ctx: &gguf_context, id: c_int) -> *const c_void {
    match ctx.array(id).map(Array::data_ptr) {
        Some(Some(data)) => data,
        Some(None) => {
            log_error!("gguf_get_arr_data: key number {id} is an array of strings");
            ptr::null()
        }
        None => ptr::null(),
    }
}

fn arr_str(ctx: &gguf_context, id: c_int, i: c_int) -> *const c_char {
    let found = match ctx.array(id) {
        Some(Array::Str(all)) => usize::try_from(i).ok().and_then(|i| all.get_c_str(i)),
        _ => None,
    };
    found.map_or_else(
        || {
            log_error!("gguf_get_arr_str: there is no string {i} in key number {id}");
            ptr::null()
        },
        CStr::as_ptr,
    )
}

fn val_str(ctx: &gguf_context, id: c_int) -> *const c_char {
    match ctx.entry(id) {
        Some((_, Value::Str(text))) => text.as_c_str().as_ptr(),
        Some((key, value)) => {
            log_error!("gguf: key '{key}' is not str but {}", value.ty().name());
            ptr::null()
        }
        None => ptr::null(),
    }
}

fn val_data(ctx: &gguf_context, id: c_int) -> *const c_void {
    match ctx.entry(id).map(|(key, value)| (key, value.scalar_ptr())) {
        Some((_, Some(data))) => data,
        Some((key, None)) => {
            log_error!("gguf_get_val_data: key '{key}' is not a scalar");
            ptr::null()
        }
        None => ptr::null(),
    }
}

/// Defines getters and setters of scalars.
macro_rules! scalars {
    ($($get:ident, $set:ident, $variant:ident($t:ty) = $none:expr;)*) => {
        getters! {$(
            /// The value of a key of this type; nothing (0) for other keys.
            $get(key_id: c_int) -> $t = $none, |c: &gguf_context, id| match c.entry(id) {
                Some((_, Value::$variant(v))) => *v,
                Some((key, value)) => {
                    log_error!(concat!(stringify!($get), ": key '{}' is {}"), key, value.ty().name());
                    $none
                }
                None => $none,
            };
        )*}
        setters! {$(
            /// Sets the value of a key.
            $set(val: $t) = |c: &mut gguf_context, key: &CStr, v| c.set(key, Value::$variant(v));
        )*}
    };
}

/// Defines functions that set a key.
macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($($arg:ident: $a:ty),*) = $set:expr;)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// The pointers are null or as their types say.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(ctx: *mut gguf_context, key: *const c_char $(, $arg: $a)*) {
            guard(stringify!($name), (), || {
                // SAFETY: as the caller promised.
                let done = match unsafe { ctx.as_mut() } {
                    // SAFETY: not null, so a C string.
                    Some(ctx) if !key.is_null() => $set(ctx, unsafe { CStr::from_ptr(key) } $(, $arg)*),
                    _ => Err(Error("no context or no name given".into())),
                };
                if let Err(e) = done {
                    log_error!(concat!(stringify!($name), ": {}"), e);
                }
            });
        }
    )*};
}

scalars! {
    gguf_get_val_u8, gguf_set_val_u8, U8(u8) = 0;
    gguf_get_val_i8, gguf_set_val_i8, I8(i8) = 0;
    gguf_get_val_u16, gguf_set_val_u16, U16(u16) = 0;
    gguf_get_val_i16, gguf_set_val_i16, I16(i16) = 0;
    gguf_get_val_u32, gguf_set_val_u32, U32(u32) = 0;
    gguf_get_val_i32, gguf_set_val_i32, I32(i32) = 0;
    gguf_get_val_f32, gguf_set_val_f32, F32(f32) = 0.0;
    gguf_get_val_u64, gguf_set_val_u64, U64(u64) = 0;
    gguf_get_val_i64, gguf_set_val_i64, I64(i64) = 0;
    gguf_get_val_f64, gguf_set_val_f64, F64(f64) = 0.0;
    gguf_get_val_bool, gguf_set_val_bool, Bool(bool) = false;
}

setters! {
    /// Sets a key to a string.
    gguf_set_val_str(val: *const c_char) = |c: &mut gguf_context, key, val| {
        // SAFETY: as the caller promised.
        let text = unsafe { string(val) }?;
        c.set(key, Value::Str(Text::new(text)))
    };
    /// Sets a key to an array of `n` scalars of a type.
    gguf_set_arr_data(type_: gguf_type, data: *const c_void, n: c_int) = |c: &mut gguf_context, key, ty, data, n| {
        // SAFETY: as the caller promised.
        let array = unsafe { scalars_at(ty, data, n) }?;
        c.set(key, Value::Array(array))
    };
    /// Sets a key to an array of `n` strings.
    gguf_set_arr_str(data: *mut *const c_char, n: c_int) = |c: &mut gguf_context, key, data, n| {
        // SAFETY: as the caller promised.
        let all = unsafe { strings_at(data, n) }?;
        c.set(key, Value::Array(Array::Str(all)))
    };
    /// Changes the type of a tensor, but not its size.
    gguf_set_tensor_type(type_: ggml_type) = set_tensor_type;
    /// Says where the data of a tensor is, and how large; the offsets of the tensors behind it move.
    gguf_set_tensor_data(data: *const c_void, size: usize) = set_tensor_data;
    /// Removes a key if it is there.
    gguf_remove_key() = |c: &mut gguf_context, key: &CStr| {
        c.header.metadata.remove(&key.to_string_lossy());
        Ok(())
    };
}

/// # Safety
/// The pointer is null or a C string.
unsafe fn string<'a>(ptr: *const c_char) -> Result<&'a [u8]> {
    ensure!(!ptr.is_null(), "no string given");
    // SAFETY: not null, so a C string.
    Ok(unsafe { CStr::from_ptr(ptr) }.to_bytes())
}

/// # Safety
/// `data` is null or has `n` elements of the type.
unsafe fn scalars_at(ty: gguf_type, data: *const c_void, n: c_int) -> Result<Array> {
    let ty = u32::try_from(ty).ok().and_then(ValueType::from_raw);
    let Some((ty, size)) = ty.and_then(|ty| Some((ty, ty.size()?))) else {
        bail!("the type is not that of a scalar");
    };
    let n = usize::try_from(n).unwrap_or(0);
    ensure!(!data.is_null() || n == 0, "no data given");
    let bytes = match n {
        0 => &[],
        // SAFETY: as the caller promised.
        _ => unsafe { slice::from_raw_parts(data.cast::<u8>(), n * size) },
    };
    Array::from_le(ty, bytes).ok_or_else(|| Error("the type is not that of a scalar".into()))
}

/// # Safety
/// `data` is null or has `n` pointers, null or to C strings.
unsafe fn strings_at(data: *const *const c_char, n: c_int) -> Result<Strings> {
    let n = usize::try_from(n).unwrap_or(0);
    ensure!(!data.is_null() || n == 0, "no strings given");
    let mut all = Strings::default();
    for i in 0..n {
        // SAFETY: as the caller promised.
        all.push(unsafe { string(*data.add(i)) }?);
    }
    Ok(all)
}

fn find(ctx: &gguf_context, name: &CStr) -> Result<usize> {
    let found = name.to_str().ok().and_then(|name| ctx.index.get(name));
    found
        .copied()
        .ok_or_else(|| Error(format!("there is no tensor {name:?}")))
}

fn set_tensor_type(ctx: &mut gguf_context, name: &CStr, ty: ggml_type) -> Result<()> {
    let i = find(ctx, name)?;
    let Some(ty) = Type::from_raw(ty) else {
        bail!("{ty} is not the number of a type");
    };
    ctx.header.tensors[i].ty = ty;
    Ok(())
}

fn set_tensor_data(
    ctx: &mut gguf_context,
    name: &CStr,
    data: *const c_void,
    size: usize,
) -> Result<()> {
    let i = find(ctx, name)?;
    ctx.sources[i] = data.cast();
    ctx.header.tensors[i].size = size;
    let alignment = ctx.header.alignment;
    let mut offset = ctx.header.tensors[i].padded_end(alignment)?;
    for tensor in &mut ctx.header.tensors[i + 1..] {
        tensor.offset = offset;
        offset = tensor.padded_end(alignment)?;
    }
    Ok(())
}

/// The number of a key, -1 if it is not there.
///
/// # Safety
/// The pointers are null or as their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gguf_find_key(ctx: *const gguf_context, key: *const c_char) -> c_int {
    guard("gguf_find_key", -1, || {
        // SAFETY: as the caller promised.
        let (ctx, key) = unsafe { (ctx.as_ref(), super::text(key)) };
        let found = ctx.zip(key).and_then(|(c, key)| c.metadata().find(&key));
        found.map_or(-1, count)
    })
}

/// The number of a tensor, -1 if it is not there.
///
/// # Safety
/// The pointers are null or as their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gguf_find_tensor(ctx: *const gguf_context, name: *const c_char) -> c_int {
    guard("gguf_find_tensor", -1, || {
        // SAFETY: as the caller promised.
        let (ctx, name) = unsafe { (ctx.as_ref(), super::text(name)) };
        let found = ctx
            .zip(name)
            .and_then(|(c, name)| c.index.get(&*name).copied());
        found.map_or(-1, count)
    })
}

/// Sets all keys of another context.
///
/// # Safety
/// The pointers are null or to contexts.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gguf_set_kv(ctx: *mut gguf_context, src: *mut gguf_context) {
    guard("gguf_set_kv", (), || {
        if ptr::eq(ctx, src) {
            return;
        }
        // SAFETY: as the caller promised, and they are not the same.
        let (Some(ctx), Some(src)) = (unsafe { (ctx.as_mut(), src.as_ref()) }) else {
            log_error!("gguf_set_kv: no context given");
            return;
        };
        for (key, value) in src.metadata().iter() {
            ctx.header.metadata.set(key.clone(), value.clone());
        }
    });
}

/// Adds a tensor behind those that are there. Its data must stay until the file is written.
///
/// # Safety
/// The pointers are null or as their types say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gguf_add_tensor(ctx: *mut gguf_context, tensor: *const ggml_tensor) {
    guard("gguf_add_tensor", (), || {
        // SAFETY: as the caller promised.
        let (ctx, tensor) = unsafe { (ctx.as_mut(), Tensor::from_ptr(tensor.cast_mut())) };
        let done = match ctx.zip(tensor) {
            Some((ctx, tensor)) => ctx.add_tensor(tensor),
            None => Err(Error("no context or no tensor given".into())),
        };
        if let Err(e) = done {
            log_error!("gguf_add_tensor: {e}");
        }
    });
}

/// Writes a file; with `only_meta` without the tensors' data.
///
/// # Safety
/// The pointers are null or as their types say; the data of the tensors is still there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gguf_write_to_file(
    ctx: *const gguf_context,
    fname: *const c_char,
    only_meta: bool,
) {
    guard("gguf_write_to_file", (), || {
        // SAFETY: as the caller promised.
        let done = match unsafe { ctx.as_ref() } {
            // SAFETY: as the caller promised.
            Some(ctx) => unsafe { path(fname).and_then(|path| ctx.write(path, only_meta)) },
            None => Err(Error("no context given".into())),
        };
        if let Err(e) = done {
            log_error!("gguf_write_to_file: {e}");
        }
    });
}

/// Writes header, keys and tensor infos to memory: as many bytes as [`gguf_get_meta_size`] says.
///
/// # Safety
/// `ctx` is null or a context; `data` is null or writable for that many bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gguf_get_meta_data(ctx: *const gguf_context, data: *mut c_void) {
    guard("gguf_get_meta_data", (), || {
        // SAFETY: as the caller promised.
        match unsafe { ctx.as_ref() } {
            Some(ctx) if !data.is_null() => {
                let bytes = ctx.meta_data();
                // SAFETY: as the caller promised.
                unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), data.cast(), bytes.len()) };
            }
            _ => log_error!("gguf_get_meta_data: no context or no memory given"),
        }
    });
}
