//! Chat templates: a conversation as the text that a model was trained on.
//!
//! Models publish templates as Jinja programs. These are not run here: the ones in use are few, are recognized by what stands in
//! them, and are written out as a table of [`Format`]s.

use std::ffi::CStr;

/// A message: who says what.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    pub role: &'a [u8],
    pub content: &'a [u8],
}

/// A template. In the texts for messages `{content}` and `{trimmed}` stand for the content, the latter without white space around
/// it; `{system}` and `{trimmed system}` for a system message that was kept, see `merge_system`; `{role}` for the role, `{Role}` with a capital, `{ROLE}` in capitals with `HUMAN` for the user.
/// A role without a text is left out.
pub struct Format {
    pub name: &'static CStr,
    /// In front of everything.
    begin: &'static str,
    /// In front of a chat that does not begin with a system message.
    without_system: &'static str,
    /// In front of the first turn, and of those behind it; a turn ends with the assistant's message.
    turns: [&'static str; 2],
    /// Between messages.
    between: &'static str,
    system: &'static str,
    user: &'static str,
    assistant: &'static str,
    other: &'static str,
    /// The model has no system messages: they go in front of the user's next message.
    merge_system: bool,
    /// Asks the assistant to speak.
    prompt: &'static str,
}

const NONE: Format = Format {
    name: c"",
    begin: "",
    without_system: "",
    turns: ["", ""],
    between: "",
    system: "",
    user: "",
    assistant: "",
    other: "",
    merge_system: false,
    prompt: "",
};

/// A format that writes all messages alike.
const fn same(name: &'static CStr, message: &'static str, prompt: &'static str) -> Format {
    Format {
        name,
        system: message,
        user: message,
        assistant: message,
        other: message,
        prompt,
        ..NONE
    }
}

/// A format with a text for each role, and none for other roles.
const fn roles(name: &'static CStr, texts: [&'static str; 3], prompt: &'static str) -> Format {
    let [system, user, assistant] = texts;
    Format {
        name,
        system,
        user,
        assistant,
        prompt,
        ..NONE
    }
}

