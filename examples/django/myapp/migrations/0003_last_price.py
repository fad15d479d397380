"""With listing_stats: attach() fills the column and keeps it from now on."""
from django.contrib.postgres.operations import CreateExtension
from django.db import migrations

from listing_stats import MaintainedDecimalField


class Migration(migrations.Migration):

    dependencies = [('myapp', '0002_hand_kept_price')]

    operations = [
        CreateExtension('listing_stats'),
        migrations.AddField(
            'listing', 'last_price',
            MaintainedDecimalField(decimal_places=2, max_digits=10)),
        migrations.RunSQL(
            "SELECT listing_stats.attach('myapp_listing', 'myapp_price')",
            "SELECT listing_stats.detach('myapp_listing', 'myapp_price')"),
    ]
