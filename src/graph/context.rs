//! The arena that tensors and graphs live in.

use std::alloc::{self, Layout};
use std::cell::Cell;
use std::ptr::{self, NonNull};

use super::tensor::{MAX_DIMS, Shape, Tensor, ggml_tensor, write_name};
use crate::error::Result;
use crate::quant::Type;
use crate::{bail, ensure};

/// Alignment of everything inside an arena (`GGML_MEM_ALIGN`).
pub const MEM_ALIGN: usize = 16;

/// What an [`ggml_object`] holds, numbered as `enum ggml_object_type`.
#[repr(C)]
#[allow(non_camel_case_types)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectType {
    Tensor = 0,
    Graph = 1,
    Work_buffer = 2,
}

/// The header in front of everything in an arena, laid out as `struct ggml_object`.
#[allow(non_camel_case_types)]
#[repr(C)]
pub struct ggml_object {
    pub offs: usize,
    pub size: usize,
    pub next: *mut ggml_object,
    pub type_: ObjectType,
    pub padding: [std::ffi::c_char; 4],
}

/// A piece of memory that takes the data of new tensors instead of the arena, as `struct ggml_scratch`.
#[allow(non_camel_case_types)]
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ggml_scratch {
    pub offs: usize,
    pub size: usize,
    pub data: *mut std::ffi::c_void,
}

const NO_SCRATCH: ggml_scratch = ggml_scratch {
    offs: 0,
    size: 0,
    data: ptr::null_mut(),
};

/// Bytes that one tensor without data takes in an arena.
pub const fn tensor_overhead() -> usize {
    size_of::<ggml_object>() + size_of::<ggml_tensor>()
}

/// An arena of fixed size in which tensors, graphs and (unless `no_alloc`) tensor data are allocated one after the other.
/// Nothing is freed but the whole. Running out of space is an error.
///
/// Handles to tensors and graphs in it must not be used after it is dropped or cleared.
#[allow(non_camel_case_types)]
pub struct ggml_context {
    mem: NonNull<u8>,
    mem_size: usize,
    owned: Option<Layout>,
    no_alloc: Cell<bool>,
    n_objects: Cell<usize>,
    first: Cell<*mut ggml_object>,
    last: Cell<*mut ggml_object>,
    scratch: Cell<ggml_scratch>,
}

pub type Context = ggml_context;

// SAFETY: the arena is only reached through the context, and handles are addresses, see `Tensor`.
unsafe impl Send for ggml_context {}

impl Context {
    /// An arena of `mem_size` bytes of its own. With `no_alloc`, new tensors get no data.
    pub fn new(mem_size: usize, no_alloc: bool) -> Result<Context> {
        let layout = mem_size
            .max(1)
            .checked_next_multiple_of(MEM_ALIGN)
            .and_then(|size| Layout::from_size_align(size, MEM_ALIGN).ok());
        let Some(layout) = layout else {
            bail!("context of {mem_size} bytes: too large");
        };
        // SAFETY: the layout is not empty.
        let mem = unsafe { alloc::alloc_zeroed(layout) };
        let Some(mem) = NonNull::new(mem) else {
            bail!("context: failed to allocate {mem_size} bytes");
        };
        Ok(Context::over(mem, layout.size(), Some(layout), no_alloc))
    }

    /// An arena for `n_tensors` tensors without data and graphs that take `graph_bytes` (see `graph_overhead`).
    pub fn for_tensors(n_tensors: usize, graph_bytes: usize) -> Result<Context> {
        let bytes = n_tensors
            .saturating_mul(tensor_overhead())
            .saturating_add(graph_bytes);
        Context::new(bytes, true)
    }

    /// An arena in the caller's memory.
    ///
    /// # Safety
    /// `mem` points to `mem_size` writable bytes that nothing else uses while the context lives.
    pub unsafe fn in_buffer(mem: *mut u8, mem_size: usize, no_alloc: bool) -> Result<Context> {
        let Some(mem) = NonNull::new(mem) else {
            bail!("context: no memory given");
        };
        ensure!(
            mem.addr().get() % MEM_ALIGN == 0,
            "context: the buffer {mem:p} is not aligned to {MEM_ALIGN} bytes"
        );
        Ok(Context::over(mem, mem_size, None, no_alloc))
    }

