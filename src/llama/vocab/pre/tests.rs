//! The hand-matched rules against the regular expressions that they stand for.

use fancy_regex::Regex;
use proptest::prelude::*;

use super::*;
use crate::llama::vocab::chars;

const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
const CONTRACTION: &str = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const TAIL: &str = r"\s*[\r\n]+|\s+(?!\S)|\s+";
const DEEPSEEK_CJK: &str = r"[\u{4e00}-\u{9fa5}\u{800}-\u{4e00}\u{ac00}-\u{d7ff}&&\S]+";
/// The reference does not count the tilde to the symbols.
const MARKED_WORDS: &str = r##"[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|(?:[^\r\n\p{L}\p{P}\p{S}]|~)?[\p{L}\p{M}]+| ?[\p{P}\p{S}&&[^~]]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##;

/// Pre-tokenizers and the expressions of their stages, as the models publish them or the reference has them.
fn expressions() -> Vec<(&'static str, Vec<String>)> {
    let own = |all: &[&str]| all.iter().map(|e| e.to_string()).collect::<Vec<_>>();
    let words = |word: &str, numbers: &str, others: &str| {
        vec![format!("{CONTRACTION}|{word}|{numbers}|{others}|{TAIL}")]
    };
    const LETTERS: &str = r"[^\r\n\p{L}\p{N}]?\p{L}+";
    const OTHERS: &str = r" ?[^\s\p{L}\p{N}]+[\r\n]*";
    const FRONT: &str = r"[\p{L}&&[^a-z]]";
    const BACK: &str = r"[\p{L}&&[^A-Z]]";
    let cased = |end: &str| {
        let lead = r"[^\r\n\p{L}\p{N}]?";
        format!("{lead}{FRONT}*{BACK}+{end}|{lead}{FRONT}+{BACK}*{end}")
    };
    vec![
        ("gpt-2", own(&[GPT2])),
        ("starcoder", own(&[r"\p{N}", GPT2])),
        (
            "falcon",
            own(&[r"[\p{P}\$\+<=>\^~\|`]+", GPT2, "[0-9][0-9][0-9]"]),
        ),
        (
            "default",
            own(&[r"[\p{P}\$\+<=>\^~\|]+", GPT2, r"\p{N}+", "[0-9][0-9][0-9]"]),
        ),
        ("llama-bpe", words(LETTERS, r"\p{N}{1,3}", OTHERS)),
        ("qwen2", words(LETTERS, r"\p{N}", OTHERS)),
        (
            "seed-coder",
            words(LETTERS, r"\p{N}{1}", r" ?[^\s\p{L}\p{N}\r\n]+"),
        ),
        (
            "qwen35",
            words(
                r"[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
                r"\p{N}",
                r" ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
            ),
        ),
        (
            "exaone-moe",
            words(
                r"[^\r\n\p{L}\p{N}]?(?:\p{L}\p{M}*(?: \p{L}\p{M}*)*)+",
                r"\p{N}",
                r" ?[^\s\p{L}\p{N}]+[\r\n/]?",
            ),
        ),
        (
            "jais-2",
            own(&[&format!(
                r"{CONTRACTION}|{LETTERS}|\p{{N}}{{1,3}}|{OTHERS}|\s*[\r\n]+|\s{{512}}(?!\S)|\s{{256}}(?!\S)|\s{{128}}(?!\S)|\s{{64}}(?!\S)|\s{{32}}(?!\S)|\s{{16}}(?!\S)|\s{{8}}(?!\S)|\s{{4}}(?!\S)|\s{{1,2}}(?!\S)|\s{{1}}"
            )]),
        ),
        (
            "tekken",
            own(&[&format!(
                r"{}|\p{{N}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{TAIL}",
                cased("")
            )]),
        ),
        (
            "gpt-4o",
            own(&[&format!(
                r"{}|\p{{N}}{{1,3}}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{TAIL}",
                cased(&format!("{CONTRACTION}?"))
            )]),
        ),
        ("bloom", own(&[r" ?[^(\s|.,!?…。，、।۔،)]+"])),
        ("viking", own(&[r" ?[^(\s|.,!?…。，、।۔،)]+", r"\p{N}"])),
        (
            "deepseek-coder",
            own(&["[\r\n]", r"\s?\p{L}+", r"\s?\p{P}+", DEEPSEEK_CJK, r"\p{N}"]),
        ),
        (
            "deepseek-v3",
            own(&[
                r"\p{N}{1,3}",
                r"[\u{4e00}-\u{9fa5}\u{3040}-\u{309f}\u{30a0}-\u{30ff}]+",
                MARKED_WORDS,
            ]),
        ),
        (
            "chameleon",
            own(&[
                "<sentinel:[0-9]+>",
                "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z",
                "([\\t\\n]|    |  )",
                r"\p{N}",
                r"[\p{P}!-/:-@\[-`{-~]",
                GPT2,
            ]),
        ),
    ]
}

