import gc
import os
import statistics
from contextlib import contextmanager, nullcontext
from time import perf_counter, process_time

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from myapp.by_hand import add_price
from myapp.models import Listing, Price
from myapp.views import PAGE_SIZE, VARIANTS


class Command(BaseCommand):
    help = """Prints statements and time of each way to make a page, and to add
    a price to each listing on it.  What it adds is rolled back."""

    def add_arguments(self, parser):
        parser.add_argument('--rounds', type=int, default=15)
        parser.add_argument('--search', default='bike')

    def handle(self, rounds, search, **options):
        found = Listing.objects.filter(description__icontains=search)
        if not found:
            raise CommandError('there are no such listings: load some')
        page = list(found[:PAGE_SIZE])
        self.stdout.write(
            f'{Listing.objects.count()} listings, {Price.objects.count()} '
            f'prices; {len(found)} listings with "{search}", {len(page)} of '
            'them on the page\n\n')

        with connection.cursor() as cursor:
            cursor.execute('SELECT pg_backend_pid(), inet_server_addr()')
            process, address = cursor.fetchone()
        self.schedstat = f'/proc/{process}/schedstat'
        if address or not os.path.exists(self.schedstat):
            self.schedstat = None
        client = Client()

        def get(name):
            return lambda: client.get(reverse(name), {'search': search})

        def by_hand():
            for listing in page:
                add_price(listing, 1)

        def create():
            for listing in page:
                listing.prices.create(value=1)

        def bulk_create():
            Price.objects.bulk_create(
                Price(listing=listing, value=1) for listing in page)

        self.compare(rounds, 'The page', {
            name: (nullcontext, get(name)) for name in VARIANTS})
        self.compare(rounds, 'A new price for each listing on it', {
            'kept by hand': (undone_and_untriggered, by_hand),
            'create()': (undone, create),
            'bulk_create()': (undone, bulk_create)})
        self.stdout.write(
            f'Medians of {rounds} interleaved rounds over an open connection. '
            'Python and server: their processor\ntime. The new prices are '
            'without their commit, and those kept by hand without the\n'
            'triggers of listing_stats.\n')

    def compare(self, rounds, title, ways):
        # The first round is for the caches, and counts the statements.
        statements = {}
        for name, (context, way) in ways.items():
            with context(), CaptureQueriesContext(connection) as queries:
                way()
            statements[name] = sum(
                not query['sql'].startswith(('SAVEPOINT', 'RELEASE'))
                for query in queries)
        times = {name: [] for name in ways}
        for _ in range(rounds):
            for name, (context, way) in ways.items():
                gc.collect()  # what the way before has left
                with context():
                    before = self.clocks()
                    way()
                    times[name].append(
                        [1000 * (now - then) for now, then in
                         zip(self.clocks(), before)])
        self.stdout.write(f'{title:36}statements       time'
                          '      Python      server\n')
        for name, rows in times.items():
            self.stdout.write(f'  {name:34}{statements[name]:>10}' + ''.join(
                f'{statistics.median(column):>9.1f} ms'
                for column in zip(*rows)) + '\n')
        self.stdout.write('\n')

    def clocks(self):
        """Seconds: on the wall, and on a processor of this process and of the
        server's for us, if it is on this machine."""
        server = 0
        if self.schedstat:
            with open(self.schedstat) as file:
                server = int(file.read().split()[0]) / 1e9
        return perf_counter(), process_time(), server


@contextmanager
def undone():
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@contextmanager
def undone_and_untriggered():
    with undone():
        with connection.cursor() as cursor:
            cursor.execute('ALTER TABLE myapp_price DISABLE TRIGGER USER')
            cursor.execute('ALTER TABLE myapp_listing DISABLE TRIGGER USER')
        yield
