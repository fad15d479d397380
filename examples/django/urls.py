from django.urls import path

from myapp.views import VARIANTS

urlpatterns = [
    path(f'{name}/', view.as_view(), name=name)
    for name, view in VARIANTS.items()
]
