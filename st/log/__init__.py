"""The log of the process: lines, files, syslog, and repeats that are folded."""
