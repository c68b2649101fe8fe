//! Pre-tokenizers: how text is cut into words before byte-pair merges happen inside each word.
//!
//! A pre-tokenizer is one or more stages, each of which cuts the pieces of the one before. Models publish them as regular
//! expressions; here they are lists of hand-matched [`rules`], tried in order at each position. What no rule matches becomes a piece too.
//! Where the reference's expressions differ from the models' own, the reference's are followed.

mod rules;
mod sets;

use rules::*;

use super::chars::Char;

/// One pass over the text.
enum Stage {
    /// Matches become pieces, and so does what lies between them.
    Match(&'static [Rule]),
    /// Cuts behind groups of three digits.
    CutBehindThousands,
    /// Cuts in front of groups of three digits.
    CutBeforeThousands,
}
use Stage::*;

impl Stage {
    /// Appends the lengths of the pieces of `text`.
    fn split(&self, text: &[Char], pieces: &mut Vec<usize>) {
        let mut done = 0;
        let mut cut = |at: usize| {
            if at > done {
                pieces.push(at - done);
                done = at;
            }
        };
        match self {
            Match(rules) => {
                let mut at = 0;
                while at < text.len() {
                    let ends = rules.iter().map(|rule| rule(text, at));
                    match ends.into_iter().find(|&end| end > at) {
                        Some(end) => {
                            cut(at);
                            cut(end);
                            at = end;
                        }
                        None => at += 1,
                    }
                }
            }
            CutBehindThousands => cuts_behind_thousands(text, &mut cut),
            CutBeforeThousands => cuts_before_thousands(text, &mut cut),
        }
        cut(text.len());
    }
}

/// A pre-tokenizer, and what else its name implies for a vocabulary.
pub struct PreTokenizer {
    /// What `tokenizer.ggml.pre` may call it.
    names: &'static [&'static str],
    stages: &'static [Stage],
    /// A word that is a token is taken whole, whatever the merges say.
    pub ignore_merges: bool,
    pub add_bos: bool,
    pub add_sep: bool,
    /// Spaces in front of punctuation are removed from detokenized text.
    pub clean_spaces: bool,
    /// There is no token for the beginning of text unless the file names one.
    pub no_bos: bool,
    /// Spaces are written `▁`, and tokens are text instead of GPT-2's byte characters.
    pub plain_text: bool,
}

impl PreTokenizer {
    const fn new(names: &'static [&'static str], stages: &'static [Stage]) -> PreTokenizer {
        PreTokenizer {
            names,
            stages,
            ignore_merges: false,
            add_bos: false,
            add_sep: false,
            clean_spaces: true,
            no_bos: false,
            plain_text: false,
        }
    }
    const fn keep_spaces(self) -> PreTokenizer {
        PreTokenizer {
            clean_spaces: false,
            ..self
        }
    }
    const fn ignore_merges(self) -> PreTokenizer {
        PreTokenizer {
            ignore_merges: true,
            ..self
        }
    }
    const fn add_bos(self) -> PreTokenizer {
        PreTokenizer {
            add_bos: true,
            ..self
        }
    }

    /// The pre-tokenizer with this name.
    pub fn by_name(name: &str) -> Option<&'static PreTokenizer> {
        ALL.iter().find(|pre| pre.names.contains(&name))
    }

    pub fn name(&self) -> &'static str {
        self.names[0]
    }

    /// Cuts a text: gives the lengths of the pieces, in characters.
    pub fn split(&self, text: &[Char]) -> Vec<usize> {
        let mut pieces = vec![text.len()];
        for stage in self.stages {
            let whole = std::mem::take(&mut pieces);
            let mut rest = text;
            for length in whole {
                let (piece, behind) = rest.split_at(length);
                stage.split(piece, &mut pieces);
                rest = behind;
            }
        }
        pieces
    }
}

