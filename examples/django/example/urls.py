from django.contrib import admin
from django.urls import path

from myapp.views import VARIANTS

urlpatterns = [
    path('admin/', admin.site.urls),
    *(path(f'{name}/', view.as_view(), name=name)
      for name, view in VARIANTS.items()),
]
