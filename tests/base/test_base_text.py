"""Text from data stays text: Markdown, HTML and CSV show it letter by letter."""

from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.base.errors import StudyError
from core.base.text import cell, check_plain, is_plain, markdown, markdown_lines, markup, plain
from core.study import StudySpec, load_study

SIGNS = st.text(alphabet="ab1 ![]()<>`*_#&;:/@.=+-|~$\\{}\"'\n\u202e\u2066é", max_size=30)


@pytest.mark.parametrize(
    "text",
    [
        "![seen](http://evil.test/p.png)",
        "[link](http://evil.test)",
        "<img src=http://evil.test/i>",
        "http://evil.test/auto",
        "https://evil.test",
        "www.evil.test",
        "someone@evil.test",
        "$\\href{http://evil.test}{x}$",
        ":red[x] :material/home:",
        "&lt;img src=x&gt;",
    ],
)
def test_markdown_leaves_nothing_that_loads_or_links(text: str) -> None:
    """Read by a Markdown parser with links of bare addresses: one paragraph of text, which is the text itself."""
    markdown_it = pytest.importorskip("markdown_it", reason="markdown-it-py is not installed")
    parser = markdown_it.MarkdownIt("commonmark", {"html": True})
    tokens = parser.parse(markdown(text))
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]
    inner = tokens[1].children or []
    assert {token.type for token in inner} <= {"text", "text_special"}
    read = "".join(token.content for token in inner)
    assert read.replace("\u2060", "") == text
    for address in ("http:/", "https:/", "www.", "@evil", ":material"):
        assert address not in read, "a renderer would make a link of it"


@given(SIGNS)
def test_markup_and_plain_are_one_line_and_nothing_is_lost_but_control_signs(text: str) -> None:
    shown = plain(text)
    assert not set(shown) & set("\n\u202e\u2066")
    assert html.unescape(markup(text)) == shown
    assert not set("<>\"'") & set(markup(text))


@given(SIGNS)
def test_a_cell_is_no_formula(text: str) -> None:
    assert not cell(text).lstrip(" \u00a0\ufeff\u200b").startswith(("=", "+", "-", "@", "|", "%", "\t", "\r", "\n"))
    assert cell(text).removeprefix("'") == text.removeprefix("'")


def test_a_message_keeps_its_lines() -> None:
    assert markdown_lines("a*b\nc") == "a\\*b  \nc"


@pytest.mark.parametrize(
    "text", ["10^9/L", "mm[Hg]", "p < 0.05", "Heparin (units/h)", "SpO2 %", "age_group", "≥ 65 y", "ratio 1:2"]
)
def test_usual_labels_and_units_are_plain(text: str) -> None:
    assert is_plain(text)


@pytest.mark.parametrize(
    "text",
    ["![x](http://evil.test)", "<b>bold</b>", "[a](b)", "a\u202eb", "a\nb", "&lt;b&gt;", "www.evil.test", ":red[x]"],
)
def test_a_definition_with_markup_is_refused_and_says_where(text: str) -> None:
    study = load_study().model_dump(mode="json")
    study["columns"][3]["label"] = text
    with pytest.raises(ValueError, match=r"columns\[3\]\.label holds markup, an address or control signs"):
        StudySpec.model_validate(study)
    with pytest.raises(ValueError, match="a name holds markup"):
        check_plain({text: 1})


def test_the_studies_own_definitions_are_plain() -> None:
    assert StudyError  # the file's reader turns the reason into one
    check_plain(load_study().model_dump(mode="json"))
