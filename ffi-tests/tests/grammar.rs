//! Grammars of both libraries over a real vocabulary: the same tokens are allowed, step by step.

use std::ffi::{CString, c_char, c_void};
use std::ptr;

use ffi_tests::libs::Lib;
use ffi_tests::session::Session;
use ikrs::llama::params::{llama_token, llama_token_data, llama_token_data_array};

/// A grammar, lazy if there are trigger patterns; `None` if it is refused.
fn parse<'a>(
    api: &'a Session,
    text: &str,
    patterns: &[CString],
    tokens: &[llama_token],
) -> Option<Grammar<'a>> {
    type Init = unsafe extern "C" fn(*const c_void, *const c_char, *const c_char) -> *mut c_void;
    type Lazy = unsafe extern "C" fn(
        *const c_void,
        *const c_char,
        *const c_char,
        *const *const c_char,
        usize,
        *const i32,
        usize,
    ) -> *mut c_void;
    let text = CString::new(text).unwrap();
    let list: Vec<_> = patterns.iter().map(|p| p.as_ptr()).collect();
    // SAFETY: the types are llama.h's.
    let grammar = unsafe {
        if list.is_empty() && tokens.is_empty() {
            api.lib.get::<Init>("llama_sampler_init_grammar")(
                api.vocab,
                text.as_ptr(),
                c"root".as_ptr(),
            )
        } else {
            api.lib
                .get::<Lazy>("llama_sampler_init_grammar_lazy_patterns")(
                api.vocab,
                text.as_ptr(),
                c"root".as_ptr(),
                list.as_ptr(),
                list.len(),
                tokens.as_ptr(),
                tokens.len(),
            )
        }
    };
    (!grammar.is_null()).then_some(Grammar { api, grammar })
}

struct Grammar<'a> {
    api: &'a Session,
    grammar: *mut c_void,
}

impl Grammar<'_> {
    /// Which tokens are allowed next.
    fn allowed(&self) -> Vec<llama_token> {
        type Sample =
            unsafe extern "C" fn(*const c_void, *const c_void, *mut llama_token_data_array);
        let data = |id: usize| llama_token_data {
            id: id as i32,
            logit: 1.0,
            p: 0.0,
        };
        let mut data: Vec<_> = (0..self.api.n_vocab).map(data).collect();
        let mut array = llama_token_data_array {
            data: data.as_mut_ptr(),
            size: data.len(),
            selected: -1,
            sorted: false,
        };
        // SAFETY: the type is llama.h's.
        unsafe {
            self.api.lib.get::<Sample>("llama_grammar_sample")(
                self.grammar,
                self.api.ctx,
                &mut array,
            );
        }
        data.iter()
            .filter(|c| c.logit == 1.0)
            .map(|c| c.id)
            .collect()
    }

    fn accept(&self, token: llama_token) {
        type Accept = unsafe extern "C" fn(*mut c_void, *mut c_void, llama_token);
        // SAFETY: the type is llama.h's.
        unsafe {
            self.api.lib.get::<Accept>("llama_grammar_accept_token")(
                self.grammar,
                self.api.ctx,
                token,
            )
        };
    }

    fn copy(&self) -> Grammar<'_> {
        type Copy = unsafe extern "C" fn(*const c_void) -> *mut c_void;
        // SAFETY: the type is llama.h's.
        let grammar = unsafe { self.api.lib.get::<Copy>("llama_grammar_copy")(self.grammar) };
        Grammar {
            api: self.api,
            grammar,
        }
    }
}

impl Drop for Grammar<'_> {
    fn drop(&mut self) {
        type Free = unsafe extern "C" fn(*mut c_void);
        // SAFETY: the type is llama.h's; it is not used any more.
        unsafe { self.api.lib.get::<Free>("llama_grammar_free")(self.grammar) };
    }
}

const JSON: &str = r#"
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws ( value ("," ws value)* )? "]" ws
string ::= "\"" ( [^"\\\x7F\x00-\x1F] | "\\" (["\\bfnrt] | "u" [0-9a-fA-F]{4}) )* "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ([eE] [-+]? [0-9] [1-9]{0,15})? ws
ws     ::= | " " | "\n" [ \t]{0,20}
"#;

