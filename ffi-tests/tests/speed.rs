//! A sample of the speed beside the reference's. Alone in its binary, so that no other test runs at the same time.

use ffi_tests::acceptance::{check, speed};

#[test]
fn no_slower_than_the_reference() {
    // One round on a machine that others use too says little: 0.7 stands for what `make bench` holds to 1.0.
    for row in speed("smollm2-q4_1", 1, 0.7) {
        check(&row);
    }
}
