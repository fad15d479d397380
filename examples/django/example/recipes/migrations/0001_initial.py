"""As makemigrations wrote it."""
from django.db import migrations, models
import django.db.models.deletion
import django.utils.timezone
import listing_stats_django.fields


class Migration(migrations.Migration):

    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name='LatestRate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('base', models.CharField(max_length=3)),
                ('quote', models.CharField(max_length=3)),
                ('rate', listing_stats_django.fields.KeptDecimalField(decimal_places=6, max_digits=12)),
                ('day', listing_stats_django.fields.KeptDateField()),
            ],
        ),
        migrations.CreateModel(
            name='Offer',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('seen', models.DateTimeField(default=django.utils.timezone.now)),
                ('amount', models.DecimalField(decimal_places=2, max_digits=10, null=True)),
                ('currency', models.CharField(default='EUR', max_length=3)),
                ('note', models.TextField(default='')),
                ('withdrawn', models.DateTimeField(null=True)),
            ],
        ),
        migrations.CreateModel(
            name='Product',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.TextField()),
                ('last_price', listing_stats_django.fields.KeptDecimalField(decimal_places=2, max_digits=10)),
                ('last_price_at', listing_stats_django.fields.KeptDateTimeField()),
                ('previous_price', listing_stats_django.fields.KeptDecimalField(decimal_places=2, max_digits=10)),
                ('lowest_price', listing_stats_django.fields.KeptDecimalField(decimal_places=2, max_digits=10)),
                ('highest_price', listing_stats_django.fields.KeptDecimalField(decimal_places=2, max_digits=10)),
                ('first_price', listing_stats_django.fields.KeptDecimalField(decimal_places=2, max_digits=10)),
                ('last_currency', listing_stats_django.fields.KeptCharField(max_length=3)),
            ],
        ),
        migrations.CreateModel(
            name='Rate',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('base', models.CharField(max_length=3)),
                ('quote', models.CharField(max_length=3)),
                ('day', models.DateField()),
                ('rate', models.DecimalField(decimal_places=6, max_digits=12)),
            ],
        ),
        migrations.CreateModel(
            name='Stocked',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('store', models.IntegerField()),
                ('product', models.CharField(max_length=20)),
                ('last_price', listing_stats_django.fields.KeptDecimalField(decimal_places=2, max_digits=10)),
            ],
        ),
        migrations.CreateModel(
            name='StorePrice',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('store_number', models.IntegerField(db_column='store')),
                ('product', models.CharField(max_length=20)),
                ('created', models.DateTimeField(default=django.utils.timezone.now)),
                ('value', models.DecimalField(decimal_places=2, max_digits=10)),
            ],
        ),
        migrations.AddConstraint(
            model_name='stocked',
            constraint=models.UniqueConstraint(fields=('store', 'product'), name='one_of_each'),
        ),
        migrations.AddField(
            model_name='product',
            name='last_offer',
            field=listing_stats_django.fields.KeptForeignKey(on_delete=django.db.models.deletion.SET_NULL, related_name='+', to='recipes.offer'),
        ),
        migrations.AddField(
            model_name='offer',
            name='product',
            field=models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='offers', to='recipes.product'),
        ),
        migrations.AddConstraint(
            model_name='latestrate',
            constraint=models.UniqueConstraint(fields=('base', 'quote'), name='one_of_each_pair'),
        ),
    ]
