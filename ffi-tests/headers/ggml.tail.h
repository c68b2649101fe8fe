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