    fn over(mem: NonNull<u8>, mem_size: usize, owned: Option<Layout>, no_alloc: bool) -> Context {
        Context {
            mem,
            mem_size,
            owned,
            no_alloc: Cell::new(no_alloc),
            n_objects: Cell::new(0),
            first: Cell::new(ptr::null_mut()),
            last: Cell::new(ptr::null_mut()),
            scratch: Cell::new(NO_SCRATCH),
        }
    }

    /// Forgets everything in the arena, so that the next graph is built in the same memory.
    pub fn clear(&mut self) {
        self.n_objects.set(0);
        self.first.set(ptr::null_mut());
        self.last.set(ptr::null_mut());
    }

    /// Bytes of the arena in use.
    pub fn used_mem(&self) -> usize {
        self.last_object().map_or(0, |(offs, size)| offs + size)
    }

    pub fn mem_size(&self) -> usize {
        self.mem_size
    }

    pub fn mem_buffer(&self) -> *mut u8 {
        self.mem.as_ptr()
    }

    pub fn no_alloc(&self) -> bool {
        self.no_alloc.get()
    }

    pub fn set_no_alloc(&self, no_alloc: bool) {
        self.no_alloc.set(no_alloc);
    }

    /// Tensors in the arena.
    pub fn n_tensors(&self) -> usize {
        self.n_objects.get()
    }

    /// Sends the data of new tensors to `scratch` from now on (to the arena again if its `data` is null).
    /// Returns how much of the previous scratch memory was in use.
    pub fn set_scratch(&self, scratch: ggml_scratch) -> usize {
        let old = self.scratch.replace(scratch);
        if old.data.is_null() { 0 } else { old.offs }
    }

    /// Runs `f` with new tensors getting data in the arena, whatever `no_alloc` and the scratch memory say.
    pub(super) fn with_data_in_arena<T>(&self, f: impl FnOnce() -> T) -> T {
        let no_alloc = self.no_alloc.replace(false);
        let scratch = self.scratch.replace(NO_SCRATCH);
        let result = f();
        self.no_alloc.set(no_alloc);
        self.scratch.set(scratch);
        result
    }

    fn last_object(&self) -> Option<(usize, usize)> {
        let last = NonNull::new(self.last.get())?;
        // SAFETY: `last` points to an object header that this arena wrote.
        Some(unsafe { ((*last.as_ptr()).offs, (*last.as_ptr()).size) })
    }

    /// Reserves `size` bytes (not initialized beyond what the arena holds) behind a new header; returns where they begin.
    pub(super) fn new_object(&self, ty: ObjectType, size: usize) -> Result<*mut u8> {
        const HEADER: usize = size_of::<ggml_object>();
        let begin = self.used_mem();
        let need = size
            .checked_next_multiple_of(MEM_ALIGN)
            .and_then(|size| size.checked_add(begin + HEADER));
        let Some(end) = need.filter(|&end| end <= self.mem_size) else {
            bail!(
                "not enough space in the context's memory: {size} more bytes are needed, {} of {} are left",
                self.mem_size - begin,
                self.mem_size
            );
        };
        // SAFETY: `begin + HEADER <= end <= mem_size`, and everything in the arena is aligned to `MEM_ALIGN`.
        let object = unsafe { self.mem.as_ptr().add(begin) } as *mut ggml_object;
        // SAFETY: as above; the bytes belong to no other object.
        unsafe {
            object.write(ggml_object {
                offs: begin + HEADER,
                size: end - begin - HEADER,
                next: ptr::null_mut(),
                type_: ty,
                padding: [0; 4],
            })
        };
        match NonNull::new(self.last.get()) {
            // SAFETY: `last` points to an object header that this arena wrote.
            Some(last) => unsafe { (*last.as_ptr()).next = object },
            None => self.first.set(object),
        }
        self.last.set(object);
        // SAFETY: the object's bytes begin behind its header, inside the arena.
        Ok(unsafe { self.mem.as_ptr().add(begin + HEADER) })
    }

