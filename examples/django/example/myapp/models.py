from django.db import models
from django.utils import timezone

from listing_stats_django import KeptDecimalField, page_json


class ListingQuerySet(models.QuerySet):
    def page_json(self, limit, offset=0):
        """A page of these listings with their prices, their number, and the
        statistics of all of them, as JSON, in one statement."""
        return page_json(
            self, limit, offset, statistics='last_price', prices='prices',
            fields=['id', 'url', 'description', 'last_price'])


class Listing(models.Model):
    url = models.URLField(unique=True)
    description = models.TextField()
    # The same twice, to compare: an application has one of them.
    hand_kept_price = models.DecimalField(
        max_digits=10, decimal_places=2, null=True)  # by by_hand.py
    last_price = KeptDecimalField(
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
