"""What a Django application needs to use the extension listing_stats."""
from .expressions import (
    Earliest, Latest, LatestPrice, Median, Percentile, Percentiles,
    PriceSummary)
from .fields import (
    Kept, KeptBigIntegerField, KeptBooleanField, KeptCharField, KeptDateField,
    KeptDateTimeField, KeptDecimalField, KeptFloatField, KeptForeignKey,
    KeptIntegerField, KeptJSONField, KeptTextField, KeptUUIDField)
from .operations import Attach, KeepLatest, ListingStatsExtension
from .page import page_json

__all__ = [
    'Attach', 'Earliest', 'KeepLatest', 'Kept', 'KeptBigIntegerField',
    'KeptBooleanField', 'KeptCharField', 'KeptDateField', 'KeptDateTimeField',
    'KeptDecimalField', 'KeptFloatField', 'KeptForeignKey', 'KeptIntegerField',
    'KeptJSONField', 'KeptTextField', 'KeptUUIDField', 'Latest', 'LatestPrice',
    'ListingStatsExtension', 'Median', 'Percentile', 'Percentiles',
    'PriceSummary', 'page_json',
]
