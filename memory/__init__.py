"""PostgreSQL, snapshots, the audit chain, orders and recall: everything the desk must not forget."""
