//! A small random model goes through the quantizer.
