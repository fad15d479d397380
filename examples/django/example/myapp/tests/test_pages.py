import json
from decimal import Decimal
from unittest import mock

from django.db import connection
from django.test import TestCase
from django.urls import reverse
from django.utils.dateparse import parse_datetime

from myapp.models import Listing
from myapp.tests.sample import make_listings
from myapp.views import VARIANTS


class PageTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        make_listings()

    def setUp(self):
        patch = mock.patch('myapp.views.PAGE_SIZE', 3)
        patch.start()
        self.addCleanup(patch.stop)

    def get(self, name, **query):
        response = self.client.get(reverse(name), query)
        self.assertEqual(response.status_code, 200)
        self.assertEqual(response['Content-Type'], 'application/json')
        return comparable(response.content)

    def test_all_variants_return_the_same_page(self):
        for query in ({}, {'page': 2}, {'page': 3}, {'page': 4},
                      {'search': 'bike'}, {'search': 'tent', 'page': 2},
                      {'search': '4'}, {'search': '5'}, {'search': '100%'},
                      {'search': 'nothing'}):
            page = self.get('naive', **query)
            for name in VARIANTS:
                with self.subTest(variant=name, **query):
                    self.assertEqual(self.get(name, **query), page)

    def test_the_page_is_right(self):
        page = self.get('one-statement', search='bike')
        self.assertEqual(page['count'], 3)
        self.assertEqual(page['statistics'], {
            'count': 2, 'nulls': 1,
            'min': Decimal('25'), 'q1': Decimal('28.875'),
            'median': Decimal('32.75'), 'q3': Decimal('36.625'),
            'max': Decimal('40.5'), 'mean': Decimal('32.75'),
            'stddev': Decimal('10.9602'), 'sum': Decimal('65.5')})
        self.assertEqual(
            [(row['description'], row['last_price'],
              [price['value'] for price in row['prices']])
             for row in page['results']],
            [('bike 1', '25.00', ['25.00', '19.99', '20.00']),
             ('bike 3', '40.50', ['40.50', '40.00', '41.00']),
             ('bike 5', None, [])])

    def test_statements(self):
        # Seven listings, three on the page.
        for name, statements in (('naive', 2 + 7 + 2 * 3), ('prefetched', 2),
                                 ('hand-kept', 3), ('aggregated', 3),
                                 ('one-statement', 1)):
            with self.subTest(name), self.assertNumQueries(statements):
                self.get(name)

    def test_what_is_no_page_is_not_found(self):
        for page in ('x', '', '0', '-1', '1.5', '9' * 20):
            for name in VARIANTS:
                with self.subTest(name, page=page):
                    response = self.client.get(f'/{name}/', {'page': page})
                    self.assertEqual(response.status_code, 404)

    def test_no_listings_of_a_table_with_another_name(self):
        with connection.cursor() as cursor:
            cursor.execute('ALTER TABLE myapp_listing RENAME TO "Listing"')
        with mock.patch.object(Listing._meta, 'db_table', 'Listing'):
            page = json.loads(Listing.objects.none().page_json(1))
        self.assertEqual((page['count'], page['results']), (0, []))

    def test_page_json_follows_any_queryset(self):
        def ids(listings, *limits):
            page = json.loads(listings.page_json(*limits))
            return page['count'], [row['id'] for row in page['results']]

        every = Listing.objects.all()
        for listings in (
                every.order_by('-url'), every.filter(id__in=[]), every.none(),
                every.exclude(last_price__gt=30).order_by('-last_price'),
                every.filter(prices__value__lt=45).order_by('id').distinct(),
                every.filter(prices__value__lt=45), every.order_by('id')[2:4],
                every.filter(description="100% '; --"),
                every.filter(description='tent 0').union(
                    every.filter(description='bike 5')).order_by('-id')):
            found = [listing.id for listing in listings]
            with self.subTest(str(listings)), self.assertNumQueries(1):
                self.assertEqual(ids(listings, 2, 1),
                                 (len(found), found[1:3]))


def comparable(content):
    """The same whether a time ends with Z or +00:00, and to four decimals of
    the statistics, which REST framework rounds to floats.  Prices are strings,
    digit for digit."""
    page = json.loads(content, parse_float=Decimal)
    for name, value in page['statistics'].items():
        if value is not None:
            page['statistics'][name] = round(Decimal(value), 4)
    for row in page['results']:
        for price in row['prices']:
            price['created'] = parse_datetime(price['created'])
    return page
