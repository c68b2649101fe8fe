// Part of ikrs: the C interface of libikrs.so, source-compatible with the header of this name in ik_llama.cpp.
// Generated from the Rust source by `make generate`; not edited by hand.

#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef GGML_SHARED
#    define GGML_API __attribute__((visibility("default")))
#else
#    define GGML_API
#endif

// Calling convention of builds that run on several operating systems.
#ifdef GGML_MULTIPLATFORM
#    define GGML_CALL __attribute__((__ms_abi__))
#else
#    define GGML_CALL
#endif

#ifdef __GNUC__
#    define GGML_DEPRECATED(func, hint) func __attribute__((deprecated(hint)))
#    define GGML_ATTRIBUTE_FORMAT(...) __attribute__((format(printf, __VA_ARGS__)))
#else
#    define GGML_DEPRECATED(func, hint) func
#    define GGML_ATTRIBUTE_FORMAT(...)
#endif

#ifdef __cplusplus
#    define GGML_NORETURN [[noreturn]]
#    define GGML_RESTRICT
#else
#    define GGML_NORETURN _Noreturn
#    define GGML_RESTRICT restrict
#endif

#define GGML_FILE_MAGIC   0x67676d6c
#define GGML_FILE_VERSION 1

#define GGML_QNT_VERSION        2
#define GGML_QNT_VERSION_FACTOR 1000

#define GGML_MAX_DIMS   4
#define GGML_MAX_PARAMS 2048
#ifndef GGML_MAX_CONTEXTS
#define GGML_MAX_CONTEXTS 64
#endif
#define GGML_MAX_SRC 10
#ifndef GGML_MAX_NAME
#define GGML_MAX_NAME 64
#endif
#define GGML_MAX_OP_PARAMS      64
#define GGML_DEFAULT_N_THREADS  4
#define GGML_DEFAULT_GRAPH_SIZE 2048
#define GGML_MEM_ALIGN          16

#define GGML_EXIT_SUCCESS 0
#define GGML_EXIT_ABORTED 1

#define GGML_ROPE_TYPE_NEOX   2
#define GGML_ROPE_TYPE_MROPE  8
#define GGML_ROPE_TYPE_VISION 24
#define GGML_ROPE_TYPE_IMROPE 40
#define GGML_MROPE_SECTIONS   4

#define GGUF_MAGIC             "GGUF"
#define GGUF_VERSION           3
#define GGUF_DEFAULT_ALIGNMENT 32

// Rows of an attention mask are padded to a multiple of this.
#define GGML_KQ_MASK_PAD 16
// As many tasks as there are threads.
#define GGML_N_TASKS_MAX -1

#define GGML_UNUSED(x) (void)(x)
#define GGML_PAD(x, n) (((x) + (n) - 1) & ~((n) - 1))

#ifndef NDEBUG
#define GGML_UNREACHABLE() do { fprintf(stderr, "statement should be unreachable\n"); abort(); } while(0)
#elif defined(__GNUC__)
#define GGML_UNREACHABLE() __builtin_unreachable()
#else
#define GGML_UNREACHABLE() ((void) 0)
#endif

#define GGML_ABORT(...) ggml_abort(__FILE__, __LINE__, __VA_ARGS__)
#define GGML_ASSERT(x) if (!(x)) GGML_ABORT("GGML_ASSERT(%s) failed", #x)

// GGML_TENSOR_LOCALS(int64_t, ne1, src1, ne) declares ne10 .. ne13 with the values of src1->ne[0] .. src1->ne[3].
#define GGML_TENSOR_LOCALS_1(type, prefix, pointer, array) \
    const type prefix##0 = (pointer)->array[0]; GGML_UNUSED(prefix##0);
#define GGML_TENSOR_LOCALS_2(type, prefix, pointer, array) \
    GGML_TENSOR_LOCALS_1(type, prefix, pointer, array) \
    const type prefix##1 = (pointer)->array[1]; GGML_UNUSED(prefix##1);
#define GGML_TENSOR_LOCALS_3(type, prefix, pointer, array) \
    GGML_TENSOR_LOCALS_2(type, prefix, pointer, array) \
    const type prefix##2 = (pointer)->array[2]; GGML_UNUSED(prefix##2);
#define GGML_TENSOR_LOCALS(type, prefix, pointer, array) \
    GGML_TENSOR_LOCALS_3(type, prefix, pointer, array) \
    const type prefix##3 = (pointer)->array[3]; GGML_UNUSED(prefix##3);

// The shapes and strides of an operator's sources src0, src1, src2 and of its result dst.
#define GGML_TENSOR_BINARY_OP_LOCALS01 \
    GGML_TENSOR_LOCALS(int64_t, ne0, src0, ne) \
    GGML_TENSOR_LOCALS(size_t,  nb0, src0, nb) \
    GGML_TENSOR_LOCALS(int64_t, ne1, src1, ne) \
    GGML_TENSOR_LOCALS(size_t,  nb1, src1, nb)
#define GGML_TENSOR_UNARY_OP_LOCALS \
    GGML_TENSOR_LOCALS(int64_t, ne0, src0, ne) \
    GGML_TENSOR_LOCALS(size_t,  nb0, src0, nb) \
    GGML_TENSOR_LOCALS(int64_t, ne,  dst,  ne) \
    GGML_TENSOR_LOCALS(size_t,  nb,  dst,  nb)
#define GGML_TENSOR_BINARY_OP_LOCALS \
    GGML_TENSOR_BINARY_OP_LOCALS01 \
    GGML_TENSOR_LOCALS(int64_t, ne, dst, ne) \
    GGML_TENSOR_LOCALS(size_t,  nb, dst, nb)
