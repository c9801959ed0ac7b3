"""Analysts and the debate. They see a frozen snapshot and publish records; they place nothing."""
