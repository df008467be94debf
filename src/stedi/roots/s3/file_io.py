"""Objects in a bucket, for PyIceberg, through the same requests as all other files."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, cast

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.typedef import EMPTY_DICT, Properties

if TYPE_CHECKING:
    from stedi.roots.faces import Files

FILES: dict[str, Files] = {}
"""The roots that are open in this process, by their URIs: PyIceberg only passes on text."""
ROOT = "stedi.root"


class _Input(InputFile):
    def __init__(self, location: str, files: Files) -> None:
        super().__init__(location)
        self._files = files

    def __len__(self) -> int:
        stat = self._files.stat(self._files.path(self.location))
        if stat is None:
            raise FileNotFoundError(2, "not there", self.location)
        return stat.size

    def exists(self) -> bool:
        return self._files.stat(self._files.path(self.location)) is not None

    def open(self, seekable: bool = True) -> InputStream:
        path = self._files.path(self.location)
        self._files.fetch([path])
        return cast(InputStream, path.open("rb"))


class _Content(BytesIO):
    """What is written, until it is closed: then it is uploaded, whole or not at all."""

    def __init__(self, location: str, files: Files) -> None:
        super().__init__()
        self._location, self._files = location, files

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.close()

    def close(self) -> None:
        if not self.closed:
            path = self._files.path(self._location)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.getbuffer())
            super().close()
            self._files.publish([path])


class _Output(OutputFile):
    def __init__(self, location: str, files: Files) -> None:
        super().__init__(location)
        self._files = files

    def __len__(self) -> int:
        return len(self.to_input_file())

    def exists(self) -> bool:
        return self.to_input_file().exists()

    def to_input_file(self) -> InputFile:
        return _Input(self.location, self._files)

    def create(self, overwrite: bool = False) -> OutputStream:
        return cast(OutputStream, _Content(self.location, self._files))


class S3FileIO(FileIO):
    """Opens, writes and deletes objects of a lakehouse that is open in this process."""

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)
        self._files = FILES[properties[ROOT]]

    def new_input(self, location: str) -> InputFile:
        """An object to be read."""
        return _Input(location, self._files)

    def new_output(self, location: str) -> OutputFile:
        """An object to be written."""
        return _Output(location, self._files)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete an object."""
        where = location if isinstance(location, str) else location.location
        self._files.remove([self._files.path(where)])
