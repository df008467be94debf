"""A data lakehouse for what people agreed to share: landing, trusted, curated, published.

from stedi import Lakehouse

lakehouse = Lakehouse("lakehouse")
lakehouse.demo()
lakehouse.query("SELECT COUNT(*) FROM machine_learning_curated").to_arrow()
"""

from stedi.errors import (
    DeclarationError,
    EngineFailed,
    LandingError,
    Locked,
    NotAnonymous,
    PairingTooLarge,
    QueryError,
    RuleBroken,
    StediError,
    StorageError,
    Unavailable,
    UsageError,
)
from stedi.lakehouse import Lakehouse

__version__ = "0.2.0"

__all__ = [
    "DeclarationError",
    "EngineFailed",
    "Lakehouse",
    "LandingError",
    "Locked",
    "NotAnonymous",
    "PairingTooLarge",
    "QueryError",
    "RuleBroken",
    "StediError",
    "StorageError",
    "Unavailable",
    "UsageError",
    "__version__",
]
