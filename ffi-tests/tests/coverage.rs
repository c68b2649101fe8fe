//! What the library exports: nothing unknown, everything declared, and `docs/abi-coverage.md` says it.

use std::collections::BTreeMap;

use ffi_tests::headers::HEADERS;
use ffi_tests::{cdecl, coverage, paths};

#[test]
fn the_coverage_page_is_fresh() {
    let path = paths::root().join("docs/abi-coverage.md");
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == coverage::text(),
        "docs/abi-coverage.md is stale: run `make generate`"
    );
}

#[test]
fn exports_and_headers_agree() {
    let known: BTreeMap<_, _> = coverage::symbols()
        .into_iter()
        .map(|s| (s.name.clone(), s))
        .collect();
    let exported = coverage::exported();
    for name in &exported {
        assert!(
            known.contains_key(name),
            "{name} is exported but no entry point of the ABI level"
        );
    }
    let include = paths::root().join("include");
    let mut declared = BTreeMap::new();
    for header in HEADERS {
        for (name, _) in cdecl::read(&include, header).functions {
            assert!(
                exported.contains(&name),
                "{header} declares {name}, which is not exported"
            );
            declared.insert(name, header);
        }
    }
    for name in &exported {
        let header = known[name].header.as_str();
        if header != "-" {
            assert_eq!(
                declared.get(name).copied(),
                Some(header),
                "where {name} is declared"
            );
        }
    }
}
