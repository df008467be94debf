"""Files of this machine, for PyIceberg: those that it brings load PyArrow's file systems or fsspec.

That would be a tenth of a second with every command, for opening and writing a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.typedef import EMPTY_DICT, Properties

from stedi.roots.local.files import LocalFiles, local_path


class _Input(InputFile):
    def __init__(self, location: str, files: LocalFiles | None) -> None:
        super().__init__(location)
        self._files = files

    def __len__(self) -> int:
        return local_path(self.location).stat().st_size

    def exists(self) -> bool:
        return local_path(self.location).exists()

    def open(self, seekable: bool = True) -> InputStream:
        path = self._files.path(self.location) if self._files else local_path(self.location)
        return cast(InputStream, path.open("rb"))


class _Output(OutputFile):
    def __init__(self, location: str, files: LocalFiles | None) -> None:
        super().__init__(location)
        self._files = files

    def __len__(self) -> int:
        return local_path(self.location).stat().st_size

    def exists(self) -> bool:
        return local_path(self.location).exists()

    def to_input_file(self) -> InputFile:
        return _Input(self.location, self._files)

    def create(self, overwrite: bool = False) -> OutputStream:
        path = local_path(self.location)
        path.parent.mkdir(parents=True, exist_ok=True)
        return cast(OutputStream, path.open("wb" if overwrite else "xb"))


class LocalFileIO(FileIO):
    """Opens, writes and deletes local files below the warehouse by their `file://` URIs.

    Without a warehouse any file can be opened, and none be written.
    """

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)
        warehouse = properties.get("warehouse")
        self._files = LocalFiles(local_path(warehouse)) if warehouse else None

    def new_input(self, location: str) -> InputFile:
        """A file to be read."""
        return _Input(location, self._files)

    def new_output(self, location: str) -> OutputFile:
        """A file to be written; folders that it needs are made."""
        self._inside(location)
        return _Output(location, self._files)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete a file; raises `FileNotFoundError`."""
        where = location if isinstance(location, str) else location.location
        self._inside(where).unlink()

    def _inside(self, location: str) -> Path:
        if self._files is None:
            raise ValueError("no warehouse is given, below which files could be written")
        return self._files.inside(local_path(location))
