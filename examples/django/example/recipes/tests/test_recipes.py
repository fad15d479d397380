import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from io import StringIO
from unittest import mock

from django.contrib.auth.models import User
from django.contrib.postgres.operations import (
    AddIndexConcurrently, CreateExtension)
from django.core import serializers
from django.core.management import call_command
from django.db import connection, connections, models
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.migrations import (
    AddField, AlterField, CreateModel, Migration, RenameModel, RunSQL)
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.writer import MigrationWriter
from django.db.migrations.state import ProjectState
from django.db.models import Q
from django.forms import modelform_factory
from django.test import TestCase, TransactionTestCase

from listing_stats_django import (
    Attach, Earliest, KeptBooleanField, KeptDecimalField, KeptFloatField,
    KeptIntegerField, KeptJSONField, KeptTextField, KeptUUIDField, Latest,
    LatestPrice, ListingStatsExtension, Median, Percentile, Percentiles,
    PriceSummary, page_json)
from listing_stats_django.expressions import Table
from recipes.models import (
    LatestRate, Offer, Product, Rate, Stocked, StorePrice)

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
ALL_KEPT = ['last_price', 'last_price_at', 'previous_price', 'lowest_price',
            'highest_price', 'first_price', 'total', 'offer_count',
            'last_currency', 'last_offer_id']


def query(sql, *params):
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return cursor.fetchall()


def kept_columns():
    """Of the attachments of these models, by the listing's table."""
    return dict(query(
        "SELECT listing::text, concat_ws(' ', last_price, last_price_at, "
        "previous_price, lowest_price, highest_price, first_price, "
        "price_count, price_total, carry) FROM listing_stats.attachments "
        "WHERE price::text LIKE 'recipes%%'"))


class RecipeTests(TestCase):
    @classmethod
    def setUpTestData(cls):
        cls.tent = Product.objects.create(name='tent')
        cls.bike = Product.objects.create(name='bike')
        cls.none = Product.objects.create(name='none')
        for day, (product, amount, currency) in enumerate([
                (cls.tent, 80, 'EUR'), (cls.tent, 75, 'CHF'),
                (cls.bike, 250, 'EUR'), (cls.tent, Decimal('90.5'), 'USD')]):
            product.offers.create(seen=START + timedelta(days=day),
                                  amount=amount, currency=currency)

    def kept(self, product):
        product.refresh_from_db()
        return {name: getattr(product, name) for name in ALL_KEPT}

    def tearDown(self):
        for listing, price in ((Product, Offer), (Stocked, StorePrice),
                               (LatestRate, Rate)):
            self.assertEqual(query(
                'SELECT * FROM listing_stats.verify(%s, %s)',
                listing._meta.db_table, price._meta.db_table), [])


