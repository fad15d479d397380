"""The latest price kept by hand, as an application does without the extension.

Right as long as every new price comes through here and is the newest; wrong
after bulk_create(), update(), delete(), a back-dated price, or two at once.
"""
from django.db import transaction


@transaction.atomic
def add_price(listing, value, **fields):
    price = listing.prices.create(value=value, **fields)
    listing.hand_kept_price = price.value
    listing.save()
    return price
