"""Files of this machine, for PyIceberg: those that it brings load PyArrow's file systems or fsspec.

That would be a tenth of a second with every command, for opening and writing a file.
"""

from __future__ import annotations

from typing import cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from stedi.roots.local.files import local_path


class _Input(InputFile):
    def __len__(self) -> int:
        return local_path(self.location).stat().st_size

    def exists(self) -> bool:
        return local_path(self.location).exists()

    def open(self, seekable: bool = True) -> InputStream:
        return cast(InputStream, local_path(self.location).open("rb"))


class _Output(OutputFile):
    def __len__(self) -> int:
        return local_path(self.location).stat().st_size

    def exists(self) -> bool:
        return local_path(self.location).exists()

    def to_input_file(self) -> InputFile:
        return _Input(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        path = local_path(self.location)
        path.parent.mkdir(parents=True, exist_ok=True)
        return cast(OutputStream, path.open("wb" if overwrite else "xb"))


class LocalFileIO(FileIO):
    """Opens, writes and deletes local files by their `file://` URIs."""

    def new_input(self, location: str) -> InputFile:
        """A file to be read."""
        return _Input(location)

    def new_output(self, location: str) -> OutputFile:
        """A file to be written; folders that it needs are made."""
        return _Output(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete a file; raises `FileNotFoundError`."""
        where = location if isinstance(location, str) else location.location
        local_path(where).unlink()