#define GGML_TENSOR_TERNARY_OP_LOCALS \
    GGML_TENSOR_BINARY_OP_LOCALS01 \
    GGML_TENSOR_LOCALS(int64_t, ne2, src2, ne) \
    GGML_TENSOR_LOCALS(size_t,  nb2, src2, nb) \
    GGML_TENSOR_LOCALS(int64_t, ne,  dst,  ne) \
    GGML_TENSOR_LOCALS(size_t,  nb,  dst,  nb)

// Tensor types, numbered as `enum ggml_type` at the ABI level; `Type::from_raw` refuses unknown numbers.
enum ggml_type {
    GGML_TYPE_F32 = 0,
    GGML_TYPE_F16 = 1,
    GGML_TYPE_Q4_0 = 2,
    GGML_TYPE_Q4_1 = 3,
    GGML_TYPE_Q5_0 = 6,
    GGML_TYPE_Q5_1 = 7,
    GGML_TYPE_Q8_0 = 8,
    GGML_TYPE_Q8_1 = 9,
    GGML_TYPE_Q2_K = 10,
    GGML_TYPE_Q3_K = 11,
    GGML_TYPE_Q4_K = 12,
    GGML_TYPE_Q5_K = 13,
    GGML_TYPE_Q6_K = 14,
    GGML_TYPE_Q8_K = 15,
    GGML_TYPE_IQ2_XXS = 16,
    GGML_TYPE_IQ2_XS = 17,
    GGML_TYPE_IQ3_XXS = 18,
    GGML_TYPE_IQ1_S = 19,
    GGML_TYPE_IQ4_NL = 20,
    GGML_TYPE_IQ3_S = 21,
    GGML_TYPE_IQ2_S = 22,
    GGML_TYPE_IQ4_XS = 23,
    GGML_TYPE_I8 = 24,
    GGML_TYPE_I16 = 25,
    GGML_TYPE_I32 = 26,
    GGML_TYPE_I64 = 27,
    GGML_TYPE_F64 = 28,
    GGML_TYPE_IQ1_M = 29,
    GGML_TYPE_BF16 = 30,
    GGML_TYPE_Q4_0_4_4 = 31,
    GGML_TYPE_Q4_0_4_8 = 32,
    GGML_TYPE_Q4_0_8_8 = 33,
    GGML_TYPE_I2_S = 36,
    GGML_TYPE_MXFP4 = 39,
    GGML_TYPE_Q1_0_G128 = 41,
    GGML_TYPE_Q8_0_X4 = 97,
    GGML_TYPE_Q8_1_X4 = 98,
    GGML_TYPE_Q8_2_X4 = 99,
    GGML_TYPE_Q6_0 = 133,
    GGML_TYPE_IQ1_BN = 134,
    GGML_TYPE_IQ2_BN = 135,
    GGML_TYPE_Q8_K64 = 136,
    GGML_TYPE_IQ2_K = 137,
    GGML_TYPE_IQ3_K = 138,
    GGML_TYPE_IQ4_K = 139,
    GGML_TYPE_IQ5_K = 140,
    GGML_TYPE_IQ6_K = 141,
    GGML_TYPE_IQ4_KS = 144,
    GGML_TYPE_IQ2_KS = 145,
    GGML_TYPE_IQ4_KSS = 146,
    GGML_TYPE_Q8_K16 = 147,
    GGML_TYPE_Q8_K32 = 148,
    GGML_TYPE_Q8_KR8 = 149,
    GGML_TYPE_Q8_K128 = 150,
    GGML_TYPE_Q8_KV = 151,
    GGML_TYPE_IQ5_KS = 152,
    GGML_TYPE_IQ2_KT = 153,
    GGML_TYPE_IQ3_KT = 154,
    GGML_TYPE_IQ4_KT = 155,
    GGML_TYPE_IQ3_KS = 156,
    GGML_TYPE_IQ2_KL = 157,
    GGML_TYPE_IQ1_KT = 158,
    GGML_TYPE_Q4_0_R8 = 202,
    GGML_TYPE_Q5_0_R4 = 206,
    GGML_TYPE_Q8_0_R8 = 208,
    GGML_TYPE_Q2_K_R4 = 210,
    GGML_TYPE_Q3_K_R4 = 211,
    GGML_TYPE_Q4_K_R4 = 212,
    GGML_TYPE_Q5_K_R4 = 213,
    GGML_TYPE_Q6_K_R4 = 214,
    GGML_TYPE_IQ2_XXS_R4 = 216,
    GGML_TYPE_IQ2_XS_R4 = 217,
    GGML_TYPE_IQ3_XXS_R4 = 218,
    GGML_TYPE_IQ1_S_R4 = 219,
    GGML_TYPE_IQ4_NL_R4 = 220,
    GGML_TYPE_IQ3_S_R4 = 221,
    GGML_TYPE_IQ2_S_R4 = 222,
    GGML_TYPE_IQ4_XS_R8 = 223,
    GGML_TYPE_IQ1_M_R4 = 229,
    GGML_TYPE_BF16_R16 = 230,
    GGML_TYPE_Q6_0_R4 = 233,
    GGML_TYPE_IQ2_BN_R4 = 335,
    GGML_TYPE_IQ2_K_R4 = 337,
    GGML_TYPE_IQ3_K_R4 = 338,
    GGML_TYPE_IQ4_K_R4 = 339,
    GGML_TYPE_IQ5_K_R4 = 340,
    GGML_TYPE_IQ4_KS_R4 = 344,
    GGML_TYPE_IQ5_KS_R4 = 352,
    GGML_TYPE_Q8_K_R16 = 397,
    GGML_TYPE_Q8_KV_R8 = 398,
    GGML_TYPE_Q8_K_R8 = 399,
    GGML_TYPE_COUNT = 400,
};

