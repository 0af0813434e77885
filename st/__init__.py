"""Sentinel Tunnel: any Redis client can use a Redis managed by Sentinel, without a change in its code."""

__version__ = "0.1.0"
