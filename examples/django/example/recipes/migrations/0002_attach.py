from django.db import migrations
from django.db.models import Q

from listing_stats_django import Attach, KeepLatest


class Migration(migrations.Migration):

    # The one makes the tables, the other the extension.
    dependencies = [('recipes', '0001_initial'), ('myapp', '0003_last_price')]

    operations = [
        Attach('Product', 'Offer', at='seen', value='amount',
               last_price='last_price', last_price_at='last_price_at',
               previous_price='previous_price', lowest_price='lowest_price',
               highest_price='highest_price', first_price='first_price',
               carry={'currency': 'last_currency', 'id': 'last_offer'},
               condition=Q(withdrawn=None) & ~Q(note='100%')),
        Attach('Stocked', 'StorePrice', key=['store_number', 'product'],
               listing_key=['store', 'product']),
        KeepLatest('Rate', 'LatestRate', key=['base', 'quote'],
                   last_price='rate', last_price_at='day'),
    ]
