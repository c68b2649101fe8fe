//! What a device is: buffers, the device registry, the graph allocator, and the scheduler that splits a graph over devices.