// File types, numbered as `enum ggml_ftype`.
enum ggml_ftype {
    GGML_FTYPE_UNKNOWN = -1,
    GGML_FTYPE_ALL_F32 = 0,
    GGML_FTYPE_MOSTLY_F16 = 1,
    GGML_FTYPE_MOSTLY_Q4_0 = 2,
    GGML_FTYPE_MOSTLY_Q4_1 = 3,
    GGML_FTYPE_MOSTLY_Q4_1_SOME_F16 = 4,
    GGML_FTYPE_MOSTLY_Q8_0 = 7,
    GGML_FTYPE_MOSTLY_Q5_0 = 8,
    GGML_FTYPE_MOSTLY_Q5_1 = 9,
    GGML_FTYPE_MOSTLY_Q2_K = 10,
    GGML_FTYPE_MOSTLY_Q3_K = 11,
    GGML_FTYPE_MOSTLY_Q4_K = 12,
    GGML_FTYPE_MOSTLY_Q5_K = 13,
    GGML_FTYPE_MOSTLY_Q6_K = 14,
    GGML_FTYPE_MOSTLY_IQ2_XXS = 15,
    GGML_FTYPE_MOSTLY_IQ2_XS = 16,
    GGML_FTYPE_MOSTLY_IQ3_XXS = 17,
    GGML_FTYPE_MOSTLY_IQ1_S = 18,
    GGML_FTYPE_MOSTLY_IQ4_NL = 19,
    GGML_FTYPE_MOSTLY_IQ3_S = 20,
    GGML_FTYPE_MOSTLY_IQ2_S = 21,
    GGML_FTYPE_MOSTLY_IQ4_XS = 22,
    GGML_FTYPE_MOSTLY_IQ1_M = 23,
    GGML_FTYPE_MOSTLY_BF16 = 24,
    GGML_FTYPE_MOSTLY_MXFP4 = 25,
    GGML_FTYPE_MOSTLY_Q4_0_4_4 = 26,
    GGML_FTYPE_MOSTLY_Q4_0_4_8 = 27,
    GGML_FTYPE_MOSTLY_Q4_0_8_8 = 28,
    GGML_FTYPE_MOSTLY_Q1_0_128 = 29,
    GGML_FTYPE_MOSTLY_Q6_0 = 127,
    GGML_FTYPE_MOSTLY_IQ1_BN = 128,
    GGML_FTYPE_MOSTLY_IQ2_BN = 129,
    GGML_FTYPE_MOSTLY_IQ2_K = 130,
    GGML_FTYPE_MOSTLY_IQ3_K = 131,
    GGML_FTYPE_MOSTLY_IQ4_K = 132,
    GGML_FTYPE_MOSTLY_IQ5_K = 133,
    GGML_FTYPE_MOSTLY_IQ6_K = 134,
    GGML_FTYPE_MOSTLY_IQ4_KS = 137,
    GGML_FTYPE_MOSTLY_IQ2_KS = 138,
    GGML_FTYPE_MOSTLY_IQ4_KSS = 139,
    GGML_FTYPE_MOSTLY_Q8_KV = 140,
    GGML_FTYPE_MOSTLY_IQ5_KS = 141,
    GGML_FTYPE_MOSTLY_IQ2_KT = 142,
    GGML_FTYPE_MOSTLY_IQ3_KT = 143,
    GGML_FTYPE_MOSTLY_IQ4_KT = 144,
    GGML_FTYPE_MOSTLY_IQ3_KS = 145,
    GGML_FTYPE_MOSTLY_IQ2_KL = 146,
    GGML_FTYPE_MOSTLY_IQ1_KT = 147,
    GGML_FTYPE_MOSTLY_Q4_0_R8 = 202,
    GGML_FTYPE_MOSTLY_Q8_0_R8 = 207,
    GGML_FTYPE_MOSTLY_Q5_0_R4 = 208,
    GGML_FTYPE_MOSTLY_Q2_K_R4 = 210,
    GGML_FTYPE_MOSTLY_Q3_K_R4 = 211,
    GGML_FTYPE_MOSTLY_Q4_K_R4 = 212,
    GGML_FTYPE_MOSTLY_Q5_K_R4 = 213,
    GGML_FTYPE_MOSTLY_Q6_K_R4 = 214,
    GGML_FTYPE_MOSTLY_IQ2_XXS_R4 = 215,
    GGML_FTYPE_MOSTLY_IQ2_XS_R4 = 216,
    GGML_FTYPE_MOSTLY_IQ3_XXS_R4 = 217,
    GGML_FTYPE_MOSTLY_IQ1_S_R4 = 218,
    GGML_FTYPE_MOSTLY_IQ4_NL_R4 = 219,
    GGML_FTYPE_MOSTLY_IQ3_S_R4 = 220,
    GGML_FTYPE_MOSTLY_IQ2_S_R4 = 221,
    GGML_FTYPE_MOSTLY_IQ4_XS_R8 = 222,
    GGML_FTYPE_MOSTLY_IQ1_M_R4 = 223,
    GGML_FTYPE_MOSTLY_BF16_R16 = 224,
    GGML_FTYPE_MOSTLY_Q6_0_R4 = 227,
    GGML_FTYPE_MOSTLY_IQ2_BN_R4 = 329,
    GGML_FTYPE_MOSTLY_IQ2_K_R4 = 330,
    GGML_FTYPE_MOSTLY_IQ3_K_R4 = 331,
    GGML_FTYPE_MOSTLY_IQ4_K_R4 = 332,
    GGML_FTYPE_MOSTLY_IQ5_K_R4 = 333,
    GGML_FTYPE_MOSTLY_IQ4_KS_R4 = 337,
    GGML_FTYPE_MOSTLY_IQ5_KS_R4 = 341,
    GGML_FTYPE_MOSTLY_Q8_K_R16 = 397,
    GGML_FTYPE_MOSTLY_Q8_KV_R8 = 398,
    GGML_FTYPE_MOSTLY_Q8_K_R8 = 399,
};

