"""What the README and the pages under docs/ show is run, and the two languages of the README say the same."""

import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "README.ko.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(page, language):
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.name != "errors.md"],  # whose programs are mistakes: tests/errors runs them
    ids=lambda page: page.name,
)
def test_the_code_of_a_page_runs_from_top_to_bottom(page, tmp_path):
    script = tmp_path / "page.py"
    script.write_text("".join(blocks(page, "python")))
    subprocess.run([sys.executable, script], cwd=tmp_path, check=True)


def test_both_readmes_show_the_same_code_and_commands():
    english, korean = PAGES[:2]
    for language in ("python", "sh"):
        assert blocks(english, language) == blocks(korean, language) != []


def test_both_readmes_have_the_same_sections_tables_and_links():
    english, korean = (page.read_text() for page in PAGES[:2])
    for pattern in (r"^#+ ", r"^\|---.*$", r"\]\((?!README)([^)]*)\)", r"^<!-- .* -->$"):
        assert re.findall(pattern, english, re.MULTILINE) == re.findall(pattern, korean, re.MULTILINE)


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_every_link_to_a_file_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        assert link.startswith("http") or (page.parent / link).exists(), link
