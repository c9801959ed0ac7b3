"""The debate: bull and bear argue over cited evidence, arithmetic judges, a model may only lower or object."""