class KeptFieldTests(RecipeTests):
    def test_every_column_that_is_kept(self):
        self.assertEqual(self.kept(self.tent), {
            'last_price': Decimal('90.50'),
            'last_price_at': START + timedelta(days=3),
            'previous_price': 75, 'lowest_price': 75,
            'highest_price': Decimal('90.50'), 'first_price': 80,
            'total': Decimal('245.50'), 'offer_count': 3,
            'last_currency': 'USD',
            'last_offer_id': Offer.objects.latest('seen').id})
        self.assertEqual(self.tent.last_offer.amount, Decimal('90.50'))
        self.assertEqual(self.kept(self.none), {
            **dict.fromkeys(ALL_KEPT), 'total': 0, 'offer_count': 0})

    def test_only_offers_that_count(self):
        self.tent.offers.filter(currency='USD').update(withdrawn=START)
        self.assertEqual(self.kept(self.tent)['last_price'], 75)
        # What the Q escapes is escaped.
        self.tent.offers.create(amount=1, note='100%')
        self.assertEqual(self.kept(self.tent)['last_price'], 75)
        self.tent.offers.create(amount=2, note='100%%')
        self.assertEqual(self.kept(self.tent)['last_price'], 2)

    def test_a_stale_object_overwrites_nothing(self):
        stale = Product.objects.get(id=self.tent.id)
        self.tent.offers.create(amount=1, currency='SEK')
        before = self.kept(self.tent)
        stale.name = 'tent, red'
        # Nothing is written to these columns, so that nothing is put right.
        with self.assertNumQueries(1) as context:
            stale.save()
        sql = context.captured_queries[0]['sql']
        for name in ALL_KEPT:
            column = Product._meta.get_field(name).column
            self.assertRegex(sql, f'"{column}" = '
                             fr'\(?"recipes_product"."{column}"')
        self.assertEqual(self.kept(self.tent), before)
        self.assertEqual(self.tent.name, 'tent, red')

    def test_what_the_application_sets_is_not_stored(self):
        wrong = {'last_price': 1, 'last_price_at': START, 'total': 5,
                 'offer_count': 7, 'last_currency': 'XXX',
                 'last_offer': Offer.objects.first()}
        product = Product.objects.create(name='new', **wrong)
        self.assertIsNone(product.last_price)
        self.assertIsNone(product.last_offer)
        self.assertEqual((product.total, product.offer_count), (0, 0))
        self.assertEqual(self.kept(product), self.kept(self.none))
        before = self.kept(self.tent)
        for name, value in wrong.items():
            setattr(self.tent, name, value)
        self.tent.save()
        self.assertEqual(self.kept(self.tent), before)
        Product.objects.update(**wrong)
        Product.objects.bulk_create([Product(name='bulk', **wrong)])
        self.assertEqual(self.kept(self.tent), before)
        self.assertEqual(self.kept(Product.objects.get(name='bulk')),
                         self.kept(self.none))

    def test_the_offer_that_is_pointed_to_is_deleted(self):
        last = Offer.objects.latest('seen')
        last.delete()
        self.assertEqual(self.kept(self.tent)['last_price'], 75)
        self.assertEqual(self.tent.last_offer.amount, 75)
        with connection.cursor() as cursor:
            cursor.execute('DELETE FROM recipes_offer WHERE product_id = %s',
                           [self.tent.id])
            cursor.execute('SET CONSTRAINTS ALL IMMEDIATE')
        self.assertIsNone(self.kept(self.tent)['last_offer_id'])
        self.tent.delete()

    def test_fixtures(self):
        dump = serializers.serialize('json', [
            *Product.objects.all(), *Offer.objects.all()])
        before = self.kept(self.tent)
        Offer.objects.all().delete()
        Product.objects.all().delete()
        for entry in serializers.deserialize('json', dump):
            entry.object.last_price = 7
            entry.save()
        self.assertEqual(self.kept(self.tent), before)

    def test_forms_have_no_kept_fields(self):
        self.assertEqual(list(modelform_factory(
            Product, fields='__all__')().fields), ['name'])

    def test_fields_say_of_themselves_what_migrations_need(self):
        for field in (
                KeptDecimalField(max_digits=5, decimal_places=1),
                KeptBooleanField(), KeptFloatField(), KeptUUIDField(),
                KeptJSONField(), KeptTextField(),
                KeptIntegerField(null=False, default=0)):
            name, path, args, kwargs = field.deconstruct()
            self.assertNotIn('editable', kwargs)
            again = type(field)(*args, **kwargs)
            self.assertEqual(again.deconstruct(), field.deconstruct())
            self.assertFalse(again.editable)
            self.assertEqual(again.null, field.null)


class OtherShapeTests(RecipeTests):
    def test_a_key_of_two_columns(self):
        for store in (1, 2):
            Stocked.objects.create(store=store, product='tent')
        StorePrice.objects.create(store_number=1, product='tent', value=90)
        StorePrice.objects.create(store_number=2, product='tent', value=95)
        StorePrice.objects.create(store_number=2, product='bike', value=1)
        self.assertEqual(
            list(Stocked.objects.order_by('store').values_list(
                'store', 'last_price')), [(1, 90), (2, 95)])

    def test_a_table_of_latest_rows(self):
        Rate.objects.bulk_create(
            Rate(base='EUR', quote=quote, day=date(2026, 1, day), rate=rate)
            for quote, day, rate in (('CHF', 1, '0.93'), ('CHF', 2, '0.94'),
                                     ('USD', 2, '1.08')))
        latest = LatestRate.objects.order_by('quote').values_list(
            'quote', 'rate', 'day')
        self.assertEqual(list(latest), [
            ('CHF', Decimal('0.94'), date(2026, 1, 2)),
            ('USD', Decimal('1.08'), date(2026, 1, 2))])
        Rate.objects.filter(quote='USD').delete()
        self.assertEqual(len(latest.all()), 1)
        rate = LatestRate.objects.get()
        rate.rate = 5
        rate.save()
        self.assertEqual(latest.all()[0][1], Decimal('0.94'))


