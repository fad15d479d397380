from django.contrib import admin

from recipes.models import Product


@admin.register(Product)
class ProductAdmin(admin.ModelAdmin):
    list_display = ['name', 'last_price', 'last_price_at', 'offer_count']
    list_filter = ['last_currency']
    # Kept fields are in no form; this shows them.
    readonly_fields = ['last_price', 'last_price_at', 'lowest_price']
