"""The tables that every lakehouse has, beside the declared ones."""

from __future__ import annotations

from stedi.columns import Column, Schemas

MACHINERY: Schemas = {
    "loads": (
        Column("source", "string", "none", "Which source the file is of."),
        Column("file", "string", "quasi", "Path below the source's landing folder."),
        Column("state", "string", "none", "read; copy: the same bytes as another file; gone."),
        Column("size", "long", "none", "Bytes."),
        Column("modified", "long", "none", "Modification time, epoch nanoseconds."),
        Column("changed", "long", "none", "Time of the last change to the inode, epoch ns."),
        Column("fingerprint", "string", "none", "Keyed hash of the bytes."),
        Column("records", "long", "none", "Records in the file, pieces set aside included."),
        Column("unknown_keys", "long", "none", "Records with keys that the contract lacks."),
        Column("load", "long", "none", "Number of the load that read it last."),
        Column("verdict", "string", "none", "good; bad: set aside whole; accepted: bad, but read."),
        Column("parts", "string", "none", "Typed files that its records were written to."),
    ),
    "quarantine": (
        Column("source", "string", "none", "Which source the piece is of."),
        Column("file", "string", "quasi", "Path below the source's landing folder."),
        Column("byte_offset", "long", "none", "Where the piece begins in the file, bytes."),
        Column("byte_length", "long", "none", "Length of the piece, bytes."),
        Column("line", "long", "none", "Line that the piece begins on, from 1."),
        Column("reason", "string", "none", "Why it was set aside."),
        Column("subject", "string", "direct", "Whom it is about, where readable; one a line."),
        Column("raw", "binary", "direct", "The piece, byte for byte."),
        Column("load", "long", "none", "Number of the load that set it aside."),
    ),
}
"""Columns of the tables that every lakehouse has, beside the declared ones."""
