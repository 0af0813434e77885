"""See it and steer it: the status, the history, and what follows a switch; reads values, never others' state."""
