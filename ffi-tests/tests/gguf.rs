//! The GGUF functions of `ggml.h`, side by side with the reference.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

use ffi_tests::libs::Lib;
use ffi_tests::{models, paths};
use ikrs::graph::{Context, Tensor};
use ikrs::quant::Type;

type Gguf = *mut c_void;

#[repr(C)]
struct InitParams {
    no_alloc: bool,
    ctx: *mut *mut c_void,
}

/// The functions, called without caring for pointers: every test gives good ones unless it says otherwise.
struct Api(Lib);

macro_rules! api {
    ($($name:ident($($arg:ident: $t:ty),*) $(-> $r:ty)?;)*) => {
        impl Api {$(
            fn $name(&self, $($arg: $t),*) $(-> $r)? {
                // SAFETY: the signatures are those of ggml.h.
                unsafe {
                    self.0.get::<unsafe extern "C" fn($($t),*) $(-> $r)?>(concat!("gguf_", stringify!($name)))($($arg),*)
                }
            }
        )*}
    };
}
api! {
    init_empty() -> Gguf;
    init_from_file(name: *const c_char, params: InitParams) -> Gguf;
    free(g: Gguf);
    type_name(ty: c_int) -> *const c_char;
    get_version(g: Gguf) -> c_int;
    get_alignment(g: Gguf) -> usize;
    get_data_offset(g: Gguf) -> usize;
    get_n_kv(g: Gguf) -> c_int;
    get_n_tensors(g: Gguf) -> c_int;
    get_key(g: Gguf, i: c_int) -> *const c_char;
    get_kv_type(g: Gguf, i: c_int) -> c_int;
    get_arr_type(g: Gguf, i: c_int) -> c_int;
    get_arr_n(g: Gguf, i: c_int) -> c_int;
    get_arr_str(g: Gguf, i: c_int, j: c_int) -> *const c_char;
    get_val_str(g: Gguf, i: c_int) -> *const c_char;
    get_val_data(g: Gguf, i: c_int) -> *const c_void;
    get_val_u32(g: Gguf, i: c_int) -> u32;
    get_tensor_name(g: Gguf, i: c_int) -> *mut c_char;
    get_tensor_offset(g: Gguf, i: c_int) -> usize;
    get_tensor_type(g: Gguf, i: c_int) -> c_int;
    find_key(g: Gguf, key: *const c_char) -> c_int;
    find_tensor(g: Gguf, name: *const c_char) -> c_int;
    get_meta_size(g: Gguf) -> usize;
    get_meta_data(g: Gguf, data: *mut c_void);
    set_val_u8(g: Gguf, key: *const c_char, v: u8);
    set_val_f32(g: Gguf, key: *const c_char, v: f32);
    set_val_i64(g: Gguf, key: *const c_char, v: i64);
    set_val_bool(g: Gguf, key: *const c_char, v: bool);
    set_val_str(g: Gguf, key: *const c_char, v: *const c_char);
    set_arr_data(g: Gguf, key: *const c_char, ty: c_int, data: *const c_void, n: c_int);
    set_arr_str(g: Gguf, key: *const c_char, data: *const *const c_char, n: c_int);
    set_kv(g: Gguf, from: Gguf);
    remove_key(g: Gguf, key: *const c_char);
    add_tensor(g: Gguf, tensor: *const c_void);
    set_tensor_data(g: Gguf, name: *const c_char, data: *const c_void, size: usize);
    write_to_file(g: Gguf, name: *const c_char, only_meta: bool);
}

impl Api {
    fn open(&self, path: &Path) -> Gguf {
        let path = CString::new(path.to_str().unwrap()).unwrap();
        let ctx = std::ptr::null_mut();
        self.init_from_file(
            path.as_ptr(),
            InitParams {
                no_alloc: true,
                ctx,
            },
        )
    }

    /// Everything the header of a file says, as text.
    fn describe(&self, g: Gguf) -> String {
        let text = |p: *const c_char| {
            // SAFETY: null or a C string.
            if p.is_null() {
                "null".into()
            } else {
                // SAFETY: strings of a live context end in null bytes.
                unsafe { CStr::from_ptr(p) }.to_string_lossy()
            }
        };
        let mut all = format!(
            "{} {} {}\n",
            self.get_version(g),
            self.get_alignment(g),
            self.get_data_offset(g)
        );
        for i in 0..self.get_n_kv(g) {
            let key = self.get_key(g, i);
            let ty = self.get_kv_type(g, i);
            all += &format!(
                "{i} {} {} {} ",
                text(key),
                self.find_key(g, key),
                text(self.type_name(ty))
            );
            match ty {
                8 => all += &text(self.get_val_str(g, i)),
                9 => {
                    let (ty, n) = (self.get_arr_type(g, i), self.get_arr_n(g, i));
                    all += &format!("{ty} {n}");
                    if ty == 8 {
                        (0..n).for_each(|j| {
                            all += &format!(" {:?}", text(self.get_arr_str(g, i, j)))
                        });
                    }
                }
                4 => all += &self.get_val_u32(g, i).to_string(),
                // SAFETY: scalars have at least a byte.
                _ => all += &unsafe { *self.get_val_data(g, i).cast::<u8>() }.to_string(),
            }
            all += "\n";
        }
        for i in 0..self.get_n_tensors(g) {
            let name = self.get_tensor_name(g, i);
            all += &format!(
                "{i} {} {} {} {}\n",
                text(name),
                self.find_tensor(g, name),
                self.get_tensor_type(g, i),
                self.get_tensor_offset(g, i)
            );
        }
        let mut meta = vec![0_u8; self.get_meta_size(g)];
        self.get_meta_data(g, meta.as_mut_ptr().cast());
        all + &format!("{meta:?}")
    }
}