class ExpressionTests(RecipeTests):
    def test_aggregates(self):
        with self.assertNumQueries(1):
            result = Offer.objects.aggregate(
                median=Median('amount'), p90=Percentile('amount', 0.9),
                some=Percentiles('amount', [0, 0.5, 1]),
                stats=PriceSummary('amount'),
                euros=Median('amount', filter=Q(currency='EUR')),
                euro_p50=Percentile('amount', 0.5, filter=Q(currency='EUR')))
        self.assertEqual(result['median'], Decimal('85.25'))
        self.assertEqual(result['p90'], Decimal('202.15'))
        self.assertEqual(result['some'], [75, Decimal('85.25'), 250])
        self.assertEqual(result['stats']['median'], Decimal('85.25'))
        self.assertEqual(result['euros'], 165)
        self.assertEqual(result['euro_p50'], 165)
        for value in (result['median'], result['p90'], *result['some']):
            self.assertIs(type(value), Decimal)

    def test_of_slices_groups_and_nothing(self):
        cheap = Offer.objects.order_by('amount')[:2]
        self.assertEqual(
            cheap.aggregate(m=Median('amount'), p=Percentile('amount', 1)),
            {'m': Decimal('77.5'), 'p': 80})
        self.assertEqual(
            list(Product.objects.order_by('name').annotate(
                m=Median('offers__amount'),
                p=Percentile('offers__amount', '0.5')).values_list(
                    'name', 'm', 'p')),
            [('bike', 250, 250), ('none', None, None), ('tent', 80, 80)])
        self.assertEqual(
            Offer.objects.filter(amount=-1).aggregate(
                m=Median('amount'), p=Percentile('amount', 0.5),
                s=Percentiles('amount', [0.5])),
            {'m': None, 'p': None, 's': [None]})

    def test_latest_and_earliest(self):
        times = {'at': 'offers__seen', 'tie': 'offers__id'}
        products = Product.objects.annotate(
            latest=Latest('offers__amount', times['at'], times['tie']),
            earliest=Earliest('offers__amount', times['at']),
            euros=Latest('offers__amount', times['at'],
                         filter=Q(offers__currency='EUR')))
        self.assertEqual(
            {p.name: (p.latest, p.earliest, p.euros) for p in products},
            {'tent': (Decimal('90.5'), 80, 80), 'bike': (250, 250, 250),
             'none': (None, None, None)})

    def test_latest_price(self):
        with self.assertNumQueries(1):
            found = {product.name: product.price for product in
                     Product.objects.annotate(price=LatestPrice(Offer))}
        self.assertEqual(found, {'tent': Decimal('90.5'), 'bike': 250,
                                 'none': None})
        then = Product.objects.annotate(
            price=LatestPrice(Offer, as_of=START + timedelta(days=1)))
        self.assertEqual(then.get(price__gt=70).price, 75)
        self.assertEqual(then.aggregate(m=Median('price')), {'m': 75})
        # Of a table that is not attached, whose columns have other names.
        query("SELECT listing_stats.detach('recipes_product', "
              "'recipes_offer')")
        try:
            products = Product.objects.annotate(price=LatestPrice(
                Offer, 'id', key_field='product', at='seen', value='amount'))
            self.assertEqual(products.get(name='tent').price, Decimal('90.5'))
        finally:
            call_attach()

    def test_parameters_are_a_tuple(self):
        """As Django 6 has them."""
        sql, params = Table(Offer).as_sql(None, connection)
        self.assertEqual(params, ('"recipes_offer"',))

    def test_page(self):
        def page(products, *limits, **options):
            return json.loads(page_json(products, *limits, **options),
                              parse_float=Decimal)

        options = {'fields': ['name'], 'statistics': 'last_price',
                   'prices': 'offers', 'price_fields': ['amount'],
                   'newest_first': ['seen', 'id'], 'max_prices': 2}
        every = Product.objects.order_by('name')
        offers = [{'amount': '90.50'}, {'amount': '75.00'}]
        for products, names in (
                (every, ['bike', 'none', 'tent']), (every[1:], ['none', 'tent']),
                (every.filter(name="100% '"), []), (every.none(), []),
                (every.filter(name='none').union(every.filter(name='tent')
                                                 ).order_by('-name'),
                 ['tent', 'none']),
                (every.annotate(price=LatestPrice(Offer)).filter(price__gt=1),
                 ['bike', 'tent']),
                (every.filter(offers__amount__gt=1).distinct(),
                 ['bike', 'tent'])):
            with self.subTest(str(products)), self.assertNumQueries(1):
                result = page(products, 10, **options)
                self.assertEqual(result['count'], len(names))
                self.assertEqual([row['name'] for row in result['results']],
                                 names)
                for row in result['results']:
                    if row['name'] == 'tent':
                        self.assertEqual(row['offers'], offers)
        self.assertEqual(page(every, 1, 2, **options)['statistics']['max'],
                         250)
        # All fields, no prices, no statistics.
        [row] = page(every, 1)['results']
        self.assertEqual(row['last_price'], '250.00')
        self.assertEqual(row.keys(), {
            field.attname for field in Product._meta.concrete_fields})


