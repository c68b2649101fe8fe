use proptest::prelude::*;

use super::*;
use crate::llama::params::llama_token_data;

/// A vocabulary of some pieces; the first is the end of generation.
struct Pieces<'a>(&'a [&'a [u8]]);

impl Words for Pieces<'_> {
    fn piece(&self, token: llama_token) -> &[u8] {
        self.0[token as usize]
    }
    fn is_eog(&self, token: llama_token) -> bool {
        token == 0
    }
    fn token(&self, text: &[u8]) -> Option<llama_token> {
        self.0.iter().position(|p| *p == text).map(|i| i as i32)
    }
}

fn start(text: &str) -> Result<Grammar> {
    Grammar::new(text.as_bytes(), b"root", None, false, Triggers::default())
}

/// The tokens that are allowed next.
fn allowed(grammar: &Grammar, words: &Pieces) -> Vec<llama_token> {
    let candidate = |id| llama_token_data {
        id,
        logit: 1.0,
        p: 0.0,
    };
    let mut data: Vec<_> = (0..words.0.len() as i32).map(candidate).collect();
    let mut candidates = Candidates::new(&mut data, false);
    grammar.apply(words, &mut candidates).unwrap();
    let possible = data.iter().filter(|c| c.logit == 1.0);
    possible.map(|c| c.id).collect()
}

/// Whether the grammar matches the whole text, given to it byte by byte.
fn matches(grammar: &str, text: impl AsRef<[u8]>) -> bool {
    let mut grammar = start(grammar).unwrap();
    let words: Vec<[u8; 1]> = (0..=255).map(|b| [b]).collect();
    let words: Vec<&[u8]> = [&b"<eog>"[..]]
        .into_iter()
        .chain(words.iter().map(|w| &w[..]))
        .collect();
    let words = Pieces(&words);
    text.as_ref()
        .iter()
        .all(|&b| grammar.accept(&words, i32::from(b) + 1).is_ok())
        && grammar.accept(&words, 0).is_ok()
}

#[test]
fn literals_sets_and_alternatives() {
    let grammar = r#"
        # a comment
        root ::= "a" [b-dx] | other # another
        other ::= "\x41\u00e9\"\n" . [^a-y]
    "#;
    for yes in ["ab", "ad", "ax", "Aé\"\n€z", "Aé\"\n\nß"] {
        assert!(matches(grammar, yes), "{yes}");
    }
    for no in ["", "a", "ae", "abx", "Aé\"\nzq", "Aé\"\n", "aé"] {
        assert!(!matches(grammar, no), "{no}");
    }
}

