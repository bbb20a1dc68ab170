import Glibc

/// Seconds of this thread on a processor: what work costs, however busy the machine is.
public func processorTime(of work: () throws -> Void) rethrows -> Double {
    let began = seconds()
    try work()
    return seconds() - began
}

private func seconds() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}
