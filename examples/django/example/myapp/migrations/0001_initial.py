import django.db.models.deletion
import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    operations = [
        migrations.CreateModel(
            name='Listing',
            fields=[
                ('id', models.BigAutoField(
                    auto_created=True, primary_key=True, serialize=False,
                    verbose_name='ID')),
                ('url', models.URLField(unique=True)),
                ('description', models.TextField()),
            ],
            options={'ordering': ['id']},
        ),
        migrations.CreateModel(
            name='Price',
            fields=[
                ('id', models.BigAutoField(
                    auto_created=True, primary_key=True, serialize=False,
                    verbose_name='ID')),
                ('created', models.DateTimeField(
                    default=django.utils.timezone.now)),
                ('value', models.DecimalField(
                    decimal_places=2, max_digits=10, null=True)),
                ('listing', models.ForeignKey(
                    on_delete=django.db.models.deletion.CASCADE,
                    related_name='prices', to='myapp.listing')),
            ],
        ),
    ]
