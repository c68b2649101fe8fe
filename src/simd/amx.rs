//! AMX: eight registers per core that hold tiles, 16 rows of 64 bytes each, and products of them. Not a vector and so not a part of
//! [`Simd`](super::Simd): [`Level::Amx`](super::Level::Amx) has the vectors of the level before it, and this.

/// Permission to use tiles on this thread: they are configured as long as this lives.
pub struct Tiles(std::marker::PhantomData<*const ()>);

/// How tiles are configured (Intel SDM, LDTILECFG): all eight with 16 rows of 64 bytes.
#[cfg(target_arch = "x86_64")]
#[repr(C, align(64))]
struct Config {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

#[cfg(target_arch = "x86_64")]
static CONFIG: Config = Config {
    palette: 1,
    start_row: 0,
    reserved: [0; 14],
    row_bytes: [64, 64, 64, 64, 64, 64, 64, 64, 0, 0, 0, 0, 0, 0, 0, 0],
    rows: [16, 16, 16, 16, 16, 16, 16, 16, 0, 0, 0, 0, 0, 0, 0, 0],
};

/// Whether the CPU multiplies tiles of bf16 and the system lets this process. It is asked for it: memory for tiles is only kept for
/// processes that want it.
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
pub(super) fn usable() -> bool {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    // CPUID 7: EDX bit 22 AMX-BF16, 24 AMX-TILE. CPUID 1: ECX bit 27 OSXSAVE.
    if __cpuid(0).eax < 7 || __cpuid(1).ecx >> 27 & 1 == 0 {
        return false;
    }
    let has = __cpuid_count(7, 0).edx;
    if has >> 22 & 1 == 0 || has >> 24 & 1 == 0 {
        return false;
    }
    let enabled: u32;
    // SAFETY: OSXSAVE says that there is XGETBV; register 0 says which states the system keeps.
    unsafe {
        std::arch::asm!("xgetbv", in("ecx") 0, out("eax") enabled, out("edx") _, options(nomem, nostack));
    }
    // States 17 and 18: configuration and tiles.
    const STATES: u32 = 0b11 << 17;
    const ARCH_REQ_XCOMP_PERM: i64 = 0x1023;
    // SAFETY: asks for a permission, by the number of the state; older systems don't know the question.
    enabled & STATES == STATES
        && unsafe { libc::syscall(libc::SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, 18i64) } == 0
}

#[cfg(all(target_arch = "x86_64", not(target_os = "linux")))]
pub(super) fn usable() -> bool {
    false
}

impl Tiles {
    /// Configures the tiles of this thread. This takes as long as some ten products.
    ///
    /// # Safety
    /// The CPU has [`Level::Amx`](super::Level::Amx), and no other value of this type lives on this thread.
    pub unsafe fn new() -> Tiles {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the configuration is a valid one; the rest is the caller's promise.
        unsafe {
            std::arch::asm!("ldtilecfg [{}]", in(reg) &raw const CONFIG, options(nostack, readonly));
        }
        Tiles(std::marker::PhantomData)
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: whoever made this knew that the CPU has tiles.
        unsafe {
            std::arch::asm!("tilerelease", options(nomem, nostack));
        }
    }
}

/// A tile of sums of products.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
pub struct Sums(pub [[f32; 16]; 16]);

/// Where tiles of sums are.
pub struct Out {
    /// The first row of each.
    pub tiles: [*mut f32; 4],
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Whether sums are added to those that are there.
    pub add: bool,
}

/// Sums of `steps` products of tiles of bf16: each of one or two tiles `a` (row `i`: 32 values) with each of two tiles `b` (row `i`,
/// lane `j`: values `2 i` and `2 i + 1` of what row by row of `a` is multiplied with). Tile `A p + q` of `out` is `a[q] · b[p]`, f32.
///
/// With two `PARTS`, values are sums of two bf16, the second at most half of what the last bit of the first stands for; tiles of first
/// parts are followed by those of the second parts. Products of two second parts, some 18 bits below, are left out.
///
/// # Safety
/// [`Tiles`] live on this thread; `a` points to `A · PARTS` tiles per step, each of `b` to `PARTS`; of `out` the first `2 A` tiles are used.
#[inline(always)]
pub unsafe fn products<const A: usize, const PARTS: usize>(
    steps: usize,
    a: *const u8,
    b: [*const u8; 2],
    out: &Out,
) {
    // A step's instructions on tiles are taken apart by requests for the lines of the step after the next, which come from the second-level
    // cache. A core that runs another thread as well can't look far enough ahead for them, and takes twice as long for instructions on
    // tiles that follow closely one upon the other (any eight instructions in between do; see docs/performance.md).
    #[cfg(target_arch = "x86_64")]
    macro_rules! ask {
        ($tiles:literal, $first:literal) => {
            concat!(
                ".irp at, 0, 64, 128, 192, 256, 320, 384, 448\nprefetcht0 [",
                $tiles,
                " + ",
                $first,
                " + \\at]\n.endr"
            )
        };
    }
    // Tiles are loaded, with requests for the first step's in between, or cleared; the loop over steps; tiles are stored.
    #[cfg(target_arch = "x86_64")]
    macro_rules! sums {
        ($(($tile:literal, $at:literal, $from:literal, $first:literal))* [$($step:expr,)*]) => {
            std::arch::asm!(
                "test {next}, {next}",
                "jz 4f",
                $(concat!("tileloadd ", $tile, ", [", $at, " + {stride}]"), ask!($from, $first),)*
                "jmp 5f",
                "4:",
                $(concat!("tilezero ", $tile),)*
                "5:",
                "test {steps}, {steps}",
                "jz 3f",
                "2:",
                $($step,)*
                // The lines that tiles are stored to are asked for in the last steps, a row of two tiles side by side after each.
                "prefetchw [{asked}]",
                "prefetchw [{asked} + 64]",
                "lea {next}, [{asked} + {stride}]",
                "cmp {steps}, 32",
                "cmovbe {asked}, {next}",
                "dec {steps}",
                "jnz 2b",
                "3:",
                $(concat!("tilestored [", $at, " + {stride}], ", $tile),)*
                steps = inout(reg) steps => _,
                a = inout(reg) a => _,
                b0 = inout(reg) b[0] => _,
                b1 = inout(reg) b[1] => _,
                asked = inout(reg) out.tiles[0] => _,
                // Says whether tiles are loaded, before the first step: there are not many registers.
                next = inout(reg) usize::from(out.add) => _,
                stride = in(reg) out.stride,
                row = in(reg) 64usize,
                out0 = in(reg) out.tiles[0],
                out1 = in(reg) out.tiles[1],
                out2 = in(reg) out.tiles[2],
                out3 = in(reg) out.tiles[3],
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            )
        };
    }
    #[cfg(target_arch = "x86_64")]
    macro_rules! one {
        ([$($step:expr,)*]) => {
            // Operands must be named.
            sums!(("tmm0", "{out0}", "{b0}", 0) ("tmm1", "{out1}", "{b1}", 0) [$($step,)* "/* {out2} {out3} */",])
        };
    }
    #[cfg(target_arch = "x86_64")]
    macro_rules! two {
        ([$($step:expr,)*]) => {
            sums!(
                ("tmm0", "{out0}", "{b0}", 0) ("tmm1", "{out1}", "{b0}", 512)
                ("tmm2", "{out2}", "{b1}", 0) ("tmm3", "{out3}", "{b1}", 512)
                [$($step,)*]
            )
        };
    }
    #[cfg(target_arch = "x86_64")]
    // SAFETY: the caller's promise.
    unsafe {
        match (A, PARTS) {
            (1, 1) => one!([
                "tileloadd tmm4, [{a} + {row}]",
                ask!("{b0}", 2048),
                "tileloadd tmm6, [{b0} + {row}]",
                ask!("{b0}", 2560),
                "tdpbf16ps tmm0, tmm4, tmm6",
                ask!("{a}", 2048),
                ask!("{a}", 2560),
                "tileloadd tmm7, [{b1} + {row}]",
                ask!("{b1}", 2048),
                "tdpbf16ps tmm1, tmm4, tmm7",
                ask!("{b1}", 2560),
                "add {a}, 1024",
                "add {b0}, 1024",
                "add {b1}, 1024",
            ]),
            (2, 1) => two!([
                "tileloadd tmm4, [{a} + {row}]",
                ask!("{a}", 4096),
                "tileloadd tmm6, [{b0} + {row}]",
                ask!("{a}", 4608),
                "tdpbf16ps tmm0, tmm4, tmm6",
                ask!("{a}", 5120),
                "tileloadd tmm5, [{a} + {row} + 1024]",
                ask!("{a}", 5632),
                "tdpbf16ps tmm1, tmm5, tmm6",
                ask!("{b0}", 2048),
                "tileloadd tmm7, [{b1} + {row}]",
                ask!("{b0}", 2560),
                "tdpbf16ps tmm2, tmm4, tmm7",
                ask!("{b1}", 2048),
                "tdpbf16ps tmm3, tmm5, tmm7",
                ask!("{b1}", 2560),
                "add {a}, 2048",
                "add {b0}, 1024",
                "add {b1}, 1024",
            ]),
            // Each sum: first parts, the second of `b`, the second of `a`; so that columns have the same in blocks of one tile.
            (1, 2) => one!([
                "tileloadd tmm4, [{a} + {row}]",
                ask!("{a}", 4096),
                "tileloadd tmm6, [{b0} + {row}]",
                ask!("{a}", 4608),
                "tdpbf16ps tmm0, tmm4, tmm6",
                ask!("{a}", 5120),
                "tileloadd tmm7, [{b1} + {row}]",
                ask!("{a}", 5632),
                "tdpbf16ps tmm1, tmm4, tmm7",
                ask!("{b0}", 4096),
                "tileloadd tmm5, [{b0} + {row} + 1024]",
                ask!("{b0}", 4608),
                "tdpbf16ps tmm0, tmm4, tmm5",
                ask!("{b0}", 5120),
                "tileloadd tmm5, [{b1} + {row} + 1024]",
                ask!("{b0}", 5632),
                "tdpbf16ps tmm1, tmm4, tmm5",
                ask!("{b1}", 4096),
                "tileloadd tmm4, [{a} + {row} + 1024]",
                ask!("{b1}", 4608),
                "tdpbf16ps tmm0, tmm4, tmm6",
                ask!("{b1}", 5120),
                "tdpbf16ps tmm1, tmm4, tmm7",
                ask!("{b1}", 5632),
                "add {a}, 2048",
                "add {b0}, 2048",
                "add {b1}, 2048",
            ]),
            _ => two!([
                "tileloadd tmm4, [{a} + {row}]",
                ask!("{a}", 8192),
                "tileloadd tmm6, [{b0} + {row}]",
                ask!("{a}", 8704),
                "tdpbf16ps tmm0, tmm4, tmm6",
                ask!("{a}", 9216),
                "tileloadd tmm5, [{a} + {row} + 2048]",
                ask!("{a}", 9728),
                "tdpbf16ps tmm1, tmm5, tmm6",
                ask!("{a}", 10240),
                "tileloadd tmm7, [{b1} + {row}]",
                ask!("{a}", 10752),
                "tdpbf16ps tmm2, tmm4, tmm7",
                ask!("{a}", 11264),
                "tdpbf16ps tmm3, tmm5, tmm7",
                ask!("{a}", 11776),
                "tileloadd tmm6, [{b0} + {row} + 1024]",
                ask!("{b0}", 4096),
                "tdpbf16ps tmm0, tmm4, tmm6",
                ask!("{b0}", 4608),
                "tdpbf16ps tmm1, tmm5, tmm6",
                ask!("{b0}", 5120),
                "tileloadd tmm6, [{b1} + {row} + 1024]",
                ask!("{b0}", 5632),
                "tdpbf16ps tmm2, tmm4, tmm6",
                ask!("{b1}", 4096),
                "tdpbf16ps tmm3, tmm5, tmm6",
                ask!("{b1}", 4608),
                "tileloadd tmm4, [{a} + {row} + 1024]",
                ask!("{b1}", 5120),
                "tdpbf16ps tmm2, tmm4, tmm7",
                ask!("{b1}", 5632),
                "tileloadd tmm5, [{a} + {row} + 3072]",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "tileloadd tmm6, [{b0} + {row}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm5, tmm6",
                "add {a}, 4096",
                "add {b0}, 2048",
                "add {b1}, 2048",
            ]),
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (steps, a, b, out);
}
