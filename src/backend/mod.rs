//! What a device is: buffers, the device registry, the graph allocator, and the scheduler that splits a graph over devices.
//!
//! The coordinator is writing this room (buffer, cpu backend, registry, galloc, sched): engineer D goes on with graph and `abi`.
