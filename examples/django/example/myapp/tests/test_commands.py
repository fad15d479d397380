import re
from io import StringIO

from django.core.management import CommandError, call_command
from django.test import TransactionTestCase

from myapp.models import Listing, Price
from myapp.tests.sample import KeptMixin


class CommandTests(KeptMixin, TransactionTestCase):
    def test_load_and_compare(self):
        with self.assertRaises(CommandError):
            call_command('compare')
        call_command('load', listings=24, prices=5, stdout=StringIO())
        self.assertEqual(Listing.objects.count(), 24)
        self.assertEqual(Price.objects.count(), 24 * 5)
        self.assertKept()
        before = list(Listing.objects.values())
        with self.assertRaises(CommandError):
            call_command('load')

        output = StringIO()
        call_command('compare', rounds=2, stdout=output)
        self.assertIn('12 listings with "bike", 12 of them', output.getvalue())
        self.assertEqual(
            re.findall(r'^  (\S.*\S) +(\d+) +\d+\.\d ms', output.getvalue(),
                       re.MULTILINE),
            [('naive', str(2 + 12 + 2 * 12)), ('prefetched', '2'),
             ('hand-kept', '3'), ('aggregated', '3'), ('one-statement', '1'),
             ('kept by hand', str(2 * 12)), ('create()', '12'),
             ('bulk_create()', '1')])
        self.assertEqual(list(Listing.objects.values()), before)
        self.assertEqual(Price.objects.count(), 24 * 5)
        Price.objects.update(value=1)
        self.assertKept()
