//! The headers in `include/`: fresh, valid C and C++, and declaring what the reference's headers declare.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ffi_tests::cdecl::{self, Declarations};
use ffi_tests::headers::{HEADERS, generate};
use ffi_tests::reference::reference;
use ffi_tests::{paths, run, stdout};

const STRICT: [&str; 3] = ["-Wall", "-Wextra", "-Werror"];

fn include() -> PathBuf {
    paths::root().join("include")
}

#[test]
fn headers_are_as_generated() {
    for (name, text) in generate() {
        let committed =
            std::fs::read_to_string(include().join(name)).expect("include/ is complete");
        assert!(
            committed == text,
            "include/{name} is stale: run `make generate`"
        );
    }
}

/// Compiles a file as C11 and as C++17, strictly.
fn compile(file: &Path, include: &Path, extra: &[&str]) {
    for (compiler, language) in [
        ("gcc", ["-x", "c", "-std=c11"]),
        ("g++", ["-x", "c++", "-std=c++17"]),
    ] {
        run(Command::new(compiler)
            .args(["-fsyntax-only", "-I"])
            .arg(include)
            .args(STRICT)
            .args(extra)
            .args(language)
            .arg(file));
    }
}

#[test]
fn each_header_stands_alone() {
    let dir = paths::scratch();
    for header in HEADERS {
        let file = dir.path().join("alone.c");
        std::fs::write(
            &file,
            format!(
                "#include \"{header}\"\n#include \"{header}\"\nint main(void) {{ return 0; }}\n"
            ),
        )
        .unwrap();
        compile(&file, &include(), &["-pedantic", "-Wno-variadic-macros"]);
    }
}

/// What a caller writes compiles against both sets of headers.
#[test]
fn callers_compile_against_both() {
    let caller = paths::root().join("ffi-tests/c/caller.c");
    compile(&caller, &reference().include, &[]);
    compile(&caller, &include(), &[]);
}

/// The declarations of all headers together.
fn declarations(include: &Path) -> Declarations {
    let mut all = Declarations::default();
    for header in HEADERS {
        let one = cdecl::read(include, header);
        all.functions.extend(one.functions);
        all.enumerators.extend(one.enumerators);
        all.structs.extend(one.structs);
        all.typedefs.extend(one.typedefs);
        all.constants.extend(one.constants);
        all.macros.extend(one.macros);
    }
    all
}

fn includes() -> String {
    let mut text = String::from("#include <stddef.h>\n#include <stdio.h>\n#include <stdlib.h>\n");
    for header in HEADERS {
        text += &format!("#include \"{header}\"\n");
    }
    text
}

/// Sizes, offsets and enumerators: a C program prints them for every name of the reference's headers, compiled against each.
#[test]
fn layouts_and_enumerators_are_the_references() {
    let theirs = declarations(&reference().include);
    assert!(
        theirs.structs.len() > 20 && theirs.enumerators.len() > 450,
        "{} {}",
        theirs.structs.len(),
        theirs.enumerators.len()
    );
    let mut program = includes() + "int main(void) {\n";
    for name in &theirs.enumerators {
        program += &format!("    printf(\"{name} %lld\\n\", (long long) {name});\n");
    }
    for (name, fields) in &theirs.structs {
        program +=
            &format!("    printf(\"{name} %zu %zu\\n\", sizeof({name}), _Alignof({name}));\n");
        for field in fields {
            program += &format!(
                "    printf(\"{name}.{field} %zu %zu\\n\", offsetof({name}, {field}), sizeof((({name} *) 0)->{field}));\n"
            );
        }
    }
    for name in &theirs.typedefs {
        program += &format!("    printf(\"{name} %zu\\n\", sizeof({name}));\n");
    }
    program += "    return 0;\n}\n";

    let dir = paths::scratch();
    let file = dir.path().join("layout.c");
    std::fs::write(&file, program).unwrap();
    let [ours, theirs] = [include(), reference().include.clone()].map(|include| {
        let exe = dir.path().join("layout");
        run(Command::new("gcc")
            .args(["-std=c11", "-w", "-I"])
            .arg(include)
            .arg(&file)
            .arg("-o")
            .arg(&exe));
        stdout(&mut Command::new(&exe))
    });
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs);
    }
}

#[test]
fn macros_are_the_references() {
    // How the reference tells compilers apart, and names of its own copies of these.
    const PRIVATE: [&str; 1] = ["LLAMA_H"];
    let (ours, theirs) = (declarations(&include()), declarations(&reference().include));
    let macros: BTreeSet<_> = ours.macros.iter().collect();
    for name in &theirs.macros {
        assert!(macros.contains(name), "no macro {name}");
    }
    for (name, value) in &theirs.constants {
        if PRIVATE.contains(&name.as_str()) {
            continue;
        }
        let (_, found) = ours
            .constants
            .iter()
            .find(|(n, _)| n == name)
            .unwrap_or_else(|| panic!("no macro {name}"));
        // Macros made of other macros may be put together differently.
        if !value.contains('(') {
            assert_eq!(found, value, "{name}");
        }
    }
}

/// A compiler refuses two different declarations of one function: ours, then each of the reference's.
#[test]
fn prototypes_are_the_references() {
    let (ours, theirs) = (declarations(&include()), declarations(&reference().include));
    let known: BTreeSet<_> = theirs.functions.iter().map(|(name, _)| name).collect();
    for (name, _) in &ours.functions {
        assert!(
            known.contains(name),
            "no header of the reference declares {name}"
        );
    }
    let mut program = includes() + "#ifdef __cplusplus\nextern \"C\" {\n#endif\n";
    for (name, text) in &theirs.functions {
        // Declared outside of extern "C", defined with a mangled name.
        if name != "llama_fill_from_utf8" {
            program += &format!("{};\n", text.replace("_Noreturn", "GGML_NORETURN"));
        }
    }
    program += "#ifdef __cplusplus\n}\n#endif\nint main(void) { return 0; }\n";
    let dir = paths::scratch();
    let file = dir.path().join("prototypes.c");
    std::fs::write(&file, program).unwrap();
    compile(
        &file,
        &include(),
        &["-Wno-ignored-qualifiers", "-Wno-array-parameter"],
    );
}
