"""Which files are checked: folders, links, exclusions, what git ignores."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from autograd_lint.discovery import DEFAULT_EXCLUDE, Search, discover

Make = Callable[..., None]


@pytest.fixture
def make(project: Path) -> Make:
    def make_files(*names: str, text: str = "") -> None:
        for name in names:
            path = project / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    return make_files


def found(*paths: str, **options: object) -> list[str]:
    """The files discovered, relative to the current folder; `!` before those that cannot be read."""
    root = os.getcwd()
    search = Search(root=root, **options)  # type: ignore[arg-type]
    return [("!" if target.problem else "") + os.path.relpath(target.path, root) for target in discover(paths, search)]


def problems(*paths: str) -> list[str]:
    return [target.problem for target in discover(paths, Search(root=os.getcwd()))]


def test_python_files_of_a_folder_sorted(make: Make) -> None:
    make("b.py", "a.py", "notes.txt", "lib/c.py", "lib/deep/d.py", "stub.pyi", "book.ipynb", ".hidden.py")
    assert found(".") == [".hidden.py", "a.py", "b.py", "lib/c.py", "lib/deep/d.py"]


def test_order_of_paths_and_no_file_twice(make: Make, project: Path) -> None:
    make("a.py", "b.py", "lib/c.py")
    assert found("b.py", ".", "lib", str(project / "a.py"), "./lib/../b.py") == ["b.py", "a.py", "lib/c.py"]


def test_named_file_of_any_kind(make: Make) -> None:
    make("script", "module.pyi")
    assert found("script", "module.pyi") == ["script", "module.pyi"]


def test_named_notebook_is_refused_with_a_reason(make: Make) -> None:
    make("book.ipynb")
    assert found("book.ipynb") == ["!book.ipynb"]
    assert "notebooks are not supported" in problems("book.ipynb")[0]


def test_missing_path_is_told(project: Path) -> None:
    assert found("nowhere", "none.py") == ["!nowhere", "!none.py"]
    assert problems("nowhere") == ["cannot read the file: it does not exist"]


def test_standard_input(project: Path) -> None:
    assert [target.path for target in discover(["-", "-"], Search(root="."))] == ["-"]


@pytest.mark.parametrize("name", sorted(DEFAULT_EXCLUDE))
def test_default_exclusions(make: Make, name: str) -> None:
    make(f"{name}/a.py", f"lib/{name}/b.py", "c.py")
    assert found(".") == ["c.py"]


def test_named_folder_is_searched_although_excluded(make: Make) -> None:
    make("build/a.py", "build/venv/b.py")
    assert found("build") == ["build/a.py"]
    assert found("build", force_exclude=True) == []


def test_folder_inside_an_excluded_one(make: Make) -> None:
    make("build/lib/a.py")
    assert found("build/lib") == ["build/lib/a.py"]
    assert found("build/lib", force_exclude=True) == []


def test_exclude_patterns(make: Make) -> None:
    make("gen/a.py", "lib/gen/b.py", "lib/skip_me.py", "lib/keep.py", "top.py")
    assert found(".", exclude=("/gen", "skip_*.py")) == ["lib/gen/b.py", "lib/keep.py", "top.py"]
    assert found(".", exclude=("lib/*.py",)) == ["gen/a.py", "lib/gen/b.py", "top.py"]
    assert found(".", exclude=("lib/**/b.py", "top.py")) == ["gen/a.py", "lib/keep.py", "lib/skip_me.py"]


def test_force_exclude_applies_to_named_files(make: Make) -> None:
    make("gen/a.py", "b.py")
    assert found("gen/a.py", "b.py", exclude=("gen",)) == ["gen/a.py", "b.py"]
    assert found("gen/a.py", "b.py", exclude=("gen",), force_exclude=True) == ["b.py"]


def test_gitignore(make: Make) -> None:
    make("a.py", "skip.py", "out/b.py", "lib/skip.py", "lib/c.py")
    make(".gitignore", text="skip.py\nout/\n# a comment\n")
    assert found(".") == ["a.py", "lib/c.py"]
    assert found(".", respect_gitignore=False) == ["a.py", "lib/c.py", "lib/skip.py", "out/b.py", "skip.py"]


def test_inner_gitignore_overrules_outer(make: Make) -> None:
    make("x.py", "lib/x.py", "lib/y.py", "other/y.py")
    make(".gitignore", text="x.py\n")
    make("lib/.gitignore", text="!x.py\n/y.py\n")
    assert found(".") == ["lib/x.py", "other/y.py"]


def test_gitignore_above_the_folder_up_to_the_repository(make: Make, project: Path) -> None:
    make("repo/.git/info/exclude", text="local.py\n")
    make("repo/.gitignore", text="/lib/skip.py\n")
    make(".gitignore", text="*.py\n")
    make("repo/lib/a.py", "repo/lib/skip.py", "repo/lib/local.py")
    assert found("repo/lib") == ["repo/lib/a.py"]


def test_exclude_file_of_a_worktree(make: Make) -> None:
    make("main/.git/info/exclude", text="local.py\n")
    make("main/.git/worktrees/w/commondir", text="../..\n")
    make("w/.git", text="gitdir: ../main/.git/worktrees/w\n")
    make("w/a.py", "w/local.py")
    assert found("w") == ["w/a.py"]


def test_named_folder_is_searched_although_ignored(make: Make) -> None:
    make(".git/HEAD", "out/a.py", "out/b.py")
    make(".gitignore", text="out/\n")
    make("out/.gitignore", text="b.py\n")
    assert found(".") == []
    assert found("out") == ["out/a.py"]
    assert found("out/b.py") == ["out/b.py"]


def test_links_to_files_are_followed_once(make: Make, project: Path) -> None:
    make("lib/a.py")
    (project / "z_link.py").symlink_to(project / "lib" / "a.py")
    assert found(".") == ["lib/a.py"]
    assert found("z_link.py") == ["z_link.py"]


def test_links_to_folders_are_not_followed(make: Make, project: Path) -> None:
    make("lib/a.py")
    (project / "lib" / "loop").symlink_to(project)
    (project / "link.py").symlink_to(project / "lib")
    assert found(".") == ["lib/a.py"]


def test_dangling_links_are_told_save_those_of_editors(make: Make, project: Path) -> None:
    make("a.py")
    (project / "gone.py").symlink_to("nowhere.py")
    (project / ".#a.py").symlink_to("user@host.1234")
    assert found(".") == ["a.py", "!gone.py"]
    assert problems("gone.py") == ["cannot read the file: it is a link to nowhere.py, which does not exist"]


def test_loop_of_links_is_told(project: Path) -> None:
    (project / "a.py").symlink_to("b.py")
    (project / "b.py").symlink_to("a.py")
    assert "too many levels of symbolic links" in problems(".")[0].lower()


def test_pipes_in_folders_are_passed_over(make: Make, project: Path) -> None:
    make("a.py")
    os.mkfifo(project / "pipe.py")
    assert found(".") == ["a.py"]


def test_unreadable_folder_is_told_and_the_search_goes_on(
    make: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make("a/x.py", "b/y.py")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/a"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert found(".") == ["!a", "b/y.py"]
    assert problems("a") == ["cannot search the folder: permission denied"]
