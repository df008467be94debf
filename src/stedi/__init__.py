"""A data lakehouse for what people agreed to share: landing, trusted, curated, anonymous.

from stedi import Lakehouse

lakehouse = Lakehouse("lakehouse")
lakehouse.demo()
lakehouse.query("SELECT COUNT(*) FROM machine_learning_curated").to_arrow()
"""

from stedi.errors import (
    DeclarationError,
    EngineFailed,
    EngineUnavailable,
    LandingError,
    Locked,
    PairingTooLarge,
    QueryError,
    RuleBroken,
    StarterUnavailable,
    StediError,
    StorageError,
    UsageError,
)
from stedi.lakehouse import Lakehouse

__version__ = "0.1.0"

__all__ = [
    "DeclarationError",
    "EngineFailed",
    "EngineUnavailable",
    "Lakehouse",
    "LandingError",
    "Locked",
    "PairingTooLarge",
    "QueryError",
    "RuleBroken",
    "StarterUnavailable",
    "StediError",
    "StorageError",
    "UsageError",
    "__version__",
]
