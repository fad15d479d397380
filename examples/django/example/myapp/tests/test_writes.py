from datetime import timedelta
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.forms import modelform_factory
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

from myapp.by_hand import add_price
from myapp.models import Listing, Price
from myapp.tests.sample import START, KeptMixin, make_listings
from myapp.views import ListingSerializer


class WriteTests(KeptMixin, TestCase):
    @classmethod
    def setUpTestData(cls):
        make_listings()

    def setUp(self):
        # As the transaction of setUpTestData left it, in each test.
        self.tent = Listing.objects.get(description='tent 0')
        self.bike = Listing.objects.get(description='bike 1')
        self.assertLastPrice(self.tent, '11.50')
        self.assertLastPrice(self.bike, '25.00')

    def tearDown(self):
        self.assertKept()

    def assertLastPrice(self, listing, value):
        listing.refresh_from_db()
        self.assertEqual(listing.last_price, value and Decimal(value))


class PriceWriteTests(WriteTests):
    def test_create(self):
        self.tent.prices.create(value=9)
        self.assertLastPrice(self.tent, '9')

    def test_create_of_an_older_price(self):
        self.tent.prices.create(value=9, created=START - timedelta(days=1))
        self.assertLastPrice(self.tent, '11.50')

    def test_create_of_an_unknown_price(self):
        self.tent.prices.create(value=None)
        self.assertLastPrice(self.tent, None)

    def test_bulk_create(self):
        with self.assertNumQueries(1):
            Price.objects.bulk_create(
                Price(listing=listing, value=value)
                for value in range(1, 4) for listing in (self.tent, self.bike))
        self.assertLastPrice(self.tent, '3')
        self.assertLastPrice(self.bike, '3')

    def test_bulk_create_with_keys_and_without_and_conflicts(self):
        existing = self.tent.prices.last()
        Price.objects.bulk_create(
            [Price(id=existing.id, listing=self.bike, value=1),
             Price(id=existing.id + 1000, listing=self.bike, value=2),
             Price(listing=self.tent, value=3)], ignore_conflicts=True)
        self.assertLastPrice(self.bike, '2')
        self.assertLastPrice(self.tent, '3')

    def test_save(self):
        price = self.tent.prices.latest('created')
        price.value = 8
        price.save()
        self.assertLastPrice(self.tent, '8')
        price.created = START - timedelta(days=1)
        price.save(update_fields=['created'])
        self.assertLastPrice(self.tent, '10')
        price.listing, price.created = self.bike, START + timedelta(days=30)
        price.save()
        self.assertLastPrice(self.tent, '10')
        self.assertLastPrice(self.bike, '8')

    def test_update(self):
        Price.objects.update(value=5)
        self.assertLastPrice(self.tent, '5')
        self.tent.prices.update(listing=self.bike)
        self.assertLastPrice(self.tent, None)

    def test_bulk_update(self):
        prices = list(Price.objects.all())
        for price in prices:
            price.value = price.id
        Price.objects.bulk_update(prices, ['value'])
        self.assertLastPrice(self.bike, self.bike.prices.latest('created').id)

    def test_update_or_create(self):
        self.tent.prices.update_or_create(
            created=START + timedelta(days=5), defaults={'value': 1})
        self.assertLastPrice(self.tent, '1')
        self.tent.prices.update_or_create(
            created=START + timedelta(days=5), defaults={'value': 2})
        self.assertLastPrice(self.tent, '2')

    def test_delete(self):
        self.tent.prices.latest('created').delete()
        self.assertLastPrice(self.tent, '10')
        Price.objects.filter(listing__description__startswith='tent').delete()
        self.assertLastPrice(self.tent, None)
        self.assertLastPrice(self.bike, '25')

    def test_delete_of_listings_with_their_prices(self):
        Listing.objects.filter(description__startswith='tent').delete()
        self.assertFalse(Price.objects.filter(listing=self.tent.id).exists())
        self.assertLastPrice(self.bike, '25')

    def test_savepoint(self):
        with self.assertRaises(IntegrityError), transaction.atomic():
            self.tent.prices.create(value=1)
            Price.objects.create(listing=self.tent, created=None)
        self.assertLastPrice(self.tent, '11.50')
        with transaction.atomic():
            self.tent.prices.create(value=2)
        self.assertLastPrice(self.tent, '2')

    # Why the application should not do it.
    def test_by_hand_goes_wrong(self):
        def hand_kept():
            self.tent.refresh_from_db()
            return self.tent.hand_kept_price, self.tent.last_price

        price = add_price(self.tent, 9, created=START + timedelta(days=9))
        self.assertEqual(hand_kept(), (9, 9))
        self.tent.prices.filter(id=price.id).update(value=8)
        self.assertEqual(hand_kept(), (9, 8))
        price.delete()
        self.assertEqual(hand_kept(), (9, Decimal('11.5')))
        add_price(self.tent, 7, created=START)
        self.assertEqual(hand_kept(), (7, Decimal('11.5')))
        Price.objects.bulk_create([Price(listing=self.tent, value=6)])
        self.assertEqual(hand_kept(), (7, 6))
        stale = Listing.objects.get(id=self.tent.id)
        add_price(self.tent, 5)
        stale.save()
        self.assertEqual(hand_kept(), (7, 5))


