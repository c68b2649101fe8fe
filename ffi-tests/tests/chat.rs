//! Chat templates, side by side with the reference.

use std::ffi::{CStr, CString, c_char};

use ffi_tests::libs::Lib;
use ikrs::abi::llama_types::llama_chat_message;

type Apply = unsafe extern "C" fn(
    *const c_char,
    *const llama_chat_message,
    usize,
    bool,
    *mut c_char,
    i32,
) -> i32;

fn apply(
    lib: &Lib,
    template: &CStr,
    chat: &[llama_chat_message],
    ass: bool,
    room: usize,
) -> (i32, Vec<u8>) {
    let mut buf = vec![7_u8; room];
    // SAFETY: as in llama.h, with a buffer as long as it is said to be.
    let n = unsafe {
        lib.get::<Apply>("llama_chat_apply_template")(
            template.as_ptr(),
            chat.as_ptr(),
            chat.len(),
            ass,
            buf.as_mut_ptr().cast(),
            room as i32,
        )
    };
    (n, buf)
}

fn builtin(lib: &Lib) -> Vec<CString> {
    let mut names = vec![std::ptr::null::<c_char>(); 100];
    // SAFETY: as in llama.h.
    unsafe {
        let n = lib.get::<unsafe extern "C" fn(*mut *const c_char, usize) -> i32>(
            "llama_chat_builtin_templates",
        )(names.as_mut_ptr(), names.len());
        names.truncate(n as usize);
        names
            .iter()
            .map(|&name| CStr::from_ptr(name).to_owned())
            .collect()
    }
}

#[test]
fn chats_are_written_as_by_the_reference() {
    let [ours, theirs] = Lib::both();
    let names = builtin(&ours);
    assert_eq!(names, builtin(&theirs));
    let roles = [
        c"system",
        c"user",
        c"assistant",
        c"tool",
        c"assistant_tool_call",
    ];
    let contents = [
        c"You are kind.",
        c" \n",
        c"  Hello\tthere \x0b\n",
        c"",
        c"\xc3\xa9t\xc3\xa9",
    ];
    let message = |role: usize, content: usize| llama_chat_message {
        role: roles[role].as_ptr(),
        content: contents[content].as_ptr(),
    };
    let chats = [
        vec![],
        vec![message(0, 0)],
        vec![message(1, 2)],
        vec![message(0, 0), message(1, 2), message(2, 2), message(1, 4)],
        vec![
            message(0, 2),
            message(1, 1),
            message(2, 4),
            message(0, 0),
            message(1, 0),
            message(2, 0),
        ],
        vec![
            message(1, 0),
            message(1, 2),
            message(3, 0),
            message(4, 2),
            message(2, 3),
            message(3, 2),
        ],
        vec![message(2, 0), message(0, 1), message(2, 2), message(1, 3)],
    ];
    let texts = [
        c"{{ '<|im_start|>' }}",
        c"[INST] {{ x }} [SYSTEM_PROMPT]",
        c"[AVAILABLE_TOOLS] [INST]",
        c"[AVAILABLE_TOOLS]\"[INST]\"",
        c"[AVAILABLE_TOOLS][INST]",
        c"' [INST] ' + system_message",
        c"[INST] <<SYS>>",
        c"[INST] content.strip()",
        c"bos_token + '[INST] ",
        c"[INST]",
        c"mistral-v7-tekken",
        c"[gMASK]sop",
        c"[gMASK]<sop>",
        c"<|assistant|> <|end|>",
        c"<|assistant|> <|user|>",
        c"<|user|> <|endoftext|>",
        c"<start_of_turn>",
        c"USER: ASSISTANT: ",
        c"USER: ASSISTANT: SYSTEM: ",
        c"<|start_header_id|><|end_header_id|>",
        c"<|endofuserprompt|>",
        c"<role>ASSISTANT</role>'HUMAN'",
        c"<role>ASSISTANT</role> \"HUMAN\" <think>",
        c"<|start|><|channel|>",
        c"<seed:bos>",
        c"nothing known",
        c"",
    ];
    for template in names.iter().map(|n| n.as_c_str()).chain(texts) {
        // The reference takes the user for the assistant here.
        if template == c"kimi-k2" {
            continue;
        }
        for chat in &chats {
            for (ass, room) in [(true, 2000), (false, 2000), (true, 10), (false, 0)] {
                assert_eq!(
                    apply(&ours, template, chat, ass, room),
                    apply(&theirs, template, chat, ass, room),
                    "{template:?} {} messages, {ass}, {room}",
                    chat.len()
                );
            }
        }
    }
}
