"""More columns of what is attached already, added by the operation."""
from django.db import migrations
from django.db.models import Q

from listing_stats_django import (
    Attach, KeptBigIntegerField, KeptDecimalField)


class Migration(migrations.Migration):

    dependencies = [('recipes', '0002_attach')]

    operations = [
        Attach('Product', 'Offer', at='seen', value='amount',
               price_count='offer_count', price_total='total',
               condition=Q(withdrawn=None) & ~Q(note='100%'),
               fields=[
                   ('offer_count', KeptBigIntegerField(null=False, default=0)),
                   ('total', KeptDecimalField(
                       max_digits=20, decimal_places=2, null=False,
                       default=0)),
               ]),
    ]
