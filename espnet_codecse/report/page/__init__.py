"""The report page: a folder for any browser that needs no network. ``assets`` has its HTML, CSS and JavaScript."""
