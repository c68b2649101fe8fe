// Part of ikrs: the C interface of libikrs.so, source-compatible with the header of this name in ik_llama.cpp.
// Generated from the Rust source by `make generate`; not edited by hand.

#pragma once

#include "ggml.h"
#include "ggml-backend.h"

#define GGML_CUDA_NAME        "CUDA"
#define GGML_CUBLAS_NAME      "cuBLAS"
#define GGML_CUDA_MAX_DEVICES 16

