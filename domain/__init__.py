"""The desk's words: records, units, ports and errors. Imports nothing of ours; does no I/O."""
