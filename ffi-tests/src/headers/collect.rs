//! Picks out what C sees and spells it as C does, still as Rust syntax, for cbindgen to print.

use std::collections::{BTreeMap, HashMap};

use quote::format_ident;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, FnArg, Ident, Item, Pat, Type};

use super::names::{self, enum_name, is_c_name};

/// What C sees, by C name.
#[derive(Default)]
pub struct Items {
    /// Structs, unions, enumerations and aliases, in the order of the source.
    pub types: Vec<(String, Item)>,
    pub functions: Vec<(String, Item)>,
    /// Which keyword names a type: `struct`, `union`, `enum`; none for aliases.
    pub tags: BTreeMap<String, &'static str>,
}

/// Names that mean a type only inside the module that defines them come first in this order: (module path, name).
type Scope<T> = HashMap<String, Vec<(String, T)>>;

fn lookup<'a, T>(scope: &'a Scope<T>, module: &str, name: &str) -> Option<&'a T> {
    let all = scope.get(name)?;
    all.iter()
        .find(|(m, _)| m == module)
        .or(all.first())
        .map(|(_, value)| value)
}

struct Collector {
    /// Aliases without a C name.
    aliases: Scope<Type>,
    consts: Scope<Expr>,
    out: Items,
}

pub fn collect(file: &syn::File) -> Items {
    let mut collector = Collector {
        aliases: HashMap::new(),
        consts: HashMap::new(),
        out: Items::default(),
    };
    collector.scan("", &file.items);
    collector.take("", &file.items);
    collector.add_opaque();
    collector.out
}

impl Collector {
    /// First pass: private aliases and constants.
    fn scan(&mut self, module: &str, items: &[Item]) {
        for item in items {
            match item {
                Item::Mod(m) => {
                    if let Some((_, items)) = &m.content {
                        self.scan(&format!("{module}::{}", m.ident), items);
                    }
                }
                Item::Type(t) if !is_c_name(&t.ident.to_string()) => self
                    .aliases
                    .entry(t.ident.to_string())
                    .or_default()
                    .push((module.into(), (*t.ty).clone())),
                Item::Const(c) => self
                    .consts
                    .entry(c.ident.to_string())
                    .or_default()
                    .push((module.into(), (*c.expr).clone())),
                _ => {}
            }
        }
    }

    /// Second pass: what C sees.
    fn take(&mut self, module: &str, items: &[Item]) {
        for item in items {
            match item {
                Item::Mod(m) => {
                    if let Some((_, items)) = &m.content {
                        self.take(&format!("{module}::{}", m.ident), items);
                    }
                }
                Item::Fn(f) if is_exported(&f.attrs) && !is_ignored(&f.attrs) => {
                    let name = f.sig.ident.to_string();
                    if is_c_name(&name) {
                        let mut f = f.clone();
                        f.block.stmts.clear();
                        f.attrs.retain(is_kept);
                        for (i, arg) in f.sig.inputs.iter_mut().enumerate() {
                            plain_argument(arg, i);
                        }
                        self.spell(module).visit_item_fn_mut(&mut f);
                        self.out.functions.push((name, Item::Fn(f)));
                    }
                }
                Item::Struct(s) if is_c_name(&s.ident.to_string()) => {
                    let name = s.ident.to_string();
                    let mut s = s.clone();
                    if has_repr(&s.attrs, &["C"]) && !is_opaque(&name) {
                        s.attrs.retain(is_kept);
                        for field in &mut s.fields {
                            field.attrs.retain(is_kept);
                        }
                        self.spell(module).visit_item_struct_mut(&mut s);
                        s.fields.iter_mut().for_each(|f| override_field(&name, f));
                        self.add_type(name, "struct", Item::Struct(s));
                    } else {
                        self.add_type(name, "struct", opaque(&s.ident, &s.attrs));
                    }
                }
                Item::Union(u) if is_c_name(&u.ident.to_string()) && !is_hidden(&u.ident) => {
                    let mut u = u.clone();
                    u.attrs.retain(is_kept);
                    self.spell(module).visit_item_union_mut(&mut u);
                    self.add_type(u.ident.to_string(), "union", Item::Union(u));
                }
                Item::Enum(e) if has_repr(&e.attrs, &["C", "i32", "u32"]) => self.take_enum(e),
                Item::Type(t) if is_c_name(&t.ident.to_string()) => {
                    // These have the names of the enumerations whose numbers they are.
                    if module.ends_with("::raw") {
                        continue;
                    }
                    let mut t = t.clone();
                    t.attrs.retain(is_kept);
                    if let Type::Path(path) = &*t.ty
                        && let Some(last) = path.path.segments.last()
                        && !is_c_name(&last.ident.to_string())
                        && !is_plain(&last.ident.to_string())
                        && lookup(&self.aliases, module, &last.ident.to_string()).is_none()
                    {
                        // A C name for a Rust type: C knows nothing but the name.
                        let item = opaque(&t.ident, &t.attrs);
                        self.add_type(t.ident.to_string(), "struct", item);
                        continue;
                    }
                    self.spell(module).visit_item_type_mut(&mut t);
                    self.add_type(t.ident.to_string(), "", Item::Type(t));
                }
                _ => {}
            }
        }
    }