// How exactly an operator accumulates.
enum ggml_prec {
    GGML_PREC_DEFAULT = 0,
    // In f32.
    GGML_PREC_F32 = 1,
};

// Where a tensor was kept before there were buffers; unused.
enum ggml_backend_type {
    GGML_BACKEND_TYPE_CPU = 0,
    GGML_BACKEND_TYPE_GPU = 10,
    GGML_BACKEND_TYPE_GPU_SPLIT = 20,
};

// How memory is spread over the nodes of a NUMA machine.
enum ggml_numa_strategy {
    GGML_NUMA_STRATEGY_DISABLED = 0,
    GGML_NUMA_STRATEGY_DISTRIBUTE = 1,
    GGML_NUMA_STRATEGY_ISOLATE = 2,
    GGML_NUMA_STRATEGY_NUMACTL = 3,
    GGML_NUMA_STRATEGY_MIRROR = 4,
    GGML_NUMA_STRATEGY_COUNT = 5,
};

// How `ggml_upscale` interpolates.
enum ggml_scale_mode {
    GGML_SCALE_MODE_NEAREST = 0,
    GGML_SCALE_MODE_BILINEAR = 1,
    GGML_SCALE_MODE_BICUBIC = 2,
    GGML_SCALE_MODE_COUNT = 3,
};

// Bits beside a `ggml_scale_mode`.
enum ggml_scale_flag {
    // The corner samples of both images coincide.
    GGML_SCALE_FLAG_ALIGN_CORNERS = 256,
};

// The optimizers of `ggml_opt`.
enum ggml_opt_type {
    GGML_OPT_TYPE_ADAM = 0,
    GGML_OPT_TYPE_LBFGS = 1,
};

// Line searches of L-BFGS.
enum ggml_linesearch {
    GGML_LINESEARCH_BACKTRACKING_ARMIJO = 0,
    GGML_LINESEARCH_BACKTRACKING_WOLFE = 1,
    GGML_LINESEARCH_BACKTRACKING_STRONG_WOLFE = 2,
    GGML_LINESEARCH_DEFAULT = 1,
};

// How an optimization ended.
enum ggml_opt_result {
    GGML_OPT_RESULT_OK = 0,
    GGML_OPT_RESULT_DID_NOT_CONVERGE = 1,
    GGML_OPT_RESULT_NO_CONTEXT = 2,
    GGML_OPT_RESULT_INVALID_WOLFE = 3,
    GGML_OPT_RESULT_FAIL = 4,
    GGML_OPT_RESULT_CANCEL = 5,
    GGML_LINESEARCH_FAIL = -128,
    GGML_LINESEARCH_MINIMUM_STEP = -127,
    GGML_LINESEARCH_MAXIMUM_STEP = -126,
    GGML_LINESEARCH_MAXIMUM_ITERATIONS = -125,
    GGML_LINESEARCH_INVALID_PARAMETERS = -124,
};

