from datetime import timedelta
from decimal import Decimal
from io import StringIO

from django.core.management import call_command
from django.db import DataError, connection, models, transaction
from django.db.migrations import (
    AddField, AlterField, DeleteModel, Migration, RemoveField, RenameField,
    RenameModel, RunPython, RunSQL)
from django.db.migrations.loader import MigrationLoader
from django.test import TransactionTestCase

from listing_stats_django import KeptDecimalField
from myapp.models import Listing, Price
from myapp.tests.sample import START, KeptMixin, make_listings


def query(sql):
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()


def triggers():
    return query("SELECT tgname FROM pg_trigger JOIN pg_class c "
                 "ON c.oid = tgrelid AND c.relname LIKE 'myapp%' "
                 "WHERE NOT tgisinternal")


def warnings():
    [(warnings,)] = query("SELECT warnings FROM listing_stats.attachments "
                          "WHERE listing::text LIKE 'myapp%'")
    return warnings


def migrate(*target):
    """To it, or all there is: other applications depend on this one."""
    call_command('migrate', *(target and ('myapp', *target)), verbosity=0)


class OwnMigrationTests(KeptMixin, TransactionTestCase):
    def test_models_and_migrations_agree(self):
        call_command('makemigrations', check=True, dry_run=True,
                     stdout=StringIO())

    def test_backwards_and_forwards(self):
        make_listings()
        before = list(Listing.objects.values())
        self.addCleanup(migrate)

        migrate('0002')
        columns = query("SELECT column_name FROM information_schema.columns "
                        "WHERE table_name = 'myapp_listing'")
        self.assertNotIn(('last_price',), columns)
        self.assertEqual(triggers(), [])
        self.assertEqual(query("SELECT extname FROM pg_extension "
                               "WHERE extname = 'listing_stats'"), [])
        Price.objects.filter(listing__description='tent 0').update(value=7)

        # attach() fills the column from the prices that are there.
        migrate()
        after = list(Listing.objects.values())
        self.assertEqual(after[0]['last_price'], 7)
        after[0]['last_price'] = before[0]['last_price']
        self.assertEqual(after, before)
        self.assertKept()
        Price.objects.all().delete()
        self.assertKept()

    def test_to_the_beginning_and_back(self):
        make_listings()
        self.addCleanup(migrate)
        migrate('zero')
        self.assertEqual(query("SELECT relname FROM pg_class "
                               "WHERE relname LIKE 'myapp%'"), [])
        migrate()
        make_listings()
        self.assertKept()

    def test_data_migration_by_hand(self):
        make_listings()
        hand_kept = Listing.objects.values_list('id', 'hand_kept_price')
        before = list(hand_kept)
        self.addCleanup(migrate)
        migrate('0001')
        migrate()
        self.assertEqual(list(hand_kept), before)


