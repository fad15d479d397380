"""A page of a queryset, made by the server in one statement."""
from django.core.exceptions import EmptyResultSet
from django.db import connections, models


def page_json(listings, limit, offset=0, fields=None, statistics=None,
              prices=None, price_fields=('created', 'value'),
              newest_first=('created', 'id'), max_prices=None):
    """As JSON: the number of these listings, as "count"; so many of them, in
    their order, as "results"; and the statistics of a field of all of them,
    if it is named, as "statistics".

    fields: of a listing, all if it is None.  prices: the name of the relation
    from a listing to its prices, each with price_fields, newest first, and no
    more than max_prices.  Decimals are strings, as REST framework's are,
    statistics are numbers, and times end with +00:00 instead of Z.

    listings is any queryset of a model, sliced, ordered, distinct() or a
    union() too.
    """
    connection = connections[listings.db]
    quote = connection.ops.quote_name
    meta = listings.model._meta
    shown = [meta.get_field(name) for name in fields] if fields else list(
        meta.concrete_fields)
    relation = prices and meta.get_field(prices)
    # The subquery has what is shown, and what else is needed.
    needed = list(shown)
    for field in [statistics and meta.get_field(statistics),
                  relation and relation.field.target_field]:
        if field and field not in needed:
            needed.append(field)
    # Of a union the columns have other names, and others may follow.
    names = ', '.join(quote(field.column) for field in needed)
    try:
        sql, params = listings.values(
            *(field.attname for field in needed)).query.get_compiler(
                listings.db).as_sql()
    except EmptyResultSet:
        # Django knows that there are none, and has no SQL for it.
        sql = (f'SELECT {names} FROM {quote(meta.db_table)} WHERE false')
        params = ()

    def escaped(text):
        return str(text).replace('%', '%%')

    def literal(text):
        return "'" + escaped(text).replace("'", "''") + "'"

    def json_object(table, fields, more=()):
        pairs = [literal(field.attname) + ', ' + value_of(table, field)
                 for field in fields]
        return f'json_build_object({", ".join([*pairs, *more])})'

    def value_of(table, field):
        text = f'{table}.{escaped(quote(field.column))}'
        if isinstance(field, models.DecimalField):
            text += '::text'
        return text

    history, parts = '', []
    if relation:
        price = relation.related_model._meta
        order = ', '.join(
            f'price.{escaped(quote(field.column))} DESC'
            + (' NULLS LAST' if field.null else '')
            for field in map(price.get_field, newest_first))
        each = json_object('price', map(price.get_field, price_fields))
        source = f"""{escaped(quote(price.db_table))} AS price
            WHERE price.{escaped(quote(relation.field.column))} =
                page.{escaped(quote(relation.field.target_field.column))}"""
        if max_prices is not None:
            source = f"""(
                SELECT price.* FROM {source}
                ORDER BY {order} LIMIT {int(max_prices)}) AS price"""
        history = f"""CROSS JOIN LATERAL (
            SELECT coalesce(json_agg({each} ORDER BY {order}), '[]') AS prices
            FROM {source}) AS history"""
        parts = [literal(prices) + ', history.prices']
    stats = ''
    if statistics:
        of = escaped(quote(meta.get_field(statistics).column))
        stats = f"""'statistics', (
            SELECT listing_stats.price_stats_json({of}) FROM filtered),"""
    statement = f"""
WITH filtered AS MATERIALIZED (
    SELECT row_number() OVER () AS "place of it", listing.*
    FROM ({sql}) AS listing ({escaped(names)})
), page AS (
    SELECT * FROM filtered ORDER BY "place of it" LIMIT %s OFFSET %s
)
SELECT json_build_object(
    'count', (SELECT count(*) FROM filtered),
    {stats}
    'results', (
        SELECT coalesce(json_agg({json_object('page', shown, parts)}
            ORDER BY page."place of it"), '[]')
        FROM page {history}))::text"""
    with connection.cursor() as cursor:
        cursor.execute(statement, [*params, limit, offset])
        return cursor.fetchone()[0]
