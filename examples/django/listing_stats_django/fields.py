"""Fields for the columns that listing_stats keeps."""
from django.db import models


class Kept:
    """Makes a field one of a column that listing_stats keeps: read-only.

    A saved object never overwrites it: UPDATE sets the column to itself, and
    INSERT to NULL, or to the field's default if it is not null; the database
    puts in what the prices say.  It is not in forms, and read-only in
    serializers.  Like every attribute it is as old as the object:
    refresh_from_db() reads it again.

    Of other types than those below:  class KeptX(Kept, models.X): pass
    """

    def __init__(self, *args, **kwargs):
        kwargs.setdefault('null', True)
        kwargs['editable'] = False
        super().__init__(*args, **kwargs)

    def deconstruct(self):
        name, path, args, kwargs = super().deconstruct()
        del kwargs['editable']
        if not kwargs.pop('null', False):
            kwargs['null'] = False
        return name, path, args, kwargs

    def pre_save(self, instance, add):
        if not add:
            return models.F(self.attname)
        value = None if self.null else self.get_default()
        setattr(instance, self.attname, value)
        return value


class KeptDecimalField(Kept, models.DecimalField):
    """last_price, previous_price, lowest_price ...: with the digits of the
    price.  price_total needs more of them."""


class KeptFloatField(Kept, models.FloatField):
    pass


class KeptIntegerField(Kept, models.IntegerField):
    pass


class KeptBigIntegerField(Kept, models.BigIntegerField):
    """price_count, which may be null=False, default=0."""


class KeptDateTimeField(Kept, models.DateTimeField):
    """last_price_at"""


class KeptDateField(Kept, models.DateField):
    pass


class KeptCharField(Kept, models.CharField):
    pass


class KeptTextField(Kept, models.TextField):
    pass


class KeptBooleanField(Kept, models.BooleanField):
    pass


class KeptUUIDField(Kept, models.UUIDField):
    pass


class KeptJSONField(Kept, models.JSONField):
    pass


class KeptForeignKey(Kept, models.ForeignKey):
    """A reference that is carried, or the price itself:
    carry={'id': 'last_offer'}, with on_delete=SET_NULL."""