/// As [`roles`], but other roles are written as the assistant is.
const fn roles_or_assistant(
    name: &'static CStr,
    texts: [&'static str; 3],
    prompt: &'static str,
) -> Format {
    Format {
        other: texts[2],
        ..roles(name, texts, prompt)
    }
}

const fn llama2(name: &'static CStr, later: &'static str, texts: [&'static str; 3]) -> Format {
    Format {
        begin: "[INST] ",
        turns: ["", later],
        ..roles_or_assistant(name, texts, "")
    }
}

const fn mistral(name: &'static CStr, turn: &'static str, texts: [&'static str; 3]) -> Format {
    Format {
        turns: [turn, turn],
        ..roles_or_assistant(name, texts, "")
    }
}

/// The templates that can be named, in the order of their names.
pub const FORMATS: [Format; 42] = [
    same(
        c"bailing",
        "<role>{ROLE}</role>{content}",
        "<role>ASSISTANT</role>",
    ),
    same(
        c"bailing-think",
        "<role>{ROLE}</role>{content}",
        "<role>ASSISTANT</role><think>",
    ),
    Format {
        without_system: "<role>SYSTEM</role>detailed thinking off<|role_end|>",
        ..same(
            c"bailing2",
            "<role>{ROLE}</role>{content}<|role_end|>",
            "<role>ASSISTANT</role>",
        )
    },
    roles_or_assistant(
        c"bitnet",
        [
            "System: {content}",
            "User: {content}<|eot_id|>Assistant: ",
            "{content}",
        ],
        "",
    ),
    Format {
        begin: "[gMASK]sop",
        ..same(c"chatglm3", "<|{role}|>\n {content}", "<|assistant|>")
    },
    Format {
        begin: "[gMASK]<sop>",
        ..same(c"chatglm4", "<|{role}|>\n{content}", "<|assistant|>")
    },
    same(
        c"chatml",
        "<|im_start|>{role}\n{content}<|im_end|>\n",
        "<|im_start|>assistant\n",
    ),
    roles(
        c"command-r",
        [
            "<|START_OF_TURN_TOKEN|><|SYSTEM_TOKEN|>{trimmed}<|END_OF_TURN_TOKEN|>",
            "<|START_OF_TURN_TOKEN|><|USER_TOKEN|>{trimmed}<|END_OF_TURN_TOKEN|>",
            "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>{trimmed}<|END_OF_TURN_TOKEN|>",
        ],
        "<|START_OF_TURN_TOKEN|><|CHATBOT_TOKEN|>",
    ),
    roles(
        c"deepseek",
        [
            "{content}",
            "### Instruction:\n{content}\n",
            "### Response:\n{content}\n<|EOT|>\n",
        ],
        "### Response:\n",
    ),
    roles(
        c"deepseek2",
        [
            "{content}\n\n",
            "User: {content}\n\n",
            "Assistant: {content}<｜end▁of▁sentence｜>",
        ],
        "Assistant:",
    ),
    roles(
        c"deepseek3",
        [
            "{content}\n\n",
            "<｜User｜>{content}",
            "<｜Assistant｜>{content}<｜end▁of▁sentence｜>",
        ],
        "<｜Assistant｜>",
    ),
    roles(
        c"exaone3",
        [
            "[|system|]{trimmed}[|endofturn|]\n",
            "[|user|]{trimmed}\n",
            "[|assistant|]{trimmed}[|endofturn|]\n",
        ],
        "[|assistant|]",
    ),
    same(c"falcon3", "<|{role}|>\n{content}\n", "<|assistant|>\n"),
    same(c"falcon_e", "{role}{content}\n", "assistant\n"),
    Format {
        assistant: "<start_of_turn>model\n{trimmed}<end_of_turn>\n",
        merge_system: true,
        ..same(
            c"gemma",
            "<start_of_turn>{role}\n{trimmed system}{trimmed}<end_of_turn>\n",
            "<start_of_turn>model\n",
        )
    },
    Format {
        begin: "<s>",
        ..roles(
            c"gigachat",
            [
                "{content}<|message_sep|>",
                "user<|role_sep|>{content}<|message_sep|>available functions<|role_sep|>[]<|message_sep|>",
                "assistant<|role_sep|>{content}<|message_sep|>",
            ],
            "assistant<|role_sep|>",
        )
    },
    Format {
        other: "<|start|>{role}<|message|>{content}<|end|>",
        ..roles(
            c"gpt-oss",
            [
                "<|start|>{role}<|message|>{content}<|end|>",
                "<|start|>{role}<|message|>{content}<|end|>",
                "<|start|>{role}<|message|>{content}<|return|>",
            ],
            "<|start|>assistant",
        )
    },
    same(
        c"granite",
        "<|start_of_role|>{role}<|end_of_role|>{tool}{content}<|end_of_text|>\n",
        "<|start_of_role|>assistant<|end_of_role|>\n",
    ),
    roles(
        c"grok-2",
        [
            "System: {trimmed}<|separator|>\n\n",
            "Human: {trimmed}<|separator|>\n\n",
            "Assistant: {content}<|separator|>\n\n",
        ],
        "Assistant:",
    ),
    Format {
        other: "<|startoftext|>{content}<|extra_0|>",
        ..roles(
            c"hunyuan-moe",
            [
                "<|startoftext|>{content}<|extra_4|>",
                "<|startoftext|>{content}<|extra_0|>",
                "<|startoftext|>{content}<|eos|>",
            ],
            "",
        )
    },
    // The reference has the roles of user and assistant exchanged here; this is what the model was trained on.
    Format {
        other: "<|im_user|>user<|im_middle|>{content}<|im_end|>",
        ..roles(
            c"kimi-k2",
            [
                "<|im_system|>system<|im_middle|>{content}<|im_end|>",
                "<|im_user|>user<|im_middle|>{content}<|im_end|>",
                "<|im_assistant|>assistant<|im_middle|>{content}<|im_end|>",
            ],
            "<|im_assistant|>assistant<|im_middle|>",
        )
    },
    llama2(
        c"llama2",
        "[INST] ",
        ["{content}\n", "{content} [/INST]", "{content}</s>"],
    ),
    llama2(
        c"llama2-sys",
        "[INST] ",
        [
            "<<SYS>>\n{content}\n<</SYS>>\n\n",
            "{content} [/INST]",
            "{content}</s>",
        ],
    ),
    llama2(
        c"llama2-sys-bos",
        "<s>[INST] ",
        [
            "<<SYS>>\n{content}\n<</SYS>>\n\n",
            "{content} [/INST]",
            "{content}</s>",
        ],
    ),
    llama2(
        c"llama2-sys-strip",
        "[INST] ",
        [
            "<<SYS>>\n{trimmed}\n<</SYS>>\n\n",
            "{trimmed} [/INST]",
            "{trimmed}</s>",
        ],
    ),
    same(
        c"llama3",
        "<|start_header_id|>{role}<|end_header_id|>\n\n{trimmed}<|eot_id|>",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
    ),
    same(
        c"llama4",
        "<|header_start|>{role}<|header_end|>\n\n{trimmed}<|eot|>",
        "<|header_start|>assistant<|header_end|>\n\n",
    ),
    same(
        c"megrez",
        "<|role_start|>{role}<|role_end|>{content}<|turn_end|>",
        "<|role_start|>assistant<|role_end|>",
    ),
    roles_or_assistant(
        c"minicpm",
        ["{trimmed}", "<用户>{trimmed}<AI>", "{trimmed}"],
        "",
    ),
    mistral(
        c"mistral-v1",
        " [INST] ",
        ["{content}\n\n", "{content} [/INST]", " {content}</s>"],
    ),
    mistral(
        c"mistral-v3",
        "[INST] ",
        ["{content}\n\n", "{content}[/INST]", " {trimmed}</s>"],
    ),
    mistral(
        c"mistral-v3-tekken",
        "[INST]",
        ["{content}\n\n", "{content}[/INST]", "{content}</s>"],
    ),
    roles_or_assistant(
        c"mistral-v7",
        [
            "[SYSTEM_PROMPT] {content}[/SYSTEM_PROMPT]",
            "[INST] {content}[/INST]",
            " {content}</s>",
        ],
        "",
    ),
    Format {
        between: "<s>",
        ..same(c"monarch", "{role}\n{content}</s>\n", "<s>assistant\n")
    },
    Format {
        other: "GPT4 Correct {Role}: {content}<|end_of_turn|>",
        ..roles(
            c"openchat",
            [
                "{content}<|end_of_turn|>",
                "GPT4 Correct {Role}: {content}<|end_of_turn|>",
                "GPT4 Correct {Role}: {content}<|end_of_turn|>",
            ],
            "GPT4 Correct Assistant:",
        )
    },
    Format {
        merge_system: true,
        ..roles_or_assistant(
            c"orion",
            [
                "",
                "Human: {system}{content}\n\nAssistant: </s>",
                "{content}</s>",
            ],
            "",
        )
    },
    same(c"phi3", "<|{role}|>\n{content}<|end|>\n", "<|assistant|>\n"),
    roles_or_assistant(
        c"rwkv-world",
        [
            "{content}\n\n",
            "User: {content}\n\nAssistant:",
            "{content}\n\n",
        ],
        "",
    ),
    Format {
        assistant: "<seed:bos>{role}\n{trimmed}<seed:eos>",
        ..same(
            c"seed_oss",
            "<seed:bos>{role}\n{content}<seed:eos>",
            "<seed:bos>assistant\n",
        )
    },
    roles(
        c"vicuna",
        [
            "{content}\n\n",
            "USER: {content}\n",
            "ASSISTANT: {content}</s>\n",
        ],
        "ASSISTANT:",
    ),
    roles(
        c"vicuna-orca",
        [
            "SYSTEM: {content}\n",
            "USER: {content}\n",
            "ASSISTANT: {content}</s>\n",
        ],
        "ASSISTANT:",
    ),
    same(
        c"zephyr",
        "<|{role}|>\n{content}<|endoftext|>\n",
        "<|assistant|>\n",
    ),
];

/// dots.llm1, which has no name.
const DOTS1: Format = roles_or_assistant(
    c"",
    [
        "<|system|>{content}<|endofsystem|>",
        "<|userprompt|>{content}<|endofuserprompt|>",
        "<|response|>{content}<|endofresponse|>",
    ],
    "<|response|>",
);

/// What templates are recognized by: all these texts are in them. The first that fits counts.
const MARKS: &[(&str, &[&str])] = &[
    ("chatml", &["<|im_start|>"]),
    ("mistral-v7", &["[INST]", "[SYSTEM_PROMPT]"]),
    ("mistral-v1", &["[INST]", "' [INST] ' + system_message"]),
    ("mistral-v1", &["[INST]", "[AVAILABLE_TOOLS]", " [INST]"]),
    (
        "mistral-v3-tekken",
        &["[INST]", "[AVAILABLE_TOOLS]", "\"[INST]\""],
    ),
    ("mistral-v3", &["[INST]", "[AVAILABLE_TOOLS]"]),
    ("llama2-sys-strip", &["[INST]", "content.strip()"]),
    ("llama2-sys-bos", &["[INST]", "bos_token + '[INST]"]),
    ("llama2-sys", &["[INST]", "<<SYS>>"]),
    ("llama2", &["[INST]"]),
    ("chatglm3", &["[gMASK]sop"]),
    ("chatglm4", &["[gMASK]<sop>"]),
    ("phi3", &["<|assistant|>", "<|end|>"]),
    ("falcon3", &["<|assistant|>", "<|user|>"]),
    ("zephyr", &["<|user|>", "<|endoftext|>"]),
    ("monarch", &["bos_token + message['role']"]),
    ("gemma", &["<start_of_turn>"]),
    ("orion", &["'\\n\\nAssistant: ' + eos_token"]),
    ("openchat", &["GPT4 Correct "]),
    ("vicuna-orca", &["USER: ", "ASSISTANT: ", "SYSTEM: "]),
    ("vicuna", &["USER: ", "ASSISTANT: "]),
    ("deepseek", &["### Instruction:", "<|EOT|>"]),
    ("command-r", &["<|START_OF_TURN_TOKEN|>", "<|USER_TOKEN|>"]),
    ("llama3", &["<|start_header_id|>", "<|end_header_id|>"]),
    ("minicpm", &["<用户>"]),
    (
        "deepseek2",
        &["'Assistant: ' + message['content'] + eos_token"],
    ),
    (
        "deepseek3",
        &["<｜Assistant｜>", "<｜User｜>", "<｜end▁of▁sentence｜>"],
    ),
    ("exaone3", &["[|system|]", "[|assistant|]", "[|endofturn|]"]),
    ("rwkv-world", &["rwkv-world"]),
    ("granite", &["<|start_of_role|>"]),
    (
        "gigachat",
        &[
            "message['role'] + additional_special_tokens[0] + message['content'] + additional_special_tokens[1]",
        ],
    ),
    ("megrez", &["<|role_start|>"]),
    ("bailing", &["<role>ASSISTANT</role>", "'HUMAN'"]),
    (
        "bailing-think",
        &["<role>ASSISTANT</role>", "\"HUMAN\"", "<think>"],
    ),
    (
        "bailing2",
        &[
            "<role>ASSISTANT</role>",
            "<role>HUMAN</role>",
            "<|role_end|>",
        ],
    ),
    ("llama4", &["<|header_start|>", "<|header_end|>"]),
    ("", &["<|endofuserprompt|>"]),
    ("hunyuan-moe", &["<|startoftext|>", "<|extra_4|>"]),
    ("kimi-k2", &["<|im_middle|>", "<|im_end|>"]),
    (
        "grok-2",
        &["'Assistant: '  + message['content'] + '<|separator|>"],
    ),
    ("gpt-oss", &["<|start|>", "<|channel|>"]),
    ("seed_oss", &["<seed:bos>"]),
];

impl Format {
    fn named(name: &[u8]) -> Option<&'static Format> {
        const ALL: &[Format] = &FORMATS;
        ALL.iter().find(|f| f.name.to_bytes() == name)
    }

    /// The format of a template, which is given by its name or by its text; `None` if it is not recognized.
    pub fn of_template(template: &[u8]) -> Option<&'static Format> {
        if let Some(format) = Format::named(template) {
            return Some(format);
        }
        let has = |mark: &&str| memchr::memmem::find(template, mark.as_bytes()).is_some();
        // Names of Mistral's that are not in the table are taken for its first format.
        if template.starts_with(b"mistral") && !has(&"[INST]") && !has(&"<|im_start|>") {
            return Format::named(b"llama2");
        }
        let (name, _) = MARKS.iter().find(|(_, marks)| marks.iter().all(has))?;
        match *name {
            "" => Some(&DOTS1),
            name => Format::named(name.as_bytes()),
        }
    }

    /// Writes a chat, and with `prompt` what makes the assistant speak next.
    pub fn apply(&self, chat: &[Message], prompt: bool) -> Vec<u8> {
        let mut out = self.begin.as_bytes().to_vec();
        if chat.first().is_none_or(|m| m.role != b"system") {
            out.extend(self.without_system.bytes());
        }
        let mut turns = self.turns.iter();
        let mut turn = turns.next();
        let later = turns.next();
        let mut system = Vec::new();
        for (i, message) in chat.iter().enumerate() {
            let text = match message.role {
                b"system" if self.merge_system => {
                    system = message.content.to_vec();
                    continue;
                }
                b"system" if i > 0 && self.name == c"gigachat" => "",
                b"system" => self.system,
                b"user" => self.user,
                b"assistant" => self.assistant,
                _ => self.other,
            };
            if i > 0 {
                out.extend(self.between.bytes());
            }
            out.extend(turn.take().into_iter().flat_map(|t| t.bytes()));
            if !matches!(message.role, b"system" | b"user") {
                turn = later;
            }
            put(text, message, &mut system, &mut out);
        }
        if prompt {
            out.extend(self.prompt.bytes());
        }
        out
    }
}

/// Writes the text of a message. `{system}` takes the system message that was kept.
fn put(text: &str, message: &Message, system: &mut Vec<u8>, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        out.extend(before.bytes());
        let (field, behind) = behind.split_once('}').unwrap_or((behind, ""));
        rest = behind;
        match field {
            "content" => out.extend(message.content),
            "trimmed" => out.extend(trim(message.content)),
            "role" => out.extend(message.role),
            "Role" => {
                let start = out.len();
                out.extend(message.role);
                out[start..]
                    .iter_mut()
                    .take(1)
                    .for_each(|b| b.make_ascii_uppercase());
            }
            "ROLE" if message.role == b"user" => out.extend(b"HUMAN"),
            "ROLE" => out.extend(message.role.to_ascii_uppercase()),
            "tool" if message.role == b"assistant_tool_call" => out.extend(b"<|tool_call|>"),
            "system" => put_system(&std::mem::take(system), out),
            "trimmed system" => put_system(trim(&std::mem::take(system)), out),
            _ => {}
        }
    }
    out.extend(rest.bytes());
}

