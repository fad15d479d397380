import random
from datetime import datetime, timedelta, timezone

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.models import F

from myapp.models import Listing, Price

KINDS = ['road bike', 'city bike', 'tent', 'backpack', 'camera', 'bike lock']
START = datetime(2024, 1, 1, 6, tzinfo=timezone.utc)


class Command(BaseCommand):
    help = """Loads listings with prices seen week by week, the same on every
    run.  A price holds for some weeks, and now and then it is unknown."""

    def add_arguments(self, parser):
        parser.add_argument('--listings', type=int, default=500)
        parser.add_argument('--prices', type=int, default=100,
                            help='of each listing')

    def handle(self, listings, prices, **options):
        if Listing.objects.exists():
            raise CommandError('there are listings already')
        draw = random.Random(1)
        rows = Listing.objects.bulk_create(
            Listing(url=f'https://market.example/{n}',
                    description=f'{KINDS[n % len(KINDS)]}, no. {n}')
            for n in range(listings))
        Price.objects.bulk_create(
            (Price(listing=listing, created=created, value=value)
             for week in zip(*(history(draw, n, prices)
                               for n in range(listings)))
             for listing, (created, value) in zip(rows, week)),
            batch_size=10000)
        # What add_price() would have done.
        Listing.objects.update(hand_kept_price=F('last_price'))
        with connection.cursor() as cursor:
            cursor.execute('VACUUM ANALYZE myapp_listing, myapp_price')
        self.stdout.write(
            f'{listings} listings, {listings * prices} prices')


def history(draw, number, prices):
    """The times and values of a listing's prices."""
    value = draw.randint(20, 500)
    for week in range(prices):
        if draw.random() < 1 / 8:
            value = max(5, round(value * draw.uniform(0.8, 1.2)))
        yield (START + timedelta(weeks=week, minutes=number),
               None if draw.random() < 0.02 else f'{value - 1}.99')
