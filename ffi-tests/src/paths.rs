//! Where things are.

use std::fs::File;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// The root of the checkout.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("ffi-tests is a folder of the checkout")
        .to_path_buf()
}

/// The build's folder of this profile (`target/release`), found from the running test's own path.
pub fn profile_dir() -> PathBuf {
    let exe = std::env::current_exe().expect("a test knows its own path");
    let dir = exe.parent().expect("a file has a folder");
    match dir.ends_with("deps") {
        true => dir.parent().expect("deps is a folder of the profile"),
        false => dir,
    }
    .to_path_buf()
}

/// cargo's target folder.
pub fn target() -> PathBuf {
    profile_dir()
        .parent()
        .expect("a profile is a folder of target")
        .to_path_buf()
}

/// Where the reference and the models are kept: `IKRS_CACHE` if set, so that several checkouts can share them, else `target`.
pub fn cache() -> PathBuf {
    std::env::var_os("IKRS_CACHE").map_or_else(target, PathBuf::from)
}

/// The project's shared material: `IKRS_SHARED` if set, else `../shared` beside the checkout.
pub fn shared() -> PathBuf {
    let dir =
        std::env::var_os("IKRS_SHARED").map_or_else(|| root().join("../shared"), PathBuf::from);
    assert!(
        dir.join("facts/symbols.tsv").exists(),
        "{} is not there: put `shared` beside the checkout or set IKRS_SHARED",
        dir.display()
    );
    dir
}

/// The `libikrs.so` that cargo built together with the running test.
pub fn libikrs() -> PathBuf {
    let deps = profile_dir().join("deps/libikrs.so");
    assert!(deps.exists(), "{} is not there", deps.display());
    deps
}

/// A fresh folder for a test's own files, removed when dropped.
pub fn scratch() -> TempDir {
    let dir = profile_dir().join("ffi-scratch");
    std::fs::create_dir_all(&dir).expect("target is writable");
    tempfile::tempdir_in(dir).expect("target is writable")
}

/// Makes `path` once, whoever asks first, across threads and processes: `make` writes to the temporary path it is given, which
/// is then renamed.
pub fn once(path: &Path, make: impl FnOnce(&Path)) {
    if path.exists() {
        return;
    }
    let dir = path.parent().expect("a file has a folder");
    std::fs::create_dir_all(dir).expect("the cache is writable");
    let name = path.file_name().expect("a file has a name");
    let name = name.to_string_lossy();
    let lock = File::create(dir.join(format!("{name}.lock"))).expect("the cache is writable");
    lock.lock().expect("the cache's file system has locks");
    if !path.exists() {
        let part = dir.join(format!("{name}.part"));
        make(&part);
        std::fs::rename(&part, path).expect("it was made");
    }
}