fn put_system(text: &[u8], out: &mut Vec<u8>) {
    if !text.is_empty() {
        out.extend(text);
        out.extend(b"\n\n");
    }
}

/// Without white space (C's, in ASCII) at both ends.
fn trim(text: &[u8]) -> &[u8] {
    let ink = |b: &u8| !matches!(b, b'\t'..=b'\r' | b' ');
    match (text.iter().position(ink), text.iter().rposition(ink)) {
        (Some(first), Some(last)) => &text[first..=last],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat<'a>(messages: &[(&'a str, &'a str)]) -> Vec<Message<'a>> {
        let message = |&(role, content): &(&'a str, &'a str)| Message {
            role: role.as_bytes(),
            content: content.as_bytes(),
        };
        messages.iter().map(message).collect()
    }

    fn apply(template: &str, messages: &[(&str, &str)]) -> String {
        let format = Format::of_template(template.as_bytes()).unwrap();
        String::from_utf8(format.apply(&chat(messages), true)).unwrap()
    }

    #[test]
    fn chatml_is_recognized_and_written() {
        assert_eq!(
            apply(
                "{{'<|im_start|>' + message['role']}}",
                &[("system", "S"), ("user", "U")]
            ),
            "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n"
        );
    }

    #[test]
    fn turns_open_once() {
        let messages = [
            ("system", "S"),
            ("user", "U"),
            ("assistant", " A "),
            ("user", "V"),
        ];
        assert_eq!(
            apply("llama2-sys-bos", &messages),
            "[INST] <<SYS>>\nS\n<</SYS>>\n\nU [/INST] A </s><s>[INST] V [/INST]"
        );
        assert_eq!(
            apply("mistral-v3", &messages),
            "[INST] S\n\nU[/INST] A</s>[INST] V[/INST]"
        );
    }

    #[test]
    fn system_messages_move_to_the_user() {
        assert_eq!(
            apply(
                "gemma",
                &[("system", "S"), ("user", " U "), ("assistant", "A")]
            ),
            "<start_of_turn>user\nS\n\nU<end_of_turn>\n<start_of_turn>model\nA<end_of_turn>\n<start_of_turn>model\n"
        );
    }

    #[test]
    fn names_are_sorted_and_each_has_its_format() {
        assert!(FORMATS.is_sorted_by_key(|f| f.name.to_bytes()));
        for format in &FORMATS {
            let found = Format::of_template(format.name.to_bytes()).unwrap();
            assert_eq!(found.name, format.name);
        }
        for (name, _) in MARKS {
            assert!(
                name.is_empty() || Format::named(name.as_bytes()).is_some(),
                "{name}"
            );
        }
        assert!(Format::of_template(b"{{ messages }}").is_none());
    }
}
