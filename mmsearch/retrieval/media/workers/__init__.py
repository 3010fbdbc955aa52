"""Worker processes that decode: `decoder` hands out `jobs`, `worker` does them in a process that `confine` limits."""
