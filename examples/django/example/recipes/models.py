"""Models for the recipes of docs/fitting-your-tables.md."""
from django.db import models
from django.utils import timezone

from listing_stats_django import (
    KeptBigIntegerField, KeptCharField, KeptDateField, KeptDateTimeField,
    KeptDecimalField, KeptForeignKey)


# Every column that can be kept, of the offers that were not withdrawn.
class Product(models.Model):
    name = models.TextField()
    last_price = KeptDecimalField(max_digits=10, decimal_places=2)
    last_price_at = KeptDateTimeField()
    previous_price = KeptDecimalField(max_digits=10, decimal_places=2)
    lowest_price = KeptDecimalField(max_digits=10, decimal_places=2)
    highest_price = KeptDecimalField(max_digits=10, decimal_places=2)
    first_price = KeptDecimalField(max_digits=10, decimal_places=2)
    total = KeptDecimalField(
        max_digits=20, decimal_places=2, null=False, default=0)
    offer_count = KeptBigIntegerField(null=False, default=0)
    last_currency = KeptCharField(max_length=3)
    last_offer = KeptForeignKey(
        'Offer', on_delete=models.SET_NULL, related_name='+')

    def __str__(self):
        return self.name


class Offer(models.Model):
    product = models.ForeignKey(
        Product, on_delete=models.CASCADE, related_name='offers')
    seen = models.DateTimeField(default=timezone.now)
    amount = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    currency = models.CharField(max_length=3, default='EUR')
    note = models.TextField(default='')
    withdrawn = models.DateTimeField(null=True)


# A key of two columns.
class Stocked(models.Model):
    store = models.IntegerField()
    product = models.CharField(max_length=20)
    last_price = KeptDecimalField(max_digits=10, decimal_places=2)

    class Meta:
        constraints = [models.UniqueConstraint(
            fields=['store', 'product'], name='one_of_each')]


class StorePrice(models.Model):
    store_number = models.IntegerField(db_column='store')
    product = models.CharField(max_length=20)
    created = models.DateTimeField(default=timezone.now)
    value = models.DecimalField(max_digits=10, decimal_places=2)


# No table of listings: one is made and kept.
class Rate(models.Model):
    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    day = models.DateField()
    rate = models.DecimalField(max_digits=12, decimal_places=6)


class LatestRate(models.Model):
    base = models.CharField(max_length=3)
    quote = models.CharField(max_length=3)
    rate = KeptDecimalField(max_digits=12, decimal_places=6)
    day = KeptDateField()

    class Meta:
        constraints = [models.UniqueConstraint(
            fields=['base', 'quote'], name='one_of_each_pair')]
