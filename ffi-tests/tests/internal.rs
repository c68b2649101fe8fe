//! Functions that no C header declares, but the reference's libraries export and its programs import.

use std::ffi::c_void;

use ffi_tests::libs::Lib;
use ffi_tests::program::Program;
use ffi_tests::{models, stdout};
use ikrs::quant::Type;

#[test]
fn cxx_programs_look_inside() {
    let program = Program::build("ffi-tests/c/internal.cpp");
    let model = models::model("smollm2-q4_1");
    assert_eq!(stdout(program.command().arg(model)), "done\n");
}

/// Products of rows by name: of bytes that ikrs encodes, both libraries give what the floats give.
#[test]
fn products_of_rows_are_those_of_their_values() {
    type Dot = unsafe extern "C" fn(
        n: i32,
        s: *mut f32,
        bs: usize,
        x: *const c_void,
        bx: usize,
        y: *const c_void,
        by: usize,
        nrc: i32,
    );
    let names = [
        ("q4_0_q8_0", Type::Q4_0, Type::Q8_0),
        ("q4_1_q8_1", Type::Q4_1, Type::Q8_1),
        ("q5_0_q8_0", Type::Q5_0, Type::Q8_0),
        ("q5_1_q8_1", Type::Q5_1, Type::Q8_1),
        ("q6_0_q8_0", Type::Q6_0, Type::Q8_0),
        ("q8_0_q8_0", Type::Q8_0, Type::Q8_0),
        ("iq4_nl_q8_0", Type::Iq4_nl, Type::Q8_0),
        ("q2_K_q8_K", Type::Q2_k, Type::Q8_k),
        ("q3_K_q8_K", Type::Q3_k, Type::Q8_k),
        ("q4_K_q8_K", Type::Q4_k, Type::Q8_k),
        ("q5_K_q8_K", Type::Q5_k, Type::Q8_k),
        ("q6_K_q8_K", Type::Q6_k, Type::Q8_k),
        ("iq4_xs_q8_K", Type::Iq4_xs, Type::Q8_k),
        ("iq3_xxs_q8_K", Type::Iq3_xxs, Type::Q8_k),
        ("iq3_s_q8_K", Type::Iq3_s, Type::Q8_k),
        ("iq2_xxs_q8_K", Type::Iq2_xxs, Type::Q8_k),
        ("iq2_xs_q8_K", Type::Iq2_xs, Type::Q8_k),
        ("iq2_s_q8_K", Type::Iq2_s, Type::Q8_k),
        ("iq1_s_q8_K", Type::Iq1_s, Type::Q8_k),
        ("iq1_m_q8_K", Type::Iq1_m, Type::Q8_k),
        ("iq1_bn_q8_K64", Type::Iq1_bn, Type::Q8_k64),
    ];
    const N: usize = 512;
    let libs = Lib::both();
    for lib in &libs {
        // SAFETY: the signature in llama.h. The reference's conversion tables are filled then.
        unsafe { lib.get::<unsafe extern "C" fn()>("llama_backend_init")() };
    }
    for (name, x, y) in names {
        let (x, y) = (x.info().unwrap(), y.info().unwrap());
        let values = |a: f32| -> Vec<f32> { (0..N).map(|i| (i as f32 * a).sin() + 0.3).collect() };
        let row = |ty: &ikrs::quant::TypeInfo, values: &[f32]| {
            let mut row = vec![0; ty.row_size(N)];
            ty.encode.unwrap()(values, Some(&[1.0; N]), &mut row);
            row
        };
        let (a, b) = (row(x, &values(0.7)), row(y, &values(0.7)));
        let (mut left, mut right) = (vec![0.0; N], vec![0.0; N]);
        (x.decode)(&a, &mut left);
        (y.decode)(&b, &mut right);
        let exact: f32 = left.iter().zip(&right).map(|(a, b)| a * b).sum();
        for lib in &libs {
            let mut s = f32::NAN;
            // SAFETY: the signature in the reference's ggml-quants.h; rows of `N` values.
            unsafe {
                let dot: Dot = lib.get(&format!("ggml_vec_dot_{name}"));
                dot(
                    N as i32,
                    &mut s,
                    0,
                    a.as_ptr().cast(),
                    0,
                    b.as_ptr().cast(),
                    0,
                    1,
                );
            }
            let error = (s - exact).abs() / exact.abs();
            // On x86-64 the reference's product with q6_0 gives nothing, and that of q8_0 takes another type than its name says.
            let is_known = lib.name == "reference" && ["q6_0_q8_0", "q8_0_q8_0"].contains(&name);
            assert!(
                error < 1e-3 || is_known,
                "{}: {name}: {s}, not {exact}",
                lib.name
            );
        }
    }
}

#[test]
fn the_table_of_halves_has_their_values() {
    // SAFETY: an array of as many floats.
    let table = unsafe { &*Lib::ikrs().get::<*const [f32; 1 << 16]>("ggml_table_f32_f16") };
    for (bits, value) in (0u16..).zip(table).step_by(7) {
        let exact = half::f16::from_bits(bits).to_f32();
        assert!(value.to_bits() == exact.to_bits() || value.is_nan() && exact.is_nan());
        if bits > u16::MAX - 7 {
            break;
        }
    }
}

/// Buffers of buffers, on both libraries.
#[test]
fn buffers_are_freed_filled_and_marked_together() {
    type Ptr = *mut c_void;
    for lib in Lib::both() {
        // SAFETY: the signatures in the reference's headers.
        unsafe {
            let cpu: unsafe extern "C" fn() -> Ptr = lib.get("ggml_backend_cpu_buffer_type");
            let alloc: unsafe extern "C" fn(Ptr, usize) -> Ptr =
                lib.get("ggml_backend_buft_alloc_buffer");
            let join: unsafe extern "C" fn(*const Ptr, usize) -> Ptr =
                lib.get("ggml_backend_multi_buffer_alloc_buffer");
            let is_joined: unsafe extern "C" fn(Ptr) -> bool =
                lib.get("ggml_backend_buffer_is_multi_buffer");
            let mark: unsafe extern "C" fn(Ptr, i32) =
                lib.get("ggml_backend_multi_buffer_set_usage");
            let clear: unsafe extern "C" fn(Ptr, u8) = lib.get("ggml_backend_buffer_clear");
            let size: unsafe extern "C" fn(Ptr) -> usize = lib.get("ggml_backend_buffer_get_size");
            let base: unsafe extern "C" fn(Ptr) -> *const u8 =
                lib.get("ggml_backend_buffer_get_base");
            let free: unsafe extern "C" fn(Ptr) = lib.get("ggml_backend_buffer_free");
            let parts = [alloc(cpu(), 1000), alloc(cpu(), 2000)];
            let all = join(parts.as_ptr(), 2);
            assert!(is_joined(all) && !is_joined(parts[0]), "{}", lib.name);
            assert_eq!(size(all), size(parts[0]) + size(parts[1]));
            mark(all, 1);
            clear(all, 7);
            for part in parts {
                assert_eq!(*base(part).add(999), 7, "{}", lib.name);
            }
            free(all);
            if lib.name == "ikrs" {
                assert!(join(std::ptr::null(), 0).is_null());
            }
        }
    }
}
