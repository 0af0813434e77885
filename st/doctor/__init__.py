"""Looks at a live deployment and tells what is wrong with it: `look` asks, `findings` judge, `report` tells."""
