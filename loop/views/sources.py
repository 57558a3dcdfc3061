"""The dataset by where its episodes came from."""

from collections.abc import Iterable

from ...datasets import SOURCES, Batch
from ..episodes.sample import Sample, sample_of


def by_source(batches: Iterable[Batch]) -> dict[str, Sample]:
    """What each source gave, in the order of `SOURCES`; sources that gave nothing are left out."""
    every = list(batches)
    samples = {source: sample_of(b for b in every if b.source == source) for source in SOURCES}
    return {source: sample for source, sample in samples.items() if sample.batches}
