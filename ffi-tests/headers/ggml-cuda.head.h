#include "ggml.h"
#include "ggml-backend.h"

#define GGML_CUDA_NAME        "CUDA"
#define GGML_CUBLAS_NAME      "cuBLAS"
#define GGML_CUDA_MAX_DEVICES 16
