"""Who is master? Knows nothing of clients."""
