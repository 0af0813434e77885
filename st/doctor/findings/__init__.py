"""What may be wrong with a deployment: pure functions from what was seen to findings, and the texts of these."""
