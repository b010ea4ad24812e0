"""The tables that are gathered from cells, and files of tables."""