class LaterMigrationTests(TransactionTestCase):
    """What an application does to its tables later, and all of it undone."""

    def setUp(self):
        make_listings()
        loader = MigrationLoader(connection)
        self.state = loader.project_state()
        *_, self.attach = loader.get_migration(
            'myapp', '0003_last_price').operations
        # When all has been undone.
        self.addCleanup(self.assertKeeps, Listing)

    def apply(self, *operations):
        """Runs them as a migration."""
        migration = Migration('later', 'myapp')
        migration.operations = operations
        before = self.state
        with connection.schema_editor() as editor:
            self.state = migration.apply(before.clone(), editor)

        def unapply():
            with connection.schema_editor() as editor:
                migration.unapply(before, editor)

        self.addCleanup(unapply)

    def model(self, name):
        return self.state.apps.get_model('myapp', name)

    def assertKeeps(self, model, key='listing', created='created',
                    value='value', last_price='last_price'):
        """A price written from now on is in the column, after its deletion
        the one before."""
        self.assertEqual(warnings(), [])
        listing = model.objects.get(description='tent 0')
        before = getattr(listing, last_price)
        price = listing.prices.create(**{
            key: listing, created: START + timedelta(days=50), value: 3})
        listing.refresh_from_db()
        self.assertEqual(getattr(listing, last_price), 3)
        price.delete()
        listing.refresh_from_db()
        self.assertEqual(getattr(listing, last_price), before)
        self.assertEqual(before, Decimal('11.50'))

    def test_rename_fields(self):
        self.apply(RenameField('price', 'value', 'amount'),
                   RenameField('price', 'created', 'seen'),
                   RenameField('price', 'listing', 'item'),
                   RenameField('listing', 'last_price', 'latest'))
        self.assertKeeps(self.model('Listing'), 'item', 'seen', 'amount',
                         'latest')

    def test_rename_the_key(self):
        self.apply(RenameField('listing', 'id', 'number'),
                   RenameField('price', 'id', 'number'))
        self.assertKeeps(self.model('Listing'))

    def test_rename_models(self):
        self.apply(RenameModel('Price', 'Quote'),
                   RenameModel('Listing', 'Item'))
        self.assertKeeps(self.model('Item'))

    def test_more_digits(self):
        big = Decimal('123456789.50')
        self.apply(AlterField('price', 'value', models.DecimalField(
            max_digits=12, decimal_places=2, null=True)))
        # The column is too narrow still: the price is refused, not lost.
        self.assertRegex(warnings()[0], 'cannot keep every value')
        listing = self.model('Listing').objects.get(description='tent 0')
        with self.assertRaises(DataError), transaction.atomic():
            listing.prices.create(value=big)
        self.apply(AlterField('listing', 'last_price', KeptDecimalField(
            max_digits=12, decimal_places=2)))
        price = listing.prices.create(value=big)
        listing.refresh_from_db()
        self.assertEqual(listing.last_price, big)
        price.delete()
        self.assertKeeps(self.model('Listing'))

    def test_big_keys(self):
        small, big = (field(primary_key=True)
                      for field in (models.AutoField, models.BigAutoField))

        def key_types():
            return {row[0] for row in query(
                "SELECT data_type FROM information_schema.columns "
                "WHERE table_name IN ('myapp_listing', 'myapp_price') "
                "AND column_name IN ('id', 'listing_id')")}

        self.apply(AlterField('listing', 'id', small),
                   AlterField('price', 'id', small))
        self.assertEqual(key_types(), {'integer'})
        self.assertKeeps(self.model('Listing'))
        self.apply(AlterField('listing', 'id', big),
                   AlterField('price', 'id', big))
        self.assertEqual(key_types(), {'bigint'})
        self.assertKeeps(self.model('Listing'))

    def test_data_and_schema_in_one_migration(self):
        def write(apps, schema_editor):
            model = apps.get_model('myapp', 'Listing')
            model.objects.update(last_price=1)
            for listing in model.objects.exclude(description='tent 0'):
                listing.prices.create(value=2)

        color = models.TextField(default='red')
        self.apply(RunPython(write, RunPython.noop),
                   AddField('listing', 'color', color))
        self.assertKeeps(self.model('Listing'))
        values = self.model('Listing').objects.exclude(
            description='tent 0').values_list('last_price', 'color')
        self.assertEqual(set(values), {(2, 'red')})

    def test_removing_what_is_needed_detaches(self):
        for operation in (RemoveField('listing', 'last_price'),
                          RemoveField('price', 'value'),
                          DeleteModel('Price'), DeleteModel('Listing')):
            with self.subTest(operation.describe()), \
                    connection.schema_editor() as editor:
                migration = Migration('later', 'myapp')
                migration.operations = [operation]
                migration.apply(self.state.clone(), editor)
                self.assertEqual(triggers(), [])
                transaction.set_rollback(True)

    def test_attaching_a_column_that_was_kept_by_hand(self):
        self.apply(RunSQL(
            "SELECT listing_stats.detach('myapp_listing', 'myapp_price')",
            "SELECT listing_stats.attach('myapp_listing', 'myapp_price')"),
                   AlterField('listing', 'last_price', models.DecimalField(
                       max_digits=10, decimal_places=2, null=True)))
        self.assertEqual(triggers(), [])
        last_prices = self.model('Listing').objects.values_list(
            'last_price', flat=True)
        self.assertEqual(last_prices[0], Decimal('11.50'))
        self.model('Listing').objects.update(last_price=1)
        self.assertEqual(set(last_prices), {1})
        self.apply(AlterField('listing', 'last_price', KeptDecimalField(
            max_digits=10, decimal_places=2)), self.attach)
        self.assertKeeps(self.model('Listing'))
