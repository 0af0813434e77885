"""What this host gives and takes: processes, files, descriptors, sockets and signals; knows nothing of Redis."""
