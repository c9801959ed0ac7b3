"""Prompts: one Markdown file each, versioned and locked; loaded once, rendered with strict undefined."""
