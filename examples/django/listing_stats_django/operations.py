"""Migration operations that attach, and detach when they are reversed."""
from django.contrib.postgres.operations import CreateExtension
from django.db import router
from django.db.migrations import AddField
from django.db.migrations.operations.base import Operation
from django.db.models import Q
from django.db.models.sql import Query

KEPT = ('last_price', 'last_price_at', 'previous_price', 'lowest_price',
        'highest_price', 'price_count', 'price_total', 'first_price')


# The option of a model's state that says what operations keep of it: the
# models of prices, and 'last_price' if one of them does, by name or not.
# Django leaves options with such a name out of models.
ATTACHED = '_listing_stats_attached'


class ListingStatsExtension(CreateExtension):
    """From Django 6.0 on it may have hints, for routers."""

    def __init__(self, **kwargs):
        super().__init__('listing_stats', **kwargs)


class Keeping(Operation):
    """What Attach and KeepLatest share.  self.listing is the model whose
    fields are kept; self.named are the arguments that were given."""

    reduces_to_sql = True
    reversible = True

    def models(self, app_label, state):
        return [state.apps.get_model(*self.label(app_label, name))
                for name in (self.listing, self.price)]

    @staticmethod
    def label(app_label, name):
        return name.split('.') if '.' in name else (app_label, name)

    def additions(self, app_label):
        label, name = self.label(app_label, self.listing)
        return label, [AddField(name, field, of) for field, of in self.fields]

    def state_forwards(self, app_label, state):
        label, additions = self.additions(app_label)
        for addition in additions:
            addition.state_forwards(label, state)
        options = self.options(app_label, state)
        attached = options.get(ATTACHED, frozenset())
        options[ATTACHED] = attached | {self.price_label(app_label)} | (
            {'last_price'} if self.keeps_last_price(app_label, attached)
            else set())

    def options(self, app_label, state):
        label, name = self.label(app_label, self.listing)
        model = state.models.get((label, name.lower()))
        # An application without migrations has no state.
        return model.options if model else {ATTACHED: {'last_price'}}

    def price_label(self, app_label):
        return '.'.join(self.label(app_label, self.price)).lower()

    def keeps_last_price(self, app_label, attached):
        """Whether it is this operation that does, as attach() decides it."""
        if 'last_price' in self.named:
            return self.named['last_price'] == 'last_price'
        return not attached & {'last_price', self.price_label(app_label)}

    def allowed(self, schema_editor, models):
        connection = schema_editor.connection
        # The router alone: tables of unmanaged models are attached, too.
        return connection.vendor == 'postgresql' and all(
            not model._meta.swapped
            and router.allow_migrate_model(connection.alias, model)
            for model in models)

    def steps(self, app_label, state):
        """The additions, each with the states before and after it: a table
        that is made anew, as in SQLite, has the fields of those before."""
        label, additions = self.additions(app_label)
        for addition in additions:
            after = state.clone()
            addition.state_forwards(label, after)
            yield label, addition, state, after
            state = after

    def database_forwards(self, app_label, schema_editor, from_state,
                          to_state):
        for label, addition, before, after in self.steps(
                app_label, from_state):
            addition.database_forwards(label, schema_editor, before, after)
        listing, price = self.models(app_label, to_state)
        if self.allowed(schema_editor, (listing, price)):
            call(schema_editor, self.function,
                 self.arguments(schema_editor, listing, price))

    def database_backwards(self, app_label, schema_editor, from_state,
                           to_state):
        listing, price = self.models(app_label, from_state)
        if self.allowed(schema_editor, (listing, price)):
            attached = self.options(app_label, to_state).get(
                ATTACHED, frozenset())
            self.detach(schema_editor, listing, price,
                        self.keeps_last_price(app_label, attached))
        for label, addition, before, after in reversed(
                list(self.steps(app_label, to_state))):
            addition.database_backwards(label, schema_editor, after, before)

    def arguments(self, schema_editor, listing, price):
        """Those of the SQL function, by name: of fields their columns."""
        quote = schema_editor.quote_name
        columns = {}
        for name, value in self.named.items():
            if name in KEPT:
                columns[name] = column(listing, value)
            elif name in ('at', 'value', 'tie'):
                columns[name] = column(price, value)
            elif name in ('key', 'listing_key'):
                model = price if name == 'key' else listing
                names = [value] if isinstance(value, str) else value
                columns[name] = ', '.join(
                    quote(column(model, each)) for each in names)
            elif name == 'carry' and value != 'none':
                columns[name] = ', '.join(
                    f'{quote(column(price, carried))} AS '
                    f'{quote(column(listing, kept))}'
                    for carried, kept in value.items())
            elif isinstance(value, Q):
                columns[name] = condition_sql(schema_editor, price, value)
            else:
                columns[name] = value
        tables = zip(self.tables, (listing, price))
        return {**{name: quote(model._meta.db_table)
                   for name, model in tables}, **columns}

    def describe(self):
        return f'Keeps what {self.price} says in {self.listing}'

    @property
    def migration_name_fragment(self):
        return f'{self.listing}_keeps_{self.price}'.replace('.', '_').lower()


