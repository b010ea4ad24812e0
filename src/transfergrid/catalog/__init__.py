"""What the workflow knows, each thing declared once: plain records that name code as text."""
