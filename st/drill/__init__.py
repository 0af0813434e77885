"""What Sentinels do, as they tell it: watched, and rehearsed."""