class ListingWriteTests(WriteTests):
    def test_a_stale_object_spoils_nothing(self):
        self.tent.prices.create(value=9)
        self.assertEqual(self.tent.last_price, Decimal('11.50'))
        self.tent.description = 'tent 0, red'
        with CaptureQueriesContext(connection) as queries:
            self.tent.save()
        self.assertEqual(len(queries), 1)
        self.assertIn('"last_price" = "myapp_listing"."last_price"',
                      queries[0]['sql'])
        self.assertLastPrice(self.tent, '9')
        self.assertEqual(self.tent.description, 'tent 0, red')

    def test_values_of_the_application_are_not_stored(self):
        self.tent.last_price = 1
        self.tent.save()
        self.assertLastPrice(self.tent, '11.50')
        self.tent.last_price = 1
        self.tent.save(update_fields=['last_price'])
        self.assertLastPrice(self.tent, '11.50')
        listing = Listing.objects.create(url='new', last_price=1)
        self.assertIsNone(listing.last_price)
        self.assertLastPrice(listing, None)
        listing, _ = Listing.objects.update_or_create(
            url='new', defaults={'last_price': 1})
        self.assertLastPrice(listing, None)
        Listing.objects.bulk_create([Listing(url='bulk', last_price=1)])
        self.assertLastPrice(Listing.objects.get(url='bulk'), None)

    # Past the field: what the database alone sees to.
    def test_queries_that_set_the_column(self):
        Listing.objects.update(last_price=1)
        self.assertLastPrice(self.tent, '11.50')
        self.tent.last_price = 1
        Listing.objects.bulk_update([self.tent], ['last_price'])
        self.assertLastPrice(self.tent, '11.50')
        Listing.objects.update(last_price=1, description='new')
        self.assertLastPrice(self.bike, '25')
        self.assertEqual(self.bike.description, 'new')

    def test_a_copy_of_a_listing_has_no_prices(self):
        self.tent.pk, self.tent.url = None, 'copy'
        self.tent._state.adding = True
        self.tent.save()
        self.assertIsNone(self.tent.last_price)
        self.assertLastPrice(self.tent, None)

    def test_a_new_key(self):
        self.tent.prices.update(listing=self.bike.id + 1000)
        Listing.objects.filter(id=self.tent.id).update(id=self.bike.id + 1000)
        self.assertLastPrice(Listing.objects.get(description='tent 0'),
                             '11.50')

    def test_deferred(self):
        listing = Listing.objects.defer('last_price').get(id=self.tent.id)
        listing.prices.create(value=9)
        listing.save()
        self.assertEqual(listing.last_price, 9)

    def test_forms_and_serializers_show_it_read_only(self):
        form = modelform_factory(Listing, fields='__all__')()
        self.assertNotIn('last_price', form.fields)
        self.assertTrue(ListingSerializer().fields['last_price'].read_only)
        self.tent.url = 'https://market.example/tent'
        self.tent.full_clean(exclude=['hand_kept_price'])
        with self.assertRaises(ValidationError):
            Listing(url='no').full_clean()

    def test_filter_and_order(self):
        listings = Listing.objects.filter(last_price__lt=31)
        self.assertEqual(
            [listing.description
             for listing in listings.order_by('-last_price')],
            ['tent 2', 'bike 1', 'tent 0'])
