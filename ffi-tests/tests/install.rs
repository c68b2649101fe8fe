//! `make install`, and what people build on it.

use std::path::PathBuf;
use std::process::Command;

use ffi_tests::reference::reference;
use ffi_tests::{paths, run, stdout};
use tempfile::TempDir;

const PRINTS: &str = "iq4_nl 1\n";

/// An installation below a staging folder, and the program's source.
struct Installed {
    dir: TempDir,
    source: PathBuf,
}

impl Installed {
    fn new() -> Installed {
        Installed::with_libraries_in("lib")
    }

    /// As with `LIBDIR=`, a folder below the prefix.
    fn with_libraries_in(libdir: &str) -> Installed {
        let dir = paths::scratch();
        run(Command::new("make")
            .current_dir(paths::root())
            .args(["install", "PREFIX=/opt/ikrs"])
            .arg(format!("LIBDIR=/opt/ikrs/{libdir}"))
            .arg(format!("DESTDIR={}", dir.path().display()))
            .arg(format!(
                "BUILT={}",
                paths::profile_dir().join("deps").display()
            )));
        Installed {
            dir,
            source: paths::root().join("ffi-tests/c/installed.c"),
        }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.dir.path().join("opt/ikrs").join(path)
    }
}

#[test]
fn a_c_program_builds_with_pkg_config() {
    let installed = Installed::new();
    let flags = stdout(
        Command::new("pkg-config")
            .env("PKG_CONFIG_PATH", installed.at("lib/pkgconfig"))
            .args(["--cflags", "--libs", "ikrs"]),
    );
    let exe = installed.at("program");
    run(Command::new("gcc")
        .arg(&installed.source)
        .args(flags.split_whitespace())
        .arg("-o")
        .arg(&exe));
    let mut program = Command::new(&exe);
    program.env("LD_LIBRARY_PATH", installed.at("lib"));
    assert_eq!(stdout(&mut program), PRINTS);

    // What it was linked with is the name that stays the same over compatible versions.
    let needed = stdout(Command::new("readelf").arg("-d").arg(&exe));
    assert!(needed.contains("[libikrs.so.0]"), "{needed}");
}

#[test]
fn c_programs_build_with_cmake() {
    // Debian's folder for libraries is two below the prefix.
    for libdir in ["lib", "lib/x86_64-linux-gnu"] {
        let installed = Installed::with_libraries_in(libdir);
        let build = installed.at("build");
        let package = installed.at(libdir).join("cmake/ikrs");
        run(Command::new("cmake")
            .arg("-S")
            .arg(paths::root().join("ffi-tests/c/cmake"))
            .arg("-B")
            .arg(&build)
            .arg(match libdir {
                "lib" => format!("-DCMAKE_PREFIX_PATH={}", installed.at("").display()),
                _ => format!("-Dikrs_DIR={}", package.display()),
            }));
        run(Command::new("cmake").arg("--build").arg(&build));
        assert_eq!(stdout(&mut Command::new(build.join("installed"))), PRINTS);
        assert_eq!(
            stdout(&mut Command::new(build.join("installed_static"))),
            PRINTS
        );
    }
}

/// A program linked with the reference's libraries runs on the links in `lib/ikrs/compat`, without being linked again.
#[test]
fn a_program_made_for_the_original_libraries_runs() {
    let installed = Installed::new();
    let exe = installed.at("program");
    run(Command::new("gcc")
        .arg("-I")
        .arg(&reference().include)
        .arg(&installed.source)
        .args([&reference().libllama, &reference().libggml])
        .args(["-Wl,--allow-shlib-undefined", "-o"])
        .arg(&exe));
    let needed = stdout(Command::new("readelf").arg("-d").arg(&exe));
    assert!(
        needed.contains("[libllama.so]") && needed.contains("[libggml.so]"),
        "{needed}"
    );
    let mut program = Command::new(&exe);
    program.env("LD_LIBRARY_PATH", installed.at("lib/ikrs/compat"));
    assert_eq!(stdout(&mut program), PRINTS);
}