class Attach(Keeping):
    """Keeps what the prices say in fields of the listing.

    listing and price are names of models, 'app.Model' of another app; all
    else are names of fields of these, as the arguments of attach() in SQL:
    last_price and the like, key, listing_key (lists where there are
    several), at, value, tie.  carry is a dict from fields of the price to
    fields of the listing, condition a Q of the price's fields, or SQL.  What
    is None is found, or has its default.

    The kept fields are there by AddField, which makemigrations writes; or
    fields, a list of (name, field), adds them.

    In reverse nothing keeps these fields any longer, and others as before.
    The first Attach of two models keeps last_price unless it says otherwise
    or another keeps it, and gives that up too.  What RunSQL attached before
    is not known here: reverse by RunSQL what is added to that.
    """

    function = 'attach'
    tables = ('listing', 'price')

    def __init__(self, listing, price, last_price=None, last_price_at=None,
                 previous_price=None, lowest_price=None, highest_price=None,
                 price_count=None, price_total=None, first_price=None,
                 key=None, listing_key=None, at=None, value=None, tie=None,
                 carry=None, condition=None, empty=None, null_value=None,
                 guard=None, replication=None, backfill=None, fields=()):
        given = dict(locals())
        self.listing, self.price, self.fields = listing, price, fields
        self.named = {
            name: value for name, value in given.items() if value is not None
            and name not in ('self', 'listing', 'price', 'fields',
                             '__class__')}

    def detach(self, schema_editor, listing, price, keeps_last_price):
        quote = schema_editor.quote_name
        tables = [quote(model._meta.db_table) for model in (listing, price)]
        ours = {column(listing, self.named[name])
                for name in KEPT if self.named.get(name, 'none') != 'none'}
        carried = self.named.get('carry')
        if carried and carried != 'none':
            ours |= {column(listing, kept) for kept in carried.values()}
        one = min(ours, default='last_price')
        if not ours or keeps_last_price:
            ours.add('last_price')
        rest = what_else_is_kept(schema_editor, tables, ours)
        if schema_editor.collect_sql:
            schema_editor.collected_sql.append(
                '-- detach() ends all that these triggers keep. attach() keeps '
                'the rest again, as it is in this database now.')
        schema_editor.execute(
            'SELECT listing_stats.detach(%s, %s, %s)', [*tables, one])
        if rest:
            call(schema_editor, 'attach', rest)


class KeepLatest(Keeping):
    """Keeps the latest row of each key in a model of its own, latest, which
    has a UniqueConstraint of the fields of the key.  Arguments as those of
    Attach; the fields of the key have the same columns in both models."""

    function = 'keep_latest'
    tables = ('latest_table', 'price')

    def __init__(self, price, latest, key=None, at=None, value=None,
                 tie=None, carry=None, last_price=None, last_price_at=None,
                 previous_price=None, lowest_price=None, highest_price=None,
                 price_count=None, price_total=None, first_price=None,
                 condition=None, null_value=None, guard=None,
                 replication=None, backfill=None, fields=()):
        given = dict(locals())
        self.listing, self.price, self.fields = latest, price, fields
        self.named = {
            name: value for name, value in given.items() if value is not None
            and name not in ('self', 'latest', 'price', 'fields',
                             '__class__')}

    def detach(self, schema_editor, listing, price, keeps_last_price):
        schema_editor.execute(
            'SELECT listing_stats.detach(%s, %s)',
            [schema_editor.quote_name(model._meta.db_table)
             for model in (listing, price)])


def column(model, name):
    return name if name == 'none' else model._meta.get_field(name).column


def call(schema_editor, function, arguments):
    names = ', '.join(f'{name} => %s' for name in arguments)
    statement = f'SELECT listing_stats.{function}({names})'
    values = list(arguments.values())
    if schema_editor.collect_sql:
        # What Django makes of values to be shown has percent signs twice.
        statement %= tuple(literal(schema_editor, value) for value in values)
        values = None
    schema_editor.execute(statement, values)


def literal(schema_editor, value):
    # quote_value() expects that a percent sign is sent with parameters.
    return str(schema_editor.quote_value(value)).replace('%%', '%')


def condition_sql(schema_editor, model, condition):
    """As Django makes that of a CheckConstraint."""
    connection = schema_editor.connection
    query = Query(model=model, alias_cols=False)
    where = query.build_where(condition)
    sql, params = where.as_sql(query.get_compiler(connection=connection),
                               connection)
    return sql % tuple(literal(schema_editor, value) for value in params)


def what_else_is_kept(schema_editor, tables, ours):
    """The arguments of attach() for what an attachment of these columns
    keeps besides them; None if nothing."""
    with schema_editor.connection.cursor() as cursor:
        # sqlmigrate shows SQL of what is not there yet.
        cursor.execute("SELECT to_regclass('listing_stats.attachments')")
        if cursor.fetchone() == (None,):
            return None
        cursor.execute(
            'SELECT * FROM listing_stats.attachments '
            'WHERE listing = to_regclass(%s) AND price = to_regclass(%s)',
            tables)
        names = [each[0] for each in cursor.description]
        rows = [dict(zip(names, row)) for row in cursor.fetchall()]
    for row in rows:
        # 'currency AS last_currency, url AS shop_url'
        carried = {each.rsplit(' AS ', 1)[1].strip('"'): each
                   for each in (row['carry'] or '').split(', ') if each}
        kept = {row[name] for name in KEPT if row[name]} | carried.keys()
        if not kept & ours or not kept - ours:
            continue
        rest = dict(zip(('listing', 'price'), tables))
        rest['last_price'] = 'none'
        rest.update({name: row[name] for name in KEPT
                     if row[name] and row[name] not in ours})
        rest.update({name: row[name] for name in (
            'key', 'listing_key', 'at', 'value', 'tie', 'condition', 'empty',
            'null_value', 'guard', 'replication') if row[name]})
        carry = ', '.join(each for name, each in carried.items()
                          if name not in ours)
        return {**rest, 'carry': carry} if carry else rest
    return None