#[test]
fn a_model_reads_as_in_the_reference() {
    let path = models::model("smollm2-q4_1");
    let [ours, theirs] = Lib::both().map(|lib| {
        let api = Api(lib);
        let g = api.open(&path);
        assert!(!g.is_null());
        let all = api.describe(g);
        api.free(g);
        all
    });
    assert!(ours == theirs);
}

/// Makes a file with keys of several types and three tensors.
fn write(api: &Api, path: &Path, tensors: &[Tensor]) {
    let g = api.init_empty();
    let other = api.init_empty();
    api.set_val_u8(g, c"a.u8".as_ptr(), 7);
    api.set_val_f32(g, c"a.f32".as_ptr(), 0.25);
    api.set_val_i64(other, c"a.i64".as_ptr(), -9);
    api.set_val_str(other, c"a.str".as_ptr(), c"text".as_ptr());
    let words = [c"one".as_ptr(), c"".as_ptr(), c"three".as_ptr()];
    api.set_arr_str(other, c"a.words".as_ptr(), words.as_ptr(), 3);
    let numbers = [1_i32, -2, 3];
    api.set_arr_data(other, c"a.numbers".as_ptr(), 5, numbers.as_ptr().cast(), 3);
    api.set_kv(g, other);
    api.set_val_bool(g, c"a.u8".as_ptr(), true);
    api.remove_key(g, c"a.str".as_ptr());
    for t in tensors {
        api.add_tensor(g, t.as_ptr().cast());
    }
    let shorter = [1_u8; 24];
    api.set_tensor_data(g, c"t1".as_ptr(), shorter.as_ptr().cast(), shorter.len());
    let path = CString::new(path.to_str().unwrap()).unwrap();
    api.write_to_file(g, path.as_ptr(), false);
    api.free(g);
    api.free(other);
}

#[test]
fn files_are_written_as_by_the_reference() {
    let dir = paths::scratch();
    let context = Context::new(1 << 16, false).unwrap();
    let tensors = [
        context
            .new_tensor_2d(Type::F32, 5, 3)
            .unwrap()
            .set_name("t0"),
        context.new_tensor_1d(Type::F16, 16).unwrap().set_name("t1"),
        context
            .new_tensor_3d(Type::F32, 1, 1, 2)
            .unwrap()
            .set_name("t2"),
    ];
    let files = Lib::both().map(|lib| {
        let path = dir.path().join(lib.name);
        write(&Api(lib), &path, &tensors);
        std::fs::read(path).unwrap()
    });
    assert!(files[0] == files[1]);
}

#[test]
fn tensors_come_with_their_data() {
    let path = models::model("smollm2-q4_1");
    let c_path = CString::new(path.to_str().unwrap()).unwrap();
    let ours = Api(Lib::ikrs());
    let mut ctx = std::ptr::null_mut();
    let g = ours.init_from_file(
        c_path.as_ptr(),
        InitParams {
            no_alloc: false,
            ctx: &mut ctx,
        },
    );
    assert!(!g.is_null() && !ctx.is_null());
    let file = ikrs::gguf::File::open(&path).unwrap();
    for (i, info) in file.tensors().iter().enumerate() {
        let name = CString::new(&*info.name).unwrap();
        // SAFETY: the signature is that of ggml.h, and the context holds the tensors.
        let tensor = unsafe {
            ours.0.get::<unsafe extern "C" fn(*mut c_void, *const c_char) -> *mut ikrs::graph::ggml_tensor>("ggml_get_tensor")(ctx, name.as_ptr())
        };
        // SAFETY: as above.
        let tensor = unsafe { Tensor::from_ptr(tensor) }.unwrap();
        assert_eq!(tensor.ne(), info.ne, "{}", info.name);
        // SAFETY: the tensor has the data that the file has.
        let data = unsafe { std::slice::from_raw_parts(tensor.data().cast::<u8>(), info.size) };
        assert!(data == file.tensor_data(i), "{}", info.name);
    }
    ours.free(g);
    // SAFETY: the context is freed once.
    unsafe { ours.0.get::<unsafe extern "C" fn(*mut c_void)>("ggml_free")(ctx) };
}

#[test]
fn what_is_not_there_is_null_and_no_crash() {
    let ours = Api(Lib::ikrs());
    assert!(ours.open(Path::new("/nonexistent.gguf")).is_null());
    assert!(ours.open(Path::new("/")).is_null());
    let g = ours.init_empty();
    for i in [-1, 0, c_int::MAX] {
        assert!(ours.get_key(g, i).is_null());
        assert_eq!(ours.get_kv_type(g, i), -1);
        assert_eq!(ours.get_val_u32(g, i), 0);
        assert!(ours.get_val_str(g, i).is_null());
        assert!(ours.get_arr_str(g, i, i).is_null());
        assert!(ours.get_tensor_name(g, i).is_null());
        assert_eq!(ours.get_tensor_offset(g, i), 0);
    }
    ours.set_val_str(g, c"k".as_ptr(), c"v".as_ptr());
    assert_eq!(ours.get_val_u32(g, 0), 0, "of another type");
    assert_eq!(ours.find_key(g, std::ptr::null()), -1);
    ours.free(g);
    ours.free(std::ptr::null_mut());
    assert_eq!(ours.get_n_kv(std::ptr::null_mut()), 0);
    assert!(ours.type_name(99).is_null());
}
