"""The report: the results of finished runs as tables, figures and one page, beside the published numbers."""
