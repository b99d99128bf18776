"""PhenoPolicy's engine: from recorded stays to phenotypes, policies and what they are worth.

Research and teaching only. The engine never imports streamlit; see docs/methods.md for the flow.
"""
