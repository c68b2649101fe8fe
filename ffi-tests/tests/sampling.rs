//! Samplers of both libraries on the same candidates: the same candidates are left, and equal seeds pick equal tokens.

use std::ffi::c_void;

use ffi_tests::libs::Lib;
use ffi_tests::session::Session;
use ikrs::llama::params::{llama_token, llama_token_data, llama_token_data_array};

type Ctx = *mut c_void;
type Array = *mut llama_token_data_array;

/// Seeds the context's random numbers.
fn seed(session: &Session, seed: u32) {
    type Seed = unsafe extern "C" fn(Ctx, u32);
    // SAFETY: the type is llama.h's.
    unsafe { session.lib.get::<Seed>("llama_set_rng_seed")(session.ctx, seed) };
}

fn both() -> [Session; 2] {
    Lib::both().map(|lib| Session::new(lib, 64))
}

/// Numbers from a simple generator.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f32 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 40) as f32 / (1u64 << 24) as f32
    }

    /// Candidates in order of their ids, with logits much as models give them, no two equal.
    fn candidates(&mut self, n: usize) -> Vec<llama_token_data> {
        let mut sum = || (0..6).map(|_| self.uniform()).sum::<f32>() - 3.0;
        let data = |id: usize| llama_token_data {
            id: id as llama_token,
            logit: sum() * 5.0 + id as f32 * 1e-6,
            p: 0.0,
        };
        (0..n).map(data).collect()
    }
}

fn array(data: &mut [llama_token_data], sorted: bool) -> llama_token_data_array {
    llama_token_data_array {
        data: data.as_mut_ptr(),
        size: data.len(),
        selected: -1,
        sorted,
    }
}

/// What is left of an array.
fn rest(array: &llama_token_data_array) -> Vec<llama_token_data> {
    // SAFETY: it points into a vector of the caller.
    unsafe { std::slice::from_raw_parts(array.data, array.size) }.to_vec()
}

/// Puts candidates through the same filter of both libraries, and compares what is left.
fn compare(
    apis: &[Session; 2],
    what: &str,
    data: &[llama_token_data],
    filter: impl Fn(&Session, Array),
) {
    let [ours, theirs] = apis.each_ref().map(|api| {
        let mut data = data.to_vec();
        let mut array = array(&mut data, false);
        seed(api, 5);
        filter(api, &mut array);
        (rest(&array), array.sorted)
    });
    assert_eq!(ours.1, theirs.1, "{what}: sorted");
    // the reference's sums of many small probabilities are a little off, so it may need more or less to reach a limit
    let odd = ours.0.len().abs_diff(theirs.0.len());
    assert!(odd <= ours.0.len() / 50, "{what}: {odd} more or less");
    // where scores are as good as equal the order is either's own
    let pairs = ours.0.iter().zip(&theirs.0);
    let others = pairs.filter(|(a, b)| a.id != b.id).count();
    assert!(others <= ours.0.len() / 50, "{what}: {others} others");
    for (a, b) in ours.0.iter().zip(&theirs.0) {
        let near = |a: f32, b: f32, tolerance: f32| a == b || (a - b).abs() <= tolerance * b.abs();
        assert!(near(a.logit, b.logit, 1e-6), "{what}: {a:?} {b:?}");
        assert!(near(a.p, b.p, 2e-4), "{what}: {a:?} {b:?}");
    }
}

/// Calls `$name(ctx, candidates, args...)`.
macro_rules! call {
    ($api:expr, $name:literal, $array:expr $(, $arg:expr => $t:ty)* $(; $out:ty)?) => {
        // SAFETY: the type is llama.h's.
        unsafe {
            $api.lib.get::<unsafe extern "C" fn(Ctx, Array $(, $t)*) $(-> $out)?>($name)(
                $api.ctx, $array $(, $arg)*
            )
        }
    };
}