class AdminTests(RecipeTests):
    def test_a_form_that_is_older_than_the_price(self):
        user = User.objects.create_superuser('admin')
        self.client.force_login(user)
        url = f'/admin/recipes/product/{self.tent.id}/change/'
        page = self.client.get(url).content.decode()
        self.assertIn('90.50', page)
        self.assertNotIn('name="last_price"', page)
        self.tent.offers.create(amount=1)
        before = self.kept(self.tent)
        response = self.client.post(url, {
            'name': 'tent, red', 'last_price': '5', 'offer_count': '9'})
        self.assertRedirects(response, '/admin/recipes/product/')
        self.assertEqual(self.kept(self.tent), before)
        self.assertEqual(self.tent.name, 'tent, red')
        response = self.client.post('/admin/recipes/product/add/',
                                    {'name': 'new', 'last_price': '5'})
        self.assertIsNone(Product.objects.get(name='new').last_price)
        page = self.client.get('/admin/recipes/product/?o=2').content.decode()
        self.assertIn('tent, red', page)
        response = self.client.post(
            f'/admin/recipes/product/{self.tent.id}/delete/', {'post': 'yes'})
        self.assertRedirects(response, '/admin/recipes/product/')
        self.assertFalse(Offer.objects.filter(product=self.tent.id).exists())


def call_attach():
    """As the migrations have it."""
    state = MigrationLoader(connection).project_state()
    for name in ('0002_attach', '0003_totals'):
        migration = MigrationLoader(connection).get_migration('recipes', name)
        operation = migration.operations[0]
        if name == '0003_totals':
            operation = Attach(operation.listing, operation.price,
                               **operation.named)
        with connection.schema_editor() as editor:
            operation.database_forwards('recipes', editor, state, state)


def apply(state, *operations, using=connection, atomic=True):
    """Runs them as a migration; returns a function that reverses it."""
    migration = Migration('later', 'shop')
    migration.operations, migration.atomic = operations, atomic
    with using.schema_editor(atomic=atomic) as editor:
        migration.apply(state.clone(), editor)

    def unapply():
        with using.schema_editor(atomic=atomic) as editor:
            migration.unapply(state.clone(), editor)

    return unapply


def migrate(*target):
    call_command('migrate', 'recipes', *target, verbosity=0)