const GPT2_STAGE: Stage = Match(&[
    contraction,
    blank_letters,
    blank_numbers,
    blank_others,
    spaces,
]);
const ONE_NUMBER_STAGE: Stage = Match(&[one_number]);
const ONE_NEWLINE_STAGE: Stage = Match(&[one_newline]);
const DEEPSEEK_CJK_STAGE: Stage = Match(&[deepseek_cjk]);
const THREE_DIGITS_STAGE: Stage = Match(&[three_digits]);
const BLOOM_STAGE: Stage = Match(&[blank_bloom]);
const MARKED_WORDS_STAGE: Stage = Match(&[
    ascii_punctuated_word,
    led_marked_word,
    blank_symbols_newlines,
    newlines,
    spaces,
]);

const GPT2: &[Stage] = &[GPT2_STAGE];
const STARCODER: &[Stage] = &[ONE_NUMBER_STAGE, GPT2_STAGE];
const LLAMA3: &[Stage] = &[Match(&[
    contraction_any_case,
    led_letters,
    three_numbers,
    blank_others_newlines,
    newlines,
    spaces,
])];
const QWEN2: &[Stage] = &[Match(&[
    contraction_any_case,
    led_letters,
    one_number,
    blank_others_newlines,
    newlines,
    spaces,
])];
const DEEPSEEK3: &[Stage] = &[
    Match(&[three_numbers]),
    Match(&[cjk_kana]),
    MARKED_WORDS_STAGE,
];
const GPT4O: &[Stage] = &[Match(&[
    cased_word_contracted,
    three_numbers,
    blank_others_newlines_slashes,
    newlines,
    spaces,
])];
const BLOOM: &[Stage] = &[BLOOM_STAGE];

