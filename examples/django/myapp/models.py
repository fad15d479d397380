from django.core.exceptions import EmptyResultSet
from django.db import connections, models
from django.utils import timezone

from listing_stats import MaintainedDecimalField

# %s is where Django's SQL of the filtered listings goes.
PAGE = """
WITH filtered AS MATERIALIZED (
    SELECT row_number() OVER () AS place, listing.* FROM (%s) AS listing
), page AS (
    SELECT * FROM filtered ORDER BY place LIMIT %%s OFFSET %%s
)
SELECT json_build_object(
    'count', (SELECT count(*) FROM filtered),
    'statistics', (
        SELECT listing_stats.price_stats_json(last_price) FROM filtered),
    'results', (
        SELECT coalesce(json_agg(json_build_object(
            'id', page.id,
            'url', page.url,
            'description', page.description,
            'last_price', page.last_price::text,
            'prices', history.prices) ORDER BY page.place), '[]')
        FROM page CROSS JOIN LATERAL (
            SELECT coalesce(json_agg(json_build_object(
                'created', price.created,
                'value', price.value::text)
                ORDER BY price.created DESC, price.id DESC), '[]') AS prices
            FROM myapp_price AS price
            WHERE price.listing_id = page.id) AS history))::text
"""


class ListingQuerySet(models.QuerySet):
    def page_json(self, limit, offset=0):
        """A page of these listings with their prices, their number, and the
        statistics of all of them, as JSON, in one statement."""
        connection = connections[self.db]
        listings = self.values('id', 'url', 'description', 'last_price')
        try:
            sql, params = listings.query.get_compiler(self.db).as_sql()
        except EmptyResultSet:
            # Django knows that there are none, and has no SQL for it.
            table = connection.ops.quote_name(self.model._meta.db_table)
            sql, params = f'SELECT * FROM {table} WHERE false', ()
        with connection.cursor() as cursor:
            cursor.execute(PAGE % sql, [*params, limit, offset])
            return cursor.fetchone()[0]


class Listing(models.Model):
    url = models.URLField(unique=True)
    description = models.TextField()
    # The same twice, to compare: an application has one of them.
    hand_kept_price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True)  # by by_hand.py
    last_price = MaintainedDecimalField(
        max_digits=10, decimal_places=2)  # by listing_stats

    objects = ListingQuerySet.as_manager()

    class Meta:
        ordering = ['id']

    def newest_first(self):
        return self.prices.order_by('-created', '-id')

    def latest_price(self):
        try:
            return self.newest_first()[0].value
        except IndexError:
            return None


class Price(models.Model):
    listing = models.ForeignKey(
        Listing, on_delete=models.CASCADE, related_name='prices')
    created = models.DateTimeField(default=timezone.now)
    value = models.DecimalField(max_digits=10, decimal_places=2, null=True)
