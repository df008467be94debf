"""A data lakehouse for what people agreed to share: landing, trusted, curated, anonymous."""

__version__ = "0.1.0"
