"""A local web page that enhances recordings: drop a file or record, and hear before and after."""
