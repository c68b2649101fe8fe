//! C and C++ programs, compiled against `include/` and linked with the library under test.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::{paths, run};

/// A folder with `libikrs.so` under the names that linking and loading ask for.
pub fn link_dir() -> PathBuf {
    let dir = paths::profile_dir().join("ffi-scratch/lib");
    for name in ["libikrs.so", "libikrs.so.0"] {
        let link = dir.join(name);
        paths::once(&link, |part| {
            std::os::unix::fs::symlink(paths::libikrs(), part).expect("target is writable");
        });
    }
    dir
}

/// A compiled program, removed when dropped.
pub struct Program {
    pub exe: PathBuf,
    _dir: TempDir,
}

impl Program {
    /// Compiles a C (`.c`) or C++ (`.cpp`) file of the checkout with all warnings as errors and links it with `libikrs.so`.
    pub fn build(source: &str) -> Program {
        let dir = paths::scratch();
        let exe = dir.path().join("program");
        let (compiler, standard) = match source.ends_with(".cpp") {
            true => ("g++", "-std=c++17"),
            false => ("gcc", "-std=c11"),
        };
        let lib = link_dir();
        run(Command::new(compiler)
            .args([standard, "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-I"])
            .arg(paths::root().join("include"))
            .arg(paths::root().join(source))
            .arg("-o")
            .arg(&exe)
            .arg(format!("-L{}", lib.display()))
            .arg(format!("-Wl,-rpath,{}", lib.display()))
            .args(["-likrs", "-lm"]));
        Program { exe, _dir: dir }
    }

    pub fn command(&self) -> Command {
        Command::new(&self.exe)
    }
}
