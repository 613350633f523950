"""Which files a run checks: named files, and the Python files of named folders that nothing excludes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from autograd_lint.patterns import Patterns, compile_patterns, read_patterns
from autograd_lint.source import STDIN_NAME

DEFAULT_EXCLUDE: Final = (
    ".bzr",
    ".direnv",
    ".eggs",
    ".git",
    ".git-rewrite",
    ".hg",
    ".ipynb_checkpoints",
    ".mypy_cache",
    ".nox",
    ".pants.d",
    ".pyenv",
    ".pytest_cache",
    ".pytype",
    ".ruff_cache",
    ".svn",
    ".tox",
    ".venv",
    ".vscode",
    "__pycache__",
    "__pypackages__",
    "_build",
    "buck-out",
    "build",
    "dist",
    "node_modules",
    "site-packages",
    "venv",
)


@dataclass(frozen=True, slots=True)
class Target:
    """A file to check, by absolute path; `problem` says why it cannot be, and is empty when it can."""

    path: str
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """How folders are searched. `root` is the folder that `exclude` is relative to.

    `force_exclude`: named files are excluded too, standard input by the name it is given.
    """

    root: str
    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    respect_gitignore: bool = True
    force_exclude: bool = False
    stdin_name: str | None = None


def discover(paths: Sequence[str], search: Search) -> Iterator[Target]:
    """Every file that `paths` name or hold, once each, in the order of `paths` and sorted within a folder."""
    return _Discovery(search, compile_patterns(search.root, search.exclude)).run(paths)


def is_excluded(path: str, search: Search) -> bool:
    """Whether the patterns of the configuration exclude the file at `path`."""
    return _Discovery(search, compile_patterns(search.root, search.exclude)).is_excluded(path)


def repository_root(start: str) -> str | None:
    """The folder at or above `start` that holds `.git`."""
    folder = start
    while not os.path.lexists(os.path.join(folder, ".git")):
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent
    return folder


@dataclass(slots=True)
class _Discovery:
    search: Search
    exclude: Patterns
    seen: set[str] = field(default_factory=set)

    def run(self, paths: Sequence[str]) -> Iterator[Target]:
        for path in paths:
            for target in self._named(path):
                if self._is_new(target.path):
                    yield target

    def _is_new(self, path: str) -> bool:
        real = path if path == STDIN_NAME else os.path.realpath(path)
        new = real not in self.seen
        self.seen.add(real)
        return new

    def _named(self, path: str) -> Iterator[Target]:
        name = self.search.stdin_name if path == STDIN_NAME else path
        if self.search.force_exclude and name is not None and self.is_excluded(os.path.abspath(name)):
            return
        if path == STDIN_NAME:
            yield Target(STDIN_NAME)
            return
        full = os.path.abspath(path)
        try:
            kind = os.stat(full).st_mode
        except (OSError, ValueError) as error:
            yield Target(full, _why_no_file(full, error))
            return
        if stat.S_ISDIR(kind):
            yield from self._folder(full)
        elif full.endswith(".ipynb"):
            yield Target(full, "notebooks are not supported by this version; convert it to a .py file to check it")
        else:
            yield Target(full)  # what is no regular file is refused, unopened, by the reader

    def is_excluded(self, path: str) -> bool:
        """Whether the path or a folder above it, below the root, is excluded."""
        if self.exclude.decide(path, is_folder=os.path.isdir(path)):
            return True
        parent = os.path.dirname(path)
        return parent != path and parent.startswith(self.search.root) and self.is_excluded(parent)

    def _folder(self, top: str) -> Iterator[Target]:
        exclude = self.exclude
        if self.is_excluded(top):
            # Named although excluded: it is wanted, so patterns count from here on only.
            exclude = compile_patterns(top, self.search.exclude)
        ignores = self._outer_ignores(top) if self.search.respect_gitignore else []
        if _is_ignored(top, ignores, is_folder=True):
            ignores = []
        yield from self._walk(top, exclude, ignores)

    def _outer_ignores(self, top: str) -> list[Patterns]:
        """What git ignores from the repository's root down to `top`, outermost first."""
        root = repository_root(top)
        if root is None:
            return []
        folders = [folder for folder in _folders_above(top) if folder.startswith(root)]
        found = [read_patterns(os.path.join(_git_folder(root), "info", "exclude"), root)]
        found += [read_patterns(os.path.join(folder, ".gitignore"), folder) for folder in folders]
        return [patterns for patterns in found if patterns is not None]

    def _walk(self, folder: str, exclude: Patterns, ignores: list[Patterns]) -> Iterator[Target]:
        if self.search.respect_gitignore:
            own = read_patterns(os.path.join(folder, ".gitignore"), folder)
            ignores = [*ignores, own] if own else ignores
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            yield Target(folder, f"cannot search the folder: {_lower(error)}")
            return
        for entry in listed:
            is_folder = _is_folder(entry)
            if not is_folder and not entry.name.endswith(".py"):
                continue
            if exclude.decide(entry.path, is_folder=is_folder) or _is_ignored(entry.path, ignores, is_folder=is_folder):
                continue
            if is_folder:
                yield from self._walk(entry.path, exclude, ignores)
            else:
                yield from _file_in_folder(entry)


def _is_ignored(path: str, ignores: list[Patterns], *, is_folder: bool) -> bool:
    """Git's rule: the innermost file that speaks of a path decides."""
    for patterns in reversed(ignores):
        decision = patterns.decide(path, is_folder=is_folder)
        if decision is not None:
            return decision
    return False


def _is_folder(entry: os.DirEntry[str]) -> bool:
    # Links to folders are not followed: what they hold is found where it is, and loops cannot arise.
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:
        return False


def _file_in_folder(entry: os.DirEntry[str]) -> Iterator[Target]:
    try:
        kind = entry.stat().st_mode
    except (OSError, ValueError) as error:
        # Editors lock `a.py` by a link `.#a.py` that leads nowhere.
        if not entry.name.startswith(".#") and os.path.lexists(entry.path):
            yield Target(entry.path, _why_no_file(entry.path, error))
        return
    if stat.S_ISREG(kind):
        yield Target(entry.path)


def _why_no_file(path: str, error: OSError | ValueError) -> str:
    if os.path.islink(path) and isinstance(error, FileNotFoundError):
        return f"cannot read the file: it is a link to {os.readlink(path)}, which does not exist"
    if isinstance(error, FileNotFoundError):
        return "cannot read the file: it does not exist"
    return f"cannot read the file: {_lower(error)}"


def _lower(error: OSError | ValueError) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return text[:1].lower() + text[1:]


def _folders_above(top: str) -> list[str]:
    """The folders above `top`, outermost first."""
    result: list[str] = []
    folder = os.path.dirname(top)
    while folder not in result:
        result.insert(0, folder)
        folder = os.path.dirname(folder)
    return result


def _git_folder(root: str) -> str:
    """The repository's own folder, which a worktree or submodule names in a file."""
    git = os.path.join(root, ".git")
    try:
        with open(git, encoding="utf-8", errors="surrogateescape") as stream:
            named = stream.read().removeprefix("gitdir:").strip()
    except OSError:
        return git
    folder = os.path.join(root, named)
    try:
        with open(os.path.join(folder, "commondir"), encoding="utf-8", errors="surrogateescape") as stream:
            return os.path.join(folder, stream.read().strip())
    except OSError:
        return folder
