#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that every path the documentation names exists, and that its links lead somewhere.

A path is what stands between backquotes and begins with one of the top-level folders. Globs must
match something; `a/{b,c}.h` names two; a symbol or line may follow, as in `a/b.c:symbol`.
Links [text](target) to files are checked from the page they stand in.
"""

import glob
import os
import re
import sys

# Made by a build, so not in the tree.
GENERATED = ("build", "build-asan")
QUOTED = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
PATH = re.compile(r"(?:\./)?[\w.*?{},+-]+(?:/[\w.*?{},+-]*)*/?")
FENCE = re.compile(r"^\s*```", re.MULTILINE)


def expand_braces(path):
    """`a/{b,c}.h` stands for `a/b.h` and `a/c.h`."""
    match = re.search(r"\{([^{}]*,[^{}]*)\}", path)
    if not match:
        return [path]
    return [result for choice in match[1].split(",")
            for result in expand_braces(path[:match.start()] + choice + path[match.end():])]


def named_paths(text, top_level):
    """Paths in backquotes, as (line number, path)."""
    for match in QUOTED.finditer(text):
        for word in match[1].split():
            word = re.sub(r":\w+(\(\))?$", "", word.rstrip(".,;:"))
            if not PATH.fullmatch(word):
                continue
            word = word[2:] if word.startswith("./") else word
            first = word.split("/")[0]
            if first in GENERATED:
                continue
            # A bare file name may stand for one in the folder the page talks about.
            if "/" in word and first in top_level:
                yield text.count("\n", 0, match.start()) + 1, word


def check_page(root, page, top_level):
    """Sentences about what is wrong in one page."""
    with open(os.path.join(root, page), encoding="utf-8") as file:
        text = file.read()
    problems = []
    for line, path in named_paths(text, top_level):
        for candidate in expand_braces(path):
            if not glob.glob(os.path.join(root, candidate)):
                problems.append(f"{page}:{line}: there is no {candidate}")
    for match in LINK.finditer(text):
        target = match[1]
        if re.match(r"[a-z]+:", target):
            continue
        if not os.path.exists(os.path.join(root, os.path.dirname(page), target)):
            line = text.count("\n", 0, match.start()) + 1
            problems.append(f"{page}:{line}: the link to {target} leads nowhere")
    if len(FENCE.findall(text)) % 2:
        problems.append(f"{page}: a code block is not closed")
    return problems


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: check_docs.py TOP-LEVEL-FOLDER")
    root = sys.argv[1]
    top_level = {entry for entry in os.listdir(root) if not entry.startswith(".git")}
    # A folder that is gone must still be recognised as one of ours.
    top_level |= {"bios", "cmake", "devices", "docs", "frontend", "include", "monitor", "tests", "translator"}
    pages = ["README.md"] + sorted(os.path.relpath(path, root) for path in
                                   glob.glob(os.path.join(root, "docs", "**", "*.md"), recursive=True))
    problems = [problem for page in pages for problem in check_page(root, page, top_level)]
    print("\n".join(problems) or f"{len(pages)} pages: every path exists")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
