"""A page of listings with their prices, how many the filter leaves, and
statistics of the latest prices of all of those: in five ways.
"""
import re
import statistics

from django.db.models import Prefetch
from django.http import HttpResponse
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.response import Response
from rest_framework.views import APIView

from listing_stats_django import PriceSummary
from myapp.models import Listing, Price

PAGE_SIZE = 150


def price_statistics(values):
    """What price_stats_json() computes, in Python."""
    values = list(values)
    known = [value for value in values if value is not None]
    q1 = median = q3 = known[0] if known else None
    if len(known) > 1:
        q1, median, q3 = statistics.quantiles(known, method='inclusive')
    return {
        'count': len(known),
        'nulls': len(values) - len(known),
        'min': min(known, default=None),
        'q1': q1,
        'median': median,
        'q3': q3,
        'max': max(known, default=None),
        'mean': statistics.mean(known) if known else None,
        'stddev': statistics.stdev(known) if len(known) > 1 else None,
        'sum': sum(known) if known else None,
    }


class PriceSerializer(serializers.ModelSerializer):
    class Meta:
        model = Price
        fields = ['created', 'value']


class ListingSerializer(serializers.ModelSerializer):
    prices = PriceSerializer(many=True)

    class Meta:
        model = Listing
        fields = ['id', 'url', 'description', 'last_price', 'prices']


class ListingPage(APIView):
    """?search=bike&page=2"""

    def get(self, request):
        listings = Listing.objects.filter(
            description__icontains=request.GET.get('search', ''))
        page = request.GET.get('page', '1')
        if not re.fullmatch('[1-9][0-9]{0,8}', page):
            raise NotFound('Invalid page.')
        return self.page(listings, PAGE_SIZE * (int(page) - 1))


class Naive(ListingPage):
    """As one writes it first: a query for each listing's latest price, and
    one for its prices."""

    def page(self, listings, offset):
        return Response({
            'count': listings.count(),
            'statistics': price_statistics(
                listing.latest_price() for listing in listings),
            'results': NaiveSerializer(
                listings[offset:offset + PAGE_SIZE], many=True).data,
        })


class NaiveSerializer(ListingSerializer):
    last_price = serializers.DecimalField(
        source='latest_price', max_digits=10, decimal_places=2)
    prices = PriceSerializer(source='newest_first', many=True)


def with_prices(listings):
    return listings.prefetch_related(
        Prefetch('prices', Price.objects.order_by('-created', '-id')))


class Prefetched(ListingPage):
    """The prices of all listings are fetched together, also of those that
    are not on the page: their latest price counts."""

    def page(self, listings, offset):
        listings = list(with_prices(listings))
        for listing in listings:
            prices = listing.prices.all()
            listing.last_price = prices[0].value if prices else None
        return Response({
            'count': len(listings),
            'statistics': price_statistics(
                listing.last_price for listing in listings),
            'results': ListingSerializer(
                listings[offset:offset + PAGE_SIZE], many=True).data,
        })


class HandKept(ListingPage):
    """The latest price is in a column that the application keeps, and the
    statistics are computed in Python."""

    def page(self, listings, offset):
        values = listings.values_list('hand_kept_price', flat=True)
        return Response({
            'count': len(values),
            'statistics': price_statistics(values),
            'results': HandKeptSerializer(
                with_prices(listings)[offset:offset + PAGE_SIZE],
                many=True).data,
        })


class HandKeptSerializer(ListingSerializer):
    last_price = serializers.DecimalField(
        source='hand_kept_price', max_digits=10, decimal_places=2)


class Aggregated(ListingPage):
    """The extension keeps the column and computes the statistics; the rest
    is Django's."""

    def page(self, listings, offset):
        stats = listings.aggregate(stats=PriceSummary('last_price'))['stats']
        return Response({
            'count': stats['count'] + stats['nulls'],
            'statistics': stats,
            'results': ListingSerializer(
                with_prices(listings)[offset:offset + PAGE_SIZE],
                many=True).data,
        })


class OneStatement(ListingPage):
    """The server makes the JSON, which is handed on as it is."""

    def page(self, listings, offset):
        return HttpResponse(listings.page_json(PAGE_SIZE, offset),
                            content_type='application/json')


VARIANTS = {
    'naive': Naive,
    'prefetched': Prefetched,
    'hand-kept': HandKept,
    'aggregated': Aggregated,
    'one-statement': OneStatement,
}
