#include "ggml.h"
#include "ggml-alloc.h"
