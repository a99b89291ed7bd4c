"""A git repository that a test makes, with fixed people and times, untouched by the settings of whoever runs it."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

AT = 1_700_000_000


@dataclass
class Repository:
    """Its commits are a minute apart."""

    path: Path
    made: int = 0
    people: tuple[str, str] = ("Ana", "Ben")  # author and committer

    @classmethod
    def begin(cls, path: Path, *people: str) -> "Repository":
        path.mkdir(parents=True)
        repository = cls(path, people=(people[0], people[-1])) if people else cls(path)
        repository.git("init", "--quiet", "--initial-branch=main")
        return repository

    def commit(self, subject: str = "", files: Mapping[str, str | bytes] | None = None) -> str:
        """A commit of these files and what lies there. Its id."""
        self.made += 1
        for name, content in (files or {}).items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", subject or f"change {self.made}")
        return self.git("rev-parse", "HEAD").strip()

    def git(self, *arguments: str, given: str | None = None) -> str:
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self.path), "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_AUTHOR_NAME": self.people[0], "GIT_AUTHOR_EMAIL": f"{self.people[0].lower()}@shop.example",
            "GIT_COMMITTER_NAME": self.people[1], "GIT_COMMITTER_EMAIL": f"{self.people[1].lower()}@shop.example",
            "GIT_AUTHOR_DATE": f"{AT + 60 * self.made} +0000", "GIT_COMMITTER_DATE": f"{AT + 60 * self.made} +0000",
        }  # fmt: skip
        command = ("git", "-c", "commit.gpgSign=false", *arguments)
        done = subprocess.run(
            command, cwd=self.path, env=env, input=given, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout
