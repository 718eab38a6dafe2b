#!/usr/bin/env python3
"""What cmake/write_revision.cmake says the program is built from. SOURCE and CMAKE name the project's folder and cmake."""

import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

SOURCE = Path(os.environ["SOURCE"])
AUTHOR = ["-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", "-C", folder, *AUTHOR, *words], check=True, capture_output=True, text=True).stdout.strip()


@unittest.skipIf(shutil.which("git") is None, "there is no git")
class Revision(unittest.TestCase):
    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.header = self.folder / "revision.hpp"
        self.tree = self.folder / "tree"
        (self.tree / "src").mkdir(parents=True)
        (self.tree / "cmake").mkdir()
        (self.tree / "src" / "main.cpp").write_text("int main() {}\n")
        (self.tree / "README").write_text("about\n")
        shutil.copy(SOURCE / "cmake" / "archived_revision", self.tree / "cmake")
        shutil.copy(SOURCE / ".gitattributes", self.tree)

    def commit(self) -> str:
        git(self.tree, "init", "-q")
        git(self.tree, "add", ".")
        git(self.tree, "commit", "-q", "-m", "all")
        return git(self.tree, "rev-parse", "--short", "HEAD")

    def revision(self, tree: Path) -> str:
        script = SOURCE / "cmake" / "write_revision.cmake"
        subprocess.run([os.environ["CMAKE"], f"-DSOURCE={tree}", f"-DHEADER={self.header}", "-P", script], check=True)
        name, value = self.header.read_text().removeprefix("#define ").split()
        self.assertEqual(name, "ONEMASK_REVISION")
        return value.strip('"')

    def test_of_a_commit_and_of_changes_to_it(self) -> None:
        commit = self.commit()
        self.assertEqual(self.revision(self.tree), commit)
        (self.tree / "README").write_text("the program is the same\n")
        self.assertEqual(self.revision(self.tree), commit)
        (self.tree / "src" / "new.cpp").write_text("// compiled as well\n")
        self.assertEqual(self.revision(self.tree), commit + "-dirty")

    def test_of_a_new_commit_without_a_new_configuration(self) -> None:
        before = self.commit()
        self.assertEqual(self.revision(self.tree), before)
        git(self.tree, "commit", "-q", "--allow-empty", "-m", "more")
        self.assertEqual(self.revision(self.tree), git(self.tree, "rev-parse", "--short", "HEAD"))

    def test_leaves_the_header_alone_where_nothing_changed(self) -> None:
        self.commit()
        self.revision(self.tree)
        os.utime(self.header, (1, 1))
        self.revision(self.tree)
        self.assertEqual(self.header.stat().st_mtime, 1)

    def test_of_an_archive(self) -> None:
        commit = self.commit()
        git(self.tree, "archive", "--prefix=plain/", "-o", str(self.folder / "all.tar"), "HEAD")
        shutil.unpack_archive(self.folder / "all.tar", self.folder)
        self.assertEqual(self.revision(self.folder / "plain"), commit + "-archive")

    def test_a_tree_without_git_does_not_take_the_revision_of_what_is_around_it(self) -> None:
        self.commit()
        inner = self.tree / "src" / "inner"
        (inner / "cmake").mkdir(parents=True)
        shutil.copy(SOURCE / "cmake" / "archived_revision", inner / "cmake")
        self.assertEqual(self.revision(inner), "unknown")


if __name__ == "__main__":
    unittest.main()