/// The pre-tokenizers of this ABI level.
static ALL: &[PreTokenizer] = &[
    PreTokenizer::new(
        &["default"],
        &[
            Match(&[default_punctuations]),
            GPT2_STAGE,
            Match(&[numbers]),
            THREE_DIGITS_STAGE,
        ],
    ),
    PreTokenizer::new(
        &[
            "llama3",
            "llama-v3",
            "llama-bpe",
            "falcon3",
            "falcon-h1",
            "pixtral",
            "midm-2.0",
            "lfm2",
            "jina-v5-nano",
        ],
        LLAMA3,
    )
    .ignore_merges()
    .add_bos(),
    PreTokenizer::new(
        &["deepseek-llm"],
        &[
            ONE_NEWLINE_STAGE,
            Match(&[space_deepseek_letters]),
            Match(&[space_deepseek_punctuation]),
            Match(&[trailing_spaces]),
            DEEPSEEK_CJK_STAGE,
            Match(&[numbers]),
        ],
    )
    .keep_spaces(),
    PreTokenizer::new(
        &["deepseek-coder"],
        &[
            ONE_NEWLINE_STAGE,
            Match(&[space_letters]),
            Match(&[space_punctuation]),
            DEEPSEEK_CJK_STAGE,
            ONE_NUMBER_STAGE,
        ],
    )
    .keep_spaces(),
    PreTokenizer::new(&["deepseek-v3", "hunyuan-dense", "joyai-llm"], DEEPSEEK3).keep_spaces(),
    PreTokenizer::new(
        &["youtu"],
        &[
            Match(&[youtu_hangul, youtu_punctuation, youtu_bopomofo, cjk_kana]),
            Match(&[
                led_marked_letters_contracted,
                one_number,
                blank_others_newlines_slashes,
                newlines,
                spaces,
            ]),
        ],
    )
    .keep_spaces()
    .ignore_merges(),
    PreTokenizer::new(
        &["falcon"],
        &[
            Match(&[falcon_punctuations]),
            GPT2_STAGE,
            THREE_DIGITS_STAGE,
        ],
    ),
    PreTokenizer::new(
        &["starcoder", "refact", "codeshell", "exaone", "minerva-7b"],
        STARCODER,
    ),
    PreTokenizer::new(&["command-r", "smollm"], STARCODER).keep_spaces(),
    PreTokenizer::new(
        &[
            "gpt-2",
            "phi-2",
            "jina-es",
            "jina-de",
            "gigachat",
            "jina-v2-es",
            "jina-v2-de",
            "a.x-4.0",
            "mellum",
            "modern-bert",
            "mpt",
            "olmo",
            "jais",
            "exaone4",
        ],
        GPT2,
    ),
    PreTokenizer {
        add_sep: true,
        ..PreTokenizer::new(&["jina-v1-en", "jina-v2-code", "roberta-bpe"], GPT2)
    },
    PreTokenizer::new(&["trillion", "granite-docling"], GPT2).keep_spaces(),
    PreTokenizer::new(
        &["jais-2"],
        &[Match(&[
            contraction_any_case,
            led_letters,
            three_numbers,
            blank_others_newlines,
            newlines,
            spaces_by_powers_of_two,
        ])],
    ),
    PreTokenizer {
        plain_text: true,
        ..PreTokenizer::new(&["gemma4"], &[Match(&[line, line_feeds])])
    },
    PreTokenizer::new(
        &[
            "qwen2",
            "deepseek-r1-qwen",
            "kormo",
            "f2llmv2",
            "hunyuan",
            "grok-2",
            "solar-open",
        ],
        QWEN2,
    )
    .keep_spaces(),
    PreTokenizer::new(&["stablelm2", "megrez"], QWEN2),
    PreTokenizer::new(
        &["qwen35"],
        &[Match(&[
            contraction_any_case,
            led_marked_letters,
            one_number,
            blank_others_than_marks_newlines,
            newlines,
            spaces,
        ])],
    )
    .keep_spaces(),
    PreTokenizer::new(&["dbrx", "smaug-bpe"], LLAMA3),
    PreTokenizer {
        no_bos: true,
        ..PreTokenizer::new(&["glm4", "chatglm-bpe"], LLAMA3)
    },
    PreTokenizer::new(&["poro-chat"], BLOOM).keep_spaces(),
    PreTokenizer::new(&["bloom", "gpt3-finnish"], BLOOM),
    PreTokenizer::new(&["viking"], &[BLOOM_STAGE, ONE_NUMBER_STAGE]).keep_spaces(),
    PreTokenizer::new(
        &["tekken"],
        &[Match(&[
            cased_word,
            one_number,
            blank_others_newlines_slashes,
            newlines,
            spaces,
        ])],
    )
    .keep_spaces()
    .ignore_merges()
    .add_bos(),
    PreTokenizer::new(
        &["exaone-moe"],
        &[Match(&[
            contraction_any_case,
            exaone_phrase,
            one_number,
            blank_others_one_newline_or_slash,
            newlines,
            spaces,
        ])],
    ),
    PreTokenizer::new(
        &["chameleon"],
        &[
            Match(&[chameleon_sentinel]),
            Match(&[chameleon_image]),
            Match(&[chameleon_spaces]),
            ONE_NUMBER_STAGE,
            Match(&[one_chameleon_punctuation]),
            GPT2_STAGE,
        ],
    )
    .keep_spaces()
    .add_bos(),
    PreTokenizer::new(&["gpt-4o", "llama4", "kanana2", "minimax-m2"], GPT4O).keep_spaces(),
    PreTokenizer::new(
        &["tiny_aya"],
        &[
            CutBehindThousands,
            Match(&[
                led_marked_letters_contracted,
                three_numbers,
                blank_others_newlines_slashes,
                newlines,
                spaces,
            ]),
        ],
    )
    .keep_spaces(),
    PreTokenizer::new(&["superbpe"], &[Match(&[numbers]), CutBeforeThousands]).keep_spaces(),
    PreTokenizer::new(&["bailingmoe", "bailingmoe2", "llada-moe"], QWEN2).keep_spaces(),
    PreTokenizer::new(
        &["seed-coder"],
        &[Match(&[
            contraction_any_case,
            led_letters,
            one_number,
            blank_others,
            newlines,
            spaces,
        ])],
    )
    .keep_spaces(),
    PreTokenizer::new(
        &["kimi-k2"],
        &[Match(&[
            han_run,
            kimi_word,
            three_numbers,
            blank_others_newlines,
            newlines,
            spaces,
        ])],
    )
    .keep_spaces(),
    PreTokenizer::new(
        &["afmoe"],
        &[
            CutBehindThousands,
            Match(&[afmoe_scripts]),
            MARKED_WORDS_STAGE,
        ],
    )
    .keep_spaces(),
];

#[cfg(test)]
mod tests;
