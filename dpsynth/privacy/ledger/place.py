"""Where a ledger is: a file, or a PostgreSQL database."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dpsynth.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import URL  # loaded where it is needed: it takes longer than the ledger

_POSTGRES = ("postgresql", "postgresql+psycopg")
#: Parts of a URL's query that say where the database is; a password may hide in others.
_SHOWN = ("host", "port", "dbname")


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place of a ledger; one of the two is set. Made by :meth:`of`.

    Attributes:
        path: SQLite file.
        url: PostgreSQL database.
    """

    path: Path | None = None
    url: URL | None = field(default=None, repr=False)

    @classmethod
    def of(cls, place: Place | Path | str) -> Place:
        """Return a path, ``sqlite:///PATH`` or ``postgresql://...`` as a place.

        Raises:
            InputError: The text names no ledger.
        """
        if isinstance(place, Place):
            return place
        if isinstance(place, Path) or "://" not in place:
            return cls(path=Path(place).expanduser())
        scheme, _, rest = place.partition("://")
        if scheme == "sqlite" and rest.startswith("/"):
            return cls(path=Path(rest.removeprefix("/")).expanduser())
        if scheme in _POSTGRES:
            from sqlalchemy import make_url
            from sqlalchemy.exc import ArgumentError

            try:
                return cls(url=make_url(place).set(drivername="postgresql+psycopg"))
            except (ArgumentError, ValueError):
                pass  # the error would show the URL
        raise InputError(
            "The place of the ledger cannot be read.",
            where="ledger",
            fix="Give a file path, sqlite:///PATH or postgresql://USER@HOST/DATABASE.",
        )

    @property
    def text(self) -> str:
        """The place in words that hold no password: the same for the same ledger."""
        if self.url is None:
            return str(self.file.resolve())
        from sqlalchemy import URL

        query = {name: self.url.query[name] for name in _SHOWN if name in self.url.query}
        shown = URL.create(
            "postgresql",
            username=self.url.username,
            host=self.url.host,
            port=self.url.port,
            database=self.url.database,
            query=query,
        )
        return shown.render_as_string(hide_password=True)

    def __str__(self) -> str:
        """Return the text without a password."""
        return self.text

    @property
    def file(self) -> Path:
        """The path; InputError if this is a database."""
        if self.path is None:
            raise InputError("is no file.", where="ledger")
        return self.path

    @property
    def database(self) -> URL:
        """The URL; InputError if this is a file."""
        if self.url is None:
            raise InputError("is no database.", where="ledger")
        return self.url