    /// A new tensor of one to four dimensions, without operator. Fails on negative or overflowing sizes, on rows that are not
    /// whole blocks of the type, on types that this build lacks, and when the arena is full.
    pub fn new_tensor(&self, ty: Type, ne: &[i64]) -> Result<Tensor> {
        self.new_tensor_impl(ty, ne, None, 0)
    }

    /// A new tensor of the type and shape of `t`.
    pub fn dup_tensor(&self, t: Tensor) -> Result<Tensor> {
        self.new_tensor(t.ty(), &t.ne())
    }

    /// A tensor that looks at all of `t`'s memory, with its shape and strides.
    pub fn view_tensor(&self, t: Tensor) -> Result<Tensor> {
        let view = self.new_tensor_impl(t.ty(), &t.ne(), Some(t), 0)?;
        view.set_nb(t.nb());
        view.set_name_from(t, " (view)");
        Ok(view)
    }

    pub fn new_tensor_1d(&self, ty: Type, ne0: i64) -> Result<Tensor> {
        self.new_tensor(ty, &[ne0])
    }
    pub fn new_tensor_2d(&self, ty: Type, ne0: i64, ne1: i64) -> Result<Tensor> {
        self.new_tensor(ty, &[ne0, ne1])
    }
    pub fn new_tensor_3d(&self, ty: Type, ne0: i64, ne1: i64, ne2: i64) -> Result<Tensor> {
        self.new_tensor(ty, &[ne0, ne1, ne2])
    }
    pub fn new_tensor_4d(
        &self,
        ty: Type,
        ne0: i64,
        ne1: i64,
        ne2: i64,
        ne3: i64,
    ) -> Result<Tensor> {
        self.new_tensor(ty, &[ne0, ne1, ne2, ne3])
    }

    /// A tensor of one `i32`, always with data.
    pub fn new_i32(&self, value: i32) -> Result<Tensor> {
        let t = self.with_data_in_arena(|| self.new_tensor(Type::I32, &[1]))?;
        // SAFETY: the tensor was just made with room for one value.
        unsafe { (t.data() as *mut i32).write(value) };
        Ok(t)
    }

    /// A tensor of one `f32`, always with data.
    pub fn new_f32(&self, value: f32) -> Result<Tensor> {
        let t = self.with_data_in_arena(|| self.new_tensor(Type::F32, &[1]))?;
        // SAFETY: as in `new_i32`.
        unsafe { (t.data() as *mut f32).write(value) };
        Ok(t)
    }

    /// Makes a tensor; with `view_of`, one that looks into that tensor's memory from `offset` on. Strides are contiguous;
    /// the caller of a view sets others and checks that it stays inside.
    pub(super) fn new_tensor_impl(
        &self,
        ty: Type,
        ne: &[i64],
        view_of: Option<Tensor>,
        offset: usize,
    ) -> Result<Tensor> {
        let Some(info) = ty.info() else {
            bail!("type {} is not supported", ty.raw());
        };
        ensure!(
            (1..=MAX_DIMS).contains(&ne.len()),
            "a tensor has 1 to {MAX_DIMS} dimensions, not {}",
            ne.len()
        );
        let mut shape: Shape = [1; MAX_DIMS];
        shape[..ne.len()].copy_from_slice(ne);
        // The product of the dimensions that are not zero bounds every size computed from any of them.
        let bound = shape
            .iter()
            .try_fold(1i64, |n, &d| (d >= 0).then(|| n.checked_mul(d.max(1)))?);
        let fits = bound.and_then(|n| {
            let n = usize::try_from(n).ok()?;
            let per_value = info.block_bytes.checked_add(info.row_meta)?;
            n.checked_mul(per_value)
                .filter(|&b| b <= isize::MAX as usize)
        });
        ensure!(fits.is_some(), "tensor sizes {ne:?} are out of range");
        let row = shape[0] as usize;
        ensure!(
            row.is_multiple_of(info.block),
            "rows of type {} hold multiples of {} values, not {row}",
            info.name,
            info.block
        );
        let row_size = info.row_size(row);
        let nb1 = row_size;
        let nb2 = nb1 * shape[1] as usize;
        let nb3 = nb2 * shape[2] as usize;
        let data_size = nb3 * shape[3] as usize;

        // A view of a view looks into the memory of the first tensor.
        let (base, offset) = match view_of.map(|v| (v, v.view_src())) {
            None => (None, 0),
            Some((v, Some(root))) => (Some(root), offset.saturating_add(v.view_offs())),
            Some((v, None)) => (Some(v), offset),
        };
        let mut data = base.map_or(ptr::null_mut(), |b| match b.data() {
            d if d.is_null() => d,
            d => d.wrapping_byte_add(offset),
        });
        let mut arena_data = 0;
        if base.is_none() && !self.no_alloc.get() {
            let mut scratch = self.scratch.get();
            if scratch.data.is_null() {
                arena_data = data_size;
            } else {
                let end = scratch.offs.saturating_add(data_size);
                ensure!(
                    end <= scratch.size,
                    "not enough space in the scratch memory: {end} bytes are needed, there are {}",
                    scratch.size
                );
                data = scratch.data.wrapping_byte_add(scratch.offs);
                scratch.offs = end;
                self.scratch.set(scratch);
            }
        }
        let size = size_of::<ggml_tensor>().saturating_add(arena_data);
        let tensor = self.new_object(ObjectType::Tensor, size)? as *mut ggml_tensor;
        if arena_data > 0 {
            data = tensor.wrapping_add(1) as _;
        }
        // SAFETY: `new_object` gave room for the struct, aligned to 16 bytes.
        unsafe {
            tensor.write(ggml_tensor {
                type_: ty.raw(),
                backend: 0,
                buffer: ptr::null_mut(),
                ne: shape,
                nb: [info.block_bytes, nb1, nb2, nb3],
                op: 0,
                op_params: [0; _],
                flags: 0,
                grad: ptr::null_mut(),
                src: [ptr::null_mut(); _],
                view_src: base.map_or(ptr::null_mut(), Tensor::as_ptr),
                view_offs: offset,
                data,
                name: [0; _],
                extra: ptr::null_mut(),
            })
        };
        self.n_objects.set(self.n_objects.get() + 1);
        // SAFETY: initialized above; it lives as long as the arena, as the documentation of the type demands.
        unsafe { Tensor::from_ptr(tensor) }
            .ok_or_else(|| unreachable!("objects of an arena are not at address zero"))
    }

    /// The objects of the arena in order of creation.
    pub fn objects(&self) -> impl Iterator<Item = NonNull<ggml_object>> + '_ {
        std::iter::successors(NonNull::new(self.first.get()), |o| {
            // SAFETY: the list links headers that this arena wrote.
            NonNull::new(unsafe { (*o.as_ptr()).next })
        })
    }

    /// The tensors of the arena in order of creation.
    pub fn tensors(&self) -> impl Iterator<Item = Tensor> + '_ {
        self.objects().filter_map(|o| self.tensor_of(o))
    }

    /// The tensor that was made after `t`, which must be of this arena.
    pub fn next_tensor(&self, t: Tensor) -> Option<Tensor> {
        let header = (t.as_ptr() as *mut ggml_object).wrapping_sub(1);
        let inside = self.mem.addr().get()..self.mem.addr().get() + self.mem_size;
        if !inside.contains(&header.addr()) {
            return None;
        }
        // SAFETY: every tensor of an arena has its header in front; `t` is in this arena.
        let mut next = NonNull::new(unsafe { (*header).next });
        while let Some(object) = next {
            if let Some(t) = self.tensor_of(object) {
                return Some(t);
            }
            // SAFETY: as in `objects`.
            next = NonNull::new(unsafe { (*object.as_ptr()).next });
        }
        None
    }

    /// The first tensor with this name.
    pub fn get_tensor(&self, name: impl AsRef<[u8]>) -> Option<Tensor> {
        self.tensors().find(|t| t.has_name(name.as_ref()))
    }

    /// `size` bytes of the arena for scratch memory of a computation.
    pub fn work_buffer(&self, size: usize) -> Result<*mut u8> {
        self.new_object(ObjectType::Work_buffer, size)
    }

    /// Bytes of the largest tensor.
    pub fn max_tensor_size(&self) -> usize {
        self.tensors().map(Tensor::nbytes).max().unwrap_or(0)
    }

    fn tensor_of(&self, object: NonNull<ggml_object>) -> Option<Tensor> {
        // SAFETY: a header that this arena wrote.
        let (ty, offs) = unsafe { ((*object.as_ptr()).type_, (*object.as_ptr()).offs) };
        if ty != ObjectType::Tensor {
            return None;
        }
        // SAFETY: an object of this type holds an initialized tensor at its offset.
        unsafe { Tensor::from_ptr(self.mem.as_ptr().add(offs) as *mut ggml_tensor) }
    }
}

