"""Aggregates of any queryset, and latest prices."""
import json
from decimal import Decimal
from functools import partial

from django.contrib.postgres.fields import ArrayField
from django.db import models


class PriceSummary(models.Aggregate):
    """Exact statistics of a queryset's numbers, as a dict.

    The counts are ints; the rest are Decimals, or ints where the server shows
    no decimals, as for the smallest of a column of integers.

    >>> Listing.objects.filter(...).aggregate(stats=PriceSummary('last_price'))
    {'stats': {'count': 2, 'nulls': 0, 'min': Decimal('19.99'), ...}}

    Without rows the counts are 0 and all else is None.  Where Django knows
    that there are none, as after none(), it does not ask: then it is None.
    """

    function = 'listing_stats.price_stats_json'
    output_field = models.JSONField(
        decoder=partial(json.JSONDecoder, parse_float=Decimal))


class Median(models.Aggregate):
    """Exact, as a Decimal; None of none."""

    function = 'listing_stats.median'
    output_field = models.DecimalField()


class PriceSet(models.Aggregate):
    """All of them as one value, which other functions ask."""

    function = 'listing_stats.price_stats'
    output_field = models.TextField()


class Percentile(models.Func):
    """Percentile('last_price', 0.9): interpolated, exact, as a Decimal."""

    function = 'listing_stats.percentile'
    template = '%(function)s(%(expressions)s::numeric)'
    output_field = models.DecimalField()

    def __init__(self, expression, fraction, filter=None):
        super().__init__(PriceSet(expression, filter=filter),
                         models.Value(Decimal(str(fraction))))


class Percentiles(models.Func):
    """Percentiles('last_price', [0.05, 0.5, 0.95]): a list of Decimals."""

    function = 'listing_stats.percentiles'
    template = '%(function)s(%(expressions)s::numeric[])'
    output_field = ArrayField(models.DecimalField())

    def __init__(self, expression, fractions, filter=None):
        # The text of an array: a list is a parameter that not every driver
        # gives the type of numbers.
        fractions = ','.join(str(Decimal(str(each))) for each in fractions)
        super().__init__(PriceSet(expression, filter=filter),
                         models.Value('{%s}' % fractions))


class Latest(models.Aggregate):
    """The value of the row with the greatest time, of equal ones with the
    greatest tie: Latest('prices__value', 'prices__created', 'prices__id')."""

    function = 'listing_stats.latest'

    def _resolve_output_field(self):
        return self.get_source_expressions()[0].output_field


class Earliest(Latest):
    function = 'listing_stats.earliest'


class Table(models.Expression):
    """A model's table, as an argument."""

    output_field = models.TextField()

    def __init__(self, model):
        super().__init__()
        self.model = model

    def as_sql(self, compiler, connection):
        name = connection.ops.quote_name(self.model._meta.db_table)
        return '%s::regclass', (name,)


class LatestPrice(models.Func):
    """The latest price of each row, read from the index, as a Decimal.

    >>> Listing.objects.annotate(price=LatestPrice(Price))
    >>> Listing.objects.annotate(price=LatestPrice(Price, as_of=last_year))

    key is what the price refers to.  The table is attached, or key_field, at
    and value name the fields of the price that are not found: not the only
    foreign key, created, and value.
    """

    function = 'listing_stats.latest_price'
    output_field = models.DecimalField()

    def __init__(self, price, key='pk', as_of=None, key_field=None, at=None,
                 value=None):
        names = [name and price._meta.get_field(name).column
                 for name in (key_field, at, value)]
        super().__init__(
            Table(price), key,
            Typed(models.Value(as_of, models.DateTimeField()), 'timestamptz'),
            *(Typed(models.Value(name, models.TextField()), 'name')
              for name in names))


class Typed(models.Func):
    """A parameter, which not every driver gives a type."""

    template = '%(expressions)s::%(type)s'

    def __init__(self, value, type):
        super().__init__(value, type=type, output_field=value.output_field)
