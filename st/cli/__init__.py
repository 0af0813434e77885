"""The command line: words in, calls out, exit codes."""
