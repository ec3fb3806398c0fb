"""One file per command; each leaves everything heavy to import until it runs."""