#[test]
fn repetitions() {
    let cases = [
        ("a*", "0 1 5", ""),
        ("a+", "1 5", "0"),
        ("a?", "0 1", "2"),
        ("a{2}", "2", "1 3"),
        ("a{2,}", "2 9", "1"),
        ("a{2,4}", "2 3 4", "1 5"),
        ("a{0,2}", "0 1 2", "3"),
        ("a{0}", "0", "1"),
        ("(a a)*", "0 2 4", "1 3"),
        ("a{2}{2}", "4", "2"),
        ("(a*)*", "0 1 7", ""),
        ("((a?)+)?", "0 1 7", ""),
    ];
    for (expression, yes, no) in cases {
        let grammar = format!("root ::= {expression}\na ::= \"a\"");
        for (list, expected) in [(yes, true), (no, false)] {
            for n in list.split_whitespace() {
                let text = "a".repeat(n.parse().unwrap());
                assert_eq!(matches(&grammar, &text), expected, "{expression} {n}");
            }
        }
    }
    assert!(matches(r#"root ::= "ab"* "c""#, "ababc"));
}

#[test]
fn nested_structures() {
    let grammar = r#"
        root   ::= value
        value  ::= "{" (pair ("," pair)*)? "}" | "[" (value ("," value)*)? "]" | [0-9]+ | string
        pair   ::= string ":" value
        string ::= "\"" ([^"\\] | "\\" ["\\/bfnrt])* "\""
    "#;
    for yes in [r#"{"a":[1,2,{}],"b\n":"ü"}"#, "[[[[]]]]", "17", r#""€""#] {
        assert!(matches(grammar, yes), "{yes}");
    }
    for no in [r#"{"a":}"#, "[[[]]", "", "[1,]", r#""\x""#] {
        assert!(!matches(grammar, no), "{no}");
    }
    let deep = 5000;
    assert!(matches(grammar, "[".repeat(deep) + &"]".repeat(deep)));
}

#[test]
fn masks_tokens_of_several_characters() {
    let words: [&[u8]; 9] = [
        b"</s>", b"ab", b"abc", b"b", b"", b"a\xc3", b"\xa9", b"\xbf", b"\0",
    ];
    let words = Pieces(&words);
    let mut grammar = start(r#"root ::= "ab" "c"? | "aé""#).unwrap();
    assert_eq!(allowed(&grammar, &words), [1, 2, 5]);
    grammar.accept(&words, 5).unwrap();
    assert_eq!(allowed(&grammar, &words), [6], "é goes on with a9 only");
    assert!(grammar.accept(&words, 7).is_err());
    let mut other = grammar.clone();
    grammar.accept(&words, 6).unwrap();
    assert_eq!(allowed(&grammar, &words), [0]);
    assert_eq!(allowed(&other, &words), [6], "a copy goes its own way");
    other.accept(&words, 6).unwrap();
    assert!(other.accept(&words, 1).is_err() && other.accept(&words, 0).is_ok());
}

#[test]
fn whole_tokens() {
    let words: [&[u8]; 5] = [b"</s>", b"<think>", b"<", b"x", b"</think>"];
    let words = Pieces(&words);
    let text = br#"root ::= <think> !<[4]>* </think> ("x" | "<")"#;
    let mut grammar =
        Grammar::new(text, b"root", Some(&words), false, Triggers::default()).unwrap();
    for (allowed_here, token) in [
        (vec![1], 1),
        (vec![1, 2, 3, 4], 3),
        (vec![1, 2, 3, 4], 1),
        (vec![1, 2, 3, 4], 4),
        (vec![2, 3], 2),
        (vec![0], 0),
    ] {
        assert_eq!(allowed(&grammar, &words), allowed_here);
        grammar.accept(&words, token).unwrap();
    }
    let unknown = Grammar::new(
        b"root ::= <what>",
        b"root",
        Some(&words),
        false,
        Triggers::default(),
    );
    assert!(unknown.is_err());
}

#[test]
fn lazy_grammars_wait_for_their_trigger() {
    let words: [&[u8]; 6] = [b"</s>", b"hi ", b"to", b"ol:1", b"<tool>", b"2"];
    let words = Pieces(&words);
    let triggers = Triggers {
        tokens: vec![4],
        patterns: vec![r"[\s\S]*?(tool:)[\s\S]*".into()],
    };
    let text = br#"root ::= ("tool:" | "<tool>") [0-9]+"#;
    let lazy = Grammar::new(text, b"root", None, true, triggers).unwrap();

    let mut grammar = lazy.clone();
    for token in [1, 2] {
        grammar.accept(&words, token).unwrap();
        assert_eq!(allowed(&grammar, &words).len(), 6);
    }
    grammar.accept(&words, 3).unwrap();
    assert_eq!(allowed(&grammar, &words), [0, 5]);

    let mut grammar = lazy.clone();
    grammar.accept(&words, 1).unwrap();
    grammar.accept(&words, 4).unwrap();
    assert_eq!(allowed(&grammar, &words), [5]);
}

#[test]
fn errors_say_where() {
    let cases = [
        ("root ::= \"a", "ends within a literal"),
        ("root ::= [a", "ends within a literal"),
        ("\nroot ::= b", "rule 'b' is not defined"),
        ("foo ::= \"a\"", "no rule 'root'"),
        ("root = \"a\"", "line 1: expected '::='"),
        ("root ::= \"a\"\n\n)", "line 3"),
        ("root ::= (\"a\"", "expected ')'"),
        ("root ::= *", "nothing to repeat"),
        ("root ::= \"a\"{3,2}", "m > n"),
        ("root ::= \"a\"{2001}", "more than 2000"),
        ("root ::= \"a\"{99999999999}", "expected a number"),
        ("root ::= \"\\q\"", "unknown escape"),
        ("root ::= \"\\u12\"", "unknown escape"),
        ("root ::= <x>", "without a vocabulary"),
        ("root ::= root \"a\" | \"b\"", "left recursion"),
        (
            "root ::= e a\na ::= root\ne ::= \"\" | \"x\"",
            "left recursion",
        ),
        ("", "no rule 'root'"),
    ];
    for (grammar, expected) in cases {
        let error = start(grammar).unwrap_err().to_string();
        assert!(error.contains(expected), "{grammar}: {error}");
    }
    assert!(
        Grammar::new(
            b"root ::= \"\xff\"",
            b"root",
            None,
            false,
            Triggers::default()
        )
        .is_err()
    );
}

#[test]
fn hostile_grammars_end_in_errors() {
    let nested = format!(
        "root ::= {}\"a\"{}",
        "(".repeat(100_000),
        ")".repeat(100_000)
    );
    assert!(start(&nested).unwrap_err().0.contains("nest deeper"));

    let long = "x".repeat(100_000);
    assert!(start(&format!("root ::= \"{long}\"{{2000}}")).is_err());

    // 2^40 ways to be empty
    let doubling: String = (0..40)
        .map(|i| format!("r{i} ::= r{0} r{0}\n", i + 1))
        .collect();
    let ambiguous = format!("root ::= r0\n{doubling}r40 ::= \"a\"?");
    assert!(start(&ambiguous).unwrap_err().0.contains("ambiguous"));

    // a chain of rules longer than any call stack
    let n = 100_000;
    let chain: String = (0..n).map(|i| format!("r{i} ::= r{}\n", i + 1)).collect();
    let _ = start(&format!("root ::= r0\n{chain}r{n} ::= \"a\""));

    // hidden left recursion, and rules that never end
    assert!(matches(
        "root ::= a b\na ::= b b\nb ::= c\nc ::= \"\" | \"x\"",
        "xxx"
    ));
    assert!(start("root ::= a root\na ::= b\nb ::= \"\"").is_err());
}

#[test]
fn long_texts_keep_memory_small() {
    let words: [&[u8]; 3] = [b"</s>", b"(", b")"];
    let words = Pieces(&words);
    let mut grammar = start(r#"root ::= ("(" root ")")*"#).unwrap();
    for i in 0..200_000 {
        grammar.accept(&words, 1 + i % 2).unwrap();
    }
    let automaton = grammar.automaton();
    assert!(automaton.is_final(grammar.state));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn any_text_is_parsed_or_refused(text in r#"root ::= [a-c"\[\]\^\-\\(){}|*+?.,0-9<>! \n:=]{0,60}"#, input in "[a-c\\n]{0,8}") {
        if let Ok(mut grammar) = start(&text) {
            let words: [&[u8]; 5] = [b"", b"a", b"b", b"ca", b"\n"];
            let words = Pieces(&words);
            for c in input.chars() {
                let token = match c { 'a' => 1, 'b' => 2, 'c' => 3, _ => 4 };
                let possible = allowed(&grammar, &words).contains(&token);
                prop_assert_eq!(grammar.accept(&words, token).is_ok(), possible);
            }
        }
    }
}
