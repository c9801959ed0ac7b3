"""Posts and comments of Reddit, read through PRAW."""
