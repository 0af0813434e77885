"""One socket to a Redis or Sentinel node: dial it, ask it, read its replies."""