// Graph operators, numbered as `enum ggml_op`.
enum ggml_op {
    GGML_OP_NONE = 0,
    GGML_OP_DUP = 1,
    GGML_OP_ADD = 2,
    GGML_OP_ADD_ID = 3,
    GGML_OP_ADD1 = 4,
    GGML_OP_ACC = 5,
    GGML_OP_SUB = 6,
    GGML_OP_MUL = 7,
    GGML_OP_DIV = 8,
    GGML_OP_SQR = 9,
    GGML_OP_SQRT = 10,
    GGML_OP_LOG = 11,
    GGML_OP_SUM = 12,
    GGML_OP_SUM_ROWS = 13,
    GGML_OP_MEAN = 14,
    GGML_OP_ARGMAX = 15,
    GGML_OP_REPEAT = 16,
    GGML_OP_REPEAT_BACK = 17,
    GGML_OP_CONCAT = 18,
    GGML_OP_SILU_BACK = 19,
    GGML_OP_NORM = 20,
    GGML_OP_RMS_NORM = 21,
    GGML_OP_RMS_NORM_BACK = 22,
    GGML_OP_GROUP_NORM = 23,
    GGML_OP_FUSED_RMS_NORM = 24,
    GGML_OP_FUSED_MUL_UNARY = 25,
    GGML_OP_MULTI_ADD = 26,
    GGML_OP_MUL_MAT = 27,
    GGML_OP_MUL_MAT_ID = 28,
    GGML_OP_OUT_PROD = 29,
    GGML_OP_FUSED_UP_GATE = 30,
    GGML_OP_MOE_FUSED_UP_GATE = 31,
    GGML_OP_MUL_MULTI_ADD = 32,
    GGML_OP_HADAMARD = 33,
    GGML_OP_SCALE = 34,
    GGML_OP_SET = 35,
    GGML_OP_CPY = 36,
    GGML_OP_CONT = 37,
    GGML_OP_RESHAPE = 38,
    GGML_OP_VIEW = 39,
    GGML_OP_PERMUTE = 40,
    GGML_OP_TRANSPOSE = 41,
    GGML_OP_GET_ROWS = 42,
    GGML_OP_GET_ROWS_BACK = 43,
    GGML_OP_SET_ROWS = 44,
    GGML_OP_DIAG = 45,
    GGML_OP_DIAG_MASK_INF = 46,
    GGML_OP_DIAG_MASK_ZERO = 47,
    GGML_OP_SOFT_MAX = 48,
    GGML_OP_SOFT_MAX_BACK = 49,
    GGML_OP_ROPE = 50,
    GGML_OP_ROPE_BACK = 51,
    GGML_OP_ROPE_CACHE = 52,
    GGML_OP_ROPE_FAST = 53,
    GGML_OP_CLAMP = 54,
    GGML_OP_CONV_TRANSPOSE_1D = 55,
    GGML_OP_IM2COL = 56,
    GGML_OP_CONV_TRANSPOSE_2D = 57,
    GGML_OP_POOL_1D = 58,
    GGML_OP_POOL_2D = 59,
    GGML_OP_UPSCALE = 60,
    GGML_OP_PAD = 61,
    GGML_OP_ARANGE = 62,
    GGML_OP_TIMESTEP_EMBEDDING = 63,
    GGML_OP_ARGSORT = 64,
    GGML_OP_ARGSORT_THRESH = 65,
    GGML_OP_GROUPED_TOPK = 66,
    GGML_OP_LEAKY_RELU = 67,
    GGML_OP_SOFTCAP = 68,
    GGML_OP_SOFT_CAP_MAX = 69,
    GGML_OP_CONV_2D = 70,
    GGML_OP_CONV_2D_DW = 71,
    GGML_OP_FLASH_ATTN_EXT = 72,
    GGML_OP_FLASH_ATTN_BACK = 73,
    GGML_OP_SSM_CONV = 74,
    GGML_OP_SSM_SCAN = 75,
    GGML_OP_WIN_PART = 76,
    GGML_OP_WIN_UNPART = 77,
    GGML_OP_GET_REL_POS = 78,
    GGML_OP_ADD_REL_POS = 79,
    GGML_OP_UNARY = 80,
    GGML_OP_CUMSUM = 81,
    GGML_OP_L2_NORM = 82,
    GGML_OP_TRI = 83,
    GGML_OP_FILL = 84,
    GGML_OP_SOLVE_TRI = 85,
    GGML_OP_DELTA_NET = 86,
    GGML_OP_MAP_UNARY = 87,
    GGML_OP_MAP_BINARY = 88,
    GGML_OP_MAP_CUSTOM1_F32 = 89,
    GGML_OP_MAP_CUSTOM2_F32 = 90,
    GGML_OP_MAP_CUSTOM3_F32 = 91,
    GGML_OP_MAP_CUSTOM1 = 92,
    GGML_OP_MAP_CUSTOM2 = 93,
    GGML_OP_MAP_CUSTOM3 = 94,
    GGML_OP_CROSS_ENTROPY_LOSS = 95,
    GGML_OP_CROSS_ENTROPY_LOSS_BACK = 96,
    GGML_OP_GLU = 97,
    GGML_OP_REDUCE = 98,
    GGML_OP_FAKE_CPY = 99,
    GGML_OP_FUSED_NORM = 100,
    GGML_OP_FUSED_RMS_RMS_ADD = 101,
    GGML_OP_COUNT = 102,
};

// Bits of `ggml_tensor::flags`.
enum ggml_tensor_flag {
    GGML_TENSOR_FLAG_INPUT = 1,
    GGML_TENSOR_FLAG_OUTPUT = 2,
    // A parameter that is trained.
    GGML_TENSOR_FLAG_PARAM = 4,
    // A loss that is minimized; several add up.
    GGML_TENSOR_FLAG_LOSS = 8,
};

// Log levels, numbered as `enum ggml_log_level`.
enum ggml_log_level {
    GGML_LOG_LEVEL_NONE = 0,
    GGML_LOG_LEVEL_DEBUG = 1,
    GGML_LOG_LEVEL_INFO = 2,
    GGML_LOG_LEVEL_WARN = 3,
    GGML_LOG_LEVEL_ERROR = 4,
    GGML_LOG_LEVEL_CONT = 5,
};

// How a computation ended, numbered as `enum ggml_status`.
enum ggml_status {
    GGML_STATUS_ALLOC_FAILED = -2,
    GGML_STATUS_FAILED = -1,
    GGML_STATUS_SUCCESS = 0,
    GGML_STATUS_ABORTED = 1,
};

// Types of values, numbered as `enum gguf_type` and in files.
enum gguf_type {
    GGUF_TYPE_UINT8 = 0,
    GGUF_TYPE_INT8 = 1,
    GGUF_TYPE_UINT16 = 2,
    GGUF_TYPE_INT16 = 3,
    GGUF_TYPE_UINT32 = 4,
    GGUF_TYPE_INT32 = 5,
    GGUF_TYPE_FLOAT32 = 6,
    GGUF_TYPE_BOOL = 7,
    GGUF_TYPE_STRING = 8,
    GGUF_TYPE_ARRAY = 9,
    GGUF_TYPE_UINT64 = 10,
    GGUF_TYPE_INT64 = 11,
    GGUF_TYPE_FLOAT64 = 12,
    GGUF_TYPE_COUNT = 13,
};

// In which order the sources of a node are visited (`enum ggml_cgraph_eval_order`).
enum ggml_cgraph_eval_order {
    GGML_CGRAPH_EVAL_ORDER_LEFT_TO_RIGHT = 0,
    GGML_CGRAPH_EVAL_ORDER_RIGHT_TO_LEFT = 1,
    GGML_CGRAPH_EVAL_ORDER_COUNT = 2,
};