#[test]
fn filters_leave_the_same_candidates() {
    let apis = both();
    let mut random = Random(1);
    for n in [1, 2, 3, 10, 300, 1500, 5000, 49152] {
        for _ in 0..3 {
            let data = random.candidates(n);
            let data = &data[..];
            let min_keep = (random.uniform() * 4.0) as usize;
            compare(&apis, "softmax", data, |api, a| {
                call!(api, "llama_sample_softmax", a)
            });
            compare(&apis, "dist", data, |api, a| {
                call!(api, "llama_sample_dist", a)
            });
            for k in [-1, 0, 1, 7, 40, 600, 2000, 60000] {
                compare(
                    &apis,
                    &format!("top_k {k} of {n}"),
                    data,
                    |api, a| call!(api, "llama_sample_top_k", a, k => i32, min_keep => usize),
                );
            }
            for p in [0.0f32, 0.1, 0.5, 0.9, 0.99, 1.0] {
                compare(
                    &apis,
                    &format!("top_p {p} of {n}"),
                    data,
                    |api, a| call!(api, "llama_sample_top_p", a, p => f32, min_keep => usize),
                );
                compare(
                    &apis,
                    &format!("min_p {p} of {n}"),
                    data,
                    |api, a| call!(api, "llama_sample_min_p", a, p => f32, min_keep => usize),
                );
                compare(
                    &apis,
                    &format!("tail_free {p} of {n}"),
                    data,
                    |api, a| call!(api, "llama_sample_tail_free", a, p => f32, min_keep => usize),
                );
                compare(
                    &apis,
                    &format!("typical {p} of {n}"),
                    data,
                    |api, a| call!(api, "llama_sample_typical", a, p => f32, min_keep.max(1) => usize),
                );
                compare(&apis, &format!("xtc {p} of {n}"), data, |api, a| {
                    call!(api, "llama_sample_temp", a, 0.4 => f32);
                    call!(api, "llama_sample_xtc", a, p => f32, 0.1 => f32, min_keep => usize)
                });
                compare(
                    &apis,
                    &format!("top_n_sigma {p} of {n}"),
                    data,
                    |api, a| call!(api, "llama_sample_top_n_sigma", a, 3.0 * p => f32),
                );
            }
            compare(
                &apis,
                "temp",
                data,
                |api, a| call!(api, "llama_sample_temp", a, 0.7 => f32),
            );
            compare(
                &apis,
                "entropy",
                data,
                |api, a| call!(api, "llama_sample_entropy", a, 0.2 => f32, 1.8 => f32, 1.1 => f32),
            );
            let last: Vec<llama_token> = (0..64).map(|i| i * i % 71).collect();
            compare(&apis, "penalties", data, |api, a| {
                call!(api, "llama_sample_repetition_penalties", a, last.as_ptr() => *const llama_token,
                    last.len() => usize, 1.1 => f32, 0.2 => f32, 0.3 => f32)
            });
            compare(&apis, "a chain", data, |api, a| {
                call!(api, "llama_sample_top_k", a, 100 => i32, 1 => usize);
                call!(api, "llama_sample_tail_free", a, 0.97 => f32, 1 => usize);
                call!(api, "llama_sample_typical", a, 0.95 => f32, 1 => usize);
                call!(api, "llama_sample_top_p", a, 0.9 => f32, 1 => usize);
                call!(api, "llama_sample_min_p", a, 0.05 => f32, 1 => usize);
            });
        }
    }
}

/// Picks 300 tokens with each library from the same candidates, and compares them.
fn compare_picks(
    apis: &[Session; 2],
    what: &str,
    n: usize,
    pick: impl Fn(&Session, Array, &mut f32) -> i32,
) {
    let [ours, theirs] = apis.each_ref().map(|api| {
        seed(api, 1234);
        let mut random = Random(9);
        let mut mu = 10.0;
        let picks = (0..300).map(|_| {
            let mut data = random.candidates(n);
            pick(api, &mut array(&mut data, false), &mut mu)
        });
        (picks.collect::<Vec<_>>(), mu)
    });
    assert_eq!(ours.0, theirs.0, "{what} of {n}");
    assert!(
        (ours.1 - theirs.1).abs() < 1e-3,
        "{what}: mu {} {}",
        ours.1,
        theirs.1
    );
}

