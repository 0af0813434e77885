"""Carry the bytes. Reads the table of masters, never asks who wrote it."""