// What an `ggml_object` holds, numbered as `enum ggml_object_type`.
enum ggml_object_type {
    GGML_OBJECT_TYPE_TENSOR = 0,
    GGML_OBJECT_TYPE_GRAPH = 1,
    GGML_OBJECT_TYPE_WORK_BUFFER = 2,
};

// Element-wise unary operators of `Op::Unary`, numbered as `enum ggml_unary_op`.
enum ggml_unary_op {
    GGML_UNARY_OP_ABS = 0,
    GGML_UNARY_OP_SGN = 1,
    GGML_UNARY_OP_NEG = 2,
    GGML_UNARY_OP_STEP = 3,
    GGML_UNARY_OP_TANH = 4,
    GGML_UNARY_OP_ELU = 5,
    GGML_UNARY_OP_RELU = 6,
    GGML_UNARY_OP_SIGMOID = 7,
    GGML_UNARY_OP_GELU_ERF = 8,
    GGML_UNARY_OP_GELU_QUICK = 9,
    GGML_UNARY_OP_SILU = 10,
    GGML_UNARY_OP_HARDSWISH = 11,
    GGML_UNARY_OP_HARDSIGMOID = 12,
    GGML_UNARY_OP_SWIGLU = 13,
    GGML_UNARY_OP_SWIGLU_OAI = 14,
    GGML_UNARY_OP_GELU = 15,
    GGML_UNARY_OP_EXP = 16,
    GGML_UNARY_OP_SOFTPLUS = 17,
    GGML_UNARY_OP_COUNT = 18,
};

// `enum ggml_sort_order`.
enum ggml_sort_order {
    GGML_SORT_ORDER_ASC = 0,
    GGML_SORT_ORDER_DESC = 1,
};

// `enum ggml_glu_op`.
enum ggml_glu_op {
    GGML_GLU_OP_REGLU = 0,
    GGML_GLU_OP_GEGLU = 1,
    GGML_GLU_OP_SWIGLU = 2,
    GGML_GLU_OP_SWIGLU_OAI = 3,
    GGML_GLU_OP_GEGLU_ERF = 4,
    GGML_GLU_OP_GEGLU_QUICK = 5,
    GGML_GLU_OP_COUNT = 6,
};

// `enum ggml_op_pool`.
enum ggml_op_pool {
    GGML_OP_POOL_MAX = 0,
    GGML_OP_POOL_AVG = 1,
    GGML_OP_POOL_COUNT = 2,
};

// `enum ggml_tri_type`: which triangle of a matrix is kept.
enum ggml_tri_type {
    GGML_TRI_TYPE_LOWER = 0,
    GGML_TRI_TYPE_UPPER = 1,
    GGML_TRI_TYPE_LOWER_DIAG = 2,
    GGML_TRI_TYPE_UPPER_DIAG = 3,
};

// An instance of a device; what C callers know as `ggml_backend_t` points to one.
struct ggml_backend;

// A piece of a device's memory; what C callers know as `ggml_backend_buffer_t` points to one.
struct ggml_backend_buffer;

// What C callers know as `ggml_backend_buffer_type_t` is a reference to one of these. They live forever.
struct ggml_backend_buffer_type;

// An arena of fixed size in which tensors, graphs and (unless `no_alloc`) tensor data are allocated one after the other.
// Nothing is freed but the whole. Running out of space is an error.
//
// Handles to tensors and graphs in it must not be used after it is dropped or cleared.
struct ggml_context;

struct gguf_context;

// A half float, as `ggml_fp16_t`.
typedef uint16_t ggml_fp16_t;

// A bfloat16, as `ggml_bf16_t`.
struct ggml_bf16_t {
    uint16_t bits;
};

typedef void (*ggml_to_float_t)(const void*, float*, int64_t);

typedef void (*ggml_from_float_t)(const float*, void*, int64_t);

typedef void (*ggml_from_float_to_mat_t)(const float*, void*, int64_t, int64_t, int64_t);

typedef void (*ggml_vec_dot_t)(int n, float *s, size_t bs, const void *x, size_t bx, const void *y, size_t by, int nrc);

typedef void (*ggml_gemv_t)(int, float*, size_t, const void*, const void*, int, int);

typedef ggml_gemv_t ggml_gemm_t;

// What a type can do, as `ggml_type_traits_t`.
struct ggml_type_traits_t {
    const char *type_name;
    int64_t blck_size;
    int64_t blck_size_interleave;
    size_t type_size;
    bool is_quantized;
    ggml_to_float_t to_float;
    ggml_from_float_t from_float;
    ggml_from_float_t from_float_ref;
    ggml_from_float_to_mat_t from_float_to_mat;
    ggml_vec_dot_t vec_dot;
    // A number of `Type`.
    enum ggml_type vec_dot_type;
    int64_t nrows;
    int64_t ncols;
    ggml_gemv_t gemv;
    ggml_gemm_t gemm;
    int64_t row_meta_size;
};

// Called before each step of an optimization; sets the learning rate's factor and may cancel.
typedef void (*ggml_opt_callback)(void *data, int accum_step, float *sched, bool *cancel);

// Parameters of Adam.
struct ggml_opt_params_adam {
    int n_iter;
    // Factor of the learning rate.
    float sched;
    // Weight decay (AdamW); 0 for none.
    float decay;
    // Tensors of fewer dimensions don't decay.
    int decay_min_ndim;
    // Learning rate.
    float alpha;
    float beta1;
    float beta2;
    float eps;
    // Convergence by the loss.
    float eps_f;
    // Convergence by the gradient.
    float eps_g;
    // Gradient clipping; 0 for none.
    float gclip;
};