const CHESS: &str = r#"
root ::= "1. " move " " move "\n" ([1-9] [0-9]? ". " move " " move "\n")+
move ::= (pawn | nonpawn | castle) [+#]?
nonpawn ::= [NBKQR] [a-h]? [1-8]? "x"? [a-h] [1-8]
pawn ::= ([a-h] "x")? [a-h] [1-8] ("=" [NBKQR])?
castle ::= "O-O" "-O"?
"#;

/// Follows a text through the grammar of both libraries, comparing what is allowed at each step and at the end.
fn follow(
    apis: &[Session; 2],
    text: &str,
    grammar: &str,
    patterns: &[&str],
    triggers: &[llama_token],
) {
    let patterns: Vec<_> = patterns.iter().map(|p| CString::new(*p).unwrap()).collect();
    let [ours, theirs] = apis.each_ref().map(|api| {
        let grammar = parse(api, grammar, &patterns, triggers).unwrap();
        let mut steps = vec![grammar.allowed()];
        for token in api.tokenize(text) {
            grammar.accept(token);
            steps.push(grammar.copy().allowed());
        }
        steps
    });
    assert_eq!(ours.len(), theirs.len());
    for (i, (a, b)) in ours.iter().zip(&theirs).enumerate() {
        let odd: Vec<_> = a
            .iter()
            .filter(|t| b.binary_search(t).is_err())
            .chain(b.iter().filter(|t| a.binary_search(t).is_err()))
            .collect();
        assert!(
            odd.is_empty(),
            "{text:?} after {i} tokens: {} {} {odd:?}",
            a.len(),
            b.len()
        );
    }
}

#[test]
fn the_same_tokens_are_allowed() {
    let apis = Lib::both().map(|lib| Session::new(lib, 64));
    follow(
        &apis,
        r#"{"name": "Zoë \"x\"", "list": [1, -2.5e+3, true, {}], "☃": null}"#,
        JSON,
        &[],
        &[],
    );
    follow(
        &apis,
        "1. e4 e5\n2. Nf3 Nc6\n3. O-O Qxh7+\n",
        CHESS,
        &[],
        &[],
    );
    follow(&apis, "é日x", r#"root ::= [é-ü] [^a-z] . | "éa""#, &[], &[]);
    follow(
        &apis,
        "aaaa",
        r#"root ::= "a"{2,6} (("b" | "c")? "d"){0,3}"#,
        &[],
        &[],
    );
    let eos = apis[0].tokenize("<|im_start|>");
    let tool = r#"root ::= "<tool>" [a-z]+ "</tool>" | <|im_start|> [0-9]+"#;
    follow(
        &apis,
        "I shall call <tool>weather</tool>",
        tool,
        &[r"[\s\S]*?(<tool>)[\s\S]*"],
        &eos,
    );
    follow(
        &apis,
        "I shall call <|im_start|>12",
        tool,
        &["<tool>"],
        &eos,
    );
    follow(
        &apis,
        "a <tool>b</tool>",
        tool,
        &[r"^a (<tool>[\s\S]*)$"],
        &[],
    );
}

/// The reference lets no token stand for itself whose text is not whole characters, so it allows fewer.
#[test]
fn whole_tokens_are_allowed_too() {
    let apis = Lib::both().map(|lib| Session::new(lib, 64));
    let text = r#"root ::= <|im_start|> !<file_sep>+ <file_sep> "done"?"#;
    let [ours, theirs] = apis.each_ref().map(|api| {
        let grammar = parse(api, text, &[], &[]).unwrap();
        let mut steps = vec![grammar.allowed()];
        for token in api.tokenize("<|im_start|>hello world<file_sep>done") {
            assert!(grammar.allowed().contains(&token));
            grammar.accept(token);
            steps.push(grammar.allowed());
        }
        steps
    });
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert!(theirs.iter().all(|t| ours.binary_search(t).is_ok()));
        assert!(ours.len() - theirs.len() < 400);
    }
    assert_eq!((&ours[0], ours.last()), (&theirs[0], theirs.last()));
}

#[test]
fn the_same_grammars_are_refused() {
    let apis = Lib::both().map(|lib| Session::new(lib, 64));
    for text in [
        "root ::= \"a",
        "root ::= b",
        "foo ::= \"a\"",
        "root ::= (\"a\"",
        "root ::= *",
        "root ::= root \"a\" | \"b\"",
        "root ::= \"a\"{2001}",
        "root ::= \"\\q\"",
        "root ::= <no such token>",
        "root",
        "",
        "root ::= \"a\" )",
        "root ::= a b\na ::= \"\" | \"x\"\nb ::= root",
    ] {
        for api in &apis {
            assert!(
                parse(api, text, &[], &[]).is_none(),
                "{}: {text}",
                api.lib.name
            );
        }
    }
    for text in [
        JSON,
        CHESS,
        "root ::= [] \"a\" # nothing",
        "root ::= \"\"",
        "root ::= a\r\na ::= \"b\" |\n  \"c\"",
        "root ::= [a-]",
    ] {
        for api in &apis {
            assert!(
                parse(api, text, &[], &[]).is_some(),
                "{}: {text}",
                api.lib.name
            );
        }
    }
}

#[test]
fn wrong_tokens_and_pointers_change_nothing() {
    let api = Session::new(Lib::ikrs(), 64);
    let grammar = parse(&api, r#"root ::= "yes" | "no""#, &[], &[]).unwrap();
    let before = grammar.allowed();
    for token in [-1, i32::MAX, 2, api.tokenize("maybe")[0]] {
        grammar.accept(token);
        assert_eq!(grammar.allowed(), before);
    }
    type Accept = unsafe extern "C" fn(*mut c_void, *mut c_void, llama_token);
    type Copy = unsafe extern "C" fn(*const c_void) -> *mut c_void;
    // SAFETY: the types are llama.h's.
    unsafe {
        api.lib.get::<Accept>("llama_grammar_accept_token")(ptr::null_mut(), api.ctx, 1);
        assert!(api.lib.get::<Copy>("llama_grammar_copy")(ptr::null()).is_null());
    }
}
