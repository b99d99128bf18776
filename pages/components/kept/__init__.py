"""Parts of the page of what is kept."""