// Parameters of L-BFGS.
struct ggml_opt_params_lbfgs {
    // Corrections kept of the inverse Hessian.
    int m;
    int n_iter;
    int max_linesearch;
    float eps;
    // Tolerance of the line search.
    float ftol;
    float wolfe;
    float min_step;
    float max_step;
    enum ggml_linesearch linesearch;
};

// How to optimize.
struct ggml_opt_params {
    enum ggml_opt_type type;
    size_t graph_size;
    int n_threads;
    // How many steps back the loss is compared with; 0 for no such test.
    int past;
    // The relative change of the loss since then that counts as converged.
    float delta;
    // Steps without improvement that count as converged; 0 for no such test.
    int max_no_improvement;
    bool print_forward_graph;
    bool print_backward_graph;
    int n_gradient_accumulation;
    struct ggml_opt_params_adam adam;
    struct ggml_opt_params_lbfgs lbfgs;
};

// An n-dimensional tensor, laid out as `struct ggml_tensor` at the ABI level.
//
// C callers read and write the fields. Inside, all access goes through `Tensor`.
struct ggml_tensor {
    // A number of `Type`.
    enum ggml_type type;
    // Unused, kept for the layout (`enum ggml_backend_type`).
    enum ggml_backend_type __backend;
    // The `ggml_backend_buffer` that holds the data, if any; see `backend`.
    struct ggml_backend_buffer *buffer;
    int64_t ne[4];
    size_t nb[4];
    // A number of `Op`.
    enum ggml_op op;
    int32_t op_params[16];
    // `enum ggml_tensor_flag` bits.
    int32_t flags;
    struct ggml_tensor *grad;
    struct ggml_tensor *src[10];
    struct ggml_tensor *view_src;
    size_t view_offs;
    void *data;
    char name[64];
    void *extra;
};

// What Adam remembers.
struct ggml_opt_context_adam {
    // Gradient.
    struct ggml_tensor *g;
    // First moment.
    struct ggml_tensor *m;
    // Second moment.
    struct ggml_tensor *v;
    // Past losses.
    struct ggml_tensor *pf;
    float fx_best;
    float fx_prev;
    int n_no_improvement;
};

// What L-BFGS remembers.
struct ggml_opt_context_lbfgs {
    // Parameters.
    struct ggml_tensor *x;
    // Previous parameters.
    struct ggml_tensor *xp;
    // Gradient.
    struct ggml_tensor *g;
    // Previous gradient.
    struct ggml_tensor *gp;
    // Direction of the search.
    struct ggml_tensor *d;
    // Past losses.
    struct ggml_tensor *pf;
    // The memory: alpha, `y·s`, s and y.
    struct ggml_tensor *lmal;
    struct ggml_tensor *lmys;
    struct ggml_tensor *lms;
    struct ggml_tensor *lmy;
    float fx_best;
    float step;
    int j;
    int k;
    int end;
    int n_no_improvement;
};

// The state of an optimization.
struct ggml_opt_context {
    struct ggml_context *ctx;
    struct ggml_opt_params params;
    int iter;
    // Number of parameters.
    int64_t nx;
    bool just_initialized;
    float loss_before;
    float loss_after;
    struct ggml_opt_context_adam adam;
    struct ggml_opt_context_lbfgs lbfgs;
};

// A tensor cut into parts, one per device.
struct ggml_split_tensor_t {
    int n_device;
    int split_dim;
    struct ggml_tensor *tensor;
    struct ggml_tensor **splits;
};

// A word of a bit set.
typedef uint32_t ggml_bitset_t;

// What `ggml_init` makes.
struct ggml_init_params {
    // Bytes of the arena.
    size_t mem_size;
    // The arena's memory, or null to have it allocated.
    void *mem_buffer;
    // Leave out the tensors' data.
    bool no_alloc;
};

// Called between nodes; returning true stops the computation.
typedef bool (*ggml_abort_callback)(void *data);

// How to compute a graph, made by `ggml_graph_plan`.
struct ggml_cplan {
    // Bytes of `work_data` that the caller has to provide.
    size_t work_size;
    uint8_t *work_data;
    int n_threads;
    // Called between nodes, unless null; stops the computation when it returns true.
    ggml_abort_callback abort_callback;
    void *abort_callback_data;
};

// Names a kind of backend.
typedef uint8_t ggml_guid[16];

typedef ggml_guid *ggml_guid_t;

// Receives log messages.
typedef void (*ggml_log_callback)(enum ggml_log_level level, const char *text, void *user_data);

// How `gguf_init_from_file` reads.
struct gguf_init_params {
    // Leave out the tensors' data.
    bool no_alloc;
    // If not null, receives an arena with the file's tensors.
    struct ggml_context **ctx;
};

// A function of a row's elements: their number, the result, the argument.
typedef void (*ggml_unary_op_f32_t)(int, float*, const float*);

// A function of two rows' elements: their number, the result, the arguments.
typedef void (*ggml_binary_op_f32_t)(int, float*, const float*, const float*);

// Computes its first tensor from the others.
typedef void (*ggml_custom1_op_f32_t)(struct ggml_tensor*, const struct ggml_tensor*);

typedef void (*ggml_custom2_op_f32_t)(struct ggml_tensor*, const struct ggml_tensor*, const struct ggml_tensor*);

typedef void (*ggml_custom3_op_f32_t)(struct ggml_tensor*,
                                      const struct ggml_tensor*,
                                      const struct ggml_tensor*,
                                      const struct ggml_tensor*);

// Computes task `ith` of `nth` of `dst`.
typedef void (*ggml_custom1_op_t)(struct ggml_tensor *dst, const struct ggml_tensor *a, int ith, int nth, void *userdata);

