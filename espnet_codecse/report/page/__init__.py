"""The report page: a folder that any browser opens without network. ``assets`` holds its HTML, CSS and JavaScript."""