#[test]
fn equal_seeds_pick_equal_tokens() {
    let apis = both();
    for n in [1, 2, 50, 3000] {
        compare_picks(
            &apis,
            "token",
            n,
            |api, a, _| call!(api, "llama_sample_token", a; i32),
        );
        compare_picks(
            &apis,
            "greedy",
            n,
            |api, a, _| call!(api, "llama_sample_token_greedy", a; i32),
        );
        compare_picks(&apis, "xtc and token", n, |api, a, _| {
            call!(api, "llama_sample_xtc", a, 0.5 => f32, 0.05 => f32, 1 => usize);
            call!(api, "llama_sample_token", a; i32)
        });
        compare_picks(
            &apis,
            "mirostat v2",
            n,
            |api, a, mu| call!(api, "llama_sample_token_mirostat_v2", a, 5.0 => f32, 0.1 => f32, mu => *mut f32; i32),
        );
        if n > 2 {
            compare_picks(
                &apis,
                "mirostat",
                n,
                |api, a, mu| call!(api, "llama_sample_token_mirostat", a, 5.0 => f32, 0.1 => f32, 100 => i32, mu => *mut f32; i32),
            );
        }
    }
}

#[test]
fn guidance_moves_logits_alike() {
    let apis = both();
    type Guide = unsafe extern "C" fn(Ctx, *mut f32, *mut f32, f32);
    let [ours, theirs] = apis.each_ref().map(|api| {
        let mut random = Random(3);
        let mut logits = || -> Vec<f32> {
            let data = random.candidates(49152);
            data.iter().map(|c| c.logit).collect()
        };
        let (mut logits, mut guidance) = (logits(), logits());
        // SAFETY: the type is llama.h's, and there are as many logits as tokens.
        unsafe {
            api.lib.get::<Guide>("llama_sample_apply_guidance")(
                api.ctx,
                logits.as_mut_ptr(),
                guidance.as_mut_ptr(),
                1.5,
            );
        }
        (logits, guidance)
    });
    for (a, b) in ours
        .0
        .iter()
        .zip(&theirs.0)
        .chain(ours.1.iter().zip(&theirs.1))
    {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn adaptive_p_picks_alike() {
    let apis = both();
    for updt_w_cur in [false, true] {
        for target in [-1.0f32, 0.1, 0.5] {
            let [ours, theirs] = apis.each_ref().map(|api| {
                type Init = unsafe extern "C" fn(i32, f32, f32, bool, u32) -> *mut c_void;
                type Review = unsafe extern "C" fn(*mut c_void, usize, bool);
                // SAFETY: the type is llama.h's.
                let adaptive = unsafe {
                    api.lib.get::<Init>("llama_init_adaptive_p")(300, target, 0.9, updt_w_cur, 77)
                };
                seed(api, 6);
                let mut random = Random(4);
                (0..200)
                    .map(|i| {
                        let mut data = random.candidates(300);
                        let mut a = array(&mut data, false);
                        call!(api, "llama_prep_adaptive_p", &mut a, adaptive => *mut c_void);
                        call!(api, "llama_sample_top_k", &mut a, 40 => i32, 1 => usize);
                        call!(api, "llama_sample_adaptive_p", &mut a, adaptive => *mut c_void);
                        if i % 50 == 49 {
                            // SAFETY: the type is llama.h's.
                            unsafe {
                                api.lib.get::<Review>("llama_review_adaptive_p")(adaptive, 3, i == 99);
                            }
                        }
                        if target < 0.0 {
                            call!(api, "llama_sample_token", &mut a; i32)
                        } else {
                            call!(api, "llama_sample_token_adaptive_p", &mut a, adaptive => *mut c_void; i32)
                        }
                    })
                    .collect::<Vec<_>>()
            });
            assert_eq!(ours, theirs, "target {target}");
        }
    }
}

#[test]
fn dry_penalizes_alike() {
    let apis = both();
    let breakers = [c"\n", c":", c"\"", c"*", c" the", c"\n\nUser:", c""];
    let breakers = breakers.map(|b| b.as_ptr());
    for (multiplier, base, allowed, last_n, n_breakers) in [
        (0.8f32, 1.75f32, 2, -1, 0),
        (0.8, 1.75, 2, -1, breakers.len()),
        (0.5, 1.0, 0, 100, 3),
        (0.5, 2.0, 1, 30, breakers.len()),
        (0.0, 2.0, 1, -1, 0),
    ] {
        let [ours, theirs] = apis.each_ref().map(|api| {
            type Init = unsafe extern "C" fn(
                *const c_void,
                f32,
                f32,
                i32,
                i32,
                *const *const i8,
                usize,
            ) -> *mut c_void;
            type Accept = unsafe extern "C" fn(*mut c_void, i32);
            // SAFETY: the types are llama.h's.
            let dry = unsafe {
                api.lib.get::<Init>("llama_sampler_init_dry")(
                    api.vocab,
                    multiplier,
                    base,
                    allowed,
                    last_n,
                    breakers.as_ptr(),
                    n_breakers,
                )
            };
            let mut random = Random(8);
            let mut all = Vec::new();
            for i in 0..400 {
                // few tokens, so that they repeat; 28 is ':', 198 a line end
                let token = (random.uniform() * 4.0) as i32 + if i % 37 == 0 { 26 } else { 196 };
                // SAFETY: the type is llama.h's.
                unsafe { api.lib.get::<Accept>("llama_sampler_dry_accept")(dry, token) };
                let mut data = random.candidates(300);
                let mut a = array(&mut data, true);
                type Apply = unsafe extern "C" fn(Ctx, *mut c_void, Array);
                // SAFETY: the type is llama.h's.
                unsafe { api.lib.get::<Apply>("llama_sample_dry")(api.ctx, dry, &mut a) };
                all.push(data);
            }
            // SAFETY: the type is llama.h's.
            unsafe {
                api.lib
                    .get::<unsafe extern "C" fn(*mut c_void)>("llama_sampler_dry_free")(
                    dry
                )
            };
            all
        });
        for (i, (a, b)) in ours
            .iter()
            .flatten()
            .zip(theirs.iter().flatten())
            .enumerate()
        {
            let near = (a.logit - b.logit).abs() <= 1e-5 * b.logit.abs().max(1.0);
            assert!(
                a.id == b.id && (near || a.logit == b.logit),
                "{i}: {a:?} {b:?}"
            );
        }
    }
}

#[test]
fn bad_arguments_are_refused() {
    let api = Session::new(Lib::ikrs(), 64);
    let null = std::ptr::null_mut();
    assert_eq!(call!(api, "llama_sample_token", null; i32), -1);
    let mut a = array(&mut [], false);
    assert_eq!(call!(api, "llama_sample_token", &mut a; i32), -1);
    assert_eq!(call!(api, "llama_sample_token_greedy", &mut a; i32), -1);
    assert_eq!(
        call!(api, "llama_sample_token_mirostat_v2", &mut a, 1.0 => f32, 1.0 => f32, std::ptr::null_mut() => *mut f32; i32),
        -1
    );
    call!(api, "llama_sample_softmax", &mut a);
    a.data = std::ptr::null_mut();
    a.size = 5;
    call!(api, "llama_sample_top_k", &mut a, 1 => i32, 1 => usize);

    let mut data = Random(1).candidates(9);
    data.iter_mut().for_each(|c| c.logit = f32::NAN);
    let mut a = array(&mut data, false);
    call!(api, "llama_sample_xtc", &mut a, 1.0 => f32, 0.0 => f32, 1 => usize);
    call!(api, "llama_sample_typical", &mut a, 0.5 => f32, 1 => usize);
    assert!(call!(api, "llama_sample_token", &mut a; i32) >= 0);
}
