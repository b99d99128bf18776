"""The app's frame: one window, its navigation, one script per page. Start it with `streamlit run app.py`."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

# Before a page can run: a fresh server that several people open at once would import them in several threads.
import pandas as pd  # noqa: F401
import plotly.graph_objects as go  # noqa: F401
import streamlit as st
from starlette.middleware import Middleware
from streamlit.web.server.server_util import get_url

from core.access.acts import acting
from core.access.person import Person, Role
from core.access.settings import refuse_to_bind, server_settings
from core.base.errors import PhenoPolicyError, refused
from core.base.memory import keep_few_arenas
from core.runs.folders import PRIVATE
from core.teaching.rooms import end_old
from pages.components.shell.door import Door
from pages.components.shell.first import import_alone
from pages.components.shell.frame import SIDEBAR_WIDTH, failed
from pages.components.shell.left import letting_go
from pages.components.shell.visitor import is_admitted, visitor, who_is_here

HERE = Path(__file__).parent
ASSETS = HERE / "assets"
PAGES = {
    "": [("overview", "Overview", "home"), ("learn", "Learn", "school"), ("classroom", "Class", "co_present")],
    "Data and training": [
        ("cohort", "Cohort", "groups"),
        ("encoder", "Encoder", "model_training"),
    ],
    "Results": [
        ("phenotypes", "Phenotypes", "scatter_plot"),
        ("policies", "Policies", "balance"),
        ("values", "Values", "query_stats"),
        ("patient", "Patient", "personal_injury"),
        ("experiments", "Experiments", "labs"),
    ],
    "Second study": [("registry", "Registry", "medication")],
    "On this server": [("kept", "Kept data", "inventory_2")],
}


def main() -> None:
    """Draw the frame and run the chosen page."""
    os.umask(PRIVATE)  # what the app writes holds patients: for the user of this server alone
    st.set_page_config("PhenoPolicy", str(ASSETS / "mark.svg"), layout="wide", initial_sidebar_state=SIDEBAR_WIDTH)
    st.logo(str(ASSETS / "logo.svg"), icon_image=str(ASSETS / "mark.svg"), size="large")
    sections = {
        section: [
            st.Page(f"pages/{name}.py", title=title, icon=f":material/{icon}:", default=name == "overview")
            for name, title, icon in pages
        ]
        for section, pages in PAGES.items()
    }
    page = st.navigation(sections, expanded=True, position="sidebar" if is_admitted() else "hidden")
    who_is_here(visitor())
    try:
        import_alone(HERE / "pages" / f"{page.url_path or 'overview'}.py")
        page.run()
    except (PhenoPolicyError, OSError) as error:  # a full disk, a folder that can only be read
        failed(error, "Drawing this page")


def server() -> dict[str, Any]:
    """How the application is served: through the door, with its sign-in, letting go of who left. Where settings are not
    usable the server ends with a sentence before its address is said."""
    os.umask(PRIVATE)
    keep_few_arenas()
    try:
        settings = server_settings()
        refuse_to_bind(st.get_option("server.address"), settings)
        secrets = {"auth": settings.sign_in.provider} if settings.sign_in else None
        acting(Person("", Role.ADMIN, "retention")).expire()
        end_old()
    except (PhenoPolicyError, OSError) as error:
        print(f"app: {refused(error) if isinstance(error, OSError) else error}", file=sys.stderr)
        sys.exit(2)
    origins = tuple(st.get_option("server.corsAllowedOrigins"))
    door = Middleware(Door, settings=settings, origins=origins)
    return {"middleware": [door], "secrets": secrets, "lifespan": serving}


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[None]:
    """As long as the server lives; its address is said once it answers there."""
    async with letting_go(app):
        print(f"PhenoPolicy: {get_url(st.get_option('browser.serverAddress'))}", flush=True)
        yield


if __name__ == "__main__":  # Streamlit runs the script for each visitor
    main()
else:  # and loads it once as the server
    app = st.App(__file__, **server())  # Streamlit looks for this very call
