"""More than one core: processes that carry bytes for this one, which goes on to decide everything."""
