"""What a model sees of a market at the close of a bar, and nothing that was not known then."""

from ml.features.build import build_features
from ml.features.context import ContextSeries, KnownSeries, load_funding, load_world
from ml.features.registry import FeatureSpec, Registry, load_registry
from ml.features.stream import FeatureStream
from ml.features.table import FeatureTable

__all__ = [
    "ContextSeries",
    "FeatureSpec",
    "FeatureStream",
    "FeatureTable",
    "KnownSeries",
    "Registry",
    "build_features",
    "load_funding",
    "load_registry",
    "load_world",
]
