"""What an application needs to use the extension: copy it into yours."""
import json
from decimal import Decimal
from functools import partial

from django.db import models


class MaintainedDecimalField(models.DecimalField):
    """A column that listing_stats keeps, read-only for the application.

    A saved object never overwrites it: UPDATE sets the column to itself,
    INSERT to NULL, and the database puts in what the prices say.  It is not
    in forms, and read-only in serializers.  Like every attribute it is as old
    as the object: refresh_from_db() reads it again.
    """

    implied = {'null': True, 'editable': False}

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **{**kwargs, **self.implied})

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        for option in self.implied:
            del kwargs[option]
        return name, path, args, kwargs

    def pre_save(self, instance, add):
        if not add:
            return models.F(self.name)
        setattr(instance, self.attname, None)
        return None


class PriceStats(models.Aggregate):
    """Exact statistics of a queryset's numbers, as a dict.

    The counts are ints; the rest are Decimals, or ints where the server shows
    no decimals, as for the smallest of a column of integers.

    >>> Listing.objects.filter(...).aggregate(stats=PriceStats('last_price'))
    {'stats': {'count': 2, 'nulls': 0, 'min': Decimal('19.99'), ...}}

    Without rows the counts are 0 and all else is None.  Where Django knows
    that there are none, as after none(), it does not ask: then it is None.
    """

    function = 'listing_stats.price_stats_json'
    output_field = models.JSONField(
        decoder=partial(json.JSONDecoder, parse_float=Decimal))
