import json
import tempfile
from decimal import Decimal
from io import StringIO

from django.core.management import call_command
from django.test import TransactionTestCase

from myapp.models import Listing, Price
from myapp.tests.sample import PRICES, KeptMixin, make_listings


class FixtureTests(KeptMixin, TransactionTestCase):
    """Committed, and cleaned up by flush: one TRUNCATE of all tables, which
    restarts the keys."""

    reset_sequences = True

    def setUp(self):
        self.listings = make_listings()
        self.assertEqual(self.listings['tent 0'].id, 1)

    def tearDown(self):
        self.assertKept()

    def last_prices(self):
        return dict(Listing.objects.values_list('description', 'last_price'))

    def load(self, objects):
        with tempfile.NamedTemporaryFile('w', suffix='.json') as file:
            json.dump(objects, file)
            file.flush()
            call_command('loaddata', file.name, verbosity=0)

    def dump(self):
        output = StringIO()
        call_command('dumpdata', 'myapp', stdout=output)
        return json.loads(output.getvalue())

    def test_after_flush_nothing_is_left(self):
        call_command('flush', interactive=False, verbosity=0)
        self.assertEqual(Listing.objects.count() + Price.objects.count(), 0)
        listing = Listing.objects.create(url='new')
        self.assertEqual(listing.id, 1)
        self.assertKept()
        listing.prices.create(value=3)
        listing.refresh_from_db()
        self.assertEqual(listing.last_price, 3)

    def test_each_test_starts_after_a_flush(self):
        self.assertEqual(Listing.objects.count(), len(PRICES))
        self.assertEqual(self.listings['tent 0'].last_price, Decimal('11.50'))

    def test_dump_and_load(self):
        before, dump = self.last_prices(), self.dump()
        call_command('flush', interactive=False, verbosity=0)
        self.load(dump)
        self.assertEqual(self.last_prices(), before)
        self.assertEqual(self.dump(), dump)

    def test_load_with_prices_first_and_wrong_last_prices(self):
        before, dump = self.last_prices(), self.dump()
        for entry in dump:
            if entry['model'] == 'myapp.listing':
                entry['fields']['last_price'] = '1.00'
        dump.sort(key=lambda entry: entry['model'], reverse=True)
        self.assertEqual(dump[0]['model'], 'myapp.price')
        call_command('flush', interactive=False, verbosity=0)
        self.load(dump)
        self.assertEqual(self.last_prices(), before)

    def test_load_over_what_is_there(self):
        dump = self.dump()
        Price.objects.update(value=7)
        for entry in dump:
            if entry['model'] == 'myapp.price':
                entry['fields']['value'] = '8.00'
        self.load([entry for entry in dump
                   if entry['model'] == 'myapp.listing'])
        self.assertEqual(set(self.last_prices().values()), {7, None})
        self.load(dump)
        self.assertEqual(set(self.last_prices().values()), {8, None})