class OperationTests(TransactionTestCase):
    def test_models_and_migrations_agree(self):
        call_command('makemigrations', check=True, dry_run=True,
                     stdout=StringIO())

    def test_makemigrations_sees_the_fields_of_the_operation(self):
        loader = MigrationLoader(connection)
        state = loader.project_state(('recipes', '0002_attach'))
        fields = state.models['recipes', 'product'].fields
        self.assertNotIn('offer_count', fields)
        state = loader.project_state(('recipes', '0003_totals'))
        field = state.models['recipes', 'product'].fields['offer_count']
        self.assertEqual(field.deconstruct()[3], {
            'null': False, 'default': 0})

    def test_reversed_one_by_one(self):
        every = kept_columns()
        self.assertEqual(
            every['recipes_product'],
            'last_price last_price_at previous_price lowest_price '
            'highest_price first_price offer_count total '
            'currency AS last_currency, id AS last_offer_id')
        self.assertEqual(every.keys(), {
            'recipes_product', 'recipes_stocked', 'recipes_latestrate'})
        self.addCleanup(migrate)
        # What the first operation keeps is kept on.
        migrate('0002')
        self.assertEqual(kept_columns(), {
            **every, 'recipes_product': every['recipes_product'].replace(
                'offer_count total ', '')})
        with connection.cursor() as cursor:
            names = [column.name for column in
                     connection.introspection.get_table_description(
                         cursor, 'recipes_product')]
        self.assertIn('last_price', names)
        self.assertNotIn('offer_count', names)
        migrate('0001')
        self.assertEqual(kept_columns(), {})
        migrate()
        self.assertEqual(kept_columns(), every)
        migrate('zero')
        migrate()
        self.assertEqual(kept_columns(), every)

    def make_tables(self, *more):
        """Returns the state that has them."""
        migration = Migration('tables', 'shop')
        migration.operations = [
            CreateModel('Thing', [
                ('id', models.BigAutoField(primary_key=True))]),
            CreateModel('Seen', [
                ('id', models.BigAutoField(primary_key=True)),
                ('created', models.DateTimeField()),
                ('value', models.IntegerField()),
                ('thing', models.ForeignKey(
                    'Thing', on_delete=models.CASCADE))]), *more]
        state = ProjectState()
        self.addCleanup(apply(state, *migration.operations))
        return migration.mutate_state(state)

    def test_big_tables(self):
        """The migrations that the README has for tables in use."""
        state = self.make_tables()
        thing = state.apps.get_model('shop', 'Thing').objects.create()
        thing.seen_set.create(created=START, value=7)
        index = models.Index(fields=['thing', '-created', '-id'],
                             include=['value'], name='seen_latest')
        for atomic, operations in (
                (False, [AddIndexConcurrently('Seen', index)]),
                (True, [AddField('Thing', 'last_price', KeptIntegerField()),
                        Attach('Thing', 'Seen', backfill=False)]),
                (False, [RunSQL("CALL listing_stats.refresh('shop_thing', "
                                "'shop_seen')", RunSQL.noop)])):
            migration = Migration('big', 'shop')
            migration.operations = operations
            self.addCleanup(apply(state, *operations, atomic=atomic))
            state = migration.mutate_state(state)
        thing = state.apps.get_model('shop', 'Thing').objects.get()
        self.assertEqual(thing.last_price, 7)
        self.assertEqual(query(
            'SELECT index::text FROM listing_stats.attachments '
            "WHERE listing = 'shop_thing'::regclass"), [('seen_latest',)])

    def test_a_column_that_is_not_named_is_given_up_with_the_first(self):
        def kept():
            return query(
                'SELECT last_price, price_count FROM listing_stats.attachments '
                "WHERE listing::text LIKE 'shop_%%'")

        count = KeptIntegerField(null=False, default=0)
        # Kept by hand before: the column stays.
        state = self.make_tables(
            AddField('Thing', 'last_price', models.IntegerField(null=True)),
            AlterField('Thing', 'last_price', KeptIntegerField()))
        unapply = apply(state, Attach('Thing', 'Seen', price_count='seen',
                                      fields=[('seen', count)]))
        self.assertEqual(kept(), [('last_price', 'seen')])
        unapply()
        self.assertEqual(kept(), [])

        # Not with a later one, whatever became of the models between.
        migration = Migration('first', 'shop')
        migration.operations = [Attach('Thing', 'Seen'),
                                RenameModel('Seen', 'Quote'),
                                RenameModel('Thing', 'Item')]
        first = apply(state, *migration.operations)
        state = migration.mutate_state(state)
        later = apply(state, AddField('Item', 'seen', count),
                      Attach('Item', 'Quote', price_count='seen'))
        self.assertEqual(kept(), [('last_price', 'seen')])
        later()
        self.assertEqual(kept(), [('last_price', None)])
        first()
        self.assertEqual(kept(), [])

    def test_of_two_models_of_prices_the_second_keeps_last_price(self):
        state = self.make_tables(
            AddField('Thing', 'seen', KeptIntegerField()),
            AddField('Thing', 'told', KeptIntegerField()),
            CreateModel('Told', [
                ('id', models.BigAutoField(primary_key=True)),
                ('created', models.DateTimeField()),
                ('value', models.IntegerField()),
                ('thing', models.ForeignKey(
                    'Thing', on_delete=models.CASCADE))]))
        migration = Migration('first', 'shop')
        migration.operations = [
            Attach('Thing', 'Seen', last_price='none', price_count='seen')]
        apply(state, *migration.operations)
        state = migration.mutate_state(state)
        kept = ('SELECT last_price, price_count FROM listing_stats.attachments '
                "WHERE listing::text LIKE 'shop_%%' ORDER BY 2")
        later = apply(state, Attach('Thing', 'Told', price_count='told'))
        self.assertEqual(query(kept),
                         [(None, 'seen'), ('last_price', 'told')])
        later()
        self.assertEqual(query(kept), [(None, 'seen')])

    def test_reversed_beside_what_sql_has_attached(self):
        state = self.make_tables(
            AddField('Thing', 'latest', KeptIntegerField()),
            AddField('Thing', 'seen', KeptIntegerField()))
        apply(state, RunSQL(
            "SELECT listing_stats.attach('shop_thing', 'shop_seen', "
            "last_price => 'latest')"))
        apply(state, Attach('Thing', 'Seen', price_count='seen'))()
        self.assertEqual(query(
            'SELECT last_price, price_count FROM listing_stats.attachments '
            "WHERE listing::text LIKE 'shop_%%'"), [('latest', None)])

    def test_an_operation_can_be_written_again(self):
        """As squashmigrations does."""
        operation = Attach(
            'Product', 'other.Offer', at='seen', price_count='offer_count',
            carry={'note': 'last_note'}, condition=Q(withdrawn=None),
            fields=[('last_note', KeptTextField())])
        migration = type('Migration', (Migration,), {
            'operations': [operation]})('0001_initial', 'recipes')
        namespace = {}
        exec(MigrationWriter(migration).as_string(), namespace)
        [again] = namespace['Migration'].operations
        self.assertEqual(again.named, operation.named)
        self.assertEqual((again.listing, again.price),
                         ('Product', 'other.Offer'))
        self.assertIsInstance(again.fields[0][1], KeptTextField)

    def test_the_extension_is_made_as_django_6_makes_it(self):
        def init(self, name, hints=None):
            self.name, self.hints = name, hints or {}

        operation = ListingStatsExtension()
        self.assertEqual(operation.name, 'listing_stats')
        self.assertEqual(operation.deconstruct()[2], {})
        with mock.patch.object(CreateExtension, '__init__', init):
            self.assertEqual(ListingStatsExtension().hints, {})
            operation = ListingStatsExtension(hints={'only': 'shop'})
        self.assertEqual(operation.hints, {'only': 'shop'})
        self.assertEqual(operation.deconstruct()[2],
                         {'hints': {'only': 'shop'}})

    def test_sql_that_is_shown_does_what_migrate_does(self):
        def run_sql(name, **options):
            output = StringIO()
            call_command('sqlmigrate', 'recipes', name, stdout=output,
                         **options)
            with connection.cursor() as cursor:
                cursor.execute(output.getvalue())

        def attached():
            return kept_columns(), query(
                'SELECT condition FROM listing_stats.attachments '
                "WHERE price = 'recipes_offer'::regclass")

        self.addCleanup(migrate)
        before = attached()
        run_sql('0003', backwards=True)
        backwards = attached()
        self.assertNotEqual(backwards, before)
        run_sql('0003')
        self.assertEqual(attached(), before)
        migrate('0002')
        self.assertEqual(attached(), backwards)
        migrate('0001')
        run_sql('0002')
        self.assertEqual(attached(), backwards)
        migrate('0002', '--fake')

    def test_sql_can_be_shown(self):
        # Of tables that are not there yet.
        self.addCleanup(migrate)
        migrate('zero')
        for arguments in (['0002'], ['0002', '--backwards'],
                          ['0003', '--backwards'], ['0003']):
            output = StringIO()
            call_command('sqlmigrate', 'recipes', arguments[0],
                         backwards='--backwards' in arguments, stdout=output)
            self.assertIn('listing_stats.', output.getvalue())
        self.assertIn('price_count => ', output.getvalue())
        # Nor an extension.
        call_command('migrate', 'myapp', '0002', verbosity=0)
        output = StringIO()
        call_command('sqlmigrate', 'recipes', '0002', backwards=True,
                     stdout=output)
        self.assertIn('detach(', output.getvalue())
        self.assertIn('-- detach() ends all', output.getvalue())

    def test_unmanaged_models(self):
        """Their tables are somebody else's, and attached as others are."""
        tables = RunSQL(
            ['CREATE TABLE thing (id int PRIMARY KEY, last_price int)',
             'CREATE TABLE seen (id int PRIMARY KEY, created date NOT NULL, '
             'value int, thing_id int REFERENCES thing)'],
            ['DROP TABLE seen', 'DROP TABLE thing'])
        operations = [tables, *(
            CreateModel(name, [('id', models.IntegerField(primary_key=True)),
                               *fields],
                        options={'managed': False, 'db_table': name.lower()})
            for name, fields in (
                ('Thing', [('last_price', KeptIntegerField())]),
                ('Seen', [('created', models.DateField()),
                          ('value', models.IntegerField()),
                          ('thing', models.ForeignKey(
                              'Thing', on_delete=models.CASCADE))]))),
            Attach('Thing', 'Seen')]
        unapply = apply(ProjectState(), *operations)
        self.assertEqual(query(
            "SELECT last_price FROM listing_stats.attachments "
            "WHERE listing = 'thing'::regclass"), [('last_price',)])
        unapply()

    def test_another_database_has_the_fields_of_the_operation(self):
        other = DatabaseWrapper(
            {**connection.settings_dict, 'ENGINE': 'django.db.backends.sqlite3',
             'NAME': ':memory:', 'OPTIONS': {}}, 'other')
        connections['other'] = other
        self.addCleanup(connections.__delitem__, 'other')
        self.addCleanup(other.close)

        def columns():
            with other.cursor() as cursor:
                return [column.name for column in
                        other.introspection.get_table_description(
                            cursor, 'shop_thing')]

        thing = CreateModel('Thing', [
            ('id', models.BigAutoField(primary_key=True))])
        seen = CreateModel('Seen', [
            ('id', models.BigAutoField(primary_key=True)),
            ('thing', models.ForeignKey('Thing', on_delete=models.CASCADE))])
        apply(ProjectState(), thing, seen, using=other)
        state = ProjectState()
        for operation in (thing, seen):
            operation.state_forwards('shop', state)
        unapply = apply(state, Attach(
            'Thing', 'Seen', price_count='seen_count',
            fields=[('last_price', KeptIntegerField()),
                    ('seen_count', KeptIntegerField(null=False, default=0))]),
            using=other)
        self.assertEqual(columns(), ['id', 'last_price', 'seen_count'])
        unapply()
        self.assertEqual(columns(), ['id'])

    def test_the_role_of_another_database_is_not_asked(self):
        class Elsewhere:
            def allow_migrate(self, db, app_label, **hints):
                return False

        before = kept_columns()
        with self.settings(DATABASE_ROUTERS=[Elsewhere()]):
            migrate('0001')
            self.assertEqual(kept_columns(), before)
            migrate()
        self.assertEqual(kept_columns(), before)
