//! The reference: the libraries and the `llama-quantize` program of the PyPI wheel `ik-llama-cpp-python` 0.1.5.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::{paths, run};

const PACKAGES: [&str; 3] = ["ik-llama-cpp-python==0.1.5", "numpy", "gguf"];

/// Where the installed reference is.
pub struct Reference {
    /// An interpreter that can import `ik_llama_cpp`, `gguf` and `numpy`.
    pub python: PathBuf,
    pub site_packages: PathBuf,
    pub libggml: PathBuf,
    pub libllama: PathBuf,
    /// The folder of its public headers.
    pub include: PathBuf,
    pub quantize: PathBuf,
}

/// The reference, installed from PyPI by the first test that asks.
pub fn reference() -> &'static Reference {
    static REFERENCE: OnceLock<Reference> = OnceLock::new();
    REFERENCE.get_or_init(|| {
        let dir = paths::cache().join("reference");
        // An environment knows its own path and can't be renamed: the file that `once` makes only says that it is complete.
        paths::once(&dir.join("installed"), |stamp| {
            let venv = dir.join("venv");
            run(Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&venv));
            run(Command::new(venv.join("bin/python"))
                .args([
                    "-m",
                    "pip",
                    "install",
                    "--quiet",
                    "--disable-pip-version-check",
                ])
                .args(PACKAGES));
            std::fs::write(stamp, PACKAGES.join("\n")).expect("the cache is writable");
        });
        let venv = dir.join("venv");
        let site_packages = site_packages(&venv);
        let found = Reference {
            python: venv.join("bin/python"),
            libggml: site_packages.join("ik_llama_cpp/lib/libggml.so"),
            libllama: site_packages.join("ik_llama_cpp/lib/libllama.so"),
            include: site_packages.join("include"),
            quantize: site_packages.join("ik_llama_cpp/bin/llama-quantize"),
            site_packages,
        };
        for path in [
            &found.libggml,
            &found.libllama,
            &found.include,
            &found.quantize,
        ] {
            assert!(path.exists(), "the wheel lacks {}", path.display());
        }
        found
    })
}

fn site_packages(venv: &Path) -> PathBuf {
    std::fs::read_dir(venv.join("lib"))
        .expect("the environment has a lib folder")
        .filter_map(|entry| Some(entry.ok()?.path().join("site-packages")))
        .find(|dir| dir.join("ik_llama_cpp").exists())
        .expect("pip installed ik_llama_cpp")
}
