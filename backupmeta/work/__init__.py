"""Who does the work: this process, processes on this machine, a cluster. Nothing else in the package starts one."""