    fn take_enum(&mut self, e: &syn::ItemEnum) {
        let rust = e.ident.to_string();
        let (c, prefix, extra) = match enum_name(&rust) {
            Some(n) => (n.c, Some(n.prefix), n.extra),
            None if is_c_name(&rust) => {
                let extra = names::EXTRA.iter().find(|(name, _)| *name == rust);
                (rust.as_str(), None, extra.map_or(&[][..], |(_, e)| e))
            }
            None => return,
        };
        let mut e = e.clone();
        e.ident = format_ident!("{c}");
        e.attrs.retain(|a| is_kept(a) && !a.path().is_ident("repr"));
        e.attrs.push(syn::parse_quote!(#[repr(C)]));
        for variant in &mut e.variants {
            variant.attrs.retain(is_kept);
            if let Some(prefix) = prefix {
                let name = names::enumerator(&variant.ident.to_string());
                variant.ident = format_ident!("{prefix}{name}");
            }
        }
        for (name, value) in extra {
            let name = format_ident!("{name}");
            let value = proc_macro2::Literal::i64_unsuffixed(*value);
            e.variants.push(syn::parse_quote!(#name = #value));
        }
        self.add_type(c.to_string(), "enum", Item::Enum(e));
    }

    fn add_type(&mut self, name: String, tag: &'static str, item: Item) {
        if let Some((_, before)) = self.out.types.iter_mut().find(|(n, _)| *n == name) {
            // The same opaque name may stand for a Rust type in several rooms.
            assert!(
                *before == item || tag == "struct",
                "two definitions of {name}"
            );
            return;
        }
        if !tag.is_empty() {
            self.out.tags.insert(name.clone(), tag);
        }
        self.out.types.push((name, item));
    }

    /// Declares the structs that C only points to and that no Rust item is named after.
    fn add_opaque(&mut self) {
        for name in names::OPAQUE {
            let ident = format_ident!("{name}");
            if !self.out.types.iter().any(|(n, _)| n == name) {
                self.add_type(name.to_string(), "struct", opaque(&ident, &[]));
            }
        }
    }

    fn spell<'a>(&'a self, module: &'a str) -> Spell<'a> {
        Spell {
            module,
            collector: self,
        }
    }
}

/// Rewrites types: bare names, private aliases replaced by what they stand for, array lengths as numbers.
struct Spell<'a> {
    module: &'a str,
    collector: &'a Collector,
}

impl VisitMut for Spell<'_> {
    fn visit_type_mut(&mut self, ty: &mut Type) {
        if let Type::Path(path) = ty
            && path.qself.is_none()
            && let Some(last) = path.path.segments.last().cloned()
        {
            let name = last.ident.to_string();
            if let Some(e) = enum_name(&name) {
                let ident = format_ident!("{}", e.c);
                *ty = syn::parse_quote!(#ident);
                return;
            }
            if !is_c_name(&name)
                && let Some(target) = lookup(&self.collector.aliases, self.module, &name)
            {
                *ty = target.clone();
                self.visit_type_mut(ty);
                return;
            }
            path.path = last.into();
        }
        if let Type::Array(array) = ty {
            let n = self.eval(&array.len);
            array.len = syn::parse_quote!(#n);
            if let Expr::Lit(lit) = &mut array.len
                && let syn::Lit::Int(int) = &mut lit.lit
            {
                *int = syn::LitInt::new(&n.to_string(), int.span());
            }
        }
        visit_mut::visit_type_mut(self, ty);
    }
}

impl Spell<'_> {
    /// The value of a constant expression over integer constants.
    fn eval(&self, expr: &Expr) -> usize {
        let fail = || panic!("array length {expr:?}");
        match expr {
            Expr::Lit(lit) => match &lit.lit {
                syn::Lit::Int(int) => int.base10_parse().unwrap_or_else(|_| fail()),
                _ => fail(),
            },
            Expr::Paren(e) => self.eval(&e.expr),
            Expr::Cast(e) => self.eval(&e.expr),
            Expr::Path(path) => {
                let last = path.path.segments.last().map(|s| s.ident.to_string());
                let name = last.unwrap_or_default();
                match lookup(&self.collector.consts, self.module, &name) {
                    Some(expr) => self.eval(expr),
                    None => fail(),
                }
            }
            Expr::Binary(e) => {
                let (a, b) = (self.eval(&e.left), self.eval(&e.right));
                match e.op {
                    syn::BinOp::Add(_) => a + b,
                    syn::BinOp::Sub(_) => a - b,
                    syn::BinOp::Mul(_) => a * b,
                    syn::BinOp::Div(_) => a / b,
                    _ => fail(),
                }
            }
            _ => fail(),
        }
    }
}

/// Arguments are plain names in C: no patterns, no leading underscore.
fn plain_argument(arg: &mut FnArg, i: usize) {
    if let FnArg::Typed(arg) = arg {
        let name = match &*arg.pat {
            Pat::Ident(ident) => ident.ident.to_string(),
            _ => format!("arg{i}"),
        };
        let name = name.trim_start_matches('_');
        // `type` may be left, which `print` makes of `type_`.
        let ident: Ident = syn::parse_str(name).unwrap_or_else(|_| format_ident!("{name}_"));
        *arg.pat = syn::parse_quote!(#ident);
        arg.attrs.clear();
    }
}

/// Gives a field the name and type of [`names::FIELDS`], if it is listed there.
fn override_field(of: &str, field: &mut syn::Field) {
    let Some(ident) = &field.ident else { return };
    let listed = names::FIELDS
        .iter()
        .find(|(s, f, ..)| *s == of && ident == f);
    if let Some((.., c_name, c_type)) = listed {
        field.ident = Some(format_ident!("{c_name}"));
        field.ty = syn::parse_str(c_type).expect("a type");
    }
}

fn opaque(ident: &Ident, attrs: &[Attribute]) -> Item {
    let docs = attrs.iter().filter(|a| a.path().is_ident("doc"));
    syn::parse_quote!(#(#docs)* pub struct #ident { _private: Private })
}

fn is_opaque(name: &str) -> bool {
    names::OPAQUE.contains(&name)
}

fn is_hidden(ident: &Ident) -> bool {
    names::HIDDEN.iter().any(|hidden| ident == hidden)
}

/// Types of C's own.
fn is_plain(name: &str) -> bool {
    const PLAIN: &[&str] = &[
        "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "isize", "usize", "f32", "f64",
        "bool", "c_char", "c_int", "c_uint", "c_void", "Option", "FILE",
    ];
    PLAIN.contains(&name)
}

fn is_kept(attr: &Attribute) -> bool {
    ["doc", "repr", "deprecated", "no_mangle", "unsafe"]
        .iter()
        .any(|name| attr.path().is_ident(name))
}

fn is_exported(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        attr.path().is_ident("no_mangle")
            || matches!(&attr.meta, syn::Meta::List(list)
                if attr.path().is_ident("unsafe") && list.tokens.to_string() == "no_mangle")
    })
}

fn is_ignored(attrs: &[Attribute]) -> bool {
    attrs.iter().any(|attr| {
        matches!(&attr.meta, syn::Meta::NameValue(doc)
            if attr.path().is_ident("doc")
                && matches!(&doc.value, Expr::Lit(lit)
                    if matches!(&lit.lit, syn::Lit::Str(s) if s.value().trim() == "cbindgen:ignore")))
    })
}

/// Whether one of `reprs` is the type's representation.
fn has_repr(attrs: &[Attribute], reprs: &[&str]) -> bool {
    attrs.iter().any(|attr| {
        attr.path().is_ident("repr")
            && matches!(&attr.meta, syn::Meta::List(list)
                if reprs.iter().any(|r| list.tokens.to_string().split(',').any(|t| t.trim() == *r)))
    })
}
