import OCI

extension Layout: BatchedTarget {}
