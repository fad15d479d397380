from datetime import datetime, timedelta, timezone
from decimal import Decimal

from django.db import connection

from myapp.by_hand import add_price
from myapp.models import Listing

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
# Of each listing, day by day.  The last two prices of "bike 3" are of one
# moment; the latest of "tent 4" is unknown; "bike 5" has none.
PRICES = {
    'tent 0': ['10.00', '11.50'],
    'bike 1': ['20.00', '19.99', '25.00'],
    'tent 2': ['30.01'],
    'bike 3': ['41.00', '40.00', '40.50'],
    'tent 4': ['50.00', None],
    'bike 5': [],
    'tent 6': ['1.10', '99999999.99'],
}


def make_listings():
    """The listings by description; each price comes as it is seen."""
    listings = {}
    for description, prices in PRICES.items():
        listing = listings[description] = Listing.objects.create(
            url=f'https://market.example/{len(listings)}',
            description=description)
        for day, value in enumerate(prices):
            if description == 'bike 3':
                day = min(day, 1)
            add_price(listing, value and Decimal(value),
                      created=START + timedelta(days=day, microseconds=500000))
        listing.refresh_from_db()
    return listings


class KeptMixin:
    def assertKept(self):
        """last_price is what the prices say, by the extension and by us."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM listing_stats.verify("
                           "'myapp_listing', 'myapp_price')")
            self.assertEqual(cursor.fetchall(), [])
        for listing in Listing.objects.prefetch_related('prices'):
            latest = max(listing.prices.all(), default=None,
                         key=lambda price: (price.created, price.id))
            self.assertEqual(listing.last_price, latest and latest.value)
