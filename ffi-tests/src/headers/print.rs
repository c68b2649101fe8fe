//! Prints one header: cbindgen's text between what Rust cannot express.

use quote::{ToTokens, format_ident};
use regex::Regex;
use syn::visit_mut::{self, VisitMut};

use super::collect::Items;
use super::names::home;
use crate::paths;

/// The text of `header`.
pub fn print(header: &str, items: &Items) -> String {
    let mut source = proc_macro2::TokenStream::new();
    let mut config = config(header);
    let mut lower = Lower { header, items };
    for (name, item) in items.types.iter().filter(|(name, _)| home(name) == header) {
        let mut item = item.clone();
        lower.visit_item_mut(&mut item);
        item.to_tokens(&mut source);
        config.export.include.push(name.clone());
    }
    for (_, item) in items
        .functions
        .iter()
        .filter(|(name, _)| home(name) == header)
    {
        let mut item = item.clone();
        lower.visit_item_mut(&mut item);
        item.to_tokens(&mut source);
    }

    // cbindgen reads files.
    let dir = paths::scratch();
    let file = dir.path().join(header.replace(['-', '.'], "_") + ".rs");
    std::fs::write(&file, source.to_string()).expect("target is writable");
    let bindings = cbindgen::Builder::new()
        .with_config(config)
        .with_src(&file)
        .generate()
        .unwrap_or_else(|e| panic!("cbindgen: {header}: {e}"));
    let mut text = Vec::new();
    bindings.write(&mut text);
    tidy(&String::from_utf8(text).expect("cbindgen writes UTF-8"))
}

/// What is the same in all headers is in `cbindgen.toml`.
fn config(header: &str) -> cbindgen::Config {
    let root = paths::root();
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))
        .unwrap_or_else(|e| panic!("cbindgen.toml: {e}"));
    let part = |when: &str| {
        let name = header.replace(".h", &format!(".{when}.h"));
        std::fs::read_to_string(root.join("ffi-tests/headers").join(name)).ok()
    };
    config.after_includes = part("head");
    config.trailer = part("tail");
    let api = match header {
        "llama.h" => "LLAMA_API",
        _ => "GGML_API",
    };
    config.function.prefix = Some(api.to_string());
    config
}

/// Names of types from the headers below get their keyword here, since cbindgen doesn't see those types: `struct__name`.
struct Lower<'a> {
    header: &'a str,
    items: &'a Items,
}

impl VisitMut for Lower<'_> {
    fn visit_type_mut(&mut self, ty: &mut syn::Type) {
        if let syn::Type::Path(path) = ty
            && let Some(ident) = path.path.get_ident()
            && let Some(tag) = self.items.tags.get(&ident.to_string())
            && home(&ident.to_string()) != self.header
        {
            path.path = format_ident!("{tag}__{ident}").into();
        }
        visit_mut::visit_type_mut(self, ty);
    }
}

/// C's spelling of what is not a name in Rust.
fn tidy(text: &str) -> String {
    let replace = |text: &str, pattern: &str, with: &str| {
        Regex::new(pattern)
            .expect("a valid pattern")
            .replace_all(text, with)
            .into_owned()
    };
    let text = replace(text, r"\b(struct|union|enum)__", "$1 ");
    // Keywords of Rust are written with an underscore there.
    let text = replace(&text, r"\b(type|pure)_\b", "$1");
    // Rust's links between documentation pages.
    let text = replace(&text, r"\[(`[^`\]]+`)\](\([^)]*\))?", "$1");
    let text = replace(&text, r"(?m)[ \t]+$", "");
    replace(&text, r"\n{3,}", "\n\n")
}
