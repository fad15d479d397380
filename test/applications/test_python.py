"""What docs/applications.md says of psycopg, SQLAlchemy and Alembic: types, casts, and what becomes of the column.

Run in a database made by tables.sql, as its owner, by Debian's Python.  What is not installed is skipped.
"""
import datetime
import unittest
from decimal import Decimal
from importlib import import_module

UTC = datetime.timezone.utc


def optional(name):
    try:
        return import_module(name)
    except ImportError:
        return None


class Driver:
    """The same of both."""

    def setUp(self):
        self.driver = optional(self.module)
        if not self.driver:
            self.skipTest(f'{self.module} is missing')
        self.connection = self.driver.connect('')
        self.addCleanup(self.connection.close)
        self.cursor = self.connection.cursor()
        self.cursor.execute("SET timezone = 'UTC'")

    def one(self, sql, *values):
        self.cursor.execute(sql, values)
        [row] = self.cursor.fetchall()
        return row if len(row) > 1 else row[0]

    def keys(self, sql, *values):
        self.cursor.execute(sql, values)
        return sorted(row[0] for row in self.cursor.fetchall())

    def fails(self, code, sql, *values):
        with self.assertRaises(self.driver.Error) as context:
            self.cursor.execute(sql, values)
        error = context.exception
        self.assertEqual(getattr(error, 'sqlstate', None)
                         or getattr(error, 'pgcode', None), code)
        self.connection.rollback()

    def test_types(self):
        self.assertEqual(self.one('SELECT last_price FROM listing WHERE id = 1'), Decimal('199.99'))
        count, median = self.one('SELECT (s).count, (s).median FROM (SELECT listing_stats.price_summary(last_price) AS s '
                                 'FROM listing) AS summary')
        self.assertEqual((type(count), type(median)), (int, Decimal))
        stats = self.one('SELECT listing_stats.price_stats_json(last_price) FROM listing')
        self.assertEqual((stats['count'], stats['median'], type(stats['median'])), (3, 199.99, float))
        history = self.one("SELECT listing_stats.price_history_json('price', 1)")
        self.assertEqual([row['value'] for row in history], [199.99, 250])
        self.assertEqual(self.one("SELECT * FROM listing_stats.latest_prices('price', ARRAY[1])"),
                         (1, datetime.datetime(2026, 2, 9, tzinfo=UTC), Decimal('199.99')))
        for of in ('listing_stats.price_stats(last_price)', "listing_stats.read_price_history('price', min(id))"):
            self.assertIs(type(self.one(f'SELECT {of} FROM listing')), str)
        self.assertEqual(self.one("SELECT listing_stats.percentiles(listing_stats.price_stats(last_price), '{0.5}') FROM listing"),
                         [Decimal('199.99')])

    def test_keys(self):
        sql = 'SELECT key FROM listing_stats.latest_prices(%s, %s)'
        self.assertEqual(self.keys(sql, 'price', [1, 3]), [1, 3])
        # Nothing says of which type an empty list is.
        self.fails('42725', sql, 'price', [])
        self.assertEqual(self.keys(sql.replace('%s)', '%s::bigint[])'), 'price', []), [])
        self.assertEqual(self.one('SELECT listing_stats.latest_price(%s, %s)', 'price', 2), 480)
        self.assertEqual(len(self.one('SELECT listing_stats.price_history_json(%s, %s)', 'price', 1)), 2)
        self.assertEqual(self.keys('SELECT listing_id FROM listing_stats.latest_rows(NULL::price, %s)', [2]), [2])

    def test_percentile(self):
        for name, p in (('percentile', 0.5), ('percentiles', [0.5])):
            sql = f'SELECT listing_stats.{name}(listing_stats.price_stats(last_price), %s) FROM listing'
            decimal = Decimal('0.5') if name == 'percentile' else [Decimal('0.5')]
            self.assertIn(Decimal('199.99'), [self.one(sql, decimal)] if name == 'percentile' else self.one(sql, decimal))
            if self.module == 'psycopg':
                self.fails('42883', sql, p)
                self.one(sql.replace('%s', '%s::numeric' + '[]' * (name == 'percentiles')), p)
            else:
                self.one(sql, p)


class Psycopg2(Driver, unittest.TestCase):
    module = 'psycopg2'


class Psycopg3(Driver, unittest.TestCase):
    module = 'psycopg'


class SQLAlchemy(unittest.TestCase):
    def setUp(self):
        self.sqlalchemy = optional('sqlalchemy')
        if not self.sqlalchemy or not optional('psycopg2'):
            self.skipTest('sqlalchemy or psycopg2 is missing')
        # Version 2 can do it with psycopg 3 too.
        self.engine = self.sqlalchemy.create_engine('postgresql+psycopg2://')
        self.addCleanup(self.engine.dispose)
        self.metadata = self.sqlalchemy.MetaData()
        self.listing = self.sqlalchemy.Table('listing', self.metadata, autoload_with=self.engine)
        self.price = self.sqlalchemy.Table('price', self.metadata, autoload_with=self.engine)

    def test_statistics_and_casts(self):
        select, func, literal = self.sqlalchemy.select, self.sqlalchemy.func, self.sqlalchemy.literal
        stats, last_price = func.listing_stats, self.listing.c.last_price
        with self.engine.connect() as connection:
            one = connection.scalar
            self.assertEqual(one(select(stats.median(last_price))), Decimal('199.99'))
            self.assertEqual(one(select(stats.percentile(stats.price_stats(last_price), Decimal('0.5')))), Decimal('199.99'))
            self.assertEqual(one(select(stats.price_stats_json(last_price)))['count'], 3)
            latest = stats.latest_prices('price', [1, 3]).table_valued('key', 'at', 'value')
            self.assertEqual(sorted(connection.execute(select(latest.c.key)).scalars()), [1, 3])
            self.assertEqual(one(select(stats.latest_price('price', literal(2)))), 480)

    def test_an_old_object(self):
        orm = optional('sqlalchemy.orm')
        Base = orm.declarative_base(metadata=self.metadata)

        class Listing(Base):
            __table__ = self.listing

        with orm.Session(self.engine) as session:
            tent = session.get(Listing, 3)
            session.execute(self.price.insert().values(listing_id=3, created=datetime.datetime(2026, 3, 1, tzinfo=UTC), value=70))
            tent.title, tent.last_price = 'tent, red', 1
            session.flush()
            session.refresh(tent)
            self.assertEqual((tent.title, tent.last_price), ('tent, red', 70))
            session.rollback()

    def test_alembic(self):
        if not optional('alembic'):
            self.skipTest('alembic is missing')
        compare = import_module('alembic.autogenerate').compare_metadata
        context = import_module('alembic.runtime.migration').MigrationContext
        with self.engine.connect() as connection:
            # What it has reflected it keeps: column, index; triggers it does not see.
            self.assertEqual(compare(context.configure(connection), self.metadata), [])
            lacking = self.sqlalchemy.MetaData()
            for table in (self.listing, self.price):
                # to_metadata() copies; the column and the index are left out of the copy.
                copy = table.to_metadata(lacking)
                copy.indexes.clear()
            lacking.tables['listing']._columns.remove(lacking.tables['listing'].c.last_price)
            self.assertEqual(sorted(change[0] for change in compare(context.configure(connection), lacking)),
                             ['remove_column', 'remove_index'])


if __name__ == '__main__':
    unittest.main()
