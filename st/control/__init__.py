"""Steer a running process over its control socket: the server in it, and the client that commands use."""
