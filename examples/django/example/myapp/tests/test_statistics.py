from decimal import Decimal

from django.db.models import Count, Exists, F, OuterRef, Q
from django.db.models.functions import Substr
from django.test import TestCase

from listing_stats_django import PriceSummary
from myapp.models import Listing, Price
from myapp.tests.sample import make_listings
from myapp.views import price_statistics


class PriceStatsTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        make_listings()

    def assertStats(self, stats, values):
        expected = price_statistics(values)
        self.assertEqual(stats.keys(), expected.keys())
        for name, value in expected.items():
            if value is None:
                self.assertIsNone(stats[name], name)
            elif name in ('mean', 'stddev'):
                self.assertAlmostEqual(stats[name], value, 4, name)
            else:
                self.assertEqual(stats[name], value, name)

    def test_any_queryset(self):
        every = Listing.objects.all()
        cheap = Price.objects.filter(listing=OuterRef('pk'), value__lt=30)
        for listings in (
                every, every.filter(description__contains='bike'),
                every.exclude(description__contains='bike'),
                every.filter(Q(id__gt=3) | Q(last_price__gt=1000)),
                every.filter(last_price__lt=F('id') * 10),
                every.filter(Exists(cheap)), every.filter(~Exists(cheap)),
                every.filter(prices__value__gt=15),
                every.filter(prices__value__gt=15).distinct(),
                every.order_by('-last_price')[:3], every.order_by('url')[2:5],
                every.annotate(n=Count('prices')).filter(n__gt=1),
                every.filter(last_price=None), every.filter(url='none')):
            values = [listing.last_price for listing in listings]
            with self.subTest(str(listings.query)), self.assertNumQueries(1):
                result = listings.aggregate(stats=PriceSummary('last_price'))
                self.assertStats(result['stats'], values)

    def test_numbers_are_exact(self):
        stats = Listing.objects.aggregate(s=PriceSummary('last_price'))['s']
        self.assertEqual(stats['sum'], Decimal('100000107.00'))
        self.assertIsInstance(stats['sum'], Decimal)
        self.assertEqual((stats['count'], stats['nulls']), (5, 2))

    def test_integers(self):
        ids = map(Decimal, Listing.objects.values_list('id', flat=True))
        stats = Listing.objects.aggregate(s=PriceSummary('id'))['s']
        self.assertStats(stats, ids)
        for name in ('count', 'nulls', 'min', 'max', 'sum'):
            self.assertIs(type(stats[name]), int, name)
        for name in ('mean', 'stddev'):
            self.assertIs(type(stats[name]), Decimal, name)

    def test_of_another_table(self):
        result = Price.objects.aggregate(stats=PriceSummary('value'))
        self.assertStats(result['stats'],
                         Price.objects.values_list('value', flat=True))

    def test_groups(self):
        groups = Listing.objects.order_by().values(
            kind=Substr('description', 1, 4)).annotate(
                stats=PriceSummary('last_price'))
        self.assertEqual({group['kind'] for group in groups}, {'bike', 'tent'})
        for group in groups:
            self.assertStats(group['stats'], Listing.objects.filter(
                description__startswith=group['kind']).values_list(
                    'last_price', flat=True))

    def test_several_in_one_statement(self):
        with self.assertNumQueries(1):
            result = Listing.objects.aggregate(
                every=PriceSummary('last_price'), count=Count('*'),
                bikes=PriceSummary('last_price', filter=Q(
                    description__startswith='bike')))
        self.assertEqual(result['count'], 7)
        self.assertEqual(result['every']['max'], Decimal('99999999.99'))
        self.assertEqual(result['bikes']['max'], Decimal('40.5'))

    def test_django_does_not_ask_for_what_it_knows_to_be_empty(self):
        with self.assertNumQueries(0):
            self.assertEqual(Listing.objects.none().aggregate(
                stats=PriceSummary('last_price')), {'stats': None})