fn compiled() -> &'static [(&'static str, Vec<Regex>)] {
    static ALL: std::sync::LazyLock<Vec<(&'static str, Vec<Regex>)>> =
        std::sync::LazyLock::new(|| {
            let compile = |all: Vec<String>| {
                let each = all
                    .iter()
                    .map(|e| Regex::new(e).unwrap_or_else(|err| panic!("{e}: {err}")));
                each.collect()
            };
            expressions()
                .into_iter()
                .map(|(name, all)| (name, compile(all)))
                .collect()
        });
    &ALL
}

fn split_by_expressions<'a>(stages: &[Regex], text: &'a str) -> Vec<&'a str> {
    let mut pieces = vec![text];
    for stage in stages {
        let mut cut = Vec::new();
        for piece in pieces {
            let mut done = 0;
            for m in stage.find_iter(piece) {
                let m = m.unwrap();
                cut.push(&piece[done..m.start()]);
                cut.push(m.as_str());
                done = m.end();
            }
            cut.push(&piece[done..]);
        }
        cut.retain(|piece| !piece.is_empty());
        pieces = cut;
    }
    pieces
}

fn split_by_rules<'a>(name: &str, text: &'a str) -> Vec<&'a str> {
    let mut rest = text;
    let lengths = PreTokenizer::by_name(name)
        .unwrap()
        .split(&chars::chars(text.as_bytes()));
    let pieces = lengths.into_iter().map(|n| {
        let end = rest.char_indices().nth(n).map_or(rest.len(), |(i, _)| i);
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        piece
    });
    pieces.filter(|piece| !piece.is_empty()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn rules_cut_as_expressions_do(parts in prop::collection::vec(prop_oneof![
        "[ -~]{1,6}",
        "[ \\n\\r\\t\u{b}\u{a0}\u{3000}\u{85}]{1,12}",
        "[a-cA-C ']{1,6}",
        "[0-9٣½²Ⅷ]{1,7}",
        "[a-zA-ZéÉßǅʰªАя中文カな한ก٣\u{301}\u{93e}]{1,6}",
        "[~…。،€©🙂\u{200b}\u{e000}\u{0}«»_/]{1,4}",
        "'[sStTrRvVmMlLdD][eElL]?",
        "IMGIMG[A-J]{0,5}Z?",
        "<sentinel:[0-9]{0,2}>?",
    ], 0..8)) {
        let text = parts.concat();
        for (name, stages) in compiled() {
            prop_assert_eq!(split_by_rules(name, &text), split_by_expressions(stages, &text), "{}: {:?}", name, text);
        }
    }
}

#[test]
fn digits_fall_into_threes() {
    assert_eq!(
        split_by_rules("superbpe", "a1234567b12"),
        ["a", "1", "234", "567", "b", "12"]
    );
    assert_eq!(
        split_by_rules("tiny_aya", "1234567 12"),
        ["1", "234", "567", " ", "12"]
    );
    assert_eq!(split_by_rules("afmoe", "x12345"), ["x", "12", "345"]);
}

#[test]
fn long_runs_take_linear_time() {
    let mut texts: Vec<String> = [
        "a", " ", "\n", "1", ".", " \n", "a ", "é", "\u{301}", "中", "'", "A",
    ]
    .iter()
    .map(|unit| unit.repeat(200_000))
    .collect();
    texts.push(" ".repeat(200_000) + "x");
    for pre in ALL {
        for text in &texts {
            let text = chars::chars(text.as_bytes());
            let total: usize = pre.split(&text).iter().sum();
            assert_eq!(total, text.len(), "{}", pre.name());
        }
    }
}
