"""With listing_stats: Attach fills the column and keeps it from now on."""
from django.db import migrations

from listing_stats_django import (
    Attach, KeptDecimalField, ListingStatsExtension)


class Migration(migrations.Migration):

    dependencies = [('myapp', '0002_hand_kept_price')]

    operations = [
        ListingStatsExtension(),
        migrations.AddField(
            'listing', 'last_price',
            KeptDecimalField(decimal_places=2, max_digits=10)),
        Attach('Listing', 'Price'),
    ]
