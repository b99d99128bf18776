"""Pages of the app; each is a script that Streamlit runs, named like the core package it shows."""
