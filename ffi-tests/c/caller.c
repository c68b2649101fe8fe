// What callers of the original headers write, in the common subset of C11 and C++17. Compiled against ours and against the
// reference's with all warnings as errors; never run.
#include "ggml.h"
#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cuda.h"
#include "ggml-rpc.h"
#include "llama.h"

#include <stdlib.h>
#include <string.h>

// Names without and with the keyword, as each is declared.
typedef struct ggml_tensor my_tensor;
static llama_token a_token = LLAMA_TOKEN_NULL;
static enum ggml_type a_type = GGML_TYPE_IQ4_KSS;
static enum llama_ftype a_file_type = LLAMA_FTYPE_MOSTLY_Q4_K_M;

// Variables and functions may have the names of structs that have no typedef.
static int ggml_tensor_count(const my_tensor * ggml_tensor) { return ggml_tensor == NULL ? 0 : 1; }

bool on_progress(float progress, void * user_data);
bool on_progress(float progress, void * user_data) {
    (void) user_data;
    return progress < 1.0f;
}

bool on_eval(struct ggml_tensor * t, bool ask, void * user_data);
bool on_eval(struct ggml_tensor * t, bool ask, void * user_data) {
    (void) user_data;
    return ask || t->op == GGML_OP_MUL_MAT || t->type == GGML_TYPE_F32;
}

void on_log(enum ggml_log_level level, const char * text, void * user_data);
void on_log(enum ggml_log_level level, const char * text, void * user_data) {
    (void) user_data;
    if (level >= GGML_LOG_LEVEL_WARN && level != GGML_LOG_LEVEL_CONT) {
        fputs(text, stderr);
    }
}

void custom(struct ggml_tensor * dst, const struct ggml_tensor * a, int ith, int nth, void * userdata);
void custom(struct ggml_tensor * dst, const struct ggml_tensor * a, int ith, int nth, void * userdata) {
    (void) userdata;
    const struct ggml_tensor * src0 = a;
    GGML_TENSOR_UNARY_OP_LOCALS
    GGML_ASSERT(ne00 == ne0 && nb00 == nb0);
    for (int64_t i = ith; i < ne01; i += nth) {
        memcpy((char *) dst->data + (size_t) i*nb1, (const char *) a->data + (size_t) i*nb01, (size_t) ne0*sizeof(float));
    }
}

int main(void) {
    const ggml_custom1_op_t as_custom = custom;
    const ggml_log_callback as_log = on_log;
    const llama_progress_callback as_progress = on_progress;
    const ggml_backend_sched_eval_callback as_eval = on_eval;
    GGML_UNUSED(as_custom); GGML_UNUSED(as_log); GGML_UNUSED(as_progress); GGML_UNUSED(as_eval);

    struct llama_model_kv_override overrides[2];
    memset(overrides, 0, sizeof(overrides));
    overrides[0].tag = LLAMA_KV_OVERRIDE_TYPE_INT;
    strncpy(overrides[0].key, "llama.context_length", sizeof(overrides[0].key) - 1);
    overrides[0].val_i64 = 4096;
    overrides[1].tag = LLAMA_KV_OVERRIDE_TYPE_FLOAT;
    overrides[1].val_f64 = 1e-5;
    overrides[1].val_bool = true;
    overrides[1].val_str[0] = 0;

    struct ggml_init_params params = { 16*1024, NULL, false };
    struct ggml_cplan plan;
    memset(&plan, 0, sizeof(plan));
    struct ggml_cgraph * graph = NULL;
    ggml_backend_buffer_type_t kind = NULL;
    ggml_backend_t backend = NULL;
    ggml_gallocr_t galloc = NULL;
    ggml_guid guid = { 0 };
    ggml_guid_t guid_pointer = &guid;
    ggml_bf16_t half = { 0x3f80 };
    ggml_fp16_t other_half = 0x3c00;
    ggml_type_traits_t traits;
    memset(&traits, 0, sizeof(traits));
    struct ggml_opt_params opt;
    memset(&opt, 0, sizeof(opt));
    opt.adam.alpha = 0.001f;
    opt.lbfgs.linesearch = GGML_LINESEARCH_DEFAULT;
    llama_token_data candidate = { 1, 0.5f, 0.0f };
    llama_token_data_array candidates = { &candidate, 1, -1, false };
    llama_chat_message message = { "user", "hello" };
    llama_batch batch;
    memset(&batch, 0, sizeof(batch));
    struct llama_batch same_batch = batch;

    char buffer[GGML_MAX_NAME];
    snprintf(buffer, sizeof(buffer), "%zu %d", GGML_TENSOR_SIZE + GGML_OBJECT_SIZE, GGML_PAD(5, GGML_MEM_ALIGN));
    if (graph != NULL || kind != NULL || backend != NULL || galloc != NULL) {
        GGML_ABORT("%s", buffer);
    }
    switch (a_type) {
        case GGML_TYPE_F32: case GGML_TYPE_Q4_0: break;
        case GGML_TYPE_COUNT: GGML_UNREACHABLE();
        default: break;
    }
    return (int) (params.mem_size + plan.work_size + half.bits + other_half + candidates.size + (size_t) message.role[0]
        + (size_t) same_batch.n_tokens + (size_t) (*guid_pointer)[0] + (size_t) a_token + (size_t) a_file_type
        + (size_t) ggml_tensor_count(NULL) + LLAMA_DEFAULT_SEED + LLAMA_SESSION_MAGIC + GGML_CUDA_MAX_DEVICES + GGML_RPC_MAX_SERVERS);
}
