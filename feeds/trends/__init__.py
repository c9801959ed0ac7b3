"""Google Trends' interest over time, read through pytrends."""
