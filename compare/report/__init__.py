"""What the stored results say: answers to stated needs, tables, charts and compare.md."""
