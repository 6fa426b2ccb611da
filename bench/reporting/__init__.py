"""From figures to RESULTS.md: arithmetic, records, tables and plots."""
