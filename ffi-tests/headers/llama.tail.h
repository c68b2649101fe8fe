// A metadata value that replaces or adds to the model file's; an array of them ends with an empty key.
struct llama_model_kv_override {
    enum llama_model_kv_override_type tag;

    char key[128];

    union {
        int64_t val_i64;
        double val_f64;
        bool val_bool;
        char val_str[128];
    };
};

typedef struct llama_batch llama_batch;
typedef struct llama_chat_message llama_chat_message;
typedef struct llama_model_quantize_params llama_model_quantize_params;
typedef struct llama_token_data llama_token_data;
typedef struct llama_token_data_array llama_token_data_array;