typedef void (*ggml_custom2_op_t)(struct ggml_tensor *dst,
                                  const struct ggml_tensor *a,
                                  const struct ggml_tensor *b,
                                  int ith,
                                  int nth,
                                  void *userdata);

typedef void (*ggml_custom3_op_t)(struct ggml_tensor *dst,
                                  const struct ggml_tensor *a,
                                  const struct ggml_tensor *b,
                                  const struct ggml_tensor *c,
                                  int ith,
                                  int nth,
                                  void *userdata);

// A set of tensors, laid out as `struct ggml_hash_set`: open addressing over `size` keys, with a bit per key that is in use.
struct ggml_hash_set {
    size_t size;
    ggml_bitset_t *used;
    struct ggml_tensor **keys;
};

// A computation graph, laid out as `struct ggml_cgraph` at the ABI level. Inside, access goes through `Graph`.
struct ggml_cgraph {
    int32_t size;
    int32_t n_nodes;
    int32_t n_leafs;
    int32_t n_batch;
    struct ggml_tensor **nodes;
    struct ggml_tensor **grads;
    struct ggml_tensor **leafs;
    struct ggml_hash_set visited_hash_set;
    // A number of `EvalOrder`.
    enum ggml_cgraph_eval_order order;
};

// The header in front of everything in an arena, laid out as `struct ggml_object`.
struct ggml_object {
    size_t offs;
    size_t size;
    struct ggml_object *next;
    enum ggml_object_type type;
    char padding[4];
};

// A piece of memory that takes the data of new tensors instead of the arena, as `struct ggml_scratch`.
struct ggml_scratch {
    size_t offs;
    size_t size;
    void *data;
};

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

GGML_API float ggml_fp16_to_fp32(ggml_fp16_t x);

GGML_API ggml_fp16_t ggml_fp32_to_fp16(float x);

GGML_API void ggml_fp16_to_fp32_row(const ggml_fp16_t *x, float *y, int64_t n);

GGML_API void ggml_fp32_to_fp16_row(const float *x, ggml_fp16_t *y, int64_t n);

GGML_API struct ggml_bf16_t ggml_fp32_to_bf16(float x);

GGML_API float ggml_bf16_to_fp32(struct ggml_bf16_t x);

GGML_API void ggml_bf16_to_fp32_row(const struct ggml_bf16_t *x, float *y, int64_t n);

GGML_API void ggml_fp32_to_bf16_row(const float *x, struct ggml_bf16_t *y, int64_t n);

GGML_API void ggml_fp32_to_bf16_row_ref(const float *x, struct ggml_bf16_t *y, int64_t n);

// Values per block; 0 for numbers that no type has.
GGML_API int64_t ggml_blck_size(enum ggml_type ty);

// Bytes per block; 0 for numbers that no type has.
GGML_API size_t ggml_type_size(enum ggml_type ty);

// Bytes per value, without metadata of rows.
GGML_API double ggml_type_sizef(enum ggml_type ty);

// Bytes of a row of `ne` values.
GGML_API size_t ggml_row_size(enum ggml_type ty, int64_t ne);

// The type's name; null for numbers that no type has.
GGML_API const char *ggml_type_name(enum ggml_type ty);

GGML_API bool ggml_is_quantized(enum ggml_type ty);

// The tensor type of a file type (`enum ggml_ftype`). `GGML_TYPE_COUNT`, with an error in the log, where there is not one.
GGML_API
enum ggml_type ggml_ftype_to_ggml_type(enum ggml_ftype ftype);

// Nothing to do: what encoders need is made at its first use.
GGML_API void ggml_quantize_init(enum ggml_type ty);

// Nothing to do, see `ggml_quantize_init`.
GGML_API void ggml_quantize_free(void);

GGML_API bool ggml_quantize_requires_imatrix(enum ggml_type ty);

// Quantizes `nrows` rows of `n_per_row` values, beginning at value `start` of `src`, to the corresponding rows of `dst`.
// `imatrix`, if not null, has `n_per_row` weights. Returns the bytes written; 0, with an error in the log, if that is impossible.
//
// # Safety
// The pointers are valid for all rows up to and including the last.
GGML_API
size_t ggml_quantize_chunk(enum ggml_type ty,
                           const float *src,
                           void *dst,
                           int64_t start,
                           int64_t nrows,
                           int64_t n_per_row,
                           const float *imatrix);

// Whether `nbytes` of data of this type hold only finite scales; says what is wrong in the log.
//
// # Safety
// `data` is valid for reading `nbytes`.
GGML_API bool ggml_validate_row_data(enum ggml_type ty, const void *data, size_t nbytes);

// What a type can do; all null and zero for numbers that no type has.
GGML_API struct ggml_type_traits_t ggml_internal_get_type_traits(enum ggml_type ty);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

typedef struct ggml_bf16_t ggml_bf16_t;
typedef struct ggml_type_traits_t ggml_type_traits_t;
typedef struct ggml_split_tensor_t ggml_split_tensor_t;

static const size_t GGML_OBJECT_SIZE = sizeof(struct ggml_object);
static const size_t GGML_TENSOR_SIZE = sizeof(struct ggml_tensor);

#ifdef __cplusplus
extern "C" {
#endif

// Prints where and why (a printf format), then a backtrace, and aborts the process.
GGML_NORETURN GGML_ATTRIBUTE_FORMAT(3, 4)
GGML_API void ggml_abort(const char *file, int line, const char *fmt, ...);

// Names a tensor by a printf format. Returns the tensor.
GGML_ATTRIBUTE_FORMAT(2, 3)
GGML_API struct ggml_tensor *ggml_format_name(struct ggml_tensor *tensor, const char *fmt, ...);

#ifdef __cplusplus
}
#endif
