"""See it and steer it: the log, the status, and what this host allows; reads values, never others' state."""
