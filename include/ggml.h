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

// What an `ggml_object` holds, numbered as `enum ggml_object_type`.
enum ggml_object_type {
    GGML_OBJECT_TYPE_TENSOR = 0,
    GGML_OBJECT_TYPE_GRAPH = 1,
    GGML_OBJECT_TYPE_WORK_BUFFER = 2,
};

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

// Where a tensor was kept before there were buffers; unused.
enum ggml_backend_type {
    GGML_BACKEND_TYPE_CPU = 0,
    GGML_BACKEND_TYPE_GPU = 10,
    GGML_BACKEND_TYPE_GPU_SPLIT = 20,
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

// How a computation ended, numbered as `enum ggml_status`.
enum ggml_status {
    GGML_STATUS_ALLOC_FAILED = -2,
    GGML_STATUS_FAILED = -1,
    GGML_STATUS_SUCCESS = 0,
    GGML_STATUS_ABORTED = 1,
};

// In which order the sources of a node are visited (`enum ggml_cgraph_eval_order`).
enum ggml_cgraph_eval_order {
    GGML_CGRAPH_EVAL_ORDER_LEFT_TO_RIGHT = 0,
    GGML_CGRAPH_EVAL_ORDER_RIGHT_TO_LEFT = 1,
    GGML_CGRAPH_EVAL_ORDER_COUNT = 2,
};

// `enum ggml_tri_type`: which triangle of a matrix is kept.
enum ggml_tri_type {
    GGML_TRI_TYPE_LOWER = 0,
    GGML_TRI_TYPE_UPPER = 1,
    GGML_TRI_TYPE_LOWER_DIAG = 2,
    GGML_TRI_TYPE_UPPER_DIAG = 3,
};

// `enum ggml_sort_order`.
enum ggml_sort_order {
    GGML_SORT_ORDER_ASC = 0,
    GGML_SORT_ORDER_DESC = 1,
};

// How exactly an operator accumulates.
enum ggml_prec {
    GGML_PREC_DEFAULT = 0,
    // In f32.
    GGML_PREC_F32 = 1,
};

// `enum ggml_op_pool`.
enum ggml_op_pool {
    GGML_OP_POOL_MAX = 0,
    GGML_OP_POOL_AVG = 1,
    GGML_OP_POOL_COUNT = 2,
};

// How `ggml_upscale` interpolates.
enum ggml_scale_mode {
    GGML_SCALE_MODE_NEAREST = 0,
    GGML_SCALE_MODE_BILINEAR = 1,
    GGML_SCALE_MODE_BICUBIC = 2,
    GGML_SCALE_MODE_COUNT = 3,
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

// What C callers know as `struct gguf_context`: the header of a file, read or to be written.
struct gguf_context;

// What `ggml_init` makes.
struct ggml_init_params {
    // Bytes of the arena.
    size_t mem_size;
    // The arena's memory, or null to have it allocated.
    void *mem_buffer;
    // Leave out the tensors' data.
    bool no_alloc;
};

// A piece of memory that takes the data of new tensors instead of the arena, as `struct ggml_scratch`.
struct ggml_scratch {
    size_t offs;
    size_t size;
    void *data;
};

// The header in front of everything in an arena, laid out as `struct ggml_object`.
struct ggml_object {
    size_t offs;
    size_t size;
    struct ggml_object *next;
    enum ggml_object_type type;
    char padding[4];
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

// A word of a bit set.
typedef uint32_t ggml_bitset_t;

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

// Names a kind of backend.
typedef uint8_t ggml_guid[16];

typedef ggml_guid *ggml_guid_t;

// How `gguf_init_from_file` reads.
struct gguf_init_params {
    // Leave out the tensors' data.
    bool no_alloc;
    // If not null, receives an arena with the file's tensors.
    struct ggml_context **ctx;
};

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

// Receives log messages.
typedef void (*ggml_log_callback)(enum ggml_log_level level, const char *text, void *user_data);

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// Makes an arena of `mem_size` bytes, in `mem_buffer` if that is not null. Null if there is no memory.
GGML_API struct ggml_context *ggml_init(struct ggml_init_params params);

// Frees an arena and everything in it.
GGML_API void ggml_free(struct ggml_context *ctx);

// Bytes of the arena in use.
GGML_API size_t ggml_used_mem(const struct ggml_context *ctx);

// Sends the data of new tensors to `scratch` (to the arena again if its `data` is null). Returns how much of the scratch memory
// before was in use.
GGML_API
size_t ggml_set_scratch(struct ggml_context *ctx,
                        struct ggml_scratch scratch);

// Whether new tensors get no data.
GGML_API bool ggml_get_no_alloc(struct ggml_context *ctx);

// Whether new tensors shall get no data.
GGML_API void ggml_set_no_alloc(struct ggml_context *ctx, bool no_alloc);

// The arena's memory.
GGML_API void *ggml_get_mem_buffer(const struct ggml_context *ctx);

// Bytes of the arena.
GGML_API size_t ggml_get_mem_size(const struct ggml_context *ctx);

// Bytes of the largest tensor.
GGML_API size_t ggml_get_max_tensor_size(const struct ggml_context *ctx);

// Bytes that a tensor without data takes in an arena.
GGML_API size_t ggml_tensor_overhead(void);

// Prints the header of an object in an arena.
GGML_API void ggml_print_object(const struct ggml_object *obj);

// Prints the headers of all objects of an arena.
GGML_API void ggml_print_objects(const struct ggml_context *ctx);

// A tensor of `n_dims` dimensions, `ne` elements each.
GGML_API
struct ggml_tensor *ggml_new_tensor(struct ggml_context *ctx,
                                    enum ggml_type type,
                                    int n_dims,
                                    const int64_t *ne);

// A vector.
GGML_API struct ggml_tensor *ggml_new_tensor_1d(struct ggml_context *ctx, enum ggml_type type, int64_t ne0);

// A matrix.
GGML_API
struct ggml_tensor *ggml_new_tensor_2d(struct ggml_context *ctx,
                                       enum ggml_type type,
                                       int64_t ne0,
                                       int64_t ne1);

GGML_API
struct ggml_tensor *ggml_new_tensor_3d(struct ggml_context *ctx,
                                       enum ggml_type type,
                                       int64_t ne0,
                                       int64_t ne1,
                                       int64_t ne2);

GGML_API
struct ggml_tensor *ggml_new_tensor_4d(struct ggml_context *ctx,
                                       enum ggml_type type,
                                       int64_t ne0,
                                       int64_t ne1,
                                       int64_t ne2,
                                       int64_t ne3);

// A tensor of one number.
GGML_API struct ggml_tensor *ggml_new_i32(struct ggml_context *ctx, int32_t value);

// A tensor of one number.
GGML_API struct ggml_tensor *ggml_new_f32(struct ggml_context *ctx, float value);

// A tensor of the type and shape of `src`.
GGML_API struct ggml_tensor *ggml_dup_tensor(struct ggml_context *ctx, const struct ggml_tensor *src);

// A tensor that looks at the data of `src`.
GGML_API struct ggml_tensor *ggml_view_tensor(struct ggml_context *ctx, struct ggml_tensor *src);

// The first tensor of an arena, or null.
GGML_API struct ggml_tensor *ggml_get_first_tensor(const struct ggml_context *ctx);

// The tensor made after `tensor`, or null.
GGML_API struct ggml_tensor *ggml_get_next_tensor(const struct ggml_context *ctx, struct ggml_tensor *tensor);

// The tensor of this name, or null.
GGML_API struct ggml_tensor *ggml_get_tensor(struct ggml_context *ctx, const char *name);

// Marks a parameter to be trained.
GGML_API void ggml_set_param(struct ggml_context *ctx, struct ggml_tensor *tensor);

// Marks an input: it is allocated first, so that it can be set before the graph is computed.
GGML_API void ggml_set_input(struct ggml_tensor *tensor);

// Marks an output: its memory is not used for anything else.
GGML_API void ggml_set_output(struct ggml_tensor *tensor);

GGML_API int64_t ggml_nelements(const struct ggml_tensor *tensor);

GGML_API int64_t ggml_nrows(const struct ggml_tensor *tensor);

// Bytes from the first element to the last.
GGML_API size_t ggml_nbytes(const struct ggml_tensor *tensor);

// As `ggml_nbytes`, rounded up to the alignment of arenas.
GGML_API size_t ggml_nbytes_pad(const struct ggml_tensor *tensor);

// Bytes per block of the type.
GGML_API size_t ggml_element_size(const struct ggml_tensor *tensor);

// Whether computing it does nothing.
GGML_API bool ggml_is_noop(const struct ggml_tensor *tensor);

GGML_API bool ggml_is_transposed(const struct ggml_tensor *tensor);

// Whether strides do not grow with the dimension.
GGML_API bool ggml_is_permuted(const struct ggml_tensor *tensor);

GGML_API bool ggml_is_empty(const struct ggml_tensor *tensor);

GGML_API bool ggml_is_scalar(const struct ggml_tensor *tensor);

GGML_API bool ggml_is_vector(const struct ggml_tensor *tensor);

GGML_API bool ggml_is_matrix(const struct ggml_tensor *tensor);

GGML_API bool ggml_is_3d(const struct ggml_tensor *tensor);

// Dimensions up to the last that is not 1, at least one.
GGML_API int ggml_n_dims(const struct ggml_tensor *tensor);

// Whether there are no gaps between elements.
GGML_API bool ggml_is_contiguous(const struct ggml_tensor *tensor);

// The same as `ggml_is_contiguous`.
GGML_API bool ggml_is_contiguous_0(const struct ggml_tensor *tensor);

// Contiguous for dimensions from 1 on.
GGML_API bool ggml_is_contiguous_1(const struct ggml_tensor *tensor);

// Contiguous for dimensions from 2 on.
GGML_API bool ggml_is_contiguous_2(const struct ggml_tensor *tensor);

// Whether there are no gaps, though perhaps another order of dimensions.
GGML_API bool ggml_is_contiguously_allocated(const struct ggml_tensor *tensor);

// Whether it is stored as C×W×H×N and seen as W×H×C×N.
GGML_API bool ggml_is_contiguous_channels(const struct ggml_tensor *tensor);

// Whether neighbours of a row are neighbours in memory.
GGML_API bool ggml_is_contiguous_rows(const struct ggml_tensor *tensor);

GGML_API void *ggml_get_data(const struct ggml_tensor *tensor);

// The data of a tensor of type f32.
GGML_API float *ggml_get_data_f32(const struct ggml_tensor *tensor);

// The unary operator that a tensor is computed with.
GGML_API enum ggml_unary_op ggml_get_unary_op(const struct ggml_tensor *tensor);

// The gated linear unit that a tensor is computed with.
GGML_API enum ggml_glu_op ggml_get_glu_op(const struct ggml_tensor *tensor);

// The name of the operator, or of the unary operator.
GGML_API const char *ggml_op_desc(const struct ggml_tensor *tensor);

GGML_API bool ggml_are_same_shape(const struct ggml_tensor *t0, const struct ggml_tensor *t1);

GGML_API bool ggml_are_same_stride(const struct ggml_tensor *t0, const struct ggml_tensor *t1);

// Whether repeating `t0` gives the shape of `t1`.
GGML_API bool ggml_can_repeat(const struct ggml_tensor *t0, const struct ggml_tensor *t1);

// The coordinates of the `i`-th element; pointers may be null.
GGML_API
void ggml_unravel_index(const struct ggml_tensor *tensor,
                        int64_t i,
                        int64_t *i0,
                        int64_t *i1,
                        int64_t *i2,
                        int64_t *i3);

// The `i`-th element.
GGML_API int32_t ggml_get_i32_1d(const struct ggml_tensor *tensor, int i);

// Sets the `i`-th element.
GGML_API void ggml_set_i32_1d(const struct ggml_tensor *tensor, int i, int32_t value);

// The element with these coordinates.
GGML_API int32_t ggml_get_i32_nd(const struct ggml_tensor *tensor, int i0, int i1, int i2, int i3);

// Sets the element with these coordinates.
GGML_API void ggml_set_i32_nd(const struct ggml_tensor *tensor, int i0, int i1, int i2, int i3, int32_t value);

// The `i`-th element.
GGML_API float ggml_get_f32_1d(const struct ggml_tensor *tensor, int i);

// Sets the `i`-th element.
GGML_API void ggml_set_f32_1d(const struct ggml_tensor *tensor, int i, float value);

// The element with these coordinates.
GGML_API float ggml_get_f32_nd(const struct ggml_tensor *tensor, int i0, int i1, int i2, int i3);

// Sets the element with these coordinates.
GGML_API void ggml_set_f32_nd(const struct ggml_tensor *tensor, int i0, int i1, int i2, int i3, float value);

// Sets all bytes to zero.
GGML_API struct ggml_tensor *ggml_set_zero(struct ggml_tensor *tensor);

// Sets every element.
GGML_API struct ggml_tensor *ggml_set_i32(struct ggml_tensor *tensor, int32_t value);

// Sets every element.
GGML_API struct ggml_tensor *ggml_set_f32(struct ggml_tensor *tensor, float value);

GGML_API const char *ggml_get_name(const struct ggml_tensor *tensor);

// Sets the name, cut to 63 bytes.
GGML_API struct ggml_tensor *ggml_set_name(struct ggml_tensor *tensor, const char *name);

// The name of an operator, like `MUL_MAT`.
GGML_API const char *ggml_op_name(enum ggml_op op);

// A formula for an operator, like `X*Y`.
GGML_API const char *ggml_op_symbol(enum ggml_op op);

// The name of a unary operator, like `SILU`.
GGML_API const char *ggml_unary_op_name(enum ggml_unary_op op);

// The name of a gated linear unit, like `SWIGLU`.
GGML_API const char *ggml_glu_op_name(enum ggml_glu_op op);

// What a status means.
GGML_API const char *ggml_status_to_string(enum ggml_status status);

// An empty graph for `GGML_DEFAULT_GRAPH_SIZE` nodes.
GGML_API struct ggml_cgraph *ggml_new_graph(struct ggml_context *ctx);

// An empty graph for `size` nodes, and their gradients if `grads`.
GGML_API struct ggml_cgraph *ggml_new_graph_custom(struct ggml_context *ctx, size_t size, bool grads);

// A copy of a graph (not of its tensors).
GGML_API struct ggml_cgraph *ggml_graph_dup(struct ggml_context *ctx, struct ggml_cgraph *cgraph);

// Bytes that a graph takes in an arena.
GGML_API size_t ggml_graph_overhead(void);

// Bytes that a graph for `size` nodes takes in an arena.
GGML_API size_t ggml_graph_overhead_custom(size_t size, bool grads);

// Adds a tensor and everything it is computed from.
GGML_API void ggml_build_forward_expand(struct ggml_cgraph *cgraph, struct ggml_tensor *tensor);

// The nodes `i0` to `i1 - 1` as a graph that shares the arrays of `cgraph`.
GGML_API struct ggml_cgraph ggml_graph_view(struct ggml_cgraph *cgraph, int i0, int i1);

// Copies a graph into one that is large enough.
GGML_API void ggml_graph_cpy(struct ggml_cgraph *src, struct ggml_cgraph *dst);

// Sets the gradients to zero.
GGML_API void ggml_graph_reset(struct ggml_cgraph *cgraph);

// Takes all nodes and leafs out.
GGML_API void ggml_graph_clear(struct ggml_cgraph *cgraph);

// Most nodes that it can hold.
GGML_API int ggml_graph_size(struct ggml_cgraph *cgraph);

// The `i`-th node, counted from the end if negative; null if there is none.
GGML_API struct ggml_tensor *ggml_graph_node(struct ggml_cgraph *cgraph, int i);

GGML_API struct ggml_tensor **ggml_graph_nodes(struct ggml_cgraph *cgraph);

GGML_API int ggml_graph_n_nodes(struct ggml_cgraph *cgraph);

// The leaf or node of this name, or null.
GGML_API struct ggml_tensor *ggml_graph_get_tensor(struct ggml_cgraph *cgraph, const char *name);

// Says how to compute a graph: the caller provides `work_size` bytes at `work_data`, unless that is 0.
GGML_API struct ggml_cplan ggml_graph_plan(const struct ggml_cgraph *cgraph, int n_threads);

// Computes a graph.
GGML_API enum ggml_status ggml_graph_compute(struct ggml_cgraph *cgraph, struct ggml_cplan *cplan);

// Computes a graph with a work buffer in the arena.
GGML_API
enum ggml_status ggml_graph_compute_with_ctx(struct ggml_context *ctx,
                                             struct ggml_cgraph *cgraph,
                                             int n_threads);

// Prints a line for each node and leaf.
GGML_API void ggml_graph_print(const struct ggml_cgraph *cgraph);

// Writes a drawing of `gb` for Graphviz; nodes that are in `gf` too, which may be null, are green.
GGML_API void ggml_graph_dump_dot(const struct ggml_cgraph *gb, const struct ggml_cgraph *gf, const char *filename);

// A copy.
GGML_API struct ggml_tensor *ggml_dup(struct ggml_context *ctx, struct ggml_tensor *a);

// A view that is written with itself.
GGML_API struct ggml_tensor *ggml_dup_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

// `a + b`, with `b` repeated to the shape of `a`.
GGML_API struct ggml_tensor *ggml_add(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_add_inplace(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// `a + b` as type `type`, for `a` that is not f32.
GGML_API
struct ggml_tensor *ggml_add_cast(struct ggml_context *ctx,
                                  struct ggml_tensor *a,
                                  struct ggml_tensor *b,
                                  enum ggml_type type);

// `a[i0, i1, i2] + b[i0, ids[i1, i2]]`.
GGML_API
struct ggml_tensor *ggml_add_id(struct ggml_context *ctx,
                                struct ggml_tensor *a,
                                struct ggml_tensor *b,
                                struct ggml_tensor *ids);

// `a + b` for one value `b`.
GGML_API struct ggml_tensor *ggml_add1(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_add1_inplace(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// The sum of the first `n_experts` planes of `a`.
GGML_API struct ggml_tensor *ggml_multi_add(struct ggml_context *ctx, struct ggml_tensor *a, int n_experts);

// The sum of the planes of `a`, weighted by `b`.
GGML_API struct ggml_tensor *ggml_mul_multi_add(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// The Walsh–Hadamard transform of each run of `n` values.
GGML_API struct ggml_tensor *ggml_hadamard(struct ggml_context *ctx, struct ggml_tensor *a, int n);

// `a - b`.
GGML_API struct ggml_tensor *ggml_sub(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_sub_inplace(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// `a * b`, with `b` repeated to the shape of `a`.
GGML_API struct ggml_tensor *ggml_mul(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_mul_inplace(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// `op(a) * b`.
GGML_API
struct ggml_tensor *ggml_fused_mul_unary(struct ggml_context *ctx,
                                         struct ggml_tensor *a,
                                         struct ggml_tensor *b,
                                         enum ggml_unary_op op);

GGML_API
struct ggml_tensor *ggml_fused_mul_unary_inplace(struct ggml_context *ctx,
                                                 struct ggml_tensor *a,
                                                 struct ggml_tensor *b,
                                                 enum ggml_unary_op op);

// `a / b`, with `b` repeated to the shape of `a`.
GGML_API struct ggml_tensor *ggml_div(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_div_inplace(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_sqr(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_sqr_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_sqrt(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_sqrt_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_log(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_log_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

// `op` of each element.
GGML_API struct ggml_tensor *ggml_unary(struct ggml_context *ctx, struct ggml_tensor *a, enum ggml_unary_op op);

GGML_API struct ggml_tensor *ggml_unary_inplace(struct ggml_context *ctx, struct ggml_tensor *a, enum ggml_unary_op op);

GGML_API struct ggml_tensor *ggml_abs(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_abs_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_sgn(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_sgn_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_neg(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_neg_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_step(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_step_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_tanh(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_tanh_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_elu(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_elu_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_relu(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_relu_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_sigmoid(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_sigmoid_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

// GELU by its approximation with tanh.
GGML_API struct ggml_tensor *ggml_gelu(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_gelu_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

// GELU by the error function.
GGML_API struct ggml_tensor *ggml_gelu_erf(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_gelu_erf_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

// GELU by its approximation with a sigmoid.
GGML_API struct ggml_tensor *ggml_gelu_quick(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_gelu_quick_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_silu(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_silu_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

// `x * relu6(x + 3) / 6`.
GGML_API struct ggml_tensor *ggml_hardswish(struct ggml_context *ctx, struct ggml_tensor *a);

// `relu6(x + 3) / 6`.
GGML_API struct ggml_tensor *ggml_hardsigmoid(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_exp(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_exp_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_softplus(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_softplus_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

// `x` where positive, `negative_slope * x` elsewhere.
GGML_API
struct ggml_tensor *ggml_leaky_relu(struct ggml_context *ctx,
                                    struct ggml_tensor *a,
                                    float negative_slope,
                                    bool inplace);

// `silu(x) * y` for the halves of each row.
GGML_API struct ggml_tensor *ggml_swiglu(struct ggml_context *ctx, struct ggml_tensor *a);

// The clamped gated unit of gpt-oss; `b` may be null.
GGML_API
struct ggml_tensor *ggml_swiglu_oai(struct ggml_context *ctx,
                                    struct ggml_tensor *a,
                                    struct ggml_tensor *b,
                                    float alpha,
                                    float limit);

// For `a = x` and `b = dy`.
GGML_API struct ggml_tensor *ggml_silu_back(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// A gated linear unit of the halves of each row.
GGML_API
struct ggml_tensor *ggml_glu(struct ggml_context *ctx,
                             struct ggml_tensor *a,
                             enum ggml_glu_op op,
                             bool swapped);

// A gated linear unit of `a` and `b`.
GGML_API
struct ggml_tensor *ggml_glu_split(struct ggml_context *ctx,
                                   struct ggml_tensor *a,
                                   struct ggml_tensor *b,
                                   enum ggml_glu_op op);

GGML_API struct ggml_tensor *ggml_reglu(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_reglu_swapped(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_reglu_split(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_geglu(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_geglu_swapped(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_geglu_split(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_swiglu_swapped(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_swiglu_split(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_geglu_erf(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_geglu_erf_swapped(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API
struct ggml_tensor *ggml_geglu_erf_split(struct ggml_context *ctx,
                                         struct ggml_tensor *a,
                                         struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_geglu_quick(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_geglu_quick_swapped(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API
struct ggml_tensor *ggml_geglu_quick_split(struct ggml_context *ctx,
                                           struct ggml_tensor *a,
                                           struct ggml_tensor *b);

// `s * a`.
GGML_API struct ggml_tensor *ggml_scale(struct ggml_context *ctx, struct ggml_tensor *a, float s);

GGML_API struct ggml_tensor *ggml_scale_inplace(struct ggml_context *ctx, struct ggml_tensor *a, float s);

// `s * a + b`.
GGML_API struct ggml_tensor *ggml_scale_bias(struct ggml_context *ctx, struct ggml_tensor *a, float s, float b);

GGML_API struct ggml_tensor *ggml_scale_bias_inplace(struct ggml_context *ctx, struct ggml_tensor *a, float s, float b);

// `s_after * tanh(s_before * a)`.
GGML_API
struct ggml_tensor *ggml_softcap(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 float s_before,
                                 float s_after);

GGML_API
struct ggml_tensor *ggml_softcap_inplace(struct ggml_context *ctx,
                                         struct ggml_tensor *a,
                                         float s_before,
                                         float s_after);

// Each element limited to `min` to `max`; a view.
GGML_API struct ggml_tensor *ggml_clamp(struct ggml_context *ctx, struct ggml_tensor *a, float min, float max);

// A tensor like `a`, each element `c`.
GGML_API struct ggml_tensor *ggml_fill(struct ggml_context *ctx, struct ggml_tensor *a, float c);

GGML_API struct ggml_tensor *ggml_fill_inplace(struct ggml_context *ctx, struct ggml_tensor *a, float c);

// A triangle of each square matrix, zeros elsewhere.
GGML_API struct ggml_tensor *ggml_tri(struct ggml_context *ctx, struct ggml_tensor *a, enum ggml_tri_type type);

// The numbers from `start` to below `stop`.
GGML_API struct ggml_tensor *ggml_arange(struct ggml_context *ctx, float start, float stop, float step);

// Cosines and sines of time steps: `dim` values for each.
GGML_API
struct ggml_tensor *ggml_timestep_embedding(struct ggml_context *ctx,
                                            struct ggml_tensor *timesteps,
                                            int dim,
                                            int max_period);

// The sum of all elements.
GGML_API struct ggml_tensor *ggml_sum(struct ggml_context *ctx, struct ggml_tensor *a);

// The sum of each row.
GGML_API struct ggml_tensor *ggml_sum_rows(struct ggml_context *ctx, struct ggml_tensor *a);

// The running sum of each row.
GGML_API struct ggml_tensor *ggml_cumsum(struct ggml_context *ctx, struct ggml_tensor *a);

// The mean of each row.
GGML_API struct ggml_tensor *ggml_mean(struct ggml_context *ctx, struct ggml_tensor *a);

// The place of the largest value of each row.
GGML_API struct ggml_tensor *ggml_argmax(struct ggml_context *ctx, struct ggml_tensor *a);

// The places of each row's values in sorted order.
GGML_API struct ggml_tensor *ggml_argsort(struct ggml_context *ctx, struct ggml_tensor *a, enum ggml_sort_order order);

// As `ggml_argsort`, descending, without the places of values below `threshold` times the largest, but for `min_entries`.
GGML_API
struct ggml_tensor *ggml_argsort_thresh(struct ggml_context *ctx,
                                        struct ggml_tensor *a,
                                        int min_entries,
                                        float threshold);

// The places of the `k` largest values of each row.
GGML_API struct ggml_tensor *ggml_top_k(struct ggml_context *ctx, struct ggml_tensor *a, int k);

GGML_API
struct ggml_tensor *ggml_top_k_thresh(struct ggml_context *ctx,
                                      struct ggml_tensor *a,
                                      int k,
                                      int min_entries,
                                      float thresh);

// The places of the largest values of each row's best groups.
GGML_API
struct ggml_tensor *ggml_grouped_topk(struct ggml_context *ctx,
                                      struct ggml_tensor *a,
                                      int num_groups,
                                      int num_top_groups,
                                      int nk,
                                      int topk_experts);

// Each row with mean 0 and variance 1.
GGML_API struct ggml_tensor *ggml_norm(struct ggml_context *ctx, struct ggml_tensor *a, float eps);

GGML_API struct ggml_tensor *ggml_norm_inplace(struct ggml_context *ctx, struct ggml_tensor *a, float eps);

// Each row divided by its root mean square.
GGML_API struct ggml_tensor *ggml_rms_norm(struct ggml_context *ctx, struct ggml_tensor *a, float eps);

GGML_API struct ggml_tensor *ggml_rms_norm_inplace(struct ggml_context *ctx, struct ggml_tensor *a, float eps);

// `rms_norm(a) * b`; `b` may be null.
GGML_API
struct ggml_tensor *ggml_fused_rms_norm(struct ggml_context *ctx,
                                        struct ggml_tensor *a,
                                        struct ggml_tensor *b,
                                        float eps);

GGML_API
struct ggml_tensor *ggml_fused_rms_norm_inplace(struct ggml_context *ctx,
                                                struct ggml_tensor *a,
                                                struct ggml_tensor *b,
                                                float eps);

// `norm(a) * b`; `b` may be null.
GGML_API
struct ggml_tensor *ggml_fused_norm(struct ggml_context *ctx,
                                    struct ggml_tensor *a,
                                    struct ggml_tensor *b,
                                    float eps);

GGML_API
struct ggml_tensor *ggml_fused_norm_inplace(struct ggml_context *ctx,
                                            struct ggml_tensor *a,
                                            struct ggml_tensor *b,
                                            float eps);

// Norm over groups of channels.
GGML_API struct ggml_tensor *ggml_group_norm(struct ggml_context *ctx, struct ggml_tensor *a, int n_groups, float eps);

GGML_API
struct ggml_tensor *ggml_group_norm_inplace(struct ggml_context *ctx,
                                            struct ggml_tensor *a,
                                            int n_groups,
                                            float eps);

// Each row divided by its length.
GGML_API struct ggml_tensor *ggml_l2_norm(struct ggml_context *ctx, struct ggml_tensor *a, float eps);

GGML_API struct ggml_tensor *ggml_l2_norm_inplace(struct ggml_context *ctx, struct ggml_tensor *a, float eps);

// `rms_norm(x1) * c1 + rms_norm(x2) * c2`.
GGML_API
struct ggml_tensor *ggml_fused_rms_rms_add(struct ggml_context *ctx,
                                           struct ggml_tensor *x1,
                                           struct ggml_tensor *c1,
                                           struct ggml_tensor *x2,
                                           struct ggml_tensor *c2,
                                           float eps);

// For `a = x` and `b = dy`.
GGML_API
struct ggml_tensor *ggml_rms_norm_back(struct ggml_context *ctx,
                                       struct ggml_tensor *a,
                                       struct ggml_tensor *b,
                                       float eps);

// `a` `[k, m]` times `b` `[k, n]`: `[m, n]`.
GGML_API struct ggml_tensor *ggml_mul_mat(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// As `ggml_mul_mat` with the matrix of `as_` that `ids` names.
GGML_API
struct ggml_tensor *ggml_mul_mat_id(struct ggml_context *ctx,
                                    struct ggml_tensor *as_,
                                    struct ggml_tensor *b,
                                    struct ggml_tensor *ids);

// `op(gate·b) * (up·b)`.
GGML_API
struct ggml_tensor *ggml_fused_up_gate(struct ggml_context *ctx,
                                       struct ggml_tensor *up,
                                       struct ggml_tensor *gate,
                                       struct ggml_tensor *b,
                                       enum ggml_unary_op op);

// The sum of outer products of rows: `a` `[m, k]`, `b` `[n, k]`, result `[m, n]`.
GGML_API struct ggml_tensor *ggml_out_prod(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// `op(gate·b) * (up·b)` by expert; `as_gate` may be null if `as_up` holds both.
GGML_API
struct ggml_tensor *ggml_moe_up_gate(struct ggml_context *ctx,
                                     struct ggml_tensor *as_up,
                                     struct ggml_tensor *as_gate,
                                     struct ggml_tensor *b,
                                     struct ggml_tensor *ids,
                                     enum ggml_unary_op op);

// As `ggml_moe_up_gate` with biases, which may be null.
GGML_API
struct ggml_tensor *ggml_moe_up_gate_ext(struct ggml_context *ctx,
                                         struct ggml_tensor *a_up,
                                         struct ggml_tensor *a_gate,
                                         struct ggml_tensor *b,
                                         struct ggml_tensor *ids,
                                         struct ggml_tensor *a_up_b,
                                         struct ggml_tensor *a_gate_b,
                                         enum ggml_unary_op op);

// `a` with `b` added to the part at `offset` with these strides.
GGML_API
struct ggml_tensor *ggml_acc(struct ggml_context *ctx,
                             struct ggml_tensor *a,
                             struct ggml_tensor *b,
                             size_t nb1,
                             size_t nb2,
                             size_t nb3,
                             size_t offset);

GGML_API
struct ggml_tensor *ggml_acc_inplace(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     struct ggml_tensor *b,
                                     size_t nb1,
                                     size_t nb2,
                                     size_t nb3,
                                     size_t offset);

// `a` with `b` in place of the part at `offset` with these strides.
GGML_API
struct ggml_tensor *ggml_set(struct ggml_context *ctx,
                             struct ggml_tensor *a,
                             struct ggml_tensor *b,
                             size_t nb1,
                             size_t nb2,
                             size_t nb3,
                             size_t offset);

GGML_API
struct ggml_tensor *ggml_set_inplace(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     struct ggml_tensor *b,
                                     size_t nb1,
                                     size_t nb2,
                                     size_t nb3,
                                     size_t offset);

GGML_API
struct ggml_tensor *ggml_set_1d(struct ggml_context *ctx,
                                struct ggml_tensor *a,
                                struct ggml_tensor *b,
                                size_t offset);

GGML_API
struct ggml_tensor *ggml_set_1d_inplace(struct ggml_context *ctx,
                                        struct ggml_tensor *a,
                                        struct ggml_tensor *b,
                                        size_t offset);

GGML_API
struct ggml_tensor *ggml_set_2d(struct ggml_context *ctx,
                                struct ggml_tensor *a,
                                struct ggml_tensor *b,
                                size_t nb1,
                                size_t offset);

GGML_API
struct ggml_tensor *ggml_set_2d_inplace(struct ggml_context *ctx,
                                        struct ggml_tensor *a,
                                        struct ggml_tensor *b,
                                        size_t nb1,
                                        size_t offset);

// Copies `a` into `b`; the result looks at `b`.
GGML_API struct ggml_tensor *ggml_cpy(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// `a` as another type.
GGML_API struct ggml_tensor *ggml_cast(struct ggml_context *ctx, struct ggml_tensor *a, enum ggml_type type);

// A contiguous copy.
GGML_API struct ggml_tensor *ggml_cont(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_cont_1d(struct ggml_context *ctx, struct ggml_tensor *a, int64_t ne0);

GGML_API struct ggml_tensor *ggml_cont_2d(struct ggml_context *ctx, struct ggml_tensor *a, int64_t ne0, int64_t ne1);

GGML_API
struct ggml_tensor *ggml_cont_3d(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 int64_t ne0,
                                 int64_t ne1,
                                 int64_t ne2);

GGML_API
struct ggml_tensor *ggml_cont_4d(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 int64_t ne0,
                                 int64_t ne1,
                                 int64_t ne2,
                                 int64_t ne3);

// A view of `a` with the shape of `b`.
GGML_API struct ggml_tensor *ggml_reshape(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API struct ggml_tensor *ggml_reshape_1d(struct ggml_context *ctx, struct ggml_tensor *a, int64_t ne0);

GGML_API struct ggml_tensor *ggml_reshape_2d(struct ggml_context *ctx, struct ggml_tensor *a, int64_t ne0, int64_t ne1);

GGML_API
struct ggml_tensor *ggml_reshape_3d(struct ggml_context *ctx,
                                    struct ggml_tensor *a,
                                    int64_t ne0,
                                    int64_t ne1,
                                    int64_t ne2);

GGML_API
struct ggml_tensor *ggml_reshape_4d(struct ggml_context *ctx,
                                    struct ggml_tensor *a,
                                    int64_t ne0,
                                    int64_t ne1,
                                    int64_t ne2,
                                    int64_t ne3);

// A view of a part; `offset` and strides in bytes.
GGML_API struct ggml_tensor *ggml_view_1d(struct ggml_context *ctx, struct ggml_tensor *a, int64_t ne0, size_t offset);

GGML_API
struct ggml_tensor *ggml_view_2d(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 int64_t ne0,
                                 int64_t ne1,
                                 size_t nb1,
                                 size_t offset);

GGML_API
struct ggml_tensor *ggml_view_3d(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 int64_t ne0,
                                 int64_t ne1,
                                 int64_t ne2,
                                 size_t nb1,
                                 size_t nb2,
                                 size_t offset);

GGML_API
struct ggml_tensor *ggml_view_4d(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 int64_t ne0,
                                 int64_t ne1,
                                 int64_t ne2,
                                 int64_t ne3,
                                 size_t nb1,
                                 size_t nb2,
                                 size_t nb3,
                                 size_t offset);

// A view with dimensions in another order: dimension 0 of `a` becomes dimension `axis0`.
GGML_API
struct ggml_tensor *ggml_permute(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 int axis0,
                                 int axis1,
                                 int axis2,
                                 int axis3);

// A view with dimensions 0 and 1 exchanged.
GGML_API struct ggml_tensor *ggml_transpose(struct ggml_context *ctx, struct ggml_tensor *a);

// The rows of `a` that `b` names.
GGML_API struct ggml_tensor *ggml_get_rows(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API
struct ggml_tensor *ggml_get_rows_back(struct ggml_context *ctx,
                                       struct ggml_tensor *a,
                                       struct ggml_tensor *b,
                                       struct ggml_tensor *c);

// Writes the rows of `b` to the rows of `a` that `c` names.
GGML_API
struct ggml_tensor *ggml_set_rows(struct ggml_context *ctx,
                                  struct ggml_tensor *a,
                                  struct ggml_tensor *b,
                                  struct ggml_tensor *c);

// Diagonal matrices.
GGML_API struct ggml_tensor *ggml_diag(struct ggml_context *ctx, struct ggml_tensor *a);

// `a` and `b` one behind the other.
GGML_API
struct ggml_tensor *ggml_concat(struct ggml_context *ctx,
                                struct ggml_tensor *a,
                                struct ggml_tensor *b,
                                int dim);

// `a` repeated to the shape of `b`.
GGML_API struct ggml_tensor *ggml_repeat(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API
struct ggml_tensor *ggml_repeat_4d(struct ggml_context *ctx,
                                   struct ggml_tensor *a,
                                   int64_t ne0,
                                   int64_t ne1,
                                   int64_t ne2,
                                   int64_t ne3);

// The sum of the parts of `a` that are repetitions.
GGML_API struct ggml_tensor *ggml_repeat_back(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// `a` with zeros behind it.
GGML_API struct ggml_tensor *ggml_pad(struct ggml_context *ctx, struct ggml_tensor *a, int p0, int p1, int p2, int p3);

// A view of `dst` that is computed after `src`.
GGML_API struct ggml_tensor *ggml_fake_cpy(struct ggml_context *ctx, struct ggml_tensor *dst, struct ggml_tensor *src);

// The sum of tensors on several devices; `op` must be `GGML_OP_ADD`, and entries may be null.
GGML_API struct ggml_tensor *ggml_reduce(struct ggml_context *ctx, struct ggml_tensor **a, int n, enum ggml_op op);

// Minus infinity for what each token must not see.
GGML_API struct ggml_tensor *ggml_diag_mask_inf(struct ggml_context *ctx, struct ggml_tensor *a, int n_past);

GGML_API struct ggml_tensor *ggml_diag_mask_inf_inplace(struct ggml_context *ctx, struct ggml_tensor *a, int n_past);

// Zeros for what each token must not see.
GGML_API struct ggml_tensor *ggml_diag_mask_zero(struct ggml_context *ctx, struct ggml_tensor *a, int n_past);

GGML_API struct ggml_tensor *ggml_diag_mask_zero_inplace(struct ggml_context *ctx, struct ggml_tensor *a, int n_past);

GGML_API struct ggml_tensor *ggml_soft_max(struct ggml_context *ctx, struct ggml_tensor *a);

GGML_API struct ggml_tensor *ggml_soft_max_inplace(struct ggml_context *ctx, struct ggml_tensor *a);

// Soft-max of `a * scale + mask`; `mask` may be null; `max_bias` above 0 scales it per head (ALiBi).
GGML_API
struct ggml_tensor *ggml_soft_max_ext(struct ggml_context *ctx,
                                      struct ggml_tensor *a,
                                      struct ggml_tensor *mask,
                                      float scale,
                                      float max_bias);

GGML_API struct ggml_tensor *ggml_soft_max_back(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

GGML_API
struct ggml_tensor *ggml_soft_max_back_inplace(struct ggml_context *ctx,
                                               struct ggml_tensor *a,
                                               struct ggml_tensor *b);

// Soft-cap, then soft-max; `mask` may be null.
GGML_API
struct ggml_tensor *ggml_softcap_max(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     struct ggml_tensor *mask,
                                     float scale,
                                     float max_bias,
                                     float s_before,
                                     float s_after);

GGML_API
struct ggml_tensor *ggml_softcap_max_inplace(struct ggml_context *ctx,
                                             struct ggml_tensor *a,
                                             struct ggml_tensor *mask,
                                             float scale,
                                             float max_bias,
                                             float s_before,
                                             float s_after);

// Attention; `mask` may be null, `softcap` 0.
GGML_API
struct ggml_tensor *ggml_flash_attn_ext(struct ggml_context *ctx,
                                        struct ggml_tensor *q,
                                        struct ggml_tensor *k,
                                        struct ggml_tensor *v,
                                        struct ggml_tensor *mask,
                                        float scale,
                                        float max_bias,
                                        float softcap);

// Rotary positions of `a` at `b`.
GGML_API
struct ggml_tensor *ggml_rope(struct ggml_context *ctx,
                              struct ggml_tensor *a,
                              struct ggml_tensor *b,
                              int n_dims,
                              int mode);

GGML_API
struct ggml_tensor *ggml_rope_inplace(struct ggml_context *ctx,
                                      struct ggml_tensor *a,
                                      struct ggml_tensor *b,
                                      int n_dims,
                                      int mode);

// Rotates `a` by the angles in `b`, a result of `ggml_rope_cache`.
GGML_API struct ggml_tensor *ggml_rope_fast(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// Rotary positions of `a` at `b`; `c`, which may be null, divides the frequencies.
GGML_API
struct ggml_tensor *ggml_rope_ext(struct ggml_context *ctx,
                                  struct ggml_tensor *a,
                                  struct ggml_tensor *b,
                                  struct ggml_tensor *c,
                                  int n_dims,
                                  int mode,
                                  int n_ctx_orig,
                                  float freq_base,
                                  float freq_scale,
                                  float ext_factor,
                                  float attn_factor,
                                  float beta_fast,
                                  float beta_slow);

GGML_API
struct ggml_tensor *ggml_rope_ext_inplace(struct ggml_context *ctx,
                                          struct ggml_tensor *a,
                                          struct ggml_tensor *b,
                                          struct ggml_tensor *c,
                                          int n_dims,
                                          int mode,
                                          int n_ctx_orig,
                                          float freq_base,
                                          float freq_scale,
                                          float ext_factor,
                                          float attn_factor,
                                          float beta_fast,
                                          float beta_slow);

GGML_API
__attribute__((deprecated("use ggml_rope_ext instead")))
struct ggml_tensor *ggml_rope_custom(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     struct ggml_tensor *b,
                                     int n_dims,
                                     int mode,
                                     int n_ctx_orig,
                                     float freq_base,
                                     float freq_scale,
                                     float ext_factor,
                                     float attn_factor,
                                     float beta_fast,
                                     float beta_slow);

GGML_API
__attribute__((deprecated("use ggml_rope_ext_inplace instead")))
struct ggml_tensor *ggml_rope_custom_inplace(struct ggml_context *ctx,
                                             struct ggml_tensor *a,
                                             struct ggml_tensor *b,
                                             int n_dims,
                                             int mode,
                                             int n_ctx_orig,
                                             float freq_base,
                                             float freq_scale,
                                             float ext_factor,
                                             float attn_factor,
                                             float beta_fast,
                                             float beta_slow);

// The inverse of `ggml_rope_ext`, without `c`.
GGML_API
struct ggml_tensor *ggml_rope_back(struct ggml_context *ctx,
                                   struct ggml_tensor *a,
                                   struct ggml_tensor *b,
                                   struct ggml_tensor *c,
                                   int n_dims,
                                   int mode,
                                   int n_ctx_orig,
                                   float freq_base,
                                   float freq_scale,
                                   float ext_factor,
                                   float attn_factor,
                                   float beta_fast,
                                   float beta_slow);

// The angles for heads of `ne0` values at `b`, for `ggml_rope_fast`; `c`, which may be null, divides the frequencies.
GGML_API
struct ggml_tensor *ggml_rope_cache(struct ggml_context *ctx,
                                    struct ggml_tensor *b,
                                    struct ggml_tensor *c,
                                    int ne0,
                                    int n_dims,
                                    int mode,
                                    int n_ctx_orig,
                                    float freq_base,
                                    float freq_scale,
                                    float ext_factor,
                                    float attn_factor,
                                    float beta_fast,
                                    float beta_slow);

// As `ggml_rope_ext` with several positions per token, for sections of the head.
GGML_API
struct ggml_tensor *ggml_rope_multi(struct ggml_context *ctx,
                                    struct ggml_tensor *a,
                                    struct ggml_tensor *b,
                                    struct ggml_tensor *c,
                                    int n_dims,
                                    int *sections,
                                    int mode,
                                    int n_ctx_orig,
                                    float freq_base,
                                    float freq_scale,
                                    float ext_factor,
                                    float attn_factor,
                                    float beta_fast,
                                    float beta_slow);

// As `ggml_rope_multi`; a view.
GGML_API
struct ggml_tensor *ggml_rope_multi_inplace(struct ggml_context *ctx,
                                            struct ggml_tensor *a,
                                            struct ggml_tensor *b,
                                            struct ggml_tensor *c,
                                            int n_dims,
                                            int *sections,
                                            int mode,
                                            int n_ctx_orig,
                                            float freq_base,
                                            float freq_scale,
                                            float ext_factor,
                                            float attn_factor,
                                            float beta_fast,
                                            float beta_slow);

// The dimensions between which YaRN goes over from extrapolation to interpolation.
GGML_API
void ggml_rope_yarn_corr_dims(int n_dims,
                              int n_ctx_orig,
                              float freq_base,
                              float beta_fast,
                              float beta_slow,
                              float *dims);

// How exactly a matrix product accumulates.
GGML_API void ggml_mul_mat_set_prec(struct ggml_tensor *a, enum ggml_prec prec);

// How exactly attention accumulates.
GGML_API void ggml_flash_attn_ext_set_prec(struct ggml_tensor *a, enum ggml_prec prec);

// Gives attention a logit per head that takes part in the sum without a value; null takes it away.
GGML_API void ggml_flash_attn_ext_add_sinks(struct ggml_tensor *a, struct ggml_tensor *sinks);

// Gives a soft-max a logit per head that takes part in the sum without a value; null takes it away.
GGML_API void ggml_soft_max_add_sinks(struct ggml_tensor *a, struct ggml_tensor *sinks);

// The patches of `b` under kernel `a` as rows.
GGML_API
struct ggml_tensor *ggml_im2col(struct ggml_context *ctx,
                                struct ggml_tensor *a,
                                struct ggml_tensor *b,
                                int s0,
                                int s1,
                                int p0,
                                int p1,
                                int d0,
                                int d1,
                                bool is_2D,
                                enum ggml_type dst_type);

GGML_API
struct ggml_tensor *ggml_conv_depthwise_2d(struct ggml_context *ctx,
                                           struct ggml_tensor *a,
                                           struct ggml_tensor *b,
                                           int s0,
                                           int s1,
                                           int p0,
                                           int p1,
                                           int d0,
                                           int d1);

// Convolves `b` with kernel `a`: stride, padding, dilation.
GGML_API
struct ggml_tensor *ggml_conv_1d(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 struct ggml_tensor *b,
                                 int s0,
                                 int p0,
                                 int d0);

// As `ggml_conv_1d` with padding of half the kernel.
GGML_API
struct ggml_tensor *ggml_conv_1d_ph(struct ggml_context *ctx,
                                    struct ggml_tensor *a,
                                    struct ggml_tensor *b,
                                    int s,
                                    int d);

GGML_API
struct ggml_tensor *ggml_conv_transpose_1d(struct ggml_context *ctx,
                                           struct ggml_tensor *a,
                                           struct ggml_tensor *b,
                                           int s0,
                                           int p0,
                                           int d0);

// Convolves `b` with kernel `a`: strides, paddings, dilations.
GGML_API
struct ggml_tensor *ggml_conv_2d(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 struct ggml_tensor *b,
                                 int s0,
                                 int s1,
                                 int p0,
                                 int p1,
                                 int d0,
                                 int d1);

// The stride is the kernel's size, without padding.
GGML_API struct ggml_tensor *ggml_conv_2d_sk_p0(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// The stride is 1, with padding of half the kernel.
GGML_API struct ggml_tensor *ggml_conv_2d_s1_ph(struct ggml_context *ctx, struct ggml_tensor *a, struct ggml_tensor *b);

// A kernel for each channel.
GGML_API
struct ggml_tensor *ggml_conv_2d_dw(struct ggml_context *ctx,
                                    struct ggml_tensor *a,
                                    struct ggml_tensor *b,
                                    int s0,
                                    int s1,
                                    int p0,
                                    int p1,
                                    int d0,
                                    int d1);

// As `ggml_conv_2d_dw`, in one node.
GGML_API
struct ggml_tensor *ggml_conv_2d_dw_direct(struct ggml_context *ctx,
                                           struct ggml_tensor *a,
                                           struct ggml_tensor *b,
                                           int stride0,
                                           int stride1,
                                           int pad0,
                                           int pad1,
                                           int dilation0,
                                           int dilation1);

GGML_API
struct ggml_tensor *ggml_conv_transpose_2d_p0(struct ggml_context *ctx,
                                              struct ggml_tensor *a,
                                              struct ggml_tensor *b,
                                              int stride);

// The largest value or the mean of runs of `k0` values.
GGML_API
struct ggml_tensor *ggml_pool_1d(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 enum ggml_op_pool op,
                                 int k0,
                                 int s0,
                                 int p0);

// The largest value or the mean of windows.
GGML_API
struct ggml_tensor *ggml_pool_2d(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 enum ggml_op_pool op,
                                 int k0,
                                 int k1,
                                 int s0,
                                 int s1,
                                 float p0,
                                 float p1);

// `a` enlarged in dimensions 0 and 1.
GGML_API
struct ggml_tensor *ggml_upscale(struct ggml_context *ctx,
                                 struct ggml_tensor *a,
                                 int scale_factor,
                                 enum ggml_scale_mode mode);

GGML_API
__attribute__((deprecated("use ggml_interpolate instead")))
struct ggml_tensor *ggml_upscale_ext(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     int ne0,
                                     int ne1,
                                     int ne2,
                                     int ne3,
                                     enum ggml_scale_mode mode);

// `a` scaled to another size; `mode` is an `enum ggml_scale_mode`, perhaps with flags.
GGML_API
struct ggml_tensor *ggml_interpolate(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     int64_t ne0,
                                     int64_t ne1,
                                     int64_t ne2,
                                     int64_t ne3,
                                     uint32_t mode);

// Cuts `a` into windows of `w` by `w`.
GGML_API struct ggml_tensor *ggml_win_part(struct ggml_context *ctx, struct ggml_tensor *a, int w);

// The inverse of `ggml_win_part`.
GGML_API struct ggml_tensor *ggml_win_unpart(struct ggml_context *ctx, struct ggml_tensor *a, int w0, int h0, int w);

GGML_API struct ggml_tensor *ggml_get_rel_pos(struct ggml_context *ctx, struct ggml_tensor *a, int qh, int kh);

GGML_API
struct ggml_tensor *ggml_add_rel_pos(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     struct ggml_tensor *pw,
                                     struct ggml_tensor *ph);

GGML_API
struct ggml_tensor *ggml_add_rel_pos_inplace(struct ggml_context *ctx,
                                             struct ggml_tensor *a,
                                             struct ggml_tensor *pw,
                                             struct ggml_tensor *ph);

// Mamba's convolution over time.
GGML_API
struct ggml_tensor *ggml_ssm_conv(struct ggml_context *ctx,
                                  struct ggml_tensor *s,
                                  struct ggml_tensor *x,
                                  struct ggml_tensor *c,
                                  struct ggml_tensor *sq);

// Mamba's selective scan.
GGML_API
struct ggml_tensor *ggml_ssm_scan(struct ggml_context *ctx,
                                  struct ggml_tensor *s,
                                  struct ggml_tensor *x,
                                  struct ggml_tensor *dt,
                                  struct ggml_tensor *A,
                                  struct ggml_tensor *B,
                                  struct ggml_tensor *C,
                                  struct ggml_tensor *sq);

// Solves `a x = b` for lower triangular `a`; other variants are not supported.
GGML_API
struct ggml_tensor *ggml_solve_tri(struct ggml_context *ctx,
                                   struct ggml_tensor *a,
                                   struct ggml_tensor *b,
                                   bool left,
                                   bool lower,
                                   bool uni);

// The gated delta rule.
GGML_API
struct ggml_tensor *ggml_delta_net(struct ggml_context *ctx,
                                   struct ggml_tensor *q,
                                   struct ggml_tensor *k,
                                   struct ggml_tensor *v,
                                   struct ggml_tensor *g,
                                   struct ggml_tensor *beta,
                                   struct ggml_tensor *state);

// The mean cross entropy between logits and probabilities.
GGML_API
struct ggml_tensor *ggml_cross_entropy_loss(struct ggml_context *ctx,
                                            struct ggml_tensor *a,
                                            struct ggml_tensor *b);

GGML_API
struct ggml_tensor *ggml_cross_entropy_loss_back(struct ggml_context *ctx,
                                                 struct ggml_tensor *a,
                                                 struct ggml_tensor *b,
                                                 struct ggml_tensor *c);

// `fun` of `a`, called by up to `n_tasks` threads (`GGML_N_TASKS_MAX`: any number).
GGML_API
struct ggml_tensor *ggml_map_custom1(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     ggml_custom1_op_t fun,
                                     int n_tasks,
                                     void *userdata);

GGML_API
struct ggml_tensor *ggml_map_custom1_inplace(struct ggml_context *ctx,
                                             struct ggml_tensor *a,
                                             ggml_custom1_op_t fun,
                                             int n_tasks,
                                             void *userdata);

GGML_API
struct ggml_tensor *ggml_map_custom2(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     struct ggml_tensor *b,
                                     ggml_custom2_op_t fun,
                                     int n_tasks,
                                     void *userdata);

GGML_API
struct ggml_tensor *ggml_map_custom2_inplace(struct ggml_context *ctx,
                                             struct ggml_tensor *a,
                                             struct ggml_tensor *b,
                                             ggml_custom2_op_t fun,
                                             int n_tasks,
                                             void *userdata);

GGML_API
struct ggml_tensor *ggml_map_custom3(struct ggml_context *ctx,
                                     struct ggml_tensor *a,
                                     struct ggml_tensor *b,
                                     struct ggml_tensor *c,
                                     ggml_custom3_op_t fun,
                                     int n_tasks,
                                     void *userdata);

GGML_API
struct ggml_tensor *ggml_map_custom3_inplace(struct ggml_context *ctx,
                                             struct ggml_tensor *a,
                                             struct ggml_tensor *b,
                                             struct ggml_tensor *c,
                                             ggml_custom3_op_t fun,
                                             int n_tasks,
                                             void *userdata);

GGML_API
__attribute__((deprecated("use ggml_map_custom1 instead")))
struct ggml_tensor *ggml_map_unary_f32(struct ggml_context *ctx,
                                       struct ggml_tensor *a,
                                       ggml_unary_op_f32_t fun);

GGML_API
__attribute__((deprecated("use ggml_map_custom1_inplace instead")))
struct ggml_tensor *ggml_map_unary_inplace_f32(struct ggml_context *ctx,
                                               struct ggml_tensor *a,
                                               ggml_unary_op_f32_t fun);

GGML_API
__attribute__((deprecated("use ggml_map_custom2 instead")))
struct ggml_tensor *ggml_map_binary_f32(struct ggml_context *ctx,
                                        struct ggml_tensor *a,
                                        struct ggml_tensor *b,
                                        ggml_binary_op_f32_t fun);

GGML_API
__attribute__((deprecated("use ggml_map_custom2_inplace instead")))
struct ggml_tensor *ggml_map_binary_inplace_f32(struct ggml_context *ctx,
                                                struct ggml_tensor *a,
                                                struct ggml_tensor *b,
                                                ggml_binary_op_f32_t fun);

GGML_API
__attribute__((deprecated("use ggml_map_custom1 instead")))
struct ggml_tensor *ggml_map_custom1_f32(struct ggml_context *ctx,
                                         struct ggml_tensor *a,
                                         ggml_custom1_op_f32_t fun);

GGML_API
__attribute__((deprecated("use ggml_map_custom1_inplace instead")))
struct ggml_tensor *ggml_map_custom1_inplace_f32(struct ggml_context *ctx,
                                                 struct ggml_tensor *a,
                                                 ggml_custom1_op_f32_t fun);

GGML_API
__attribute__((deprecated("use ggml_map_custom2 instead")))
struct ggml_tensor *ggml_map_custom2_f32(struct ggml_context *ctx,
                                         struct ggml_tensor *a,
                                         struct ggml_tensor *b,
                                         ggml_custom2_op_f32_t fun);

GGML_API
__attribute__((deprecated("use ggml_map_custom2_inplace instead")))
struct ggml_tensor *ggml_map_custom2_inplace_f32(struct ggml_context *ctx,
                                                 struct ggml_tensor *a,
                                                 struct ggml_tensor *b,
                                                 ggml_custom2_op_f32_t fun);

GGML_API
__attribute__((deprecated("use ggml_map_custom3 instead")))
struct ggml_tensor *ggml_map_custom3_f32(struct ggml_context *ctx,
                                         struct ggml_tensor *a,
                                         struct ggml_tensor *b,
                                         struct ggml_tensor *c,
                                         ggml_custom3_op_f32_t fun);

GGML_API
__attribute__((deprecated("use ggml_map_custom3_inplace instead")))
struct ggml_tensor *ggml_map_custom3_inplace_f32(struct ggml_context *ctx,
                                                 struct ggml_tensor *a,
                                                 struct ggml_tensor *b,
                                                 struct ggml_tensor *c,
                                                 ggml_custom3_op_f32_t fun);

// Nothing to prepare; callers may call it or not.
GGML_API void ggml_time_init(void);

// Milliseconds of a clock that never goes back.
GGML_API int64_t ggml_time_ms(void);

// Microseconds of a clock that never goes back.
GGML_API int64_t ggml_time_us(void);

// Processor time of the process, in `ggml_cycles_per_ms` parts of a millisecond.
GGML_API int64_t ggml_cycles(void);

GGML_API int64_t ggml_cycles_per_ms(void);

// Opens a file as `fopen` does.
GGML_API FILE *ggml_fopen(const char *fname, const char *mode);

// Whether two backends are of the same kind.
GGML_API bool ggml_guid_matches(ggml_guid_t guid_a, ggml_guid_t guid_b);

// Spreads the threads of the CPU device over the machine's NUMA nodes: in turn (distribute, and mirror, which has no copies of
// weights), all on the caller's (isolate), or as the system does (disabled, numactl). Only the first call counts.
GGML_API
void ggml_numa_init(enum ggml_numa_strategy numa);

// Whether `ggml_numa_init` found several nodes.
GGML_API bool ggml_is_numa(void);

GGML_API int ggml_cpu_has_avx(void);

GGML_API int ggml_cpu_has_avx_vnni(void);

GGML_API int ggml_cpu_has_avx2(void);

GGML_API int ggml_cpu_has_avx512(void);

GGML_API int ggml_cpu_has_avx512_vbmi(void);

GGML_API int ggml_cpu_has_avx512_vnni(void);

GGML_API int ggml_cpu_has_avx512_bf16(void);

GGML_API int ggml_cpu_has_fma(void);

GGML_API int ggml_cpu_has_neon(void);

GGML_API int ggml_cpu_has_sve(void);

GGML_API int ggml_cpu_has_arm_fma(void);

GGML_API int ggml_cpu_has_metal(void);

GGML_API int ggml_cpu_has_f16c(void);

GGML_API int ggml_cpu_has_fp16_va(void);

GGML_API int ggml_cpu_has_wasm_simd(void);

GGML_API int ggml_cpu_has_blas(void);

GGML_API int ggml_cpu_has_cuda(void);

GGML_API int ggml_cpu_has_vulkan(void);

GGML_API int ggml_cpu_has_kompute(void);

GGML_API int ggml_cpu_has_gpublas(void);

GGML_API int ggml_cpu_has_sse3(void);

GGML_API int ggml_cpu_has_ssse3(void);

GGML_API int ggml_cpu_has_sycl(void);

GGML_API int ggml_cpu_has_rpc(void);

GGML_API int ggml_cpu_has_vsx(void);

GGML_API int ggml_cpu_has_matmul_int8(void);

GGML_API int ggml_cpu_has_cann(void);

// A context without keys and tensors, to be filled and written. Freed by `gguf_free`.
GGML_API struct gguf_context *gguf_init_empty(void);

// Reads the header of a file; null, with a line in the log, if that fails.
//
// If `params.ctx` is not null, a context with the tensors is made and stored there, to be freed by `ggml_free`; unless
// `params.no_alloc`, it holds their data, too.
//
// # Safety
// `fname` is null or a C string; `params.ctx` is null or writable.
GGML_API struct gguf_context *gguf_init_from_file(const char *fname, struct gguf_init_params params);

// Frees a context, but not what `gguf_init_params.ctx` asked for.
//
// # Safety
// The pointer is null or from `gguf_init_empty` or `gguf_init_from_file`, and not used any more.
GGML_API void gguf_free(struct gguf_context *ctx);

// The short name of a type of values; null for numbers that are no type.
GGML_API const char *gguf_type_name(enum gguf_type type);

// The version of the format.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API int gguf_get_version(const struct gguf_context *ctx);

// The alignment of tensor data.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API size_t gguf_get_alignment(const struct gguf_context *ctx);

// Where the data section begins in the file.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API size_t gguf_get_data_offset(const struct gguf_context *ctx);

// The data section, if it was read.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API void *gguf_get_data(const struct gguf_context *ctx);

//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API int gguf_get_n_kv(const struct gguf_context *ctx);

//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API const char *gguf_get_key(const struct gguf_context *ctx, int key_id);

// The type of a value; -1 if there is no such key.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API enum gguf_type gguf_get_kv_type(const struct gguf_context *ctx, int key_id);

// The type of an array's elements; -1 if there is no such array.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API enum gguf_type gguf_get_arr_type(const struct gguf_context *ctx, int key_id);

//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API int gguf_get_arr_n(const struct gguf_context *ctx, int key_id);

// The elements of an array of scalars; null for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API const void *gguf_get_arr_data(const struct gguf_context *ctx, int key_id);

// A string of an array of strings; null if there is none.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API const char *gguf_get_arr_str(const struct gguf_context *ctx, int key_id, int i);

//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API const char *gguf_get_val_str(const struct gguf_context *ctx, int key_id);

// Where a scalar lies; null for strings and arrays.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API const void *gguf_get_val_data(const struct gguf_context *ctx, int key_id);

//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API int gguf_get_n_tensors(const struct gguf_context *ctx);

// Where the data of a tensor begins in the data section.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API size_t gguf_get_tensor_offset(const struct gguf_context *ctx, int i);

//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API char *gguf_get_tensor_name(const struct gguf_context *ctx, int i);

// The type of a tensor; -1 if there is no such tensor.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API enum ggml_type gguf_get_tensor_type(const struct gguf_context *ctx, int i);

// Bytes that `gguf_get_meta_data` writes: header, keys and tensor infos with their padding.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API size_t gguf_get_meta_size(const struct gguf_context *ctx);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API uint8_t gguf_get_val_u8(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API int8_t gguf_get_val_i8(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API uint16_t gguf_get_val_u16(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API int16_t gguf_get_val_i16(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API uint32_t gguf_get_val_u32(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API int32_t gguf_get_val_i32(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API float gguf_get_val_f32(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API uint64_t gguf_get_val_u64(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API int64_t gguf_get_val_i64(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API double gguf_get_val_f64(const struct gguf_context *ctx, int key_id);

// The value of a key of this type; nothing (0) for other keys.
//
// # Safety
// The pointer is null or to a context, not freed.
GGML_API bool gguf_get_val_bool(const struct gguf_context *ctx, int key_id);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_u8(struct gguf_context *ctx, const char *key, uint8_t val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_i8(struct gguf_context *ctx, const char *key, int8_t val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_u16(struct gguf_context *ctx, const char *key, uint16_t val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_i16(struct gguf_context *ctx, const char *key, int16_t val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_u32(struct gguf_context *ctx, const char *key, uint32_t val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_i32(struct gguf_context *ctx, const char *key, int32_t val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_f32(struct gguf_context *ctx, const char *key, float val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_u64(struct gguf_context *ctx, const char *key, uint64_t val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_i64(struct gguf_context *ctx, const char *key, int64_t val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_f64(struct gguf_context *ctx, const char *key, double val);

// Sets the value of a key.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_bool(struct gguf_context *ctx, const char *key, bool val);

// Sets a key to a string.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_val_str(struct gguf_context *ctx, const char *key, const char *val);

// Sets a key to an array of `n` scalars of a type.
//
// # Safety
// The pointers are null or as their types say.
GGML_API
void gguf_set_arr_data(struct gguf_context *ctx,
                       const char *key,
                       enum gguf_type type,
                       const void *data,
                       int n);

// Sets a key to an array of `n` strings.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_arr_str(struct gguf_context *ctx, const char *key, const char **data, int n);

// Changes the type of a tensor, but not its size.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_tensor_type(struct gguf_context *ctx, const char *key, enum ggml_type type);

// Says where the data of a tensor is, and how large; the offsets of the tensors behind it move.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_set_tensor_data(struct gguf_context *ctx, const char *key, const void *data, size_t size);

// Removes a key if it is there.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_remove_key(struct gguf_context *ctx, const char *key);

// The number of a key, -1 if it is not there.
//
// # Safety
// The pointers are null or as their types say.
GGML_API int gguf_find_key(const struct gguf_context *ctx, const char *key);

// The number of a tensor, -1 if it is not there.
//
// # Safety
// The pointers are null or as their types say.
GGML_API int gguf_find_tensor(const struct gguf_context *ctx, const char *name);

// Sets all keys of another context.
//
// # Safety
// The pointers are null or to contexts.
GGML_API void gguf_set_kv(struct gguf_context *ctx, struct gguf_context *src);

// Adds a tensor behind those that are there. Its data must stay until the file is written.
//
// # Safety
// The pointers are null or as their types say.
GGML_API void gguf_add_tensor(struct gguf_context *ctx, const struct ggml_tensor *tensor);

// Writes a file; with `only_meta` without the tensors' data.
//
// # Safety
// The pointers are null or as their types say; the data of the tensors is still there.
GGML_API void gguf_write_to_file(const struct gguf_context *ctx, const char *fname, bool only_meta);

// Writes header, keys and tensor infos to memory: as many bytes as `gguf_get_meta_size` says.
//
// # Safety
// `ctx` is null or a context; `data` is null or writable for that many bytes.
GGML_API void gguf_get_meta_data(const struct gguf_context *ctx, void *data);

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
