//! Tests across the C boundary live in `tests/`; this library holds what they share.