impl Drop for ggml_context {
    fn drop(&mut self) {
        if let Some(layout) = self.owned {
            // SAFETY: allocated in `new` with this layout.
            unsafe { alloc::dealloc(self.mem.as_ptr(), layout) };
        }
    }
}

impl Tensor {
    /// Names this tensor after another one: its name and a suffix.
    pub(super) fn set_name_from(self, other: Tensor, suffix: &str) {
        let name = other.name_bytes();
        write_name(self, &[name.as_bytes(), suffix.as_bytes()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_the_abi_levels() {
        assert_eq!(size_of::<ggml_object>(), 32);
        assert_eq!(size_of::<ggml_tensor>(), 336);
        assert_eq!(tensor_overhead(), 368);
    }

    #[test]
    fn fills_up_and_then_fails() {
        let ctx = Context::new(2 * tensor_overhead() + 64, false).unwrap();
        let a = ctx.new_tensor(Type::F32, &[16]).unwrap();
        assert_eq!(ctx.used_mem(), tensor_overhead() + 64);
        assert!(!a.data().is_null());
        assert!(ctx.new_tensor(Type::F32, &[1]).is_err());
        ctx.set_no_alloc(true);
        let b = ctx.new_tensor(Type::F32, &[1 << 40, 1 << 10]).unwrap();
        assert!(b.data().is_null());
        assert!(ctx.new_tensor(Type::F32, &[1]).is_err());
        assert_eq!(ctx.tensors().collect::<Vec<_>>(), [a, b]);
        assert_eq!(ctx.next_tensor(a), Some(b));
        assert_eq!(ctx.next_tensor(b), None);
    }

    #[test]
    fn refuses_impossible_shapes() {
        let ctx = Context::new(1 << 16, true).unwrap();
        for ne in [
            &[-1i64] as &[i64],
            &[i64::MAX],
            &[1 << 40, 1 << 40],
            &[1 << 40, 1 << 40, 0],
            &[],
            &[1, 1, 1, 1, 1],
        ] {
            assert!(ctx.new_tensor(Type::F32, ne).is_err(), "{ne:?}");
        }
        assert!(ctx.new_tensor(Type::F32, &[0, 5]).is_ok());
    }

    #[test]
    fn names_find_tensors_and_are_cut() {
        let ctx = Context::new(1 << 16, true).unwrap();
        let a = ctx.new_tensor(Type::F32, &[4]).unwrap();
        a.set_name("weights");
        let long = ctx.new_tensor(Type::F32, &[4]).unwrap();
        long.set_name("x".repeat(100));
        assert_eq!(long.name().len(), 63);
        assert_eq!(ctx.get_tensor("weights"), Some(a));
        assert_eq!(ctx.get_tensor("weight"), None);
        assert_eq!(ctx.view_tensor(a).unwrap().name(), "weights (view)");
        assert_eq!(ctx.view_tensor(long).unwrap().name(), "x".repeat(63));
    }
}
