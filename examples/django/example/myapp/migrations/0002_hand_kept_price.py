"""By hand: a column, and a data migration that fills it."""
from django.db import migrations, models


def fill(apps, schema_editor):
    Listing = apps.get_model('myapp', 'Listing')
    for listing in Listing.objects.all():
        price = listing.prices.order_by('-created', '-id').first()
        if price:
            listing.hand_kept_price = price.value
            listing.save()


class Migration(migrations.Migration):

    dependencies = [('myapp', '0001_initial')]

    operations = [
        migrations.AddField(
            'listing', 'hand_kept_price',
            models.DecimalField(decimal_places=2, max_digits=10, null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
