//! The libraries under test, opened with `dlopen`.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};

use crate::paths;
use crate::reference::reference;

/// One implementation of the C interface: `libikrs.so`, or the reference's `libggml.so` and `libllama.so` together.
pub struct Lib {
    pub name: &'static str,
    parts: Vec<Library>,
}

impl Lib {
    /// The library built from this checkout.
    pub fn ikrs() -> Lib {
        Lib {
            name: "ikrs",
            parts: vec![open(&paths::libikrs(), RTLD_LOCAL)],
        }
    }

    /// The reference. `libllama.so` finds the symbols of `libggml.so` because that is opened globally before it.
    pub fn reference() -> Lib {
        let reference = reference();
        Lib {
            name: "reference",
            parts: vec![
                open(&reference.libggml, RTLD_GLOBAL),
                open(&reference.libllama, RTLD_LOCAL),
            ],
        }
    }

    /// Both, to put the same calls to each.
    pub fn both() -> [Lib; 2] {
        [Lib::ikrs(), Lib::reference()]
    }

    /// The exported function (or variable) of this name. Panics if there is none.
    ///
    /// # Safety
    /// `F` is the type the symbol has: a function pointer `unsafe extern "C" fn(...)`, or a pointer for a variable.
    pub unsafe fn get<F: Copy>(&self, name: &str) -> F {
        self.parts
            .iter()
            // SAFETY: the caller promised the type.
            .find_map(|lib| unsafe { lib.get::<F>(name.as_bytes()) }.ok().map(|s| *s))
            .unwrap_or_else(|| panic!("{} does not export {name}", self.name))
    }

    /// Whether the library exports this symbol.
    pub fn has(&self, name: &str) -> bool {
        self.parts
            .iter()
            // SAFETY: the address is not used.
            .any(|lib| unsafe { lib.get::<*const ()>(name.as_bytes()) }.is_ok())
    }
}

/// Opens a library for the rest of the process: callbacks and thread-local destructors may outlive any handle.
fn open(path: &std::path::Path, scope: i32) -> Library {
    // SAFETY: both libraries have no initializers with requirements.
    let lib = unsafe { Library::open(Some(path), RTLD_NOW | scope) };
    let lib = lib.unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    // SAFETY: as above; the second handle is leaked and so keeps the library loaded.
    std::mem::forget(unsafe { Library::open(Some(path), RTLD_NOW | scope) });
    lib
}
