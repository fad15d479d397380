# A page of listings with their prices as a client gets it, each way in turns, into a string of JSON.  For each
# round and way it prints the seconds of the backend's processor time and of wall time for so many pages.
import json
import sys
import time

import psycopg2
import psycopg2.extras

rounds, pages = int(sys.argv[1]), int(sys.argv[2])
connection = psycopg2.connect(dbname='bench', options='-c search_path=reading')
connection.autocommit = True
psycopg2.extras.register_default_json(connection, loads=lambda text: text)
cursor = connection.cursor()


def rows(query, *arguments):
    cursor.execute(query, arguments)
    return cursor.fetchall()


def as_json(listings, prices):
    return json.dumps([{'id': id, 'prices': [{'created': created.isoformat(), 'value': str(value)}
                                             for created, value in prices(id)]} for id in listings])


def one_by_one():
    return as_json([id for id, in rows('SELECT id FROM page')], lambda id: rows(
        'SELECT created, value FROM shown WHERE listing_id = %s ORDER BY created DESC, id DESC', id))


def prefetch():
    prices = {id: [] for id, in rows('SELECT id FROM page')}
    for id, created, value in rows('SELECT listing_id, created, value FROM shown WHERE listing_id = ANY (%s)'
                                   ' ORDER BY created DESC, id DESC', list(prices)):
        prices[id].append((created, value))
    return as_json(prices, prices.get)


def json_agg():
    return rows("""SELECT json_agg(json_build_object('id', page.id, 'prices', prices)) FROM page CROSS JOIN LATERAL (
        SELECT json_agg(json_build_object('created', created, 'value', value) ORDER BY created DESC, id DESC) AS prices
        FROM shown WHERE listing_id = page.id) h""")[0][0]


def ours():
    return rows("""SELECT json_agg(json_build_object('id', id, 'prices',
        listing_stats.price_history_json('shown', id, NULL, 'listing_id'))) FROM page""")[0][0]


def cpu():
    with open(f'/proc/{connection.info.backend_pid}/schedstat') as file:
        return int(file.read().split()[0]) / 1e9


ways = {'a query for each listing (N+1)': one_by_one, 'prefetch in two queries': prefetch,
        'json_agg with LATERAL': json_agg, 'ours': ours}
for round in range(rounds + 1):
    for name, way in ways.items():
        used, start = cpu(), time.time()
        for _ in range(pages):
            assert way().count('created') == 15000
        if round > 0:
            print(name, cpu() - used, time.time() - start, sep='\t')
