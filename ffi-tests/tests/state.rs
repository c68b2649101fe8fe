//! Saved states: each library goes on from what the other saved, and damaged states change nothing.

use std::ffi::{CString, c_void};

use ffi_tests::libs::Lib;
use ffi_tests::paths;
use ffi_tests::session::Session;

const TEXT: &str = "The capital of France is";

type Size = unsafe extern "C" fn(*mut c_void) -> usize;
type Get = unsafe extern "C" fn(*mut c_void, *mut u8, usize) -> usize;
type Set = unsafe extern "C" fn(*mut c_void, *const u8, usize) -> usize;
type SeqSize = unsafe extern "C" fn(*mut c_void, i32, u32) -> usize;
type SeqGet = unsafe extern "C" fn(*mut c_void, *mut u8, usize, i32, u32) -> usize;
type SeqSet = unsafe extern "C" fn(*mut c_void, *const u8, usize, i32, u32) -> usize;

fn save(s: &Session) -> Vec<u8> {
    // SAFETY: the types are llama.h's, and there is room for as many bytes as said.
    unsafe {
        let mut state = vec![0; s.lib.get::<Size>("llama_state_get_size")(s.ctx)];
        let n = s.lib.get::<Get>("llama_state_get_data")(s.ctx, state.as_mut_ptr(), state.len());
        assert_eq!(n, state.len(), "{}", s.lib.name);
        state
    }
}

fn restore(s: &Session, state: &[u8]) -> usize {
    // SAFETY: the type is llama.h's, and there are as many bytes as said.
    unsafe { s.lib.get::<Set>("llama_state_set_data")(s.ctx, state.as_ptr(), state.len()) }
}

/// Both sessions decode the same next token: the logits must be alike.
fn compare_next(a: &Session, b: &Session, pos: usize) {
    let next = a.tokenize(" Paris");
    let [a, b] = [a, b].map(|s| s.decode(&next, pos));
    let sum = |f: &dyn Fn(f32, f32) -> f32| a.iter().zip(&b).map(|(a, b)| f(*a, *b)).sum::<f32>();
    let nmse = sum(&|a, b| (a - b) * (a - b)) / sum(&|a, _| a * a);
    assert!(nmse < 1e-6, "{nmse}");
}

/// Of F16: with quantized weights activations are rounded to 8 bits, and the least difference makes many of them another number.
fn sessions() -> [[Session; 2]; 2] {
    let two = || Lib::both().map(|lib| Session::of(lib, "pad-f16", 128));
    let ([a, b], [c, d]) = (two(), two());
    [[a, d], [b, c]]
}

#[test]
fn each_library_goes_on_from_the_others_state() {
    for [from, to] in sessions() {
        let tokens = from.tokenize(TEXT);
        from.decode(&tokens, 0);
        let state = save(&from);
        assert_eq!(restore(&to, &state), state.len(), "{}", to.lib.name);
        assert_eq!(save(&to), state, "{}: saved again", to.lib.name);
        compare_next(&from, &to, tokens.len());
    }
}

#[test]
fn sequences_go_over_to_the_other_library() {
    for [from, to] in sessions() {
        let tokens = from.tokenize(TEXT);
        from.decode(&tokens, 0);
        // SAFETY: the types are llama.h's, and there is room for as many bytes as said.
        let (state, taken) = unsafe {
            let mut state =
                vec![0; from.lib.get::<SeqSize>("llama_state_seq_get_size")(from.ctx, 0, 0)];
            let get = from.lib.get::<SeqGet>("llama_state_seq_get_data");
            assert_eq!(
                get(from.ctx, state.as_mut_ptr(), state.len(), 0, 0),
                state.len()
            );
            let set = to.lib.get::<SeqSet>("llama_state_seq_set_data");
            let taken = set(to.ctx, state.as_ptr(), state.len(), 0, 0);
            (state, taken)
        };
        assert_eq!(taken, state.len(), "{}", to.lib.name);
        compare_next(&from, &to, tokens.len());
    }
}

#[test]
fn files_go_over_with_their_tokens() {
    type SaveFile = unsafe extern "C" fn(*mut c_void, *const i8, *const i32, usize) -> bool;
    type LoadFile =
        unsafe extern "C" fn(*mut c_void, *const i8, *mut i32, usize, *mut usize) -> bool;
    let dir = paths::scratch();
    let path = dir.path().join("session");
    let c_path = CString::new(path.to_str().unwrap()).unwrap();
    for [from, to] in sessions() {
        let tokens = from.tokenize(TEXT);
        from.decode(&tokens, 0);
        let (mut found, mut n) = (vec![0; 64], 0);
        // SAFETY: the types are llama.h's, and there are as many tokens and as much room as said.
        unsafe {
            let save = from.lib.get::<SaveFile>("llama_state_save_file");
            assert!(save(
                from.ctx,
                c_path.as_ptr().cast(),
                tokens.as_ptr(),
                tokens.len()
            ));
            let load = to.lib.get::<LoadFile>("llama_state_load_file");
            assert!(load(
                to.ctx,
                c_path.as_ptr().cast(),
                found.as_mut_ptr(),
                found.len(),
                &mut n
            ));
        }
        assert_eq!(found[..n], tokens);
        assert_eq!(save(&to), save(&from));
        let files: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
        assert_eq!(files.len(), 1, "nothing is left beside the file");
    }
}

#[test]
fn damaged_states_change_nothing() {
    let s = Session::new(Lib::ikrs(), 128);
    s.decode(&s.tokenize("Something else"), 0);
    let before = save(&s);
    let other = Session::new(Lib::ikrs(), 128);
    other.decode(&other.tokenize(TEXT), 0);
    let state = save(&other);
    for n in [0, 3, 8, 100, 6000, 7000, state.len() / 2, state.len() - 1] {
        assert_eq!(restore(&s, &state[..n]), 0, "cut to {n}");
    }
    let mut damaged = 0;
    for i in (0..12000)
        .step_by(61)
        .chain(state.len() - 2000..state.len())
    {
        let mut state = state.clone();
        state[i] ^= 0x81;
        if restore(&s, &state) == 0 {
            damaged += 1;
        } else {
            assert_eq!(restore(&s, &before), before.len());
        }
        assert_eq!(save(&s).len(), before.len());
    }
    assert!(damaged > 0);
    assert_eq!(save(&s), before);
}
