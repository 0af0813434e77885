"""The exit codes that are more than done (0), failed (1) and wrong usage (2)."""

NOT_RUNNING = 3
NO_MASTER = 69
ALREADY_RUNNING = 75
NO_PERMISSION = 77
WRONG_CONFIG = 78
EXEC_FAILED = 125
CANNOT_RUN = 126
NOT_FOUND = 127
